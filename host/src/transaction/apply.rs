//! Carrying out a plan: checkpoint, journal, apply, verify, commit; or undo, whatever went wrong.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::book::Book;
use super::checkpoints::{Checkpoints, Noted, Origin};
use super::interrupt::Interrupt;
use super::journal::Journal;
use super::plan::Part;
use super::record::{Begin, Difference, PluginDigest, Who};
use super::state_dir::StateDir;
use super::{process::Process, settle};
use crate::audit::AuditLog;
use crate::backends::netlink::{Group, Kernel, Netlink};
use crate::contract::exports::op_dbus::plugin::state::{Mismatch, Outcome};
use crate::gate::Mode;
use crate::plugin::failure::{PluginError, describe};

/// What means that the system may have come closer to the wish.
const WATCHED: [Group; 5] = [
    Group::Links,
    Group::Addresses,
    Group::Routes,
    Group::Rules,
    Group::Neighbours,
];

/// Why a transaction was undone.
#[derive(Debug)]
pub enum Cause {
    /// A plugin could not go on: a failure, a trap, a deadline.
    Plugin(PluginError),
    /// A step failed; the outcomes say which.
    Step {
        /// The plugin.
        plugin: String,
        /// The object.
        target: String,
        /// What the backend said.
        message: String,
    },
    /// Everything was done, but the system does not show it.
    Mismatch(Vec<(String, Vec<Mismatch>)>),
    /// Everything was restored, but rehearsing it once more would still change these objects.
    NotRestored(Vec<String>),
    /// Somebody asked to stop, by this signal.
    Interrupted(&'static str),
    /// The outcome could not be written down.
    Journal(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(error) => write!(f, "{error}"),
            Self::Step {
                plugin,
                target,
                message,
            } => write!(f, "{plugin}: {target}: {message}"),
            Self::Mismatch(found) => {
                let count: usize = found.iter().map(|(_, mismatches)| mismatches.len()).sum();
                write!(f, "the system was read back and differs in {count} places")
            }
            Self::NotRestored(objects) => {
                write!(
                    f,
                    "the system was read back and is not as the checkpoint says: {}",
                    objects.join(", ")
                )
            }
            Self::Interrupted(signal) => write!(f, "{signal} came"),
            Self::Journal(message) => f.write_str(message),
        }
    }
}

/// How a transaction ended.
#[derive(Debug)]
pub enum Ending {
    /// The new state holds.
    Applied,
    /// The old state holds.
    RolledBack(Cause),
    /// Neither does: each object that is not as it was.
    Incomplete(Cause, Vec<Difference>),
}

impl Ending {
    /// Whether the new state holds.
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied)
    }
}

/// What a transaction did.
#[derive(Debug)]
pub struct Report {
    /// Its identity.
    pub transaction: String,
    /// The checkpoint of before, while there is something to go back to.
    pub checkpoint: Option<u64>,
    /// What became of each step, by plugin.
    pub outcomes: Vec<(String, Vec<Outcome>)>,
    /// Whether the system was read back.
    pub verified: bool,
    /// How it ended.
    pub ending: Ending,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

/// What a transaction needs beside its parts.
pub struct Setting<'a> {
    /// Where its journal and checkpoints go. The caller holds the lock.
    pub state: &'a StateDir,
    /// The kernel, for undo and events.
    pub kernel: &'a Arc<Netlink>,
    /// The command line, for whoever reads the journal.
    pub command: &'a str,
    /// How long the system may take to show what was done; nothing to skip that.
    pub verify: Option<Duration>,
}

/// Begins a journal for a transaction of these plugins.
///
/// # Errors
/// When the state directory cannot be written: then nothing has been touched.
pub fn begin<'p>(
    state: &StateDir,
    command: &str,
    plugins: impl IntoIterator<Item = (&'p str, &'p str)>,
) -> anyhow::Result<(String, Book)> {
    let process = Process::current().context("this process cannot be told")?;
    let now = std::time::SystemTime::now();
    let transaction = format!("{}-{}", humantime::format_rfc3339_millis(now), process.pid);
    let begin = Begin {
        transaction: transaction.clone(),
        process,
        who: Who::current(),
        command: command.to_owned(),
        plugins: plugins
            .into_iter()
            .map(|(plugin, digest)| PluginDigest {
                plugin: plugin.to_owned(),
                digest: digest.to_owned(),
            })
            .collect(),
        time: humantime::format_rfc3339_micros(now).to_string(),
    };
    let log = AuditLog::open(&state.audit()).context("the audit log cannot be opened")?;
    let journal = Journal::begin(state, begin.clone())?;
    Ok((transaction, Book::transaction(journal, log, begin)))
}

