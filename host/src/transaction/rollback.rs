//! Going back to a checkpoint: a transaction like an apply, verified like one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::apply::in_time;
use super::book::{Book, object_of_change};
use super::checkpoints::{Checkpoint, Noted};
use super::closing::{Opening, Transaction};
use super::effects::Effects;
use super::ending::{Cause, Report, first_failure};
use super::images::Images;
use super::interrupt::Interrupt;
use super::journalled::Journalled;
use super::noting;
use super::record::PluginDigest;
use super::reversal::reverse;
use super::state_dir::StateDir;
use super::undoers::Undoers;
use crate::contract::exports::op_dbus::plugin::state::Outcome;
use crate::gate::{Mode, Recorder};
use crate::progress;
use crate::secrets::SecretStore;

/// What going back needs.
pub struct Back<'a> {
    /// Where the journal goes. The caller holds the lock.
    pub state: &'a StateDir,
    /// Who goes back, and who undoes a rollback that fails.
    pub undoers: Undoers<'a>,
    /// Where the texts of secrets are kept that an undo puts back.
    pub secrets: Arc<SecretStore>,
    /// The checkpoints to pass, newest first; the last one is the target.
    pub way: &'a [Checkpoint],
    /// The command line.
    pub command: &'a str,
    /// How long it may take, before it is undone itself.
    pub deadline: Duration,
}

/// Restores each checkpoint on the way, in reverse order: what an apply did is undone as if it had failed; a checkpoint made by hand is the
/// plugins' to restore, and then rehearsed once more: when nothing would be sent, the system is as it says.
///
/// # Errors
/// Only before anything was touched; from then on the report tells.
pub async fn rollback(back: &Back<'_>) -> anyhow::Result<Report> {
    let interrupt = Interrupt::listen().context("signals cannot be listened to")?;
    noting::begin(back.state).context("the state directory cannot be written")?;
    let (plugins, noted) = prepare(back).await?;
    let transaction = Transaction::begin(Opening {
        state: back.state,
        undoers: back.undoers,
        command: back.command,
        plugins,
        noted,
        keeps_checkpoint: false,
        secrets: back.secrets.clone(),
        interrupt,
    })
    .await?;
    let id = transaction.id.clone();
    let book = transaction.book.clone();
    let (mut outcomes, mut notes) = (Vec::new(), Vec::new());
    let working = restore(back, &book, &mut outcomes, &mut notes);
    let working = in_time(back.deadline, working);
    let closed = transaction.close(working, None).await;
    notes.extend(closed.notes);
    // How it ended is decided; the file only makes the next command look once more.
    notes.extend(
        noting::end(back.state)
            .err()
            .map(|error| format!("noting: {error}")),
    );
    Ok(Report {
        transaction: id,
        checkpoint: closed.checkpoint,
        outcomes,
        verified: true,
        ending: closed.ending,
        notes,
    })
}

/// The plugins on the way, and the present state as those see it that will be called: they must be able to undo this rollback too.
async fn prepare(back: &Back<'_>) -> anyhow::Result<(Vec<PluginDigest>, Vec<Noted>)> {
    let (mut plugins, mut noted) = (Vec::<PluginDigest>::new(), Vec::<Noted>::new());
    for checkpoint in back.way {
        for Noted { plugin, .. } in &checkpoint.plugins {
            let effects = checkpoint.effects.as_ref();
            let called = effects.is_none_or(|effects| effects.needs_plugin(plugin));
            if called && !noted.iter().any(|noted| noted.plugin == *plugin) {
                noted.push(Noted {
                    plugin: plugin.clone(),
                    checkpoint: back.undoers.plugins.checkpoint(plugin).await?,
                });
            }
            if plugins.iter().any(|known| known.plugin == *plugin) {
                continue;
            }
            let then = effects.and_then(|effects| {
                let mut then = effects.plugins.iter();
                then.find(|then| then.plugin == *plugin)
            });
            plugins.push(match then {
                Some(then) if !called => then.clone(),
                _ => back.undoers.plugins.digest(plugin).await?,
            });
        }
    }
    Ok((plugins, noted))
}

async fn restore(
    back: &Back<'_>,
    book: &Arc<Book>,
    outcomes: &mut Vec<(String, Vec<Outcome>)>,
    notes: &mut Vec<String>,
) -> Result<(), Cause> {
    for checkpoint in back.way {
        match &checkpoint.effects {
            Some(effects) => undo_apply(back, book, effects, &checkpoint.plugins, notes).await?,
            None => restore_all(back, book, &checkpoint.plugins, outcomes).await?,
        }
    }
    match back.way.last() {
        Some(Checkpoint {
            effects: None,
            plugins,
            ..
        }) => rehearse(back, plugins).await,
        // What an apply did has been read back.
        _ => Ok(()),
    }
}

/// Undoes what an apply did.
async fn undo_apply(
    back: &Back<'_>,
    book: &Arc<Book>,
    effects: &Effects,
    noted: &[Noted],
    notes: &mut Vec<String>,
) -> Result<(), Cause> {
    let effects = Effects {
        noted: noted.to_vec(),
        ..effects.clone()
    };
    let kernel = Journalled {
        book,
        kernel: back.undoers.kernel,
    };
    let undoers = Undoers {
        kernel: &kernel,
        ..back.undoers
    };
    // What the restoration disturbs is in the journal already, by way of `Journalled`.
    let mut keep = |_: &Images| Ok(());
    let recorder: Arc<dyn Recorder> = book.clone();
    let reversed = reverse(&effects, &undoers, &recorder, &mut keep).await;
    notes.extend(reversed.notes.iter().cloned());
    if reversed.incomplete.is_empty() {
        return Ok(());
    }
    let left = reversed.incomplete.iter().map(ToString::to_string);
    Err(Cause::NotRestored(left.collect()))
}

/// Lets each plugin restore what it noted, and stops at the first step that fails.
async fn restore_all(
    back: &Back<'_>,
    book: &Arc<Book>,
    plugins: &[Noted],
    outcomes: &mut Vec<(String, Vec<Outcome>)>,
) -> Result<(), Cause> {
    progress::phase("restoring");
    for Noted { plugin, checkpoint } in plugins.iter().rev() {
        let undo = back.undoers.plugins;
        let done = undo
            .roll_back(plugin, Mode::Change, checkpoint, book.clone())
            .await
            .map_err(Cause::Plugin)?;
        let failed = first_failure(plugin, &done);
        outcomes.push((plugin.clone(), done));
        if let Some(cause) = failed {
            return Err(cause);
        }
    }
    Ok(())
}

/// Looks whether the plugins would still change something.
async fn rehearse(back: &Back<'_>, plugins: &[Noted]) -> Result<(), Cause> {
    progress::phase("verifying");
    let rehearsal = Arc::new(Book::reading());
    for Noted { plugin, checkpoint } in plugins {
        let undo = back.undoers.plugins;
        undo.roll_back(plugin, Mode::Rehearse, checkpoint, rehearsal.clone())
            .await
            .map_err(Cause::Plugin)?;
    }
    match rehearsal.rehearsed().as_slice() {
        [] => Ok(()),
        left => {
            let objects = left.iter().map(|(_, change)| object_of_change(change));
            Err(Cause::NotRestored(objects.collect()))
        }
    }
}
