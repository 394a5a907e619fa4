//! The side of a change that awaits confirmation that somebody may be looking at: `apply --confirm` once all is done.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::keeper::VARIABLE;
use super::report;
use super::session::Session;
use super::talk::say;
use crate::failpoint;
use crate::output::Style;
use crate::output::color::Paint;
use crate::transaction::apply::{self as transaction, Setting};
use crate::transaction::deadline::Deadline;
use crate::transaction::ending::{Ending, Report};
use crate::transaction::interrupt::Interrupt;
use crate::transaction::journal::{Journal, Outcome};
use crate::transaction::lock::Lock;
use crate::transaction::pending::{Answer, Ask, Ended, Talk};
use crate::transaction::plan::Part;
use crate::transaction::state_dir::StateDir;

/// A keeper that was started, as its starter sees it.
pub struct Keeper {
    child: Child,
    talk: Talk,
}

/// How the wait ended.
pub enum Waited {
    /// The keeper has decided.
    Ended(Ended),
    /// The keeper is no more, and has decided nothing.
    KeeperDied(String),
    /// The terminal went away; the keeper goes on.
    HungUp,
}

impl Keeper {
    /// Starts this program once more, as a keeper that shares the lock.
    ///
    /// # Errors
    /// When that cannot be done. Nothing has been touched yet.
    pub async fn start(lock: &Lock) -> anyhow::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new("/proc/self/exe")
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, "1")
            .stdin(Stdio::from(lock.share()?))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .context("a second process, to undo the change if nobody confirms it")?;
        let mut keeper = Self {
            child,
            talk: Talk::over(UnixStream::from_std(ours)?),
        };
        match keeper.talk.hear().await? {
            Some(Answer::Ready) => Ok(keeper),
            Some(Answer::Failed(why)) => {
                bail!("the process that would undo the change cannot work: {why}")
            }
            other => bail!("the process that would undo the change did not start: {other:?}"),
        }
    }

    /// Hands over what was applied and verified.
    ///
    /// # Errors
    /// When the keeper does not take it: then the caller undoes.
    pub async fn hold(&mut self, deadline: &Deadline) -> Result<(), String> {
        let said = self.talk.say(&Ask::Hold(deadline.clone())).await;
        said.map_err(|error| error.to_string())?;
        match self.talk.hear().await {
            Ok(Some(Answer::Holding)) => Ok(()),
            Ok(Some(Answer::Failed(why))) => Err(why),
            other => Err(format!(
                "the process that waits for the word died: {other:?}"
            )),
        }
    }

    /// There is nothing to keep. Returns when the keeper has gone, and with it its share of the lock.
    pub async fn dismiss(mut self) {
        let _ = self.talk.say(&Ask::Dismiss).await;
        let _ = self.talk.hear::<Answer>().await;
        let _ = self.child.wait();
    }

    /// Waits for the keeper's decision. On a terminal somebody may give the word here.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub async fn wait(&mut self, deadline: &Deadline, style: Style) -> anyhow::Result<Waited> {
        let mut interrupt = Interrupt::listen()?;
        let terminal = Terminal::ask(deadline, style);
        let (said, mut words) = mpsc::unbounded_channel();
        if terminal.is_some() {
            listen(said);
        }
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            let ask = tokio::select! {
                answer = self.talk.hear() => return Ok(match answer {
                    Ok(Some(Answer::Ended(ended))) => Waited::Ended(ended),
                    Ok(Some(Answer::Failed(why))) => Waited::KeeperDied(why),
                    other => Waited::KeeperDied(format!("the process that waited for the word died: {other:?}")),
                }),
                Some(word) = words.recv() => match word.as_str() {
                    "yes" | "y" => Ask::Confirm,
                    "no" | "n" => Ask::Rollback,
                    _ => {
                        say("yes or no? ");
                        continue;
                    }
                },
                signal = interrupt.came() => match signal {
                    "SIGHUP" => return Ok(Waited::HungUp),
                    _ => Ask::Rollback,
                },
                _ = tick.tick() => {
                    if let Some(terminal) = &terminal {
                        terminal.show(deadline);
                    }
                    continue;
                }
            };
            // A keeper that decides at this very moment says so next.
            let _ = self.talk.say(&ask).await;
        }
    }
}

