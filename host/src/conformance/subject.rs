//! The plugin that is tried, and an attempt with it: one host, calls that are judged as they come back.

use std::sync::Arc;

use serde_json::Value;

use super::law::{Breach, Law};
use super::schema::Schema;
use super::snapshot::snapshot;
use super::stage::{Stage, Standing};
use super::states::with_fingerprints;
use super::witness::{Heard, Listening, Witness};
use crate::contract::exports::op_dbus::plugin::state::{
    Action, CheckpointData, Description, Mismatch, Outcome, Problem,
};
use crate::contract::types::Failure;
use crate::gate::Mode;
use crate::plugin::failure::{PluginError, describe};
use crate::plugin::instance::Caller;
use crate::plugin::loader::Plugin;

/// A plugin that is tried.
pub struct Subject {
    /// With what it asks for as its grant.
    pub plugin: Plugin,
    /// What it said of itself.
    pub description: Description,
    /// Its schema, where that is one.
    pub schema: Option<Schema>,
}

/// Why an attempt does not go on.
#[derive(Debug)]
pub enum Stop {
    /// A law is broken.
    Breach(Breach),
    /// The plugin says no, as it may.
    Failed(String, Failure),
}

impl From<Breach> for Stop {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}

/// A plugin on a host of its own.
pub struct Attempt<'a> {
    subject: &'a Subject,
    host: Standing,
    /// Who listens.
    pub witness: Arc<Witness>,
}

impl Subject {
    /// Whether it asks for nothing that could be changed: then it only says whether things are as they should be.
    pub fn only_watches(&self) -> bool {
        let grant = &self.plugin.grant;
        let netlink = grant.netlink.as_ref();
        let bus = grant.dbus.iter().flat_map(|it| &it.rules);
        grant.ovsdb.is_none()
            && netlink.is_none_or(|it| it.change.is_empty() && !it.rules)
            && bus
                .into_iter()
                .all(|rule| rule.change.is_empty() && rule.set.is_empty())
    }

    /// Sets a host up for it.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn attempt(&self, stage: &dyn Stage) -> anyhow::Result<Attempt<'_>> {
        Ok(Attempt {
            subject: self,
            host: stage.stand().await?,
            witness: Arc::default(),
        })
    }

    /// Whether a state fits the schema and the plugin finds no fault with it.
    ///
    /// # Errors
    /// A breach: the plugin trapped over it.
    pub async fn accepts(&self, attempt: &Attempt<'_>, state: &Value) -> Result<bool, Breach> {
        if let Some(schema) = &self.schema
            && schema.misfit(state).is_some()
        {
            return Ok(false);
        }
        match attempt.validate(state).await {
            Ok(problems) => Ok(problems.is_empty()),
            Err(Stop::Breach(breach)) => Err(breach),
            Err(Stop::Failed(..)) => Ok(false),
        }
    }
}

