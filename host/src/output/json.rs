//! The shapes of `--json`, one document on the standard output, ended by a line break.
//!
//! Stable: a field never changes its meaning or goes away while [`VERSION`] stays; fields may be added, so a reader ignores those that
//! it does not know. A field that has nothing to say is left out. Sections are what the plugin's schema describes.

mod rehearsal;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::contract::exports::op_dbus::plugin::state::{
    Action, Mismatch, Operation as ContractOperation, Outcome,
};
use crate::contract::types::{Failure as ContractFailure, FailureCode as ContractCode};
use crate::transaction::ending::Ending;
use crate::transaction::pending::Ended;
pub use rehearsal::{Call, Rehearsal, Rehearsed, Transact};

/// The version of these shapes, in the field `version` of each.
pub const VERSION: u32 = 1;

/// `op-dbus query --json`: a state file of what is, `{"version": 1, "plugins": {NAME: SECTION}}`. Its version is [`VERSION`], which is the
/// version of state files too.
#[derive(Debug)]
pub struct Query<'a> {
    /// Each plugin's section as JSON, by the plugin's name. They were held against the rules of the contract when they came from the plugin:
    /// of a large network this is the one copy that is made of them.
    pub plugins: &'a [(String, String)],
}

impl Query<'_> {
    /// The text to print, with its line break.
    pub fn text(&self) -> String {
        let lengths = self
            .plugins
            .iter()
            .map(|(name, json)| name.len() + json.len());
        let mut text = String::with_capacity(64 + lengths.map(|length| length + 8).sum::<usize>());
        text.push_str(&format!("{{\"version\":{VERSION},\"plugins\":{{"));
        for (place, (name, json)) in self.plugins.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name.as_str()).to_string());
            text.push(':');
            text.push_str(json.trim_ascii());
        }
        text.push_str("}}\n");
        text
    }
}

/// `op-dbus diff --json`.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// [`VERSION`].
    pub version: u32,
    /// Whether there is nothing to do. The exit code says the same: 0 or 2.
    pub in_sync: bool,
    /// For each plugin with a section, in the order in which they are applied.
    pub plugins: Vec<PluginPlan>,
}

/// What one plugin would do.
#[derive(Debug, Serialize)]
pub struct PluginPlan {
    /// The plugin's name.
    pub plugin: String,
    /// The steps, in order.
    pub actions: Vec<Step>,
}

/// One step of a plan.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What is done to the target.
    pub operation: Operation,
    /// The object in the user's terms, e.g. `interface vmbr0`.
    pub target: String,
    /// One line for a person.
    pub summary: String,
    /// Whether it interrupts traffic.
    pub disruptive: bool,
    /// The object before, in the plugin's own form; absent on `create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Json>,
    /// The object after, in the plugin's own form; absent on `delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Json>,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed in place, or made anew where that cannot be.
    Modify,
    /// It is removed.
    Delete,
}

/// `op-dbus apply --json`, `op-dbus confirm --json` and `op-dbus rollback --json`.
#[derive(Debug, Serialize)]
pub struct Apply {
    /// [`VERSION`].
    pub version: u32,
    /// How it ended. The exit code says the same.
    pub result: ApplyResult,
    /// The transaction, as in the audit log; absent where there was nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The checkpoint of before, to go back to; absent where nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// What each plugin did, in order.
    pub plugins: Vec<PluginOutcome>,
    /// Why it was rolled back, or what could not be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// How an `apply` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyResult {
    /// The system was read back and is as wished. Exit code 0.
    Applied,
    /// It was so already, nothing was changed. Exit code 0.
    InSync,
    /// The new state holds until the time is up, unless it is confirmed. Exit code 0.
    AwaitsConfirmation,
    /// The system is as it was before. Exit code 3.
    RolledBack,
    /// The system is neither as before nor as wished: `failures` says where. Exit code 4.
    RollbackIncomplete,
}

/// What one plugin did.
#[derive(Debug, Serialize)]
pub struct PluginOutcome {
    /// The plugin's name.
    pub plugin: String,
    /// What became of each step, in order; steps after a failed one may be missing.
    pub outcomes: Vec<StepOutcome>,
}

