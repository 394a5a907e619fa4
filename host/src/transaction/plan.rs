//! From a state file to the steps of a transaction: validate all, query all, diff all. Nothing is changed here.

use crate::contract::exports::op_dbus::plugin::state::{Action, Mismatch};
use crate::contract::types::Json;
use crate::plugin::failure::PluginError;
use crate::plugin::instance::Caller;
use crate::progress;

/// One plugin's part in a transaction.
pub struct Part<'a> {
    /// The plugin, ready to be called.
    pub caller: Caller<'a>,
    /// What the state file says, as JSON.
    pub desired: Json,
    /// The state that the steps start from, once they are planned.
    pub current: Json,
    /// The steps to get there, once they are planned.
    pub actions: Vec<Action>,
}

impl Part<'_> {
    /// The name of the plugin.
    pub fn name(&self) -> &str {
        &self.caller.plugin.name
    }

    /// Computes the steps.
    ///
    /// # Errors
    /// What the plugin says to `query` and `diff`.
    pub async fn plan(&mut self) -> Result<(), PluginError> {
        progress::phase("reading");
        self.current = self.caller.query(Some(&self.desired)).await?;
        progress::phase("planning");
        self.actions = self.caller.diff(&self.current, &self.desired).await?;
        Ok(())
    }
}

/// Where the system differs from the wish, by plugin; plugins in sync are left out.
///
/// # Errors
/// What a plugin says to `verify`.
pub async fn mismatches(parts: &[Part<'_>]) -> Result<Vec<(String, Vec<Mismatch>)>, PluginError> {
    progress::phase("verifying");
    let mut found = Vec::new();
    for part in parts {
        let mismatches = part.caller.verify(&part.desired).await?;
        if !mismatches.is_empty() {
            found.push((part.name().to_owned(), mismatches));
        }
    }
    Ok(found)
}
