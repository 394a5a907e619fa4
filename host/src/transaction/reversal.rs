//! Undo across backends: plugins in reverse order, on past errors, all of them told.
//!
//! Of one plugin, first what it did on a message bus and in OVSDB is undone, then what it did in the kernel: ports come back before what
//! hangs from them. The kernel's objects are always restored together, at the end; and before that too, where a plugin has something to
//! undo elsewhere that may need what a later one did in the kernel. Whatever daemons disturb on the way is thus restored.

use std::sync::Arc;

use super::book::{Book, object_of_change};
use super::effects::{Effects, OVSDB};
use super::record::{Difference, PluginDigest};
use super::undo::{Keep, undo};
use super::undo_report::objects;
use super::undoers::Undoers;
use crate::gate::{Mode, Recorder};
use crate::plugin::failure::describe;
use crate::progress;

/// How an undo across backends ended.
#[derive(Debug, Default)]
pub struct Reversed {
    /// Each object that is not as it was.
    pub incomplete: Vec<Difference>,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// Something could not even be tried: a plugin was missing, a backend gone. To be tried again.
    pub unfinished: bool,
}

impl Reversed {
    /// What could not be tried, with what kept it.
    fn untried(&mut self, object: String, because: String) {
        self.unfinished = true;
        self.incomplete.push(Difference {
            object,
            is: "unknown".into(),
            should_be: "as before".into(),
            because: Some(because),
        });
    }
}

/// Undoes effects. Changes that plugins and backends make on the way go through `recorder`; `keep` is for [`undo`].
pub async fn reverse(
    effects: &Effects,
    with: &Undoers<'_>,
    recorder: &Arc<dyn Recorder>,
    keep: Keep<'_>,
) -> Reversed {
    progress::phase("undoing");
    let mut reversed = Reversed::default();
    let mut kernel_is_due = false;
    for plugin in effects.plugins.iter().rev() {
        let rows: Vec<_> = effects.elsewhere_of(&plugin.plugin, OVSDB).collect();
        let needs_plugin = effects.needs_plugin(&plugin.plugin);
        if kernel_is_due && (needs_plugin || !rows.is_empty()) {
            // What comes of it is told at the end, when all of it is read again.
            let kept = effects.kept.clone();
            let _ = undo(with.kernel, &effects.kernel, kept, &mut *keep).await;
            kernel_is_due = false;
        }
        if needs_plugin {
            by_plugin(effects, plugin, with, recorder, &mut reversed).await;
        }
        if !rows.is_empty() {
            match with.ovsdb.restore(&plugin.plugin, &rows, &**recorder).await {
                Ok(left) => reversed.incomplete.extend(left),
                Err(failure) => reversed.untried(
                    format!("what {} changed in OVSDB", plugin.plugin),
                    describe(&failure),
                ),
            }
        }
        kernel_is_due |= effects.in_kernel.contains(&plugin.plugin);
    }
    if effects.kernel.is_empty() {
        return reversed;
    }
    match undo(with.kernel, &effects.kernel, effects.kept.clone(), keep).await {
        Ok(undone) => {
            reversed.incomplete.extend(undone.incomplete);
            reversed.notes.extend(undone.notes);
        }
        Err(failure) => {
            for object in objects(&effects.kernel) {
                reversed.untried(object, describe(&failure));
            }
        }
    }
    reversed
}

/// Lets a plugin undo what only it can, and looks whether it would still change something afterwards.
async fn by_plugin(
    effects: &Effects,
    plugin: &PluginDigest,
    with: &Undoers<'_>,
    recorder: &Arc<dyn Recorder>,
    reversed: &mut Reversed,
) {
    let Some(noted) = effects.noted(&plugin.plugin) else {
        for object in effects.dbus_objects(&plugin.plugin) {
            reversed.untried(
                object,
                format!("no checkpoint of {} is left", plugin.plugin),
            );
        }
        return;
    };
    let rehearsal = Arc::new(Book::reading());
    let worked = async {
        failpoint!("undo.plugin.before-rollback")?;
        let outcomes = with
            .plugins
            .roll_back(
                &plugin.plugin,
                Mode::Change,
                &noted.checkpoint,
                recorder.clone(),
            )
            .await?;
        failpoint!("undo.plugin.after-rollback")?;
        anyhow::Ok(outcomes)
    };
    let outcomes = match worked.await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            for object in effects.dbus_objects(&plugin.plugin) {
                reversed.untried(object, format!("{error:#}"));
            }
            return;
        }
    };
    let failed = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.failed.as_ref()?)));
    for (outcome, failure) in failed {
        reversed.incomplete.push(Difference {
            object: format!("{}: {}", plugin.plugin, outcome.target),
            is: "not restored".into(),
            should_be: "as before".into(),
            because: Some(describe(failure)),
        });
    }
    if outcomes.iter().any(|outcome| outcome.failed.is_some()) {
        return;
    }
    // It says that all is restored. Then it has nothing left to send.
    let again = with
        .plugins
        .roll_back(
            &plugin.plugin,
            Mode::Rehearse,
            &noted.checkpoint,
            rehearsal.clone(),
        )
        .await;
    if let Err(error) = again {
        reversed.notes.push(format!(
            "whether {} restored everything could not be checked: {error:#}",
            plugin.plugin
        ));
    }
    let left = rehearsal.rehearsed();
    reversed
        .incomplete
        .extend(left.iter().map(|(_, change)| Difference {
            object: format!("{}: {}", plugin.plugin, object_of_change(change)),
            is: "not restored".into(),
            should_be: "as before".into(),
            because: Some("the plugin would still change it".into()),
        }));
}

#[cfg(test)]
#[path = "reversal_tests.rs"]
mod tests;