/// What became of one step.
#[derive(Debug, Serialize)]
pub struct StepOutcome {
    /// The object in the user's terms.
    pub target: String,
    /// One line for a person.
    pub summary: String,
    /// Why it failed; absent where it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failure>,
}

/// Why something failed.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// One of the contract's failure codes, e.g. `not-found`.
    pub code: &'static str,
    /// One sentence for a person.
    pub message: String,
    /// The words of the kernel, the OVSDB server or the D-Bus service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendError>,
}

/// The words of a backend, unchanged.
#[derive(Debug, Serialize)]
pub struct BackendError {
    /// An errno name, an OVSDB error or a D-Bus error name.
    pub name: String,
    /// The text that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `op-dbus verify --json`.
#[derive(Debug, Serialize)]
pub struct Verify {
    /// [`VERSION`].
    pub version: u32,
    /// Whether the system is as the state file says. The exit code says the same: 0 or 2.
    pub in_sync: bool,
    /// For each plugin with a section.
    pub plugins: Vec<PluginMismatches>,
}

/// Where one plugin found the system to differ.
#[derive(Debug, Serialize)]
pub struct PluginMismatches {
    /// The plugin's name.
    pub plugin: String,
    /// The places.
    pub mismatches: Vec<Difference>,
}

/// A place where the system differs from the state file.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// JSON Pointer (RFC 6901) into the plugin's section.
    pub path: String,
    /// What the state file says.
    pub want: Json,
    /// What the system has; absent where it has nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub have: Option<Json>,
}

/// `op-dbus doctor --json`.
#[derive(Debug, Serialize)]
pub struct Doctor {
    /// [`VERSION`].
    pub version: u32,
    /// Whether nothing fails. The exit code says the same: 0 or 1.
    pub healthy: bool,
    /// What was looked at, in order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What it is, e.g. `state directory`.
    pub check: &'static str,
    /// Whether it is as it should be.
    pub status: Checked,
    /// What was found, for a person.
    pub found: String,
    /// What to do about it; absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// It is.
    Ok,
    /// Something is missing that not everybody needs.
    Warn,
    /// Something is missing without which there is no work.
    Fail,
}

/// `op-dbus tenant list --json`.
#[derive(Debug, Serialize)]
pub struct TenantList {
    /// [`VERSION`].
    pub version: u32,
    /// By name.
    pub tenants: Vec<Tenant>,
}

/// One of those who share this host.
#[derive(Debug, Serialize)]
pub struct Tenant {
    /// For `--tenant`.
    pub tenant: String,
    /// Its network namespace: a name or a path.
    pub netns: String,
    /// The plugins that it has.
    pub plugins: Vec<String>,
    /// Bytes in its state directory.
    pub state_used: u64,
    /// Bytes that may be.
    pub state_quota: u64,
}

/// `op-dbus checkpoint list --json`.
#[derive(Debug, Serialize)]
pub struct CheckpointList {
    /// [`VERSION`].
    pub version: u32,
    /// The newest first: `rollback` without an ID goes to the first.
    pub checkpoints: Vec<Checkpoint>,
}

/// A checkpoint, without what it holds.
#[derive(Clone, Debug, Serialize)]
pub struct Checkpoint {
    /// For `rollback ID` and `checkpoint show ID`.
    pub id: String,
    /// When it was made: RFC 3339, in UTC.
    pub created: String,
    /// `manual`, or the transaction that it was made before.
    pub reason: String,
    /// The plugins whose state it holds.
    pub plugins: Vec<String>,
}

/// `op-dbus checkpoint show ID --json`.
#[derive(Debug, Serialize)]
pub struct CheckpointShow {
    /// [`VERSION`].
    pub version: u32,
    /// Which one it is.
    pub checkpoint: Checkpoint,
    /// The state that it holds, by the plugin's name, in the plugin's own form.
    pub plugins: Sections,
}

/// A JSON text as it came from a plugin, not parsed again.
pub type Json = Box<RawValue>;

/// JSON texts by the plugin's name, in order.
#[derive(Debug, Default)]
pub struct Sections(pub Vec<(String, Json)>);

impl Serialize for Sections {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, json)| (name, json)))
    }
}

