//! What a dead process left behind is undone before anything else happens.

use std::sync::Arc;

use super::book::Book;
use super::checkpoints::Checkpoints;
use super::effects::Effects;
use super::images::Images;
use super::journal::{Journal, JournalError};
use super::record::{Begin, Who};
use super::reversal::Reversed;
use super::state_dir::StateDir;
use super::trail::Trail;
use super::undoers::Undoers;
use crate::audit::{AuditLog, Entry, Kind};

/// What was found and done.
#[derive(Debug)]
pub struct Recovered {
    /// The transaction that had not come to its end; absent when not even its first record was whole, so that nothing had happened.
    pub begun: Option<Begin>,
    /// Whether the kernel's state that it had changed was still there: it goes with its namespace, and with a restart of the machine.
    pub same_namespace: bool,
    /// How the undo ended.
    pub undone: Reversed,
}

/// Undoes what a dead process left in this namespace. The caller holds the lock.
///
/// # Errors
/// When the journal cannot be read, written or trusted. It stays as it is.
pub async fn recover(
    state: &StateDir,
    undoers: &Undoers<'_>,
) -> Result<Option<Recovered>, JournalError> {
    let Some(unfinished) = Journal::unfinished(state)? else {
        return Ok(None);
    };
    let begun = unfinished.begin().cloned();
    let mut effects = Effects::of(&unfinished.records);
    if !unfinished.same_namespace {
        effects.kernel = Images::default();
    }
    let trail = begun.clone().and_then(|begin| {
        let log = AuditLog::open(&state.audit());
        let log = log.inspect_err(|error| tracing::error!("the audit log: {error}"));
        Some(Trail::new(log.ok()?, begin))
    });
    let journal = Journal::resume(state, &unfinished)?;
    let book = Arc::new(Book::transaction(journal, trail, effects, Vec::new()));
    let mut undone = book
        .undo(undoers, "its process had died before its end")
        .await;
    if let Some(begin) = &begun
        && undone.incomplete.is_empty()
    {
        // The old state holds: there is nothing to go back to. Before the journal is closed, so that no death leaves a checkpoint too many.
        let checkpoints = Checkpoints::new(state.checkpoints());
        match checkpoints
            .forget(&begin.transaction, undoers.plugins)
            .await
        {
            Ok(notes) => undone.notes.extend(notes),
            Err(error) => undone.notes.push(format!("{error:#}")),
        }
    }
    book.close_undone(&undone)?;
    note(state, begun.as_ref(), &undone);
    Ok(Some(Recovered {
        begun,
        same_namespace: unfinished.same_namespace,
        undone,
    }))
}

/// Puts a recovery into the audit log. It is done whether or not that succeeds.
fn note(state: &StateDir, begun: Option<&Begin>, undone: &Reversed) {
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
