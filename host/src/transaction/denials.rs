//! Denials outside of transactions: a plugin that only looks, or plans, asks for what its grant does not cover.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::record::{PluginDigest, Who};
use super::state_dir::Bounds;
use crate::audit::{AuditLog, Entry, Kind};

/// Writes them into the audit log. It is opened at the first one: a verb that changes nothing and meets none writes nothing at all.
#[derive(Debug)]
pub struct Denials {
    /// The directory of the log.
    pub directory: PathBuf,
    /// What may be written there.
    pub bounds: Bounds,
    /// The plugins that were loaded.
    pub plugins: Arc<Mutex<Vec<PluginDigest>>>,
}

impl Denials {
    /// Writes one down; on disk when this returns.
    ///
    /// # Errors
    /// Of the log; then the record is not in it.
    pub fn note(&self, plugin: &str, summary: String) -> io::Result<()> {
        let known = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.iter().find(|known| known.plugin == plugin).cloned();
        let log = AuditLog::open(&self.directory)?.bounded(&self.bounds);
        log.append(&Entry {
            kind: Kind::Denial,
            who: Who::current(),
            plugin: known,
            transaction: None,
            summary,
            detail: serde_json::Value::Null,
        })?;
        log.sync()
    }
}