impl Attempt<'_> {
    /// A way to call the plugin that nobody judges.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            plugin: &self.subject.plugin,
            backends: self.host.backends.clone(),
            recorder: self.witness.clone(),
            listener: Some(Arc::new(Listening(self.witness.clone()))),
        }
    }

    /// A state as the plugin gets it.
    pub fn text(&self, state: &Value) -> String {
        with_fingerprints(state, &self.host.backends.secrets).to_string()
    }

    /// All that is on the host.
    ///
    /// # Errors
    /// When a backend cannot be read, which is no fault of the plugin.
    pub async fn snapshot(&self) -> anyhow::Result<Vec<String>> {
        snapshot(&self.host, &self.subject.plugin.grant)
            .await
            .map_err(|failure| anyhow::anyhow!("the host cannot be read: {}", describe(&failure)))
    }

    /// What an answer means: one that can be gone on with, a failure that the plugin may give, or a breach.
    fn judge<T>(&self, call: &str, answer: Result<T, PluginError>) -> Result<T, Stop> {
        let limits = &self.subject.plugin.limits;
        let lines = self.heard_lines();
        if lines > u64::from(limits.log_lines) {
            return Err(Breach::new(
                Law::Limits,
                call,
                format!("at most {} lines of log in one call", limits.log_lines),
                format!("{lines} lines"),
            )
            .into());
        }
        match answer {
            Ok(value) => Ok(value),
            Err(PluginError::Answer { failure, .. }) => Err(Stop::Failed(call.to_owned(), failure)),
            Err(error) => Err(breach_of(call, &error).into()),
        }
    }

    fn heard_lines(&self) -> u64 {
        self.witness.lines()
    }

    /// What the plugin finds wrong with a state.
    ///
    /// # Errors
    /// [`Stop`]; so for all calls.
    pub async fn validate(&self, state: &Value) -> Result<Vec<Problem>, Stop> {
        let answer = self.caller().validate(&self.text(state)).await;
        self.judge("validate(S)", answer)
    }

    /// What is; of a state, or of everything.
    pub async fn query(&self, call: &str, within: Option<&Value>) -> Result<Value, Stop> {
        let within = within.map(|state| self.text(state));
        let answer = self.caller().query(within.as_ref()).await;
        let text = self.judge(call, answer)?;
        serde_json::from_str(&text).map_err(|error| {
            let expected = "a section as JSON";
            Breach::new(
                Law::QuerySchema,
                call,
                expected,
                format!("{error} in {}", short(&text)),
            )
            .into()
        })
    }

    /// The steps from one state to another.
    pub async fn diff(
        &self,
        call: &str,
        current: &Value,
        desired: &Value,
    ) -> Result<Vec<Action>, Stop> {
        let desired = self.text(desired);
        let answer = self.caller().diff(&current.to_string(), &desired).await;
        self.judge(call, answer)
    }

    /// Where the host is not as a state says.
    pub async fn verify(&self, call: &str, desired: &Value) -> Result<Vec<Mismatch>, Stop> {
        let answer = self.caller().verify(&self.text(desired)).await;
        self.judge(call, answer)
    }

    /// Carries steps out.
    pub async fn apply(&self, call: &str, actions: &[Action]) -> Result<Vec<Outcome>, Stop> {
        let answer = self.caller().apply(Mode::Change, actions).await;
        self.judge(call, answer)
    }

    /// Notes what is.
    pub async fn checkpoint(&self, within: Option<&Value>) -> Result<CheckpointData, Stop> {
        let within = within.map(|state| self.text(state));
        let answer = self.caller().checkpoint(within.as_ref()).await;
        self.judge("checkpoint(S)", answer)
    }

    /// Goes back.
    pub async fn rollback(&self, call: &str, to: &CheckpointData) -> Result<Vec<Outcome>, Stop> {
        let answer = self.caller().rollback(Mode::Change, to).await;
        self.judge(call, answer)
    }

    /// Frees what a checkpoint holds.
    pub async fn release(&self, checkpoint: &CheckpointData) -> Result<(), Stop> {
        let answer = self.caller().release(checkpoint).await;
        self.judge("release(C)", answer)
    }

    /// What was heard since the last look.
    pub fn heard(&self) -> Heard {
        self.witness.take()
    }
}

/// An error that no plugin should cause, as the breach that it is.
pub fn breach_of(call: &str, error: &PluginError) -> Breach {
    let (law, expected) = match error {
        PluginError::Limit { .. } => (Law::Limits, "an answer within the limits"),
        PluginError::Deadline { .. } => (Law::Limits, "an answer within the deadline"),
        PluginError::Contract { .. } => (Law::Contract, "an answer that fits the question"),
        _ => (Law::ErrorsTyped, "an answer, or a failure with a code"),
    };
    Breach::new(law, call, expected, error.to_string())
}

/// A text for a report: what is too long is cut.
pub fn short(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { "…" } else { "" };
    crate::output::escape::escape(&text[..end]).into_owned() + cut
}
