//! How a transaction ended, and why.

use std::fmt;
use std::time::Duration;

use super::deadline::Deadline;
use super::probes::Failed;
use super::record::Difference;
use crate::contract::exports::op_dbus::plugin::state::{Mismatch, Outcome};
use crate::plugin::failure::{PluginError, describe};

/// Why a transaction was undone.
#[derive(Debug)]
pub enum Cause {
    /// A plugin could not go on: a failure, a trap, a deadline.
    Plugin(PluginError),
    /// A step failed; the outcomes say which.
    Step {
        /// The plugin.
        plugin: String,
        /// The object.
        target: String,
        /// The step.
        summary: String,
        /// What the backend said.
        message: String,
    },
    /// Everything was done, but the system does not show it.
    Mismatch(Vec<(String, Vec<Mismatch>)>),
    /// Everything was restored, but rehearsing it once more would still change these objects.
    NotRestored(Vec<String>),
    /// Probes that passed before the change fail after it.
    Unhealthy(Vec<Failed>),
    /// All was done, and nobody has said in time that it works; or somebody, that it does not.
    Unconfirmed(String),
    /// A plugin says that the system is as it was wished, while its own `diff` still has steps to get there.
    Contradicted {
        /// The plugin.
        plugin: String,
        /// What its steps concern.
        targets: Vec<String>,
    },
    /// It took longer than the operator allows.
    Late(Duration),
    /// Somebody asked to stop, by this signal.
    Interrupted(&'static str),
    /// The outcome could not be written down.
    Journal(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(error) => write!(f, "{error}"),
            Self::Step {
                plugin,
                target,
                summary,
                message,
            } => write!(f, "{plugin}: {target}: {summary}: {message}"),
            Self::Mismatch(found) => {
                let count: usize = found.iter().map(|(_, mismatches)| mismatches.len()).sum();
                write!(f, "the system was read back and differs in {count} places")
            }
            Self::NotRestored(objects) => {
                write!(
                    f,
                    "the system was read back and is not as the checkpoint says: {}",
                    objects.join(", ")
                )
            }
            Self::Unhealthy(failed) => {
                let failed: Vec<_> = failed.iter().map(Failed::to_string).collect();
                write!(
                    f,
                    "the host was well before and is not now: {}",
                    failed.join("; ")
                )
            }
            Self::Unconfirmed(why) => f.write_str(why),
            Self::Contradicted { plugin, targets } => write!(
                f,
                "{plugin} says that all is done, but its own comparison still finds steps to take: {}",
                targets.join(", ")
            ),
            Self::Late(within) => write!(
                f,
                "it did not end within {} (`transaction-deadline`; of a tenant, its quota `transaction`)",
                humantime::format_duration(*within)
            ),
            Self::Interrupted("SIGXCPU") => {
                f.write_str("its quota of processor time, `cpu-time`, is used up")
            }
            Self::Interrupted(signal) => write!(f, "{signal} came"),
            Self::Journal(message) => f.write_str(message),
        }
    }
}

/// How a transaction ended.
#[derive(Debug)]
pub enum Ending {
    /// The new state holds.
    Applied,
    /// The new state holds until then, unless somebody confirms it. The journal is open, for whoever decides.
    Awaiting(Deadline),
    /// The old state holds.
    RolledBack(Cause),
    /// Neither does: each object that is not as it was.
    Incomplete(Cause, Vec<Difference>),
}

impl Ending {
    /// Whether the new state holds.
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied)
    }
}

/// What a transaction did.
#[derive(Debug)]
pub struct Report {
    /// Its identity.
    pub transaction: String,
    /// The checkpoint of before, while there is something to go back to.
    pub checkpoint: Option<u64>,
    /// What became of each step, by plugin.
    pub outcomes: Vec<(String, Vec<Outcome>)>,
    /// Whether the system was read back.
    pub verified: bool,
    /// How it ended.
    pub ending: Ending,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

/// The first step that failed, as a cause.
pub fn first_failure(plugin: &str, outcomes: &[Outcome]) -> Option<Cause> {
    outcomes.iter().find_map(|outcome| {
        outcome.failed.as_ref().map(|failure| Cause::Step {
            plugin: plugin.to_owned(),
            target: outcome.target.clone(),
            summary: outcome.summary.clone(),
            message: describe(failure),
        })
    })
}
