//! The book that is kept of what plugins do: journalled before it happens, collected when it is only rehearsed.

use std::sync::Mutex;

use async_trait::async_trait;

use super::before_image::capture;
use super::images::Images;
use super::journal::{Journal, JournalError, Outcome};
use super::record::{Begin, Record};
use super::undo::{Undone, undo};
use super::undo_report::object_of;
use crate::audit::{AuditLog, Entry, Kind};
use crate::backends::netlink::Kernel;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use crate::contract::types::{Failure, FailureCode};
use crate::gate::Recorder;

/// What is kept of one run of a verb.
#[derive(Default)]
pub struct Book {
    /// The journal, while a transaction is open.
    open: tokio::sync::Mutex<Option<Open>>,
    audit: Option<Audit>,
    rehearsed: Mutex<Vec<(String, Request)>>,
    denied: Mutex<Vec<(String, Failure)>>,
}

struct Open {
    /// Absent once its end could not be written: it stays on disk as it is, for the next command to undo what is left to undo.
    journal: Option<Journal>,
    images: Images,
}

impl Open {
    fn append(&mut self, records: &[Record]) -> Result<(), Failure> {
        match &mut self.journal {
            Some(journal) => journal
                .append_all(records)
                .map_err(|error| internal(error.to_string())),
            None => Err(internal("the journal cannot be written any more".into())),
        }
    }
}

/// The audit log, and what its records say of a transaction.
struct Audit {
    log: AuditLog,
    begin: Begin,
}

impl Audit {
    fn append(
        &self,
        kind: Kind,
        plugin: Option<&str>,
        summary: String,
        detail: serde_json::Value,
    ) -> std::io::Result<()> {
        let digest = |plugin: &str| {
            self.begin
                .plugins
                .iter()
                .find(|known| known.plugin == plugin)
        };
        let entry = Entry {
            kind,
            who: self.begin.who.clone(),
            plugin: plugin.and_then(digest).cloned(),
            transaction: Some(self.begin.transaction.clone()),
            summary,
            detail,
        };
        self.log.append(&entry).map(drop)
    }

    /// How the transaction ended, on disk when this returns.
    fn ended(&self, how: &str) -> std::io::Result<()> {
        let summary = format!("{how}: {}", self.begin.command);
        self.append(Kind::Transaction, None, summary, serde_json::Value::Null)?;
        self.log.sync()
    }
}

fn internal(message: String) -> Failure {
    Failure {
        code: FailureCode::Internal,
        message,
        backend: None,
    }
}

impl Book {
    /// A book for verbs that change nothing, and for rehearsals.
    pub fn reading() -> Self {
        Self::default()
    }

    /// A book for a transaction that has begun.
    pub fn transaction(journal: Journal, log: AuditLog, begin: Begin) -> Self {
        let open = Open {
            journal: Some(journal),
            images: Images::default(),
        };
        Self {
            open: tokio::sync::Mutex::new(Some(open)),
            audit: Some(Audit { log, begin }),
            ..Self::default()
        }
    }

