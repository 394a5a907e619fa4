//! From the bytes of a component to a plugin that can be called.

use std::sync::{Arc, OnceLock};

use wasmtime::component::{Component, Linker};

use super::cache::Cache;
use super::compile::CompileError;
use super::engine::engine;
use super::failure::PluginError;
use super::limits::Limits;
use super::misfit;
use crate::contract::StatePluginPre;
use crate::digest::Digest;
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
    /// Whether it is part of this program.
    pub is_builtin: bool,
    /// What it is linked to.
    pub interfaces: Interfaces,
    pub(super) pre: StatePluginPre<Ctx>,
    /// What it said when it last described itself.
    version: OnceLock<String>,
}

/// The interfaces of a component, by their names in WIT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// The version of `op-dbus:plugin` that it exports `state` of.
    pub contract: String,
    /// What it imports, with versions.
    pub imports: Vec<String>,
}

impl Interfaces {
    fn of(component: &Component) -> Self {
        let kind = component.component_type();
        let imports = kind.imports(engine()).map(|(name, _)| name.to_owned());
        let contract = kind
            .exports(engine())
            .find_map(|(name, _)| name.strip_prefix("op-dbus:plugin/state@"));
        Self {
            contract: contract.unwrap_or_default().to_owned(),
            imports: imports.collect(),
        }
    }
}

impl Plugin {
    /// Links a component that others wrote: compiled in a process apart, or found in the cache. `digest` is that of its bytes.
    ///
    /// # Errors
    /// `Load` when the bytes are no component, or as [`Plugin::new`]; `Compile` when compiling it takes more than its limits allow.
    pub fn compiled(
        name: &str,
        wasm: &[u8],
        digest: Digest,
        cache: &Cache,
        grant: Grant,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        let plugin = name.to_owned();
        if let Some(reason) = misfit::of_bytes(wasm) {
            return Err(PluginError::Load { plugin, reason });
        }
        let component = cache.foreign(wasm, &digest.hex(), &limits);
        let component = component.map_err(|error| match error {
            CompileError::Refused(reason) => PluginError::Load { plugin, reason },
            other => PluginError::Compile {
                plugin,
                reason: other.to_string(),
            },
        })?;
        Self::new(name, digest.hex(), &component, grant, limits)
    }

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
        let interfaces = Interfaces::of(component);
        let mut imports = interfaces.imports.iter();
        let imports_wasi = imports.any(|import| import.starts_with("wasi:"));
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
            is_builtin: false,
            interfaces,
            pre,
            version: OnceLock::new(),
        })
    }

    /// A plugin from the bytes of a component that is trusted, compiled by this process.
    ///
    /// # Errors
    /// `Load` when they are no component, or one that does not fit the contract.
    #[cfg(test)]
    pub fn of_bytes(
        name: &str,
        bytes: &[u8],
        cache: &Cache,
        grant: Grant,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        let digest = Digest::of(bytes).hex();
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
