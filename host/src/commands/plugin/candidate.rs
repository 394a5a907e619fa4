//! A component that the operator looks at, or is about to add: what it is, says and asks for. It gets nothing: its grant is empty.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::commands::session::Session;
use crate::contract::exports::op_dbus::plugin::state::Description;
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::plugin::loader::Plugin;
use crate::plugin::source;
use crate::registry::reference::SCHEME;
use crate::registry::{Reference, pull};
use crate::transaction::book::Book;
use crate::trust::evidence::Evidence;

/// The bytes of a component, and what speaks for them.
pub(super) struct Candidate {
    /// Where it came from: an absolute path, `builtin:NAME`, or a reference with a digest.
    pub source: String,
    /// The reference, where it came from a registry.
    pub reference: Option<Reference>,
    /// The component.
    pub bytes: Vec<u8>,
    /// What it is known by.
    pub digest: Digest,
    /// Signatures.
    pub evidence: Evidence,
}

impl Candidate {
    /// Gets a component: FILE, `builtin:NAME` or `oci://…`.
    ///
    /// # Errors
    /// When it cannot be read or pulled.
    pub fn fetch(session: &Session<'_>, what: &str, insecure: bool) -> anyhow::Result<Self> {
        if what.starts_with(SCHEME) {
            let reference: Reference = what.parse().map_err(anyhow::Error::msg)?;
            let pulled = pull(&reference, insecure)?;
            return Ok(Self {
                source: pulled.reference.to_string(),
                digest: Digest::of(&pulled.component),
                reference: Some(pulled.reference),
                bytes: pulled.component,
                evidence: pulled.evidence,
            });
        }
        if let Some(name) = what.strip_prefix("builtin:") {
            let bytes = session.builtin(name)?.wasm.to_vec();
            return Ok(Self {
                source: what.to_owned(),
                reference: None,
                digest: Digest::of(&bytes),
                bytes,
                evidence: Evidence::default(),
            });
        }
        let path: PathBuf = std::path::absolute(what).with_context(|| what.to_owned())?;
        let bytes = source::read_from_anyone(&path)
            .with_context(|| format!("the component {what} cannot be used"))?;
        let evidence = Evidence::beside(&path)
            .with_context(|| format!("the signatures beside {what} cannot be read"))?;
        Ok(Self {
            source: path.display().to_string(),
            reference: None,
            digest: Digest::of(&bytes),
            bytes,
            evidence,
        })
    }

    /// Compiles it and asks it who it is.
    ///
    /// # Errors
    /// When it is no component of this contract, or breaks it.
    pub async fn look(&self, session: &Session<'_>) -> anyhow::Result<Looked> {
        // It has no name yet; what it came from says which one an error is about.
        let name = match &self.reference {
            Some(reference) => reference.repository.rsplit('/').next(),
            None => Path::new(&self.source)
                .file_name()
                .and_then(|name| name.to_str()),
        };
        let name = name.unwrap_or("candidate");
        let plugin = session.unlisted(name, &self.bytes, self.digest)?;
        let description = describe(session, &plugin).await?;
        let asks = serde_json::from_str(&description.asks).with_context(|| {
            format!("what plugin {name} asks for is no grant that this op-dbus knows")
        });
        Ok(Looked {
            plugin,
            description,
            asks,
        })
    }
}

/// What a plugin says of itself, in an instance that may call nothing.
///
/// # Errors
/// Of the call; when its version is no semantic version.
pub(super) async fn describe(
    session: &Session<'_>,
    plugin: &Plugin,
) -> anyhow::Result<Description> {
    let book = Arc::new(Book::reading());
    let description = session.caller(plugin, book).describe().await?;
    if let Err(error) = semver::Version::parse(&description.version) {
        bail!(
            "plugin {} broke the contract in describe: its version {:?} is no semantic version: {error}",
            plugin.name,
            description.version
        );
    }
    Ok(description)
}

/// What a component says.
pub(super) struct Looked {
    /// As it was loaded, with an empty grant.
    pub plugin: Plugin,
    /// Its own words.
    pub description: Description,
    /// The grant that it asks for.
    pub asks: anyhow::Result<Grant>,
}
