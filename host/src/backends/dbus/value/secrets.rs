//! Secrets on their way through a conversion.

use crate::contract::types::{Failure, FailureCode, Secret};

/// What a conversion asks about secrets.
///
/// A place is a key of a dictionary, or the number of an argument (`0`, `1`, …); what stands under it, however deep, stands in that place.
pub trait Secrets: Send + Sync {
    /// Whether what stands in this place is secret.
    fn keeps(&self, place: &str) -> bool;

    /// The text behind a reference; `kept` says whether it stands in a place that is secret.
    ///
    /// # Errors
    /// When there is none, or it may not stand there.
    fn reveal(&self, secret: &Secret, kept: bool) -> Result<String, Failure>;

    /// A reference to a text that came in, in a place that is secret; nothing if it says only where a secret is.
    fn mask(&self, text: &str) -> Option<Secret>;

    /// A text that came in, in any other place, without what is known to be secret in it; nothing if it may pass as it is.
    fn censor(&self, text: &str) -> Option<String>;
}

/// For calls that have to do with no secret.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn keeps(&self, _: &str) -> bool {
        false
    }

    fn reveal(&self, _: &Secret, _: bool) -> Result<String, Failure> {
        Err(Failure {
            code: FailureCode::Invalid,
            message: "a secret has no place in this call".into(),
            backend: None,
        })
    }

    fn mask(&self, _: &str) -> Option<Secret> {
        None
    }

    fn censor(&self, _: &str) -> Option<String> {
        None
    }
}

/// Stands before what is not text in the host's store, which D-Bus strings cannot begin with.
const BYTES: char = '\0';

/// Bytes as the text under which the store keeps them: as they are if they are text, else in base64.
pub(super) fn text_of(bytes: &[u8]) -> String {
    use base64::Engine;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with(BYTES) => text.to_owned(),
        _ => format!(
            "{BYTES}{}",
            base64::engine::general_purpose::STANDARD.encode(bytes)
        ),
    }
}

/// The bytes that [`text_of`] made a text from. A text that it did not make stands for its own bytes.
pub(super) fn bytes_of(text: &str) -> Vec<u8> {
    use base64::Engine;
    text.strip_prefix(BYTES)
        .and_then(|code| base64::engine::general_purpose::STANDARD.decode(code).ok())
        .unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        for bytes in [
            &b""[..],
            b"plain",
            b"\0",
            b"\0AAAA",
            b"\xff\0\x01",
            "Gr\u{fc}\u{df}e".as_bytes(),
        ] {
            assert_eq!(bytes_of(&text_of(bytes)), bytes);
        }
    }
}
