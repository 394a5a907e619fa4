//! Why a call into a plugin failed.

use std::time::Duration;

use super::source::SourceError;
use super::stack;
use crate::contract::types::{BackendError, Failure};

/// A failure of a plugin or of what it called; names phase, plugin and source.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The component cannot be loaded.
    #[error("plugin {plugin} cannot be loaded: {reason}")]
    Load {
        /// Its name in the configuration.
        plugin: String,
        /// What is wrong with it and the way out.
        reason: String,
    },
    /// Its file is not used.
    #[error("plugin {plugin} is not loaded: {why}")]
    Source {
        /// Its name in the configuration.
        plugin: String,
        /// What is wrong with the file and the way out.
        why: Box<SourceError>,
    },
    /// The guest trapped: a defect in it, or a limit that it ran into.
    #[error(
        "plugin {plugin} failed in {call}{}: {reason}{}",
        .so_far.as_ref().map(|so_far| format!(" ({so_far})")).unwrap_or_default(),
        stack::picture(.stack)
    )]
    Trap {
        /// Its name, and its version where it is known.
        plugin: String,
        /// The export that was called.
        call: &'static str,
        /// What it had asked of the host before; absent for nothing.
        so_far: Option<String>,
        /// The trap in its own words.
        reason: String,
        /// The guest's own stack, the innermost function first.
        stack: Vec<String>,
    },
    /// The guest needed more than its limits allow.
    #[error("plugin {plugin} cannot do {call}: {reason}")]
    Limit {
        /// Its name.
        plugin: String,
        /// The export that was called.
        call: &'static str,
        /// What was refused, with the limit.
        reason: String,
    },
    /// The call took longer than its limit.
    #[error("plugin {plugin} did not finish {call} within {} s (its limit `deadline`)", .deadline.as_secs_f64())]
    Deadline {
        /// Its name.
        plugin: String,
        /// The export that was called.
        call: &'static str,
        /// The limit.
        deadline: Duration,
    },
    /// The plugin answered with a failure of its own.
    #[error("{plugin}: {}", describe(.failure))]
    Answer {
        /// Its name.
        plugin: String,
        /// The export that was called.
        call: &'static str,
        /// What it said.
        failure: Failure,
    },
    /// Compiling the component failed, or took more than its limits allow.
    #[error("plugin {plugin} cannot be compiled: {reason}")]
    Compile {
        /// Its name.
        plugin: String,
        /// What the compiler said, or which limit it ran into.
        reason: String,
    },
    /// The plugin answered with something that the contract does not allow.
    #[error("plugin {plugin} broke the contract in {call}: {reason}")]
    Contract {
        /// Its name.
        plugin: String,
        /// The export that was called.
        call: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// A failure in one line: what was tried, and the backend's own words where it has any.
pub fn describe(failure: &Failure) -> String {
    match &failure.backend {
        Some(BackendError {
            name,
            text: Some(text),
        }) => {
            format!("{} ({name}: {text})", failure.message)
        }
        Some(BackendError { name, text: None }) => format!("{} ({name})", failure.message),
        None => failure.message.clone(),
    }
}

/// A backend's failure as an error of the host itself.
pub fn to_error(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!(describe(&failure))
}
