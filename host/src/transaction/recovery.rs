//! What a dead process left behind is undone before anything else happens.

use super::checkpoints::Checkpoints;
use super::images::Images;
use super::journal::{Journal, JournalError, Outcome};
use super::record::{Begin, Record, Who};
use super::state_dir::StateDir;
use super::undo::{Undone, undo};
use crate::audit::{AuditLog, Entry, Kind};
use crate::backends::netlink::Kernel;
use crate::contract::types::Failure;

/// What was found and done.
#[derive(Debug)]
pub struct Recovered {
    /// The transaction that had not come to its end; absent when not even its first record was whole, so that nothing had happened.
    pub begun: Option<Begin>,
    /// Whether the kernel's state that it had changed was still there: it goes with its namespace, and with a restart of the machine.
    pub same_namespace: bool,
    /// How the undo ended.
    pub undone: Undone,
}

/// Why a recovery could not be carried out. What is left stays for the next try.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The journal cannot be read, written, or trusted.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The kernel cannot be read.
    #[error("what an interrupted transaction left cannot be undone: {}", .0.message)]
    Kernel(Failure),
}

/// Undoes what a dead process left in this namespace. The caller holds the lock.
///
/// # Errors
/// See [`RecoveryError`].
pub async fn recover(
    state: &StateDir,
    kernel: &dyn Kernel,
) -> Result<Option<Recovered>, RecoveryError> {
    let Some(unfinished) = Journal::unfinished(state)? else {
        return Ok(None);
    };
    let mut journal = Journal::resume(state, &unfinished)?;
    let (before, kept) = unfinished.images();
    let mut undone = Undone::default();
    if unfinished.same_namespace {
        let mut keep = |new: &Images| {
            journal
                .append(&Record::Before {
                    plugin: None,
                    images: new.clone(),
                })
                .map_err(|error| Failure {
                    code: crate::contract::types::FailureCode::Internal,
                    message: error.to_string(),
                    backend: None,
                })
        };
        undone = undo(kernel, &before, kept, &mut keep)
            .await
            .map_err(RecoveryError::Kernel)?;
    }
    if let Some(begin) = unfinished.begin() {
        // Where that fails a checkpoint too many is left, and going back to it changes nothing.
        let _ = Checkpoints::new(state.checkpoints()).forget(&begin.transaction);
    }
    note(state, unfinished.begin(), &undone);
    journal.finish(Outcome::Undone {
        incomplete: undone.incomplete.clone(),
    })?;
    Ok(Some(Recovered {
        begun: unfinished.begin().cloned(),
        same_namespace: unfinished.same_namespace,
        undone,
    }))
}

/// Puts a recovery into the audit log. It is done whether or not that succeeds.
fn note(state: &StateDir, begun: Option<&Begin>, undone: &Undone) {
    let what = begun.map_or("a transaction that had not begun", |begin| &begin.command);
    let how = match undone.incomplete.len() {
        0 => "undone".to_owned(),
        left => format!("undone but for {left} objects"),
    };
    let entry = Entry {
        kind: Kind::Recovery,
        who: Who::current(),
        plugin: None,
        transaction: begun.map(|begin| begin.transaction.clone()),
        summary: format!("{how}: {what}"),
        detail: serde_json::Value::Null,
    };
    let noted = AuditLog::open(&state.audit()).and_then(|log| {
        log.append(&entry)?;
        log.sync()
    });
    if let Err(error) = noted {
        tracing::error!("a recovery is not in the audit log: {error}");
    }
}
