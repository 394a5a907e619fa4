//! Plugins as undo and rollback need them: loaded when it comes to that.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;

use super::session::Session;
use crate::contract::exports::op_dbus::plugin::state::{CheckpointData, Outcome};
use crate::gate::{Mode, Recorder};
use crate::plugin::failure::PluginError;
use crate::plugin::loader::Plugin;
use crate::transaction::book::Book;
use crate::transaction::record::{Begin, PluginDigest};
use crate::transaction::trail::Trail;
use crate::transaction::undoers::{PluginUndo, Undoers};

impl Session<'_> {
    /// Who undoes what transactions of this session do.
    pub fn undoers(&self) -> Undoers<'_> {
        Undoers {
            kernel: &*self.kernel,
            ovsdb: &self.ovsdb_undo,
            plugins: self,
        }
    }

    fn loaded(&self, name: &str) -> Result<Arc<Plugin>, PluginError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = loaded.iter().find(|plugin| plugin.name == name) {
            return Ok(plugin.clone());
        }
        let plugin = self.plugin(name).map_err(|error| {
            error.downcast().unwrap_or_else(|error| PluginError::Load {
                plugin: name.to_owned(),
                reason: format!("{error:#}"),
            })
        })?;
        let plugin = Arc::new(plugin);
        loaded.push(plugin.clone());
        Ok(plugin)
    }

    /// A book for what plugins free.
    fn freeing(&self, plugin: &str) -> Result<Book, PluginError> {
        let state = self.state_dir().ok();
        let log = state.and_then(|state| state.audit_log().ok());
        let digest = digest_of(&*self.loaded(plugin)?);
        let begin = Begin::now(&super::command_line(), vec![digest]).ok();
        Ok(Book::freeing(
            log.zip(begin).map(|(log, begin)| Trail::new(log, begin)),
        ))
    }
}

fn digest_of(plugin: &Plugin) -> PluginDigest {
    PluginDigest {
        plugin: plugin.name.clone(),
        digest: plugin.digest.clone(),
    }
}

#[async_trait]
impl PluginUndo for Session<'_> {
    async fn digest(&self, plugin: &str) -> Result<PluginDigest, PluginError> {
        Ok(digest_of(&*self.loaded(plugin)?))
    }

    async fn checkpoint(&self, plugin: &str) -> Result<CheckpointData, PluginError> {
        let plugin = self.loaded(plugin)?;
        let caller = self.caller(&plugin, self.reading());
        caller.checkpoint(None).await
    }

    async fn roll_back(
        &self,
        plugin: &str,
        mode: Mode,
        to: &CheckpointData,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Vec<Outcome>, PluginError> {
        let plugin = self.loaded(plugin)?;
        let _agent = match mode {
            Mode::Change => self.secret_agent_of_old(&plugin, to).await,
            _ => None,
        };
        self.caller(&plugin, recorder).rollback(mode, to).await
    }

    async fn release(&self, plugin: &str, checkpoint: &CheckpointData) -> Result<(), PluginError> {
        let book = Arc::new(self.freeing(plugin)?);
        let plugin = self.loaded(plugin)?;
        self.caller(&plugin, book).release(checkpoint).await
    }
}
