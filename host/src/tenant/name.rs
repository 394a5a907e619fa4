//! What a tenant can be called.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A tenant's name: of lower-case letters, digits and hyphens, beginning with a letter or digit, of at most 32. It names a directory: so it
/// cannot lead elsewhere, and two that differ in case alone cannot meet in one on a file system that does not tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenantName(String);

/// Longer ones would not fit into messages and file names beside what else stands there.
const LONGEST: usize = 32;

impl TenantName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its state lies, under that of the host.
    pub fn state_under(&self, root: &Path) -> PathBuf {
        root.join("tenants").join(&self.0)
    }
}

impl FromStr for TenantName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sound = text.len() <= LONGEST
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.starts_with('-')
            && !text.is_empty();
        match sound {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "{text:?} cannot be a tenant's name: that is at most {LONGEST} lower-case letters, digits and hyphens, and begins with no hyphen"
            )),
        }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TenantName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_one_directory() {
        for name in ["a", "tenant-1", "0", "0123456789abcdef0123456789abcdef"] {
            assert_eq!(name.parse::<TenantName>().unwrap().as_str(), name);
        }
        for name in [
            "",
            ".",
            "..",
            "../host",
            "a/b",
            "a\0",
            "A",
            "a.b",
            "-a",
            "a b",
            "ä",
            "a\n",
            "0123456789abcdef0123456789abcdef0",
        ] {
            assert!(name.parse::<TenantName>().is_err(), "{name:?}");
        }
    }
}
