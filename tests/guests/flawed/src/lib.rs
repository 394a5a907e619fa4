//! A plugin that is sound until a flaw is chosen: then it breaks one law, so that tests see the law being caught.
//!
//! The flaw is a word in the component's data, `FLAW`, which a test writes over: one build serves all, and a section has no part in it.
#![cfg(target_family = "wasm")]

mod random;
mod sound;

use op_dbus_plugin::bindings::exports::op_dbus::plugin::state::Guest;
use op_dbus_plugin::netlink::{self, LinkChange, LinkSettings, Request};
use op_dbus_plugin::{
    Action, CheckpointData, Description, Exported, Failure, FailureCode, Mismatch, Operation,
    Outcome, Problem, Watch,
};

use sound::Descriptions;

type Sound = Exported<Descriptions>;

/// The flaw, padded with dots.
#[used]
static FLAW: [u8; 32] = *b"flaw:none.......................";

/// The chosen flaw.
fn flaw() -> &'static str {
    // SAFETY: a read of a static. It must not be folded into the code: a test writes over the data.
    let bytes = unsafe { std::ptr::read_volatile(&raw const POINTER) };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.trim_start_matches("flaw:").trim_end_matches('.')
}

/// Where it is read from: through memory, for the same reason.
static POINTER: &[u8; 32] = &FLAW;

/// A change outside of what was asked for.
fn describe_link(link: &str, text: &str) -> Vec<Result<(), Failure>> {
    netlink::execute(&[Request::ChangeLink(LinkChange {
        link: link.to_owned(),
        new_name: None,
        kind: None,
        settings: LinkSettings {
            description: Some(text.to_owned()),
            ..Default::default()
        },
    })])
}

/// What is asked for by whoever takes mirrors away.
const MIRRORS: &str = r#"{"netlink": {"change": ["*"]}, "ovsdb": {"databases": ["Open_vSwitch"], "bridges": ["*"], "ports": ["*"],
    "tables": {"Bridge": ["update"]}}}"#;

/// A change that shows in no column but one that refers to other rows.
fn take_mirrors_away() -> Result<(), Failure> {
    let none =
        r#"[{"op": "update", "table": "Bridge", "where": [], "row": {"mirrors": ["set", []]}}]"#;
    op_dbus_plugin::ovsdb::transact("Open_vSwitch", none).map(drop)
}

#[inline(never)]
fn dig(depth: u64) -> u64 {
    // More than a stack holds, and nothing that a compiler could make a loop of.
    let below = if depth == 0 { 0 } else { dig(depth - 1) };
    std::hint::black_box(below) + std::hint::black_box(depth)
}

/// A step over a cliff, with a name of its own for the stack.
#[inline(never)]
fn fall_over_the_edge(text: &str) {
    panic!("over the edge: {text}");
}

struct Flawed;

