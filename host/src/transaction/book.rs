//! The book that is kept of what plugins do: journalled before it happens, collected when it is only rehearsed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::before_image::capture;
use super::checkpoints::Noted;
use super::deadline::Deadline;
use super::denials::Denials;
use super::effects::{DBUS, Effects, OVSDB};
use super::images::Images;
use super::journal::{Journal, JournalError, Outcome};
use super::record::Record;
use super::reversal::{Reversed, reverse};
use super::trail::Trail;
use super::undo_report::object_of;
use super::undoers::Undoers;
use crate::audit::Kind;
use crate::backends::netlink::Kernel;
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::Request;
use crate::contract::types::{Failure, FailureCode};
use crate::gate::{Recorder, Rehearsed};
use crate::progress;
use crate::secrets::SecretStore;

/// What is kept of one run of a verb.
#[derive(Default)]
pub struct Book {
    /// While a transaction is open.
    open: tokio::sync::Mutex<Option<Open>>,
    /// Absent once its end could not be written: it stays on disk as it is, for the next command to undo what is left to undo.
    journal: Mutex<Option<Journal>>,
    trail: Option<Trail>,
    /// Images name the secrets that they hold by fingerprint: the texts must be on disk before they are.
    secrets: Option<Arc<SecretStore>>,
    /// Outside of a transaction: where denials are written down.
    denials: Option<Denials>,
    rehearsed: Mutex<Vec<(String, Rehearsed)>>,
    answered: Mutex<BTreeMap<String, Answered>>,
}

/// What the kernel said to a plugin's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Requests that it carried out.
    pub done: usize,
    /// Requests that it refused.
    pub refused: usize,
}

struct Open {
    effects: Effects,
    /// What plugins noted before. Of those alone that change something on a message bus it goes into the journal.
    noted: Vec<Noted>,
    /// What is done now needs no undo: it is one itself, and repeated if it is interrupted.
    undoing: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The same, which writes down what plugins are denied.
    pub fn watching(denials: Denials) -> Self {
        Self {
            denials: Some(denials),
            ..Self::default()
        }
    }

    /// A book for a transaction that has begun, or that a dead process had begun. Without a trail nothing of it is audited.
    pub fn transaction(
        journal: Journal,
        trail: Option<Trail>,
        effects: Effects,
        noted: Vec<Noted>,
    ) -> Self {
        let open = Open {
            effects,
            noted,
            undoing: false,
        };
        Self {
            open: tokio::sync::Mutex::new(Some(open)),
            journal: Mutex::new(Some(journal)),
            trail,
            ..Self::default()
        }
    }

    /// The same book, which keeps the secrets that images name.
    pub fn keeping(self, secrets: Arc<SecretStore>) -> Self {
        Self {
            secrets: Some(secrets),
            ..self
        }
    }

    /// A book for freeing what backends keep: plugins may change something, and there is no undo of it.
    pub fn freeing(trail: Option<Trail>) -> Self {
        let open = Open {
            effects: Effects::default(),
            noted: Vec::new(),
            undoing: true,
        };
        Self {
            open: tokio::sync::Mutex::new(Some(open)),
            trail,
            ..Self::default()
        }
    }

    /// What would have been sent, by plugin and in order.
    pub fn rehearsed(&self) -> Vec<(String, Rehearsed)> {
        lock(&self.rehearsed).clone()
    }

    /// What the kernel has said so far to a plugin's requests.
    pub fn answered_to(&self, plugin: &str) -> Answered {
        lock(&self.answered)
            .get(plugin)
            .copied()
            .unwrap_or_default()
    }

    /// What has been done so far.
    pub async fn effects(&self) -> Effects {
        let open = self.open.lock().await;
        let effects = open.as_ref().map(|open| open.effects.clone());
        effects.unwrap_or_default()
    }

    /// Whether a plugin has changed anything so far, or has tried to.
    pub async fn has_acted(&self, plugin: &str) -> bool {
        let open = self.open.lock().await;
        open.as_ref()
            .is_some_and(|open| open.effects.are_of(plugin))
    }

    fn append(&self, records: &[Record]) -> Result<(), Failure> {
        match &mut *lock(&self.journal) {
            Some(journal) => journal
                .append_all(records)
                .map_err(|error| internal(error.to_string())),
            None => Err(internal("the journal cannot be written any more".into())),
        }
    }

    /// Closes the transaction: the new state holds.
    ///
    /// # Errors
    /// When that cannot be written down; the caller must then undo.
    pub async fn commit(&self, how: &str) -> Result<(), JournalError> {
        let mut open = self.open.lock().await;
        if let Some(journal) = lock(&self.journal).take() {
            // Where that fails the effects stay: the caller undoes with them.
            journal.finish(Outcome::Committed, || self.ended(how))?;
        }
        *open = None;
        Ok(())
    }

