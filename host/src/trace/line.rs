//! The lines of a trace. Each is a JSON object; its first key says which kind it is.
//!
//! ```text
//! {"trace":1,"op-dbus":"0.1.0","contract":"0.1.0","command":"op-dbus apply …","time":"…"}
//! {"call":1,"plugin":"net","version":"0.1.0","digest":"…","export":"query","mode":"read","arguments":["{…}"]}
//! {"host":2,"within":1,"import":"netlink.links","arguments":[[…]],"answer":{"Ok":[…]}}
//! {"end":3,"of":1,"answer":{"Ok":"{…}"}}
//! ```
//! The numbers count lines of all kinds but the first, from 1. A call into a plugin that did not come to its end has `failed`, the sentence
//! that says why, in place of an answer. So may a question of its have none, the last one of a call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gate::Mode;

/// The version of this format.
pub const VERSION: u32 = 1;

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The first one.
    Header(Header),
    /// The host calls a plugin.
    Call(Call),
    /// The plugin asks the host, within a call.
    Asked(Asked),
    /// A call into a plugin has ended.
    End(End),
}

/// What was recorded, and by which version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub trace: u32,
    /// The version of the program.
    #[serde(rename = "op-dbus")]
    pub op_dbus: String,
    /// The newest version of the contract that it serves.
    pub contract: String,
    /// The command line.
    pub command: String,
    /// When it began: RFC 3339, UTC.
    pub time: String,
}

/// A call into a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its number.
    pub call: u64,
    /// The plugin's name.
    pub plugin: String,
    /// Its version, once it has described itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of its component.
    pub digest: String,
    /// The export.
    pub export: String,
    /// What the call may do.
    pub mode: Purpose,
    /// Its arguments.
    pub arguments: Value,
}

/// A question of a plugin, and the answer that it got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its number.
    pub host: u64,
    /// The number of the call that it is part of.
    pub within: u64,
    /// The function of the host.
    pub import: String,
    /// Its arguments.
    pub arguments: Value,
    /// What the plugin was told; absent where the call into it ended first, by its deadline for instance.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub answer: Option<Value>,
}

/// What is there, be it `null`, which an answer without a value is.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The end of a call into a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Its number.
    pub end: u64,
    /// The number of the call.
    pub of: u64,
    /// What the plugin answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// [`Mode`], written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Purpose {
    Pure,
    Read,
    Checkpoint,
    Change,
    Rehearse,
}

impl From<Mode> for Purpose {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Pure => Self::Pure,
            Mode::Read => Self::Read,
            Mode::Checkpoint => Self::Checkpoint,
            Mode::Change => Self::Change,
            Mode::Rehearse => Self::Rehearse,
        }
    }
}

impl From<Purpose> for Mode {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Pure => Self::Pure,
            Purpose::Read => Self::Read,
            Purpose::Checkpoint => Self::Checkpoint,
            Purpose::Change => Self::Change,
            Purpose::Rehearse => Self::Rehearse,
        }
    }
}