impl Guest for Flawed {
    fn describe() -> Description {
        let mut description = Sound::describe();
        match flaw() {
            "describe-calls" => drop(netlink::links(&[])),
            "describe-random" => description.summary = format!("{:x}", random::number()),
            "schema-invalid" => description.schema = r#"{"type": 12}"#.into(),
            "schema-open" | "keys-ignored" => {
                let closed = r#""additionalProperties":false"#;
                description.schema = description.schema.replace(closed, r#""title":"open""#);
            }
            "asks-nonsense" => description.asks = r#"{"netlinc": {"see": ["*"]}}"#.into(),
            "asks-little" => description.asks = r#"{"netlink": {"see": ["*"]}}"#.into(),
            "mirrors-stay-away" => description.asks = MIRRORS.into(),
            "name" => description.name = "Flawed Plugin".into(),
            "version" => description.version = "one".into(),
            _ => {}
        }
        description
    }

    fn watches() -> Vec<Watch> {
        Sound::watches()
    }

    fn validate(desired: String) -> Vec<Problem> {
        op_dbus_plugin::log::panics();
        match flaw() {
            "trap" => fall_over_the_edge(&desired),
            "keys-ignored" => return Vec::new(),
            _ => {}
        }
        Sound::validate(desired)
    }

    fn query(within: Option<String>) -> Result<String, Failure> {
        match flaw() {
            "query-random" => {
                let mut links = sound::all()?;
                if let Some(link) = links.links.first_mut() {
                    link.description = Some(format!("{:x}", random::number()));
                }
                return Ok(serde_json::to_string(&links)?);
            }
            "query-off-schema" => {
                let answer = Sound::query(within)?;
                return Ok(answer.replacen('{', r#"{"surprise":true,"#, 1));
            }
            "unavailable" => return Err(Failure::new(FailureCode::Unavailable, "nobody answers")),
            "query-writes" => drop(describe_link("eth1", "query was here")),
            "hog" => drop(std::hint::black_box(vec![1u8; 600 << 20])),
            "loop" => loop {
                std::hint::black_box(0);
            },
            "dig" => drop(std::hint::black_box(dig(u64::MAX))),
            "chatter" => {
                for _ in 0..5000 {
                    op_dbus_plugin::log::write(op_dbus_plugin::log::Level::Trace, "and so on");
                }
            }
            "links-are-there" => {
                let links = netlink::links(&[]).expect("links can be read");
                assert!(!links.is_empty(), "there is a link");
            }
            _ => {}
        }
        Sound::query(within)
    }

    fn diff(current: String, desired: String) -> Result<Vec<Action>, Failure> {
        match flaw() {
            "diff-never-done" => {
                let mut actions = Sound::diff(current, desired)?;
                actions.push(Action {
                    operation: Operation::Modify,
                    target: "eth0".into(),
                    before: None,
                    after: Some("null".into()),
                    summary: "once more".into(),
                    disruptive: false,
                });
                return Ok(actions);
            }
            "diff-declines" => return Err(Failure::unsupported("not today")),
            "diff-calls" => drop(netlink::links(&[])),
            "garbage" => {
                let desired: serde_json::Value = serde_json::from_str(&desired).unwrap();
                drop(desired);
            }
            _ => {}
        }
        Sound::diff(current, desired)
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        let succeeded = |actions: &[Action]| -> Vec<Outcome> {
            let one = |action: &Action| Outcome {
                target: action.target.clone(),
                summary: action.summary.clone(),
                failed: None,
            };
            actions.iter().map(one).collect()
        };
        match flaw() {
            "apply-nothing" => return Ok(succeeded(&actions)),
            "apply-swallows" => {
                drop(Sound::apply(actions.clone()));
                return Ok(succeeded(&actions));
            }
            "apply-forgets-one" => {
                let mut outcomes = Sound::apply(actions)?;
                outcomes.pop();
                return Ok(outcomes);
            }
            "mirrors-stay-away" if !actions.is_empty() => take_mirrors_away()?,
            "apply-restless" if actions.is_empty() => {
                drop(describe_link("eth3", &format!("{:x}", random::number())));
            }
            _ => {}
        }
        Sound::apply(actions)
    }

    fn verify(desired: String) -> Result<Vec<Mismatch>, Failure> {
        match flaw() {
            "verify-blind" => Ok(Vec::new()),
            "verify-sees-ghosts" => Ok(vec![Mismatch {
                path: "/links".into(),
                want: "1".into(),
                have: None,
            }]),
            _ => Sound::verify(desired),
        }
    }

    fn checkpoint(within: Option<String>) -> Result<CheckpointData, Failure> {
        Sound::checkpoint(within)
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        match flaw() {
            "rollback-nothing" => Ok(Vec::new()),
            _ => Sound::rollback(to),
        }
    }

    fn release(checkpoint: CheckpointData) -> Result<(), Failure> {
        Sound::release(checkpoint)
    }
}

op_dbus_plugin::bindings::export!(Flawed with_types_in op_dbus_plugin::bindings);