/// Undoes an open transaction and says how that ended.
pub async fn roll_back(book: &Book, kernel: &dyn Kernel, cause: Cause) -> (Ending, Vec<String>) {
    match book.undo(kernel, &cause.to_string()).await {
        Ok(undone) if undone.incomplete.is_empty() => (Ending::RolledBack(cause), undone.notes),
        Ok(undone) => (Ending::Incomplete(cause, undone.incomplete), undone.notes),
        Err(failure) => {
            let unknown = Difference {
                object: "the whole transaction".into(),
                is: "unknown".into(),
                should_be: "as before".into(),
                because: Some(describe(&failure)),
            };
            (Ending::Incomplete(cause, vec![unknown]), Vec::new())
        }
    }
}

/// Carries out parts, of which at least one has something to do, as one transaction. The book of each part's caller is replaced by the
/// transaction's own.
///
/// # Errors
/// Only before anything was touched; from then on the report tells.
pub async fn apply(mut parts: Vec<Part<'_>>, setting: &Setting<'_>) -> anyhow::Result<Report> {
    let mut interrupt = Interrupt::listen().context("signals cannot be listened to")?;
    let mut noted = Vec::new();
    for part in &parts {
        let checkpoint = part.caller.checkpoint(Some(&part.desired)).await?;
        noted.push(Noted {
            plugin: part.name().to_owned(),
            checkpoint,
        });
    }
    // Listening starts before the first change, so that no event is missed.
    let events = setting
        .kernel
        .watch(&WATCHED)
        .map_err(crate::plugin::failure::to_error)?;
    let digests = parts
        .iter()
        .map(|part| (part.name(), part.caller.plugin.digest.as_str()));
    let (transaction, book) = begin(setting.state, setting.command, digests)?;
    let checkpoints = Checkpoints::new(setting.state.checkpoints());
    let checkpoint = match checkpoints.add(Origin::Apply, transaction.clone(), noted) {
        Ok(checkpoint) => checkpoint.id,
        Err(error) => {
            // Nothing was touched; the journal is closed again.
            roll_back(&book, &**setting.kernel, Cause::Journal(error.to_string())).await;
            return Err(error);
        }
    };
    let book = Arc::new(book);
    for part in &mut parts {
        part.caller.recorder = book.clone();
    }

    let mut outcomes = Vec::new();
    let working = async {
        carry_out(&parts, &mut outcomes).await?;
        if let Some(within) = setting.verify {
            let found = settle::verify(&parts, events, within)
                .await
                .map_err(Cause::Plugin)?;
            if !found.is_empty() {
                return Err(Cause::Mismatch(found));
            }
        }
        Ok(())
    };
    let worked = tokio::select! {
        worked = working => worked,
        signal = interrupt.came() => Err(Cause::Interrupted(signal)),
    };
    let worked = match worked {
        Ok(()) => commit(&book, &checkpoints, checkpoint).await,
        failed => failed,
    };
    let (ending, notes) = match worked {
        Ok(()) => (Ending::Applied, Vec::new()),
        Err(cause) => {
            let ended = roll_back(&book, &**setting.kernel, cause).await;
            // The old state holds: there is nothing to go back to.
            if matches!(ended.0, Ending::RolledBack(_)) {
                checkpoints.delete(checkpoint)?;
            }
            ended
        }
    };
    let checkpoint = (!matches!(ending, Ending::RolledBack(_))).then_some(checkpoint);
    Ok(Report {
        transaction,
        checkpoint,
        outcomes,
        verified: setting.verify.is_some(),
        ending,
        notes,
    })
}

/// Puts what was touched into the checkpoint, then closes the journal.
async fn commit(book: &Book, checkpoints: &Checkpoints, id: u64) -> Result<(), Cause> {
    checkpoints
        .set_images(id, book.images().await)
        .map_err(|error| Cause::Journal(format!("{error:#}")))?;
    book.commit()
        .await
        .map_err(|error| Cause::Journal(error.to_string()))
}

/// Lets each plugin carry out its steps, and stops at the first that fails.
async fn carry_out(
    parts: &[Part<'_>],
    outcomes: &mut Vec<(String, Vec<Outcome>)>,
) -> Result<(), Cause> {
    for part in parts.iter().filter(|part| !part.actions.is_empty()) {
        let done = part
            .caller
            .apply(Mode::Change, &part.actions)
            .await
            .map_err(Cause::Plugin)?;
        let failed = first_failure(part.name(), &done);
        outcomes.push((part.name().to_owned(), done));
        if let Some(cause) = failed {
            return Err(cause);
        }
    }
    Ok(())
}

/// The first step that failed, as a cause.
pub fn first_failure(plugin: &str, outcomes: &[Outcome]) -> Option<Cause> {
    outcomes.iter().find_map(|outcome| {
        outcome.failed.as_ref().map(|failure| Cause::Step {
            plugin: plugin.to_owned(),
            target: outcome.target.clone(),
            message: describe(failure),
        })
    })
}