    /// Leaves the transaction to whoever resumes its journal: all is done, and awaits confirmation.
    ///
    /// # Errors
    /// When that cannot be written down; the caller must then undo.
    pub async fn hold(&self, deadline: &Deadline) -> Result<(), Failure> {
        let mut open = self.open.lock().await;
        self.append(&[Record::Confirming {
            deadline: deadline.shown.clone(),
            boottime_ms: deadline.boottime_ms,
        }])?;
        lock(&self.journal).take();
        *open = None;
        Ok(())
    }

    /// Brings back what was there before. From then on nothing takes effect any more; the journal is still to be closed.
    pub async fn undo(self: &Arc<Self>, undoers: &Undoers<'_>, reason: &str) -> Reversed {
        let effects = match &mut *self.open.lock().await {
            Some(open) => {
                open.undoing = true;
                open.effects.clone()
            }
            None => return Reversed::default(),
        };
        // A disk that is full now must not keep the old state from coming back: what was is in memory, and in the journal.
        let mut notes = Vec::new();
        let undoing = Record::Undoing {
            reason: reason.to_owned(),
        };
        notes.extend(self.append(&[undoing]).err().map(|failure| failure.message));
        let mut keep = |kept: &Images| {
            let kept = Record::Before {
                plugin: None,
                images: kept.clone(),
            };
            notes.extend(self.append(&[kept]).err().map(|failure| failure.message));
            Ok(())
        };
        let recorder: Arc<dyn Recorder> = self.clone();
        let mut reversed = reverse(&effects, undoers, &recorder, &mut keep).await;
        *self.open.lock().await = None;
        notes.dedup();
        reversed.notes.extend(notes);
        reversed
    }

    /// Closes the journal of a transaction that was undone, and lets `audit` write that down; unless something could not even be tried: then
    /// it stays, for the next command.
    ///
    /// # Errors
    /// When that cannot be written down: then the next command undoes once more, and finds nothing to do.
    pub fn close_undone(
        &self,
        reversed: &Reversed,
        audit: impl FnOnce(),
    ) -> Result<(), JournalError> {
        let journal = lock(&self.journal).take();
        match journal.filter(|_| !reversed.unfinished) {
            Some(journal) => {
                let incomplete = reversed.incomplete.clone();
                journal.finish(Outcome::Undone { incomplete }, audit)
            }
            None => {
                audit();
                Ok(())
            }
        }
    }

    /// Notes how the transaction ended. That holds, whether or not it can be audited: the journal has decided.
    pub fn ended(&self, how: &str) {
        if let Some(trail) = &self.trail
            && let Err(error) = trail.ended(how)
        {
            tracing::error!("the end of the transaction is not in the audit log: {error}");
        }
    }

    /// Writes down a batch of changes that is about to be sent: its undo and what it is, for journal and audit log.
    fn note(&self, open: &Open, batch: Batch<'_>) -> Result<(), Failure> {
        let mut noted = match &self.secrets {
            Some(secrets) => secrets
                .keep()
                .map_err(|error| internal(format!("the escrow of secrets: {error}"))),
            None => Ok(()),
        };
        if noted.is_ok() && !batch.records.is_empty() {
            noted = self.append(&batch.records);
        }
        if let (Ok(()), Some(trail)) = (&noted, &self.trail) {
            noted = trail
                .note(
                    Kind::Call,
                    Some(batch.plugin),
                    batch.summary,
                    batch.detail.into(),
                )
                .map_err(|error| internal(format!("the audit log cannot be written: {error}")));
        }
        match noted {
            // What brings the old state back must not fail for want of paper.
            Err(failure) if open.undoing => {
                tracing::warn!("{}", failure.message);
                Ok(())
            }
            noted => noted,
        }
    }
}

