//! The shapes of `--json` of `op-dbus plugin`; see [`super::json`] for what holds of all shapes.

use serde::Serialize;

use super::json::Json;
use crate::contract::exports::op_dbus::plugin::state::Description;
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::trust::{Found, Standing};

/// `op-dbus plugin inspect --json`.
#[derive(Debug, Serialize)]
pub struct Inspected {
    /// [`super::json::VERSION`].
    pub version: u32,
    /// Where it came from: an absolute path, `builtin:NAME`, or a reference with the digest of its manifest.
    pub source: String,
    /// Of the component.
    pub digest: Digest,
    /// In bytes.
    pub size: usize,
    /// What it says of itself.
    pub plugin: Plugin,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// All that were found.
    pub signatures: Vec<Signature>,
    /// Whether they suffice for the configuration.
    pub trusted: bool,
    /// The grant that it asks for; absent where that is no grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<Grant>,
    /// The JSON Schema of its section, with `--schema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
}

/// What a plugin says of itself.
#[derive(Debug, Serialize)]
pub struct Plugin {
    /// The name that it gives itself; the configuration may give it another.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// One line for a person.
    pub summary: String,
}

/// A signature.
#[derive(Debug, Serialize)]
pub struct Signature {
    /// Whose, as far as that can be told.
    pub by: String,
    /// Whether it counts: `trusted`, `revoked`, `broken`, `unknown` or `unreadable`.
    pub standing: &'static str,
    /// What its signer wrote beside it, and signed as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// `op-dbus plugin list --json`, and `plugin verify --json`.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// [`super::json::VERSION`].
    pub version: u32,
    /// The built-in ones first.
    pub plugins: Vec<Entry>,
}

/// A plugin of the configuration.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its name in the configuration.
    pub name: String,
    /// `builtin:NAME`, or the path of its file.
    pub component: String,
    /// Where `plugin add` got it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Plugin>,
    /// All signatures that were found; not looked for where no key is trusted.
    pub signatures: Vec<Signature>,
    /// Why it is not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Plugin {
    /// From its description.
    pub fn of(description: &Description) -> Self {
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            summary: description.summary.clone(),
        }
    }
}

impl Signature {
    /// From what was found.
    pub fn of(found: &Found) -> Self {
        Self {
            by: found.by.clone(),
            standing: match found.standing {
                Standing::Trusted => "trusted",
                Standing::Revoked => "revoked",
                Standing::Broken => "broken",
                Standing::Unknown => "unknown",
                Standing::Unreadable => "unreadable",
            },
            comment: found.comment.clone(),
        }
    }
}
