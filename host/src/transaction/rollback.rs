//! Going back to a checkpoint: a transaction like an apply, verified like one.

use std::sync::Arc;

use anyhow::Context;

use super::apply::{Cause, Ending, Report, begin, first_failure, roll_back};
use super::book::{Book, Journalled};
use super::checkpoints::Checkpoint;
use super::images::Images;
use super::interrupt::Interrupt;
use super::state_dir::StateDir;
use super::undo::undo;
use crate::backends::netlink::Netlink;
use crate::contract::exports::op_dbus::plugin::state::Outcome;
use crate::gate::{Backends, Mode};
use crate::plugin::failure::describe;
use crate::plugin::instance::Caller;
use crate::plugin::loader::Plugin;

/// What going back needs.
pub struct Back<'a> {
    /// Where the journal goes. The caller holds the lock.
    pub state: &'a StateDir,
    /// The kernel, for the undo of a rollback that fails.
    pub kernel: &'a Arc<Netlink>,
    /// Where the plugins' calls go.
    pub backends: &'a Backends,
    /// The plugins that the checkpoints name.
    pub plugins: &'a [Plugin],
    /// The checkpoints to pass, newest first; the last one is the target.
    pub way: &'a [Checkpoint],
    /// The command line.
    pub command: &'a str,
}

/// Restores each checkpoint on the way, in reverse order: what an apply touched the host brings back by itself; a checkpoint made by hand
/// is the plugins' to restore, and then rehearsed once more: when nothing would be sent, the system is as it says.
///
/// # Errors
/// Only before anything was touched; from then on the report tells.
pub async fn rollback(back: &Back<'_>) -> anyhow::Result<Report> {
    let mut interrupt = Interrupt::listen().context("signals cannot be listened to")?;
    let digests = back
        .plugins
        .iter()
        .map(|plugin| (plugin.name.as_str(), plugin.digest.as_str()));
    let (transaction, book) = begin(back.state, back.command, digests)?;
    let book = Arc::new(book);
    let mut outcomes = Vec::new();
    let worked = tokio::select! {
        worked = restore(back, &book, &mut outcomes) => worked,
        signal = interrupt.came() => Err(Cause::Interrupted(signal)),
    };
    let worked = match worked {
        Ok(()) => book
            .commit()
            .await
            .map_err(|error| Cause::Journal(error.to_string())),
        failed => failed,
    };
    let (ending, notes) = match worked {
        Ok(()) => (Ending::Applied, Vec::new()),
        Err(cause) => roll_back(&book, &**back.kernel, cause).await,
    };
    Ok(Report {
        transaction,
        checkpoint: None,
        outcomes,
        verified: true,
        ending,
        notes,
    })
}

async fn restore(
    back: &Back<'_>,
    book: &Arc<Book>,
    outcomes: &mut Vec<(String, Vec<Outcome>)>,
) -> Result<(), Cause> {
    let caller = |name: &str, recorder: Arc<Book>| {
        let plugin = back.plugins.iter().find(|plugin| plugin.name == name);
        let plugin = plugin.expect("the caller loaded every plugin that the checkpoints name");
        Caller {
            plugin,
            backends: back.backends.clone(),
            recorder,
        }
    };
    for checkpoint in back.way {
        if let Some(images) = &checkpoint.images {
            restore_images(back, book, images).await?;
            continue;
        }
        for noted in checkpoint.plugins.iter().rev() {
            let done = caller(&noted.plugin, book.clone())
                .rollback(Mode::Change, &noted.checkpoint)
                .await
                .map_err(Cause::Plugin)?;
            let failed = first_failure(&noted.plugin, &done);
            outcomes.push((noted.plugin.clone(), done));
            if let Some(cause) = failed {
                return Err(cause);
            }
        }
    }
    let target = match back.way.last() {
        Some(Checkpoint {
            images: None,
            plugins,
            ..
        }) => plugins.as_slice(),
        // The host has read back what it restored.
        _ => return Ok(()),
    };
    let rehearsal = Arc::new(Book::reading());
    for noted in target {
        caller(&noted.plugin, rehearsal.clone())
            .rollback(Mode::Rehearse, &noted.checkpoint)
            .await
            .map_err(Cause::Plugin)?;
    }
    match rehearsal.rehearsed().as_slice() {
        [] => Ok(()),
        left => Err(Cause::NotRestored(
            left.iter()
                .map(|(_, request)| super::undo_report::object_of(request))
                .collect(),
        )),
    }
}

/// Brings back what an apply had touched in the kernel, the host by itself: it knows the objects better than any plugin's state can say.
async fn restore_images(back: &Back<'_>, book: &Book, images: &Images) -> Result<(), Cause> {
    let kernel = Journalled {
        book,
        kernel: &**back.kernel,
    };
    // What the restoration disturbs is in the journal already, by way of `Journalled`.
    let mut keep = |_: &Images| Ok(());
    let undone = undo(&kernel, images, Images::default(), &mut keep)
        .await
        .map_err(|failure| Cause::Journal(describe(&failure)))?;
    if undone.incomplete.is_empty() {
        return Ok(());
    }
    let left = undone.incomplete.iter().map(ToString::to_string);
    Err(Cause::NotRestored(left.collect()))
}