/// What a plugin hears that comes too late.
fn closed() -> Failure {
    Failure {
        code: FailureCode::Cancelled,
        message: "no transaction is open: nothing takes effect any more".into(),
        backend: None,
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
        let open = open.as_mut().ok_or_else(closed)?;
        let objects: Vec<String> = requests.iter().map(object_of).collect();
        let mut records = vec![Record::Requests {
            plugin: plugin.to_owned(),
            summary: objects.clone(),
        }];
        if !open.undoing {
            let images = capture(kernel, requests, &mut open.effects.kernel).await?;
            open.effects.touches_kernel(plugin);
            let plugin = Some(plugin.to_owned());
            records.insert(0, Record::Before { plugin, images });
        }
        self.note(
            open,
            Batch {
                plugin,
                records,
                summary: format!("{} requests to the kernel", requests.len()),
                detail: objects,
            },
        )
    }

    async fn before_ovsdb(
        &self,
        plugin: &str,
        database: &str,
        operations: &[String],
        images: serde_json::Value,
    ) -> Result<(), Failure> {
        let mut open = self.open.lock().await;
        let open = open.as_mut().ok_or_else(closed)?;
        let mut records = Vec::new();
        if !open.undoing {
            records.push(Record::BackendBefore {
                backend: OVSDB.to_owned(),
                plugin: plugin.to_owned(),
                image: images,
            });
        }
        records.iter().for_each(|record| open.effects.note(record));
        self.note(
            open,
            Batch {
                plugin,
                records,
                summary: format!("{} operations on the database {database}", operations.len()),
                detail: operations.to_vec(),
            },
        )
    }

    async fn before_links_change(
        &self,
        plugin: &str,
        kernel: &dyn Kernel,
        links: &[String],
    ) -> Result<(), Failure> {
        let mut open = self.open.lock().await;
        let open = open.as_mut().ok_or_else(closed)?;
        if open.undoing || links.is_empty() {
            return Ok(());
        }
        // No more of a link can go than goes with its end.
        let ends: Vec<Request> = links.iter().cloned().map(Request::DeleteLink).collect();
        let images = capture(kernel, &ends, &mut open.effects.kernel).await?;
        open.effects.touches_kernel(plugin);
        self.append(&[Record::Before {
            plugin: Some(plugin.to_owned()),
            images,
        }])
    }

    async fn before_dbus(&self, plugin: &str, calls: &[MethodCall]) -> Result<(), Failure> {
        let mut open = self.open.lock().await;
        let open = open.as_mut().ok_or_else(closed)?;
        let records = match open.undoing {
            true => Vec::new(),
            false => open.before_dbus(plugin, calls)?,
        };
        records.iter().for_each(|record| open.effects.note(record));
        let detail = calls.iter().map(|call| {
            let MethodCall {
                path,
                interface,
                member,
                ..
            } = call;
            format!("{interface}.{member} of {path}")
        });
        self.note(
            open,
            Batch {
                plugin,
                records,
                summary: format!("{} calls on the message bus", calls.len()),
                detail: detail.collect(),
            },
        )
    }

    fn transaction(&self) -> Option<String> {
        self.trail
            .as_ref()
            .map(|trail| trail.transaction().to_owned())
    }

    fn answered(&self, plugin: &str, done: usize, refused: usize) {
        let mut answered = lock(&self.answered);
        let answered = answered.entry(plugin.to_owned()).or_default();
        answered.done += done;
        answered.refused += refused;
    }

    fn rehearsed(&self, plugin: &str, change: Rehearsed) {
        lock(&self.rehearsed).push((plugin.to_owned(), change));
    }

    fn progress(&self, plugin: &str, done: u32, total: u32) {
        tracing::debug!("{plugin}: {done} of {total}");
        progress::count(done as usize, total as usize);
    }

    fn denied(&self, plugin: &str, failure: &Failure) {
        tracing::warn!("{plugin}: denied: {}", failure.message);
        let message = failure.message.clone();
        let noted = match (&self.trail, &self.denials) {
            (Some(trail), _) => {
                trail.note(Kind::Denial, Some(plugin), message, serde_json::Value::Null)
            }
            (None, Some(denials)) => denials.note(plugin, message),
            (None, None) => Ok(()),
        };
        if let Err(error) = noted {
            tracing::error!("a denial is not in the audit log: {error}");
        }
    }
}

/// Changes that are about to be sent together.
struct Batch<'a> {
    plugin: &'a str,
    /// For the journal.
    records: Vec<Record>,
    /// For the audit log: in one line, and in many.
    summary: String,
    detail: Vec<String>,
}

impl Open {
    /// What the journal must know before these calls are sent: what the plugin noted, for its `rollback`, before its first call; and the
    /// objects that it has not touched yet, for a person who reads that they could not be restored.
    fn before_dbus(&self, plugin: &str, calls: &[MethodCall]) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        if self.effects.noted(plugin).is_none() {
            let noted = self.noted.iter().find(|noted| noted.plugin == plugin);
            let noted = noted.ok_or_else(|| {
                internal(format!(
                    "{plugin} has noted no checkpoint, so that what it does on a message bus could not be undone"
                ))
            })?;
            records.push(Record::PluginCheckpoint {
                plugin: plugin.to_owned(),
                data: noted.checkpoint.clone(),
            });
        }
        let known = self.effects.dbus_objects(plugin);
        let mut new: Vec<String> = calls.iter().map(object_of_call).collect();
        new.sort();
        new.dedup();
        new.retain(|object| !known.contains(object));
        if !new.is_empty() {
            records.push(Record::BackendBefore {
                backend: DBUS.to_owned(),
                plugin: plugin.to_owned(),
                image: new.into(),
            });
        }
        Ok(records)
    }
}

/// The object of a call, for a person.
pub fn object_of_call(call: &MethodCall) -> String {
    format!("D-Bus object {} of {}", call.path, call.destination)
}

/// The object of a change, for a person.
pub fn object_of_change(change: &Rehearsed) -> String {
    match change {
        Rehearsed::Netlink(request) => object_of(request),
        Rehearsed::Ovsdb { database, .. } => format!("database {database}"),
        Rehearsed::Dbus { call } => object_of_call(call),
    }
}
