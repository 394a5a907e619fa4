//! The shapes of `--json` of the verbs for those who write plugins; what [`json`](super::json) says of shapes holds for these.

use serde::Serialize;
use serde_json::Value;

/// `op-dbus plugin replay --json`.
#[derive(Debug, Serialize)]
pub struct Replay {
    /// [`VERSION`](super::json::VERSION).
    pub version: u32,
    /// The plugin.
    pub plugin: String,
    /// SHA-256 of the component that was run.
    pub digest: String,
    /// SHA-256 of the one that was recorded.
    pub recorded_digest: String,
    /// Calls of the trace into the plugin.
    pub calls: usize,
    /// The first thing that it did otherwise; left out when it did the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<ReplayDifference>,
}

/// Where a plugin does not do what a trace says.
#[derive(Debug, Serialize)]
pub struct ReplayDifference {
    /// The number of the call in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Which call, and what of it.
    pub what: String,
    /// Where in it, as a JSON Pointer; empty for the whole.
    pub path: String,
    /// What the trace has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What the plugin did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Value>,
}

/// `op-dbus plugin test --json`.
#[derive(Debug, Serialize)]
pub struct Conformance {
    /// [`VERSION`](super::json::VERSION).
    pub version: u32,
    /// The plugin.
    pub plugin: String,
    /// Its own version.
    pub plugin_version: String,
    /// SHA-256 of its component.
    pub digest: String,
    /// What it was tried on, for a person.
    pub host: String,
    /// States that were given.
    pub states: usize,
    /// Whether no law was broken. The exit code says the same: 0 or 5.
    pub clean: bool,
    /// Law by law.
    pub laws: Vec<LawVerdict>,
}

/// What is said of a law.
#[derive(Debug, Serialize)]
pub struct LawVerdict {
    /// Its name.
    pub law: &'static str,
    /// What it demands.
    pub sentence: &'static str,
    /// `held`, `broken` or `not-tried`.
    pub result: &'static str,
    /// How it was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breach: Option<LawBreach>,
}

/// How a law was broken.
#[derive(Debug, Serialize)]
pub struct LawBreach {
    /// In which call; `S` is the state, `C` what checkpoint returned.
    pub call: String,
    /// The smallest state that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// The state that was applied before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The given state that it was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What the law expects.
    pub expected: String,
    /// What there was.
    pub got: String,
}
