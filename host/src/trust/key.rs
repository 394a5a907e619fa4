//! Public keys of signers.
//!
//! - minisign: `RW…`, 56 characters of base64: `Ed`, the key's number, an Ed25519 key (<https://jedisct1.github.io/minisign/>); or a file
//!   with that on its second line, as `minisign -G` writes it.
//! - cosign: PEM, a SubjectPublicKeyInfo (RFC 5280 section 4.1) of an ECDSA key on P-256, as `cosign generate-key-pair` writes it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest;

/// What a SubjectPublicKeyInfo of an uncompressed point on P-256 begins with (RFC 5480 section 2); 65 bytes of the point follow.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key's identity: two texts of one key, whatever number or comment they carry, are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The number that minisign gives a key, and prints in hexadecimal. Anybody can choose it: enough to revoke by, not to trust by.
    Number(u64),
    /// SHA-256 of the key itself: of the 32 bytes of an Ed25519 key, of the SubjectPublicKeyInfo of another.
    Content(Digest),
}

impl FromStr for Identity {
    type Err = String;

    /// `E7620F1842B4E81F`, or `sha256:…` of the SubjectPublicKeyInfo.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 16
            && let Ok(number) = u64::from_str_radix(text, 16)
        {
            return Ok(Self::Number(number));
        }
        match text.parse() {
            Ok(digest) => Ok(Self::Content(digest)),
            Err(_) => Key::parse(text).map(|key| key.identity()),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Of minisign.
    Minisign {
        /// Its number, which a signature names.
        number: u64,
        /// The Ed25519 key.
        ed25519: [u8; 32],
        /// The key as minisign's own library has it.
        key: minisign_verify::PublicKey,
    },
    /// Of cosign.
    P256 {
        /// SHA-256 of the SubjectPublicKeyInfo.
        fingerprint: Digest,
        /// The point, uncompressed.
        point: Vec<u8>,
    },
}

impl Key {
    /// Reads a key from its text.
    ///
    /// # Errors
    /// What the text is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return Self::pem(text);
        }
        // The line that counts comes after a comment that does not.
        let line = text.lines().last().unwrap_or_default().trim();
        let wrong = || {
            "this is no public key of minisign (RW…, or the file that `minisign -G` writes) nor of cosign (PEM)".to_owned()
        };
        let bytes = STANDARD.decode(line).map_err(|_| wrong())?;
        let (number, ed25519) = match bytes.as_slice() {
            [b'E', b'd' | b'D', rest @ ..] => rest.split_first_chunk::<8>().ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        Ok(Self::Minisign {
            number: u64::from_le_bytes(*number),
            ed25519: ed25519.try_into().map_err(|_| wrong())?,
            key: minisign_verify::PublicKey::from_base64(line).map_err(|_| wrong())?,
        })
    }

    fn pem(text: &str) -> Result<Self, String> {
        let body = text
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or("this PEM is no PUBLIC KEY")?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|error| format!("this PEM cannot be read: {error}"))?;
        match der.strip_prefix(&P256) {
            Some(point) if point.len() == 65 && point[0] == 4 => Ok(Self::P256 {
                fingerprint: Digest::of(&der),
                point: point.to_owned(),
            }),
            _ => Err(
                "only ECDSA keys on P-256 can be used, which `cosign generate-key-pair` makes"
                    .to_owned(),
            ),
        }
    }

    /// Which key it is.
    pub fn identity(&self) -> Identity {
        Identity::Content(match self {
            Self::Minisign { ed25519, .. } => Digest::of(ed25519),
            Self::P256 { fingerprint, .. } => *fingerprint,
        })
    }

    /// Whether it is the one that is meant.
    pub fn is(&self, identity: &Identity) -> bool {
        match (identity, self) {
            (Identity::Number(meant), Self::Minisign { number, .. }) => meant == number,
            (Identity::Number(_), Self::P256 { .. }) => false,
            (Identity::Content(_), _) => self.identity() == *identity,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minisign { number, .. } => write!(f, "minisign key {number:016X}"),
            Self::P256 { fingerprint, .. } => write!(f, "cosign key {fingerprint}"),
        }
    }
}
