//! From the bytes of a component to a plugin that can be called.

use std::sync::Arc;

use wasmtime::component::{Component, Linker};

use super::cache::Cache;
use super::compile::CompileError;
use super::engine::engine;
use super::failure::PluginError;
use super::limits::Limits;
use crate::contract::StatePluginPre;
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::interfaces::{self, Ctx};

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
    pub(super) pre: StatePluginPre<Ctx>,
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
        let (plugin, component) = (name.to_owned(), cache.foreign(wasm, &digest.hex(), &limits));
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
            reason: format!("{error:#}"),
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
            is_builtin: false,
            pre,
        })
    }
}
