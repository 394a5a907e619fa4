//! What a plugin can do wrong.

use std::hint::black_box;

use op_dbus_plugin::netlink::{self, LinkSelector, Request};
use op_dbus_plugin::{Failure, log, ovsdb};
use serde::{Deserialize, Serialize};

/// One wrong thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misdeed {
    /// Reaches what cannot be reached.
    Trap,
    /// Never ends.
    Loop,
    /// Takes memory until there is no more.
    Grow,
    /// Calls itself until the stack is full.
    Recurse,
    /// Says that it failed.
    Fail,
    /// Says that all is as it should be, and does nothing.
    Lie,
    /// Gives fewer outcomes than there were actions.
    Forget,
    /// Says how many calls the instance has served.
    Remember,
    /// Says what it was told in `note`.
    Tell,
    /// Calls a server that does not answer.
    Hang,
    /// Logs so many lines, each with escapes, line breaks and so many bytes.
    Log {
        /// How many.
        lines: u32,
        /// How long each is.
        length: usize,
    },
    /// Tells its progress so many times.
    Progress(u32),
    /// Asks for so many batches of so many changes to a link that is not its own.
    Ask {
        /// How many batches.
        batches: u32,
        /// How many requests in each.
        requests: usize,
        /// The link.
        link: String,
    },
    /// Looks for so many links at once.
    Look(usize),
    /// Runs operations on Open vSwitch's database.
    Transact(Bomb),
    /// Answers with this document.
    Bomb(Bomb),
}

/// A JSON document that is hard on its reader.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bomb {
    /// Lists in lists.
    Deep(usize),
    /// A number of so many digits.
    Digits(usize),
    /// The same key twice.
    Twice,
    /// A text of so many bytes.
    Long(usize),
    /// A list of so many empty lists.
    Wide(usize),
    /// This text, which need not be JSON.
    Text(String),
}

impl Bomb {
    /// The document.
    pub fn text(&self) -> String {
        match self {
            Self::Deep(levels) => format!("{}{}", "[".repeat(*levels), "]".repeat(*levels)),
            Self::Digits(count) => format!("[{}]", "9".repeat(*count)),
            Self::Twice => r#"{"a": 1, "\u0061": 2}"#.into(),
            Self::Long(bytes) => format!("{:?}", "a".repeat(*bytes)),
            Self::Wide(items) => format!("[{}[]]", "[],".repeat(*items)),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Misdeed {
    /// Does it. Where it is about what an export answers, the export sees to that.
    pub fn commit(&self) -> Result<(), Failure> {
        match self {
            Self::Trap => panic!("on purpose"),
            Self::Loop => loop {
                black_box(());
            },
            Self::Grow => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1_u8; 1 << 20]);
                    black_box(&kept);
                }
            }
            Self::Recurse => {
                black_box(recurse(1));
            }
            Self::Fail => return Err(Failure::internal("it failed on purpose")),
            Self::Lie | Self::Forget | Self::Remember | Self::Tell | Self::Bomb(_) => {}
            Self::Hang => {
                ovsdb::databases()?;
            }
            Self::Log { lines, length } => {
                let line = format!("\u{1b}[2J\n\0forged: \u{202e}{}", "x".repeat(*length));
                (0..*lines).for_each(|_| log::write(log::Level::Warn, &line));
            }
            Self::Progress(times) => {
                (0..*times).for_each(|time| log::progress(time % 2, 2));
            }
            Self::Ask {
                batches,
                requests,
                link,
            } => {
                let batch = vec![Request::DeleteLink(link.clone()); *requests];
                let mut last = Ok(());
                for _ in 0..*batches {
                    last = netlink::execute(&batch).into_iter().collect();
                }
                last?;
            }
            Self::Look(count) => {
                let selectors: Vec<_> = (0..*count)
                    .map(|number| LinkSelector::Name(format!("h{number}")))
                    .collect();
                netlink::links(&selectors)?;
            }
            Self::Transact(bomb) => {
                ovsdb::transact("Open_vSwitch", &bomb.text())?;
            }
        }
        Ok(())
    }
}

/// The call must not be the last thing that it does, or it would become a loop.
#[allow(unconditional_recursion, reason = "the stack is what is to be used up")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + depth
}