/// What a keeper had decided and written down before it died.
fn decided(state: &StateDir, transaction: &str, why: String) -> anyhow::Result<Ended> {
    let last = Journal::last_outcome(state).filter(|(of, _)| of == transaction);
    let (_, outcome) = last.context("what awaited confirmation is gone")?;
    let (kept, incomplete) = match outcome {
        Outcome::Committed => (true, Vec::new()),
        Outcome::Undone { incomplete } => (false, incomplete),
    };
    Ok(Ended {
        kept,
        why,
        incomplete,
        notes: Vec::new(),
    })
}

/// Lines from standard input, on a thread that ends with the process. After its end nothing more comes.
fn listen(said: mpsc::UnboundedSender<String>) {
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if said.send(line.trim().to_lowercase()).is_err() {
                break;
            }
        }
    });
}

/// A terminal on which somebody is asked.
struct Terminal {
    style: Style,
}

impl Terminal {
    /// Asks, if there is one and it is ours to read from.
    fn ask(deadline: &Deadline, style: Style) -> Option<Self> {
        let stdin = io::stdin();
        let ours = tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp());
        if !stdin.is_terminal() || !io::stderr().is_terminal() || !ours {
            say(&format!(
                "done; awaits confirmation until {}: `op-dbus confirm` keeps it, `op-dbus rollback` undoes it now\n",
                deadline.shown
            ));
            return None;
        }
        // What was typed before is no answer.
        let _ = tcflush(&stdin, QueueSelector::IFlush);
        let heading = style.paint(Paint::Heading, "Does everything work?");
        say(&format!(
            "{heading}\n\nyes keeps the new state, no undoes it now (then Enter): "
        ));
        let terminal = Self { style };
        terminal.show(deadline);
        Some(terminal)
    }

    /// The time that is left, on the line above the one that is typed on.
    fn show(&self, deadline: &Deadline) {
        let left = deadline.remaining().as_secs() + 1;
        let text = self.style.paint(
            Paint::Modify,
            format_args!("undone in {left} s unless you say yes"),
        );
        // DECSC, up, to the start, erase, … DECRC: what is being typed stays.
        let mut out = io::stderr().lock();
        let _ = write!(out, "\x1b7\x1b[1A\r\x1b[K{text}\x1b8").and_then(|()| out.flush());
    }
}

/// Applies, and leaves the last word to whoever gives it in time. With `waits` it is waited for.
///
/// # Errors
/// Only before anything was touched, or when nobody can say what became of it.
pub async fn apply(
    session: &Session<'_>,
    lock: &Lock,
    parts: Vec<Part<'_>>,
    setting: &mut Setting<'_>,
    waits: bool,
    style: Style,
) -> anyhow::Result<Report> {
    let mut keeper = Keeper::start(lock).await?;
    let mut report = match transaction::apply(parts, setting).await {
        Ok(report) => report,
        Err(error) => {
            keeper.dismiss().await;
            return Err(error);
        }
    };
    let deadline = match &report.ending {
        Ending::Awaiting(deadline) => deadline.clone(),
        _ => {
            keeper.dismiss().await;
            return Ok(report);
        }
    };
    failpoint!("hold.done")?;
    let waited = match keeper.hold(&deadline).await {
        Err(why) => Waited::KeeperDied(why),
        Ok(()) if !waits => return Ok(report),
        Ok(()) => keeper.wait(&deadline, style).await?,
    };
    let ended = match waited {
        Waited::HungUp => return Ok(report),
        Waited::Ended(ended) => ended,
        // The lock is held here still, and the journal says all that an undo needs.
        Waited::KeeperDied(why) => match session.undo(setting.state, &why).await? {
            Some(recovered) => Ended {
                kept: false,
                why,
                incomplete: recovered.undone.incomplete,
                notes: recovered.undone.notes,
            },
            None => decided(setting.state, &report.transaction, why)?,
        },
    };
    if !ended.kept && ended.incomplete.is_empty() {
        report.checkpoint = None;
    }
    report.ending = report::ended_as(&ended);
    report.notes.extend(ended.notes);
    Ok(report)
}
