//! The states that a plugin is tried with.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::schema::Schema;
use crate::contract::types::Secret;
use crate::secrets::SecretStore;
use crate::state_file;

/// A state that was given.
#[derive(Debug, Clone)]
pub struct Given {
    /// Where it is from, for a person.
    pub origin: String,
    /// The section.
    pub section: Value,
}

/// The sections of a plugin in state files; the schema's examples where there are no files.
///
/// # Errors
/// When a file cannot be read, or has no section for the plugin.
pub fn gather(
    files: &[impl AsRef<Path>],
    plugin: &str,
    schema: Option<&Schema>,
) -> anyhow::Result<Vec<Given>> {
    if files.is_empty() {
        let examples = schema.map(Schema::examples).unwrap_or_default();
        let named = examples.into_iter().enumerate();
        return Ok(named
            .map(|(number, section)| Given {
                origin: format!("example {number} of the schema"),
                section,
            })
            .collect());
    }
    let mut given = Vec::new();
    for path in files {
        let path = path.as_ref();
        let file = state_file::load(path)?;
        let Some((_, section)) = file.plugins.iter().find(|(name, _)| name == plugin) else {
            bail!(
                "{} has no section for the plugin {plugin}: write it under `plugins: {{{plugin}: …}}`",
                path.display()
            );
        };
        given.push(Given {
            origin: path.display().to_string(),
            section: serde_json::from_str(section.json())?,
        });
    }
    Ok(given)
}

/// Makes a secret for each reference in the states, so that they lead somewhere on a host that has none. `directory` is where the store
/// reads them.
///
/// # Errors
/// When one cannot be written.
pub fn make_secrets(given: &[Given], directory: &Path) -> anyhow::Result<()> {
    for name in given.iter().flat_map(|given| references(&given.section)) {
        let path = directory.join(&name);
        write_private(&path, &secret_of(&name)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A text that serves as key of WireGuard (32 bytes in base64) as well as passphrase of WPA (8 to 63 characters).
fn secret_of(name: &str) -> String {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let mut key: [u8; 32] = Sha256::digest(name).into();
    // Curve25519 clamps keys so; the kernel shows them clamped (RFC 7748 section 5).
    key[0] &= 248;
    key[31] = key[31] & 127 | 64;
    base64::engine::general_purpose::STANDARD.encode(key)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(entries) => match reference(value) {
            Some(name) => vec![name.to_owned()],
            None => entries.values().flat_map(references).collect(),
        },
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// The name in `{"secret": NAME}`.
fn reference(value: &Value) -> Option<&str> {
    let entries = value.as_object()?;
    let other = |key: &String| key != "secret" && key != "fingerprint";
    match entries.keys().any(other) {
        true => None,
        false => entries.get("secret")?.as_str(),
    }
}

/// A section as a plugin gets it: references to secrets carry fingerprints.
pub fn with_fingerprints(section: &Value, secrets: &SecretStore) -> Value {
    if let Some(name) = reference(section) {
        let secret = Secret {
            name: Some(name.to_owned()),
            fingerprint: None,
        };
        return match secrets.reveal(&secret) {
            // Masked, so that a host that shows the fingerprint again is understood.
            Ok(text) => {
                serde_json::json!({"secret": name, "fingerprint": secrets.mask(&text).fingerprint})
            }
            // A variant may name one that there is not: the plugin gets what the host would have refused.
            Err(_) => section.clone(),
        };
    }
    match section {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), with_fingerprints(value, secrets)))
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| with_fingerprints(item, secrets))
            .collect(),
        other => other.clone(),
    }
}