    /// What would have been sent, by plugin and in order.
    pub fn rehearsed(&self) -> Vec<(String, Request)> {
        self.rehearsed
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// What was denied, by plugin and in order.
    pub fn denied(&self) -> Vec<(String, Failure)> {
        self.denied
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// What was there before of all that has been touched so far.
    pub async fn images(&self) -> Images {
        self.open
            .lock()
            .await
            .as_ref()
            .map(|open| open.images.clone())
            .unwrap_or_default()
    }

    /// Closes the transaction: the new state holds.
    ///
    /// # Errors
    /// When that cannot be written down; the caller must then undo.
    pub async fn commit(&self) -> Result<(), JournalError> {
        let mut open = self.open.lock().await;
        if let Some(journal) = open.as_mut().and_then(|open| open.journal.take()) {
            // Where that fails the images stay: the caller undoes with them.
            journal.finish(Outcome::Committed)?;
            *open = None;
        }
        self.note_end("done");
        Ok(())
    }

    /// The end of a transaction holds, whether or not it can be audited: the journal has decided.
    fn note_end(&self, how: &str) {
        if let Some(audit) = &self.audit
            && let Err(error) = audit.ended(how)
        {
            tracing::error!("the end of the transaction is not in the audit log: {error}");
        }
    }

    /// Brings back what was there before and closes the transaction.
    ///
    /// # Errors
    /// When the kernel cannot be read. The journal then stays, for the next command to try again.
    pub async fn undo(&self, kernel: &dyn Kernel, reason: &str) -> Result<Undone, Failure> {
        let mut guard = self.open.lock().await;
        let Some(open) = guard.as_mut() else {
            return Ok(Undone::default());
        };
        // A disk that is full now must not keep the old state from coming back: the images are in memory, and in the journal.
        let mut notes = Vec::new();
        let undoing = Record::Undoing {
            reason: reason.to_owned(),
        };
        notes.extend(open.append(&[undoing]).err().map(|failure| failure.message));
        let images = open.images.clone();
        let mut keep = |kept: &Images| {
            let kept = Record::Before {
                plugin: None,
                images: kept.clone(),
            };
            notes.extend(open.append(&[kept]).err().map(|failure| failure.message));
            Ok(())
        };
        let mut undone = undo(kernel, &images, Images::default(), &mut keep).await?;
        let ended = Outcome::Undone {
            incomplete: undone.incomplete.clone(),
        };
        if let Some(journal) = guard.take().and_then(|open| open.journal)
            && let Err(error) = journal.finish(ended)
        {
            notes.push(error.to_string());
        }
        notes.dedup();
        undone.notes.extend(notes);
        let how = match undone.incomplete.len() {
            0 => format!("rolled back ({reason})"),
            left => format!("rolled back but for {left} objects ({reason})"),
        };
        self.note_end(&how);
        Ok(undone)
    }
}

/// A kernel whose changes are journalled: for what the host itself does in a transaction.
pub struct Journalled<'a> {
    /// Whose journal.
    pub book: &'a Book,
    /// Where the calls go.
    pub kernel: &'a dyn Kernel,
}

#[async_trait]
impl Kernel for Journalled<'_> {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        self.kernel.links(selectors).await
    }

    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        self.kernel.addresses(links).await
    }

    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        self.kernel.routes(within).await
    }

    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        self.kernel.rules(families).await
    }

    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        self.kernel.neighbours(links).await
    }

    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        self.kernel.bridge_vlans(links).await
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        match self
            .book
            .before_netlink("host", self.kernel, requests)
            .await
        {
            Ok(()) => self.kernel.execute(requests).await,
            Err(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}

#[async_trait]
impl Recorder for Book {
    async fn before_netlink(
        &self,
        plugin: &str,
        kernel: &dyn Kernel,
        requests: &[Request],
    ) -> Result<(), Failure> {
        let mut open = self.open.lock().await;
        let Some(open) = open.as_mut() else {
            return Err(Failure {
                code: FailureCode::Cancelled,
                message: "no transaction is open: nothing takes effect any more".into(),
                backend: None,
            });
        };
        let new = capture(kernel, requests, &mut open.images).await?;
        let summary: Vec<String> = requests.iter().map(object_of).collect();
        let detail = serde_json::json!(summary);
        let records = [
            Record::Before {
                plugin: Some(plugin.to_owned()),
                images: new,
            },
            Record::Requests {
                plugin: plugin.to_owned(),
                summary,
            },
        ];
        open.append(&records)?;
        match &self.audit {
            Some(audit) => audit
                .append(
                    Kind::Call,
                    Some(plugin),
                    format!("{} requests to the kernel", requests.len()),
                    detail,
                )
                .map_err(|error| internal(format!("the audit log cannot be written: {error}"))),
            None => Ok(()),
        }
    }

    fn rehearsed_netlink(&self, plugin: &str, requests: &[Request]) {
        let mut rehearsed = self
            .rehearsed
            .lock()
            .expect("no holder of this lock panics");
        rehearsed.extend(
            requests
                .iter()
                .map(|request| (plugin.to_owned(), request.clone())),
        );
    }

    fn progress(&self, plugin: &str, done: u32, total: u32) {
        tracing::debug!("{plugin}: {done} of {total}");
    }

    fn denied(&self, plugin: &str, failure: &Failure) {
        tracing::warn!("{plugin}: denied: {}", failure.message);
        if let Some(audit) = &self.audit
            && let Err(error) = audit.append(
                Kind::Denial,
                Some(plugin),
                failure.message.clone(),
                serde_json::Value::Null,
            )
        {
            tracing::error!("a denial is not in the audit log: {error}");
        }
        let mut denied = self.denied.lock().expect("no holder of this lock panics");
        denied.push((plugin.to_owned(), failure.clone()));
    }
}
