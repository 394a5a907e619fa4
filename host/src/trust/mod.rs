//! Who vouches for a component: the keys that the operator trusts, and the signatures of a component that hold.
//!
//! # Layout
//! - [`key`]: public keys of minisign and of cosign, by their text. [`evidence`]: signatures as they are found, beside a file or in a registry.
//! - [`manifest`]: what a registry says of a component. [`minisign`], [`sigstore`]: whether a signature is by a key and fits the component.
//! - [`Trust`]: the policy, a value without input or output.
//!
//! Signatures are checked over the bytes in memory that are then compiled, offline, and again whenever a component is loaded: a key that is
//! revoked later, or a file that is changed later, counts from then on.

pub mod evidence;
pub mod key;
pub mod manifest;
pub mod minisign;
pub mod sigstore;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use evidence::Evidence;
use key::{Identity, Key};

/// Whose signatures a component needs before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Whether signatures are needed at all.
    pub required: bool,
    /// By how many different keys.
    pub minimum: usize,
    /// Keys that count.
    pub keys: Vec<Key>,
    /// Keys that count no more, whoever else names them.
    pub revoked: Vec<Identity>,
}

impl Default for Trust {
    /// Nothing is needed.
    fn default() -> Self {
        Self {
            required: false,
            minimum: 1,
            keys: Vec::new(),
            revoked: Vec::new(),
        }
    }
}

/// What became of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It fits the component, and its key is trusted.
    Trusted,
    /// It fits the component, and its key was revoked.
    Revoked,
    /// It is said to be by a key that is known, and does not fit the component.
    Broken,
    /// It is by a key that the configuration does not name.
    Unknown,
    /// It is no signature.
    Unreadable,
}

/// A signature that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The key, as far as it can be told: `minisign key E7620F1842B4E81F`.
    pub by: String,
    /// What became of it.
    pub standing: Standing,
    /// What its signer wrote beside it, and signed as well.
    pub comment: Option<String>,
    /// Which key it is; absent unless it fits.
    pub key: Option<Identity>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let standing = match self.standing {
            Standing::Trusted => "trusted",
            Standing::Revoked => "revoked",
            Standing::Broken => "it does not fit the component",
            Standing::Unknown => "not among the keys of [trust]",
            Standing::Unreadable => "it cannot be read",
        };
        write!(f, "{} ({standing})", self.by)
    }
}

/// A component without the signatures that it needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub struct Untrusted {
    /// How many different trusted keys have signed it.
    pub have: usize,
    /// How many must have.
    pub need: usize,
    /// All signatures that were found.
    pub found: Vec<Found>,
}

impl Untrusted {
    fn words(&self) -> String {
        let keys = match self.need {
            1 => "1 key".to_owned(),
            more => format!("{more} different keys"),
        };
        let found = match self.found.is_empty() {
            true => "none was found".to_owned(),
            false => {
                let found: Vec<_> = self.found.iter().map(Found::to_string).collect();
                format!("{} count: {}", self.have, found.join("; "))
            }
        };
        format!(
            "it must be signed by {keys} of [trust] in the configuration, and of its signatures {found}. Have it signed (`minisign -S`, \
             `cosign sign-blob --bundle`) and put the signature beside it"
        )
    }
}

impl Trust {
    /// Whether a look at signatures can change anything: without keys none is known.
    pub fn cares(&self) -> bool {
        self.required || !self.keys.is_empty()
    }

    /// Whether a key counts no more.
    pub fn is_revoked(&self, key: &Key) -> bool {
        self.revoked.iter().any(|revoked| key.is(revoked))
    }

    /// The keys that count, each once however often and under however many names it is listed.
    pub fn counting(&self) -> BTreeSet<Identity> {
        let keys = self.keys.iter().filter(|key| !self.is_revoked(key));
        keys.map(Key::identity).collect()
    }

    /// Looks at every signature of a component.
    pub fn examine(&self, component: &[u8], evidence: &Evidence) -> Vec<Found> {
        let minisign = evidence
            .minisign
            .iter()
            .map(|signature| minisign::examine(self, component, signature));
        let sigstore = sigstore::examine(self, component, evidence);
        minisign.chain(sigstore).collect()
    }

    /// Whether these signatures suffice.
    ///
    /// Where signatures are needed, by as many different trusted keys as it says. Where they are not, a component may have none, or some by
    /// keys that nobody knows; but one whose only signatures by known keys are broken, or by keys that were revoked, is refused.
    ///
    /// # Errors
    /// What is missing, and what was found instead.
    pub fn judge(&self, found: Vec<Found>) -> Result<Vec<Found>, Untrusted> {
        let signers: BTreeSet<_> = found
            .iter()
            .filter(|found| found.standing == Standing::Trusted)
            .filter_map(|found| found.key)
            .collect();
        let suspicious = found
            .iter()
            .any(|found| matches!(found.standing, Standing::Broken | Standing::Revoked));
        let need = match self.required {
            true => self.minimum.max(1),
            false => usize::from(suspicious),
        };
        if signers.len() < need {
            return Err(Untrusted {
                have: signers.len(),
                need,
                found,
            });
        }
        Ok(found)
    }

    /// How a signature stands that fits and was made with `key`.
    fn standing(&self, key: &Key) -> Standing {
        match self.is_revoked(key) {
            true => Standing::Revoked,
            false => Standing::Trusted,
        }
    }
}
