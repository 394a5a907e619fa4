//! A line of the audit log.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::transaction::record::{PluginDigest, Who};

/// What the first record names as the one before.
pub const NO_RECORD: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is worth a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A transaction ended.
    Transaction,
    /// A plugin changed something: one batch, one record.
    Call,
    /// A plugin asked for what its grant does not cover.
    Denial,
    /// What a dead process left was finished or undone.
    Recovery,
    /// The configuration was loaded.
    Configuration,
}

/// What a caller says; the log adds number, time and hashes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    pub kind: Kind,
    /// Who is behind it.
    pub who: Who,
    /// Through which plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginDigest>,
    /// In which transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// One line for a person. Never the text of a secret.
    pub summary: String,
    /// The particulars, e.g. the requests of a batch and what became of each.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1, without a gap over all files.
    pub number: u64,
    /// Hash of the record before.
    pub previous: String,
    /// RFC 3339, UTC, microseconds.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

const HASH_OPENS: &str = "{\"hash\":\"";
const HASH_CLOSES: &str = "\",";
const HASH_LENGTH: usize = 64;

impl Record {
    /// The line, without its end, and its hash: SHA-256, in hexadecimal, of all that follows the hash in the line.
    ///
    /// # Errors
    /// When the detail cannot be JSON.
    pub fn encode(&self) -> serde_json::Result<(String, String)> {
        let body = serde_json::to_string(self)?;
        let rest = &body[1..];
        let hash = hash(rest);
        Ok((format!("{HASH_OPENS}{hash}{HASH_CLOSES}{rest}"), hash))
    }

    /// A line's record and hash.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn decode(line: &[u8]) -> Result<(Self, String), String> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
        let (written, rest) = line
            .strip_prefix(HASH_OPENS)
            .and_then(|rest| rest.split_at_checked(HASH_LENGTH))
            .and_then(|(hash, rest)| Some((hash, rest.strip_prefix(HASH_CLOSES)?)))
            .ok_or("it does not begin with its hash")?;
        if hash(rest) != written {
            return Err("its content does not fit its hash: it was changed".to_owned());
        }
        let record =
            serde_json::from_str(line).map_err(|error| format!("it is no record: {error}"))?;
        Ok((record, written.to_owned()))
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
