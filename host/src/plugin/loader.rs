//! From the bytes of a component to a plugin that can be called.

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};

use super::cache::Cache;
use super::engine::engine;
use super::failure::PluginError;
use super::limits::Limits;
use super::misfit;
use crate::contract::StatePluginPre;
use crate::gate::grant::Grant;
use crate::interfaces::{self, Ctx};
use crate::output::escape::escape;

/// Bytes of a version that titles show: what is longer is no version.
const LONGEST_VERSION: usize = 64;

/// A component that is ready to be instantiated, with what the operator says of it.
pub struct Plugin {
    /// The key of its section in a state file.
    pub name: String,
    /// SHA-256 of the component's bytes, in hexadecimal.
    pub digest: String,
    /// What it may reach.
    pub grant: Arc<Grant>,
    /// What it may use.
    pub limits: Limits,
    pub(super) pre: StatePluginPre<Ctx>,
    /// What it said when it last described itself.
    version: OnceLock<String>,
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Plugin {
    /// Links a compiled component against the contract.
    ///
    /// # Errors
    /// `Load` when the component does not fit the contract: an export is missing, or it was built for another version.
    pub fn new(
        name: &str,
        digest: String,
        component: &Component,
        grant: Grant,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        let load = |error: wasmtime::Error| PluginError::Load {
            plugin: name.to_owned(),
            reason: misfit::of_component(component)
                .unwrap_or_else(|| misfit::another_shape(&error)),
        };
        let imports_wasi = component
            .component_type()
            .imports(engine())
            .any(|(import, _)| import.starts_with("wasi:"));
        let mut linker = Linker::new(engine());
        interfaces::add_to_linker(&mut linker, imports_wasi).map_err(load)?;
        let pre = linker
            .instantiate_pre(component)
            .and_then(StatePluginPre::new)
            .map_err(load)?;
        Ok(Self {
            name: name.to_owned(),
            digest,
            grant: Arc::new(grant),
            limits,
            pre,
            version: OnceLock::new(),
        })
    }

    /// A plugin from the bytes of its component, compiled or from the cache.
    ///
    /// # Errors
    /// `Load` when they are no component, or one that does not fit the contract.
    pub fn of_bytes(
        name: &str,
        bytes: &[u8],
        cache: &Cache,
        grant: Grant,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        let digest = digest(bytes);
        let component = cache
            .component(bytes, &digest)
            .map_err(|error| PluginError::Load {
                plugin: name.to_owned(),
                reason: format!("{error:#}"),
            })?;
        Self::new(name, digest, &component, grant, limits)
    }

    /// Its version, once it has described itself.
    pub fn version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }

    /// It has described itself as of this version.
    pub(super) fn note_version(&self, version: &str) {
        // The same component says the same: the first time counts.
        let shown = version.get(..LONGEST_VERSION).unwrap_or(version);
        let _ = self.version.set(escape(shown).into_owned());
    }

    /// Its name, and its version as far as it is known.
    pub fn title(&self) -> String {
        match self.version() {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}
