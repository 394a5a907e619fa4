//! References to components in registries.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::digest::Digest;

/// What a reference begins with.
pub const SCHEME: &str = "oci://";

/// A component in a registry: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:…]`, with a tag, a digest or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host, and port where one is named.
    pub registry: String,
    /// The repository on it.
    pub repository: String,
    /// A name that may be moved to other content.
    pub tag: Option<String>,
    /// The digest of the manifest, which cannot.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same name, whatever it stands for now.
    pub fn without_digest(&self) -> Self {
        Self {
            digest: None,
            ..self.clone()
        }
    }

    /// Whether the registry is this machine, so that nobody on the way can read or change anything.
    pub fn is_loopback(&self) -> bool {
        let host = match self.registry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.registry,
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || bare
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "{text:?} is no reference to a component: {what}; write it like oci://registry.example.org/team/plugin:1.2.0"
            )
        };
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| wrong("it does not begin with oci://"))?;
        let (name, digest) = match rest.split_once('@') {
            Some((name, digest)) => (
                name,
                Some(digest.parse().map_err(|why: String| wrong(&why))?),
            ),
            None => (rest, None),
        };
        let (registry, path) = name
            .split_once('/')
            .ok_or_else(|| wrong("it names no repository"))?;
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_host(registry) {
            return Err(wrong("this is no host"));
        }
        // OCI distribution specification 1.1, "Pulling manifests".
        if !repository.split('/').all(is_component) || repository.len() > 255 {
            return Err(wrong(
                "a repository is made of a-z, 0-9, and single . _ - or / in between",
            ));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag is made of letters, digits, _ . and -"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(wrong("it names neither a tag nor a digest"));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn is_component(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
        && bytes
            .iter()
            .all(|byte| inner(*byte) || b"._-".contains(byte))
        && !text.contains("..")
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_they_are_written() {
        let digest = Digest::of(b"manifest");
        for text in [
            "oci://registry.example.org/edge:1.0.0".to_owned(),
            "oci://[::1]:5000/team/edge:1".to_owned(),
            format!("oci://127.0.0.1:5000/a/b_c/d-e@{digest}"),
            format!("oci://localhost/edge:latest@{digest}"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in [
            "docker://a/b:1",
            "oci://a",
            "oci://a/b",
            "oci:///b:1",
            "oci://a/../b:1",
            "oci://a/b/../../v2:1",
            "oci://a/B:1",
            "oci://a/b:1/2",
            "oci://a/b:../x",
            "oci://a?x/b:1",
            "oci://u:p@a/b:1",
            "oci://a/b:1@sha256:12",
            "oci://a/b%2f:1",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.contains("oci://registry.example.org"), "{error}");
        }
    }

    #[test]
    fn loopback_is_told_from_names_that_look_like_it() {
        let is_loopback = |registry: &str| {
            let reference: Reference = format!("oci://{registry}/a:1").parse().unwrap();
            reference.is_loopback()
        };
        for here in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "localhost.example.org",
            "127.0.0.1.example.org",
            "10.0.0.1",
            "[2001:db8::1]:5000",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
