//! What a dead process left behind is undone before anything else happens.

use std::sync::Arc;

use anyhow::{Context, ensure};

use super::book::Book;
use super::checkpoints::Checkpoints;
use super::effects::Effects;
use super::images::Images;
use super::journal::{Journal, JournalError, Outcome};
use super::record::{Begin, Record, Who};
use super::reversal::Reversed;
use super::state_dir::StateDir;
use super::trail::Trail;
use super::undoers::Undoers;
use crate::audit::{Entry, Filter, Kind, show};

/// What was found and done.
#[derive(Debug)]
pub struct Recovered {
    /// The transaction that had not come to its end; absent when not even its first record was whole, so that nothing had happened.
    pub begun: Option<Begin>,
    /// Whether the kernel's state that it had changed was still there: it goes with its namespace, and with a restart of the machine.
    pub same_namespace: bool,
    /// Whether it had changed, or tried to change, what does not go with it: a database, profiles.
    pub elsewhere: bool,
    /// How the undo ended.
    pub undone: Reversed,
}

/// Commits what awaits confirmation. The caller holds the lock. Returns what a person should know besides.
///
/// # Errors
/// When that cannot be written down, or nothing is there to commit. Then it does not hold.
pub async fn keep(
    state: &StateDir,
    undoers: &Undoers<'_>,
    why: &str,
) -> anyhow::Result<Vec<String>> {
    end_in_audit_log(state)?;
    let unfinished = Journal::unfinished(state)?;
    let unfinished = unfinished.context("nothing awaits confirmation any more")?;
    ensure!(
        matches!(unfinished.records.last(), Some(Record::Confirming { .. })),
        "it is being undone already"
    );
    let how = format!("done, {why}");
    Journal::resume(state, &unfinished)?.finish(Outcome::Committed, || {
        note(state, Kind::Transaction, unfinished.begin(), &how);
    })?;
    let room = Checkpoints::of(state);
    let made = room.make_room(undoers.plugins).await;
    Ok(made.unwrap_or_else(|error| vec![format!("{error:#}")]))
}

/// Undoes what is open in this namespace: a dead process left it, or it was not confirmed. The caller holds the lock.
///
/// # Errors
/// When the journal cannot be read, written or trusted. It stays as it is.
pub async fn recover(
    state: &StateDir,
    undoers: &Undoers<'_>,
    why: &str,
) -> Result<Option<Recovered>, JournalError> {
    end_in_audit_log(state)?;
    let Some(unfinished) = Journal::unfinished(state)? else {
        return Ok(None);
    };
    let begun = unfinished.begin().cloned();
    let mut effects = Effects::of(&unfinished.records);
    if !unfinished.same_namespace {
        effects.kernel = Images::default();
    }
    let elsewhere = !effects.elsewhere.is_empty();
    let trail = begun.clone().and_then(|begin| {
        let log = state.audit_log();
        let log = log.inspect_err(|error| tracing::error!("the audit log: {error}"));
        Some(Trail::new(log.ok()?, begin))
    });
    let journal = Journal::resume(state, &unfinished)?;
    let book = Arc::new(Book::transaction(journal, trail, effects, Vec::new()));
    let mut undone = book.undo(undoers, why).await;
    if let Some(begin) = &begun
        && undone.incomplete.is_empty()
    {
        // The old state holds: there is nothing to go back to. Before the journal is closed, so that no death leaves a checkpoint too many.
        let checkpoints = Checkpoints::of(state);
        match checkpoints
            .forget(&begin.transaction, undoers.plugins)
            .await
        {
            Ok(notes) => undone.notes.extend(notes),
            Err(error) => undone.notes.push(format!("{error:#}")),
        }
    }
    let how = match undone.incomplete.len() {
        0 => format!("undone, {why}"),
        left => format!("undone but for {left} objects, {why}"),
    };
    book.close_undone(&undone, || {
        note(state, Kind::Recovery, begun.as_ref(), &how);
    })?;
    Ok(Some(Recovered {
        begun,
        same_namespace: unfinished.same_namespace,
        elsewhere,
        undone,
    }))
}

/// Adds the end of a transaction whose process died between the outcome and its record.
fn end_in_audit_log(state: &StateDir) -> Result<(), JournalError> {
    let Some((begin, outcome)) = Journal::decided(state)? else {
        return Ok(());
    };
    let filter = Filter {
        transaction: Some(begin.transaction.clone()),
        ..Filter::default()
    };
    let mut is_there = false;
    let read = show(&state.audit(), &filter, |record| {
        is_there |= matches!(record.entry.kind, Kind::Transaction | Kind::Recovery);
        Ok(())
    });
    if let Err(error) = read {
        tracing::error!("the audit log cannot be read: {error}");
    }
    if !is_there {
        let how = match outcome {
            Outcome::Committed => "done, and its process died then".to_owned(),
            Outcome::Undone { incomplete } => match incomplete.len() {
                0 => "rolled back, and its process died then".to_owned(),
                left => format!("rolled back but for {left} objects, and its process died then"),
            },
        };
        note(state, Kind::Transaction, Some(&begin), &how);
    }
    Ok(())
}

/// Puts an end into the audit log. It holds whether or not that succeeds.
fn note(state: &StateDir, kind: Kind, begun: Option<&Begin>, how: &str) {
    let what = begun.map_or("a transaction that had not begun", |begin| &begin.command);
    write_down(state, kind, begun, format!("{how}: {what}"));
}

/// Puts into the audit log what else was done about what a dead process left.
pub fn audit(state: &StateDir, summary: String) {
    write_down(state, Kind::Recovery, None, summary);
}

fn write_down(state: &StateDir, kind: Kind, begun: Option<&Begin>, summary: String) {
    let entry = Entry {
        kind,
        who: Who::current(),
        plugin: None,
        transaction: begun.map(|begin| begin.transaction.clone()),
        summary,
        detail: serde_json::Value::Null,
    };
    let noted = state.audit_log().and_then(|log| {
        log.append(&entry)?;
        log.sync()
    });
    if let Err(error) = noted {
        tracing::error!("a recovery is not in the audit log: {error}");
    }
}
