//! Signatures of minisign: prehashed (`ED`, BLAKE2b-512) and legacy ones (`Ed`, over the file itself).
//!
//! Its library checks both signatures of a file: that over the component, and that over the first one and the trusted comment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::Signature;

use super::key::Key;
use super::{Found, Standing, Trust};

/// Looks at the signature in a `.minisig` file.
pub(super) fn examine(trust: &Trust, component: &[u8], text: &str) -> Found {
    let found = |by, standing| Found {
        by,
        standing,
        comment: None,
        key: None,
    };
    let (Ok(signature), Some(number)) = (Signature::decode(text), number(text)) else {
        return found("minisign signature".to_owned(), Standing::Unreadable);
    };
    let by = format!("minisign key {number:016X}");
    // Several keys may carry one number: anybody can choose it.
    let mut claimed = false;
    for key in &trust.keys {
        let Key::Minisign {
            number: own,
            key: public,
            ..
        } = key
        else {
            continue;
        };
        if *own != number {
            continue;
        }
        claimed = true;
        if public.verify(component, &signature, true).is_ok() {
            return Found {
                by,
                standing: trust.standing(key),
                comment: Some(signature.trusted_comment().to_owned()),
                key: Some(key.identity()),
            };
        }
    }
    match claimed {
        true => found(by, Standing::Broken),
        false if trust.revoked.contains(&super::Identity::Number(number)) => {
            found(by, Standing::Revoked)
        }
        false => found(by, Standing::Unknown),
    }
}

/// The number of the key that a signature says it is by: bytes 2 to 9 of its second line, the least first.
fn number(text: &str) -> Option<u64> {
    let line = STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    let number = line.get(2..10)?.try_into().ok()?;
    Some(u64::from_le_bytes(number))
}