/// A shape as the text to print, with its line break.
pub fn text(shape: &impl Serialize) -> String {
    // The shapes have text keys only, which is all that could fail.
    serde_json::to_string(shape).expect("every shape is JSON") + "\n"
}

/// A text of a plugin as JSON.
///
/// # Errors
/// When it is none: the plugin's fault.
pub fn raw(json: &str) -> serde_json::Result<Json> {
    serde_json::from_str(json)
}

impl Step {
    /// A step of a plugin's plan.
    ///
    /// # Errors
    /// When what it holds is not JSON.
    pub fn of(action: &Action) -> serde_json::Result<Self> {
        Ok(Self {
            operation: match action.operation {
                ContractOperation::Create => Operation::Create,
                ContractOperation::Modify => Operation::Modify,
                ContractOperation::Delete => Operation::Delete,
            },
            target: action.target.clone(),
            summary: action.summary.clone(),
            disruptive: action.disruptive,
            before: action.before.as_deref().map(raw).transpose()?,
            after: action.after.as_deref().map(raw).transpose()?,
        })
    }
}

impl Difference {
    /// A mismatch that a plugin reports.
    ///
    /// # Errors
    /// When what it holds is not JSON.
    pub fn of(mismatch: &Mismatch) -> serde_json::Result<Self> {
        Ok(Self {
            path: mismatch.path.clone(),
            want: raw(&mismatch.want)?,
            have: mismatch.have.as_deref().map(raw).transpose()?,
        })
    }
}

impl Apply {
    /// A change that awaited confirmation, once that is decided.
    pub fn decided(ended: &Ended) -> Self {
        let result = match (ended.kept, ended.incomplete.is_empty()) {
            (true, _) => ApplyResult::Applied,
            (false, true) => ApplyResult::RolledBack,
            (false, false) => ApplyResult::RollbackIncomplete,
        };
        let why = (!ended.kept).then(|| Failure::refused(ended.why.clone()));
        let left = ended.incomplete.iter();
        let left = left.map(|difference| Failure::refused(difference.to_string()));
        Self {
            version: VERSION,
            result,
            transaction: None,
            checkpoint: None,
            plugins: Vec::new(),
            failures: why.into_iter().chain(left).collect(),
        }
    }
}

impl From<&Outcome> for StepOutcome {
    fn from(outcome: &Outcome) -> Self {
        Self {
            target: outcome.target.clone(),
            summary: outcome.summary.clone(),
            failed: outcome.failed.as_ref().map(Failure::from),
        }
    }
}

impl Failure {
    /// In the host's own words.
    fn refused(message: String) -> Self {
        Self {
            code: code(ContractCode::Refused),
            message,
            backend: None,
        }
    }

    /// Why a transaction did not hold, and each object that is not as it was.
    pub fn of_ending(ending: &Ending) -> Vec<Self> {
        match ending {
            Ending::Applied | Ending::Awaiting(_) => Vec::new(),
            Ending::RolledBack(cause) => vec![Self::refused(cause.to_string())],
            Ending::Incomplete(cause, left) => {
                let left = left
                    .iter()
                    .map(|difference| Self::refused(difference.to_string()));
                std::iter::once(Self::refused(cause.to_string()))
                    .chain(left)
                    .collect()
            }
        }
    }
}

impl From<&ContractFailure> for Failure {
    fn from(failure: &ContractFailure) -> Self {
        Self {
            code: code(failure.code),
            message: failure.message.clone(),
            backend: failure.backend.as_ref().map(|backend| BackendError {
                name: backend.name.clone(),
                text: backend.text.clone(),
            }),
        }
    }
}

/// The name of a failure code, as the contract spells it.
pub fn code(code: ContractCode) -> &'static str {
    match code {
        ContractCode::Denied => "denied",
        ContractCode::NotFound => "not-found",
        ContractCode::Exists => "exists",
        ContractCode::Invalid => "invalid",
        ContractCode::Unsupported => "unsupported",
        ContractCode::Unavailable => "unavailable",
        ContractCode::Timeout => "timeout",
        ContractCode::Refused => "refused",
        ContractCode::Conflict => "conflict",
        ContractCode::Limit => "limit",
        ContractCode::Cancelled => "cancelled",
        ContractCode::Internal => "internal",
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
