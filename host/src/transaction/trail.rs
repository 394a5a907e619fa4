//! What the audit log says of a transaction.

use std::io;
use std::time::Instant;

use super::record::Begin;
use crate::audit::{AuditLog, Entry, Kind};
use crate::timing;

/// The audit log, and the transaction that its records are of.
#[derive(Debug)]
pub struct Trail {
    log: AuditLog,
    begin: Begin,
}

impl Trail {
    /// Of this transaction.
    pub fn new(log: AuditLog, begin: Begin) -> Self {
        Self { log, begin }
    }

    /// The identity of the transaction.
    pub fn transaction(&self) -> &str {
        &self.begin.transaction
    }

    /// Something that a plugin did, or asked for.
    ///
    /// # Errors
    /// Of the log; then the record is not in it.
    pub fn note(
        &self,
        kind: Kind,
        plugin: Option<&str>,
        summary: String,
        detail: serde_json::Value,
    ) -> io::Result<()> {
        let mut known = self.begin.plugins.iter();
        let plugin = plugin.and_then(|plugin| known.find(|known| known.plugin == plugin));
        let entry = Entry {
            kind,
            who: self.begin.who.clone(),
            plugin: plugin.cloned(),
            transaction: Some(self.begin.transaction.clone()),
            summary,
            detail,
        };
        let started = Instant::now();
        let noted = self.log.append(&entry).map(drop);
        timing::took("journal", started);
        noted
    }

    /// How the transaction ended, on disk when this returns.
    ///
    /// # Errors
    /// As [`Trail::note`].
    pub fn ended(&self, how: &str) -> io::Result<()> {
        let summary = format!("{how}: {}", self.begin.command);
        self.note(Kind::Transaction, None, summary, serde_json::Value::Null)?;
        self.log.sync()
    }
}
