//! Secrets in what passes the gate: out by reference where the grant says that one stands, in by fingerprint.

use crate::backends::dbus::value::Secrets;
use crate::contract::types::{Failure, FailureCode, Secret};
use crate::gate::pattern::{Pattern, any_matches};
use crate::gate::{Gate, failure};

/// The secrets in what passes the gate.
pub(super) struct Kept<'g> {
    pub(super) gate: &'g Gate,
    /// Where they stand.
    pub(super) places: &'g [Pattern],
    /// Whose they are; nobody's for signals, by which nothing is put back.
    pub(super) of: Option<String>,
}

impl Secrets for Kept<'_> {
    fn keeps(&self, place: &str) -> bool {
        any_matches(self.places, place)
    }

    fn reveal(&self, secret: &Secret, kept: bool) -> Result<String, Failure> {
        let gate = self.gate;
        if !kept {
            return Err(gate.refuse(failure(
                FailureCode::Denied,
                "a secret may stand only where the grant says that there is one, so that nobody can read it back; to allow it, the operator \
                 adds the key, or the argument's number, to secrets of the rule in dbus.rules",
            )));
        }
        let names = &secret.name;
        if let (None, Some(fingerprint)) = (names, &secret.fingerprint)
            && !gate.grant.covers_all_secrets()
            && !self
                .of
                .as_ref()
                .is_some_and(|of| gate.backends.secrets.was_at(fingerprint, of))
        {
            return Err(gate.refuse(failure(
                FailureCode::Denied,
                format!("the secret with the fingerprint {fingerprint:?} was not read from this object, to which alone it may be put back; to \
                         allow it anywhere, the operator adds \"*\" to secrets (beside dbus)"),
            )));
        }
        if let Some(name) = names
            && !any_matches(&gate.grant.secrets, name)
        {
            return Err(gate.refuse(failure(
                FailureCode::Denied,
                format!("the grant does not cover the secret {name:?}; to allow it, the operator adds it to secrets (beside dbus)"),
            )));
        }
        gate.backends.secrets.reveal(secret)
    }

    fn mask(&self, text: &str) -> Option<Secret> {
        // Where a key or certificate lies is no secret (NetworkManager's schemes of 802-1x, `nm_setting_802_1x_set_private_key`).
        let says_where = ["file://", "pkcs11:"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        let secrets = &self.gate.backends.secrets;
        (!says_where).then(|| match &self.of {
            Some(of) => secrets.mask_at(text, of),
            None => secrets.mask(text),
        })
    }

    fn censor(&self, text: &str) -> Option<String> {
        self.gate.backends.secrets.censor(text)
    }
}
