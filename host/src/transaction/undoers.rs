//! Who undoes what: the host what it has images of, a plugin what only it can.

use std::sync::Arc;

use async_trait::async_trait;

use super::checkpoints::Noted;
use super::record::{Difference, PluginDigest};
use crate::backends::netlink::Kernel;
use crate::contract::exports::op_dbus::plugin::state::{CheckpointData, Outcome};
use crate::contract::types::Failure;
use crate::gate::{Mode, Recorder};
use crate::plugin::failure::PluginError;

/// Calls plugins for an undo. They are loaded when that is needed, which may be in another process than the one that applied.
#[async_trait]
pub trait PluginUndo: Send + Sync {
    /// The plugin of that name, as it is now.
    ///
    /// # Errors
    /// `Load` when it is there no more, or does not load. So in all calls.
    async fn digest(&self, plugin: &str) -> Result<PluginDigest, PluginError>;

    /// Lets the plugin note the present state of everything that it sees.
    ///
    /// # Errors
    /// Of the call.
    async fn checkpoint(&self, plugin: &str) -> Result<CheckpointData, PluginError>;

    /// Lets the plugin restore what it had noted, in a fresh instance; or with [`Mode::Rehearse`] tells the recorder what that would send.
    ///
    /// # Errors
    /// Of the call as a whole: then it is unknown what was restored.
    async fn roll_back(
        &self,
        plugin: &str,
        mode: Mode,
        to: &CheckpointData,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Vec<Outcome>, PluginError>;

    /// Lets the plugin free what its backend keeps for a checkpoint.
    ///
    /// # Errors
    /// Of the call.
    async fn release(&self, plugin: &str, checkpoint: &CheckpointData) -> Result<(), PluginError>;
}

/// Lets plugins free what their backends keep for checkpoints that are no longer needed. What they say to that is returned: a backend that
/// forgot by itself is no obstacle.
pub async fn release(plugins: &dyn PluginUndo, noted: &[Noted]) -> Vec<String> {
    let mut notes = Vec::new();
    for Noted { plugin, checkpoint } in noted {
        if checkpoint.backend.is_some()
            && let Err(error) = plugins.release(plugin, checkpoint).await
        {
            notes.push(format!("a checkpoint could not be released: {error}"));
        }
    }
    notes
}

/// Restores objects of a backend that the host itself keeps images of, as [`Recorder::before_ovsdb`] got them.
#[async_trait]
pub trait BackendUndo: Send + Sync {
    /// Restores what the images hold, and that alone. `images` are those of one plugin, in the order in which they were recorded: of
    /// several images of an object the first counts. May be interrupted and called again. Returns each object that is not as it was.
    ///
    /// What it changes goes through `recorder` first, on behalf of `plugin`: a rollback is a transaction like any other. An undo's recorder
    /// takes no images.
    ///
    /// # Errors
    /// When the backend cannot be reached: then it is tried again by the next command.
    async fn restore(
        &self,
        plugin: &str,
        images: &[&serde_json::Value],
        recorder: &dyn Recorder,
    ) -> Result<Vec<Difference>, Failure>;
}

/// All of them.
#[derive(Clone, Copy)]
pub struct Undoers<'a> {
    /// The kernel: restored from images.
    pub kernel: &'a dyn Kernel,
    /// The OVSDB server: restored from images.
    pub ovsdb: &'a dyn BackendUndo,
    /// The plugins, for what they did on a message bus.
    pub plugins: &'a dyn PluginUndo,
}
