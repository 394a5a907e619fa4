//! From the bytes of a component to a plugin that can be called.

use std::sync::Arc;

use wasmtime::component::{Component, Linker};

use super::cache::Cache;
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
    /// What it is linked to.
    pub interfaces: Interfaces,
    pub(super) pre: StatePluginPre<Ctx>,
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
    /// Compiles a component, or finds it in the cache, and links it. `digest` is that of its bytes.
    ///
    /// # Errors
    /// `Load` when the bytes are no component, or as [`Plugin::new`].
    pub fn compiled(
        name: &str,
        wasm: &[u8],
        digest: Digest,
        cache: &Cache,
        grant: Grant,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        let component =
            cache
                .component(wasm, &digest.hex())
                .map_err(|error| PluginError::Load {
                    plugin: name.to_owned(),
                    reason: format!("{error:#}"),
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
            interfaces,
            pre,
        })
    }
}
