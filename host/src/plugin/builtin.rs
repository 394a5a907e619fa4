//! The plugins that the host carries with it.

use std::ptr::NonNull;

use wasmtime::component::Component;

use super::cache::Cache;
use super::code_memory::page_size;
use super::engine::engine;
use super::failure::PluginError;
use super::limits::Limits;
use super::loader::Plugin;
use crate::backends::dbus::BusAddress;
use crate::gate::grant::{DbusGrant, Grant, NetlinkGrant, OvsdbGrant};
use crate::gate::pattern::Pattern;

/// A component that is part of the program.
pub struct Builtin {
    /// The key of its section in a state file.
    pub name: &'static str,
    /// What it describes itself as of; known beforehand, it need not be asked.
    pub version: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// The component's SHA-256 in hexadecimal. Taken at build time, so that a start reads no page of a component whose code was compiled
    /// ahead.
    pub digest: &'static str,
    /// Its compiled code, where the program was built with it; see [`include_paged`](crate::include_paged).
    pub compiled: Option<&'static [u8]>,
}

/// What built-in plugins are granted: all of what they are for.
fn grant(name: &str) -> Grant {
    match name {
        "net" => Grant {
            netlink: Some(NetlinkGrant::everything()),
            ovsdb: Some(OvsdbGrant::of_net()),
            secrets: vec![Pattern::new("*")],
            ..Grant::default()
        },
        // What it asks for is what it is for: NetworkManager alone.
        "networkmanager" => {
            serde_json::from_str(include_str!("../../../plugins/networkmanager/asks.json"))
                .expect("the built-in plugin asks for a grant of the host's own form")
        }
        _ => Grant::default(),
    }
}

/// The component of code that was compiled ahead.
///
/// # Errors
/// When that was for another engine than this one.
fn ahead(code: &'static [u8]) -> wasmtime::Result<Component> {
    let in_place = code.as_ptr().addr().is_multiple_of(page_size());
    // SAFETY: the code is part of this program, made by its own build from the component beside it; it lives as long as the program and is
    // never written to. A build for another engine is refused by wasmtime itself.
    unsafe {
        match in_place {
            true => Component::deserialize_raw(engine(), NonNull::from(code)),
            false => Component::deserialize(engine(), code),
        }
    }
}

impl Builtin {
    /// What it is granted unless the operator says otherwise.
    pub fn grant(&self) -> Grant {
        grant(self.name)
    }

    /// What it is granted in a tenant unless the operator says otherwise: what lies in the tenant's own namespace, and the bus that the tenant
    /// was given. Attributes that op-dbus has no name for could lead out of there.
    pub fn grant_in_tenant(&self, bus: Option<&BusAddress>) -> Grant {
        let own = self.grant();
        Grant {
            netlink: own.netlink.map(|netlink| NetlinkGrant {
                unknown_attributes: false,
                ..netlink
            }),
            dbus: own.dbus.zip(bus).map(|(dbus, bus)| DbusGrant {
                buses: vec![Pattern::new(bus.word())],
                ..dbus
            }),
            ovsdb: None,
            secrets: own.secrets,
        }
    }

    /// Loads it as the plugin `name`: from the code that was compiled ahead, else through the cache. `granted` takes the place of what it is
    /// granted otherwise: everything that it is for under its own name, nothing under another.
    ///
    /// # Errors
    /// When the component does not fit the contract.
    pub fn load(
        &self,
        name: &str,
        cache: &Cache,
        granted: Option<Grant>,
        limits: Limits,
    ) -> Result<Plugin, PluginError> {
        let ahead = self.compiled.and_then(|code| {
            let told = |error: &wasmtime::Error| {
                tracing::warn!(
                    "the code of the plugin {} that is part of this program does not fit it, and is compiled again: {error:#}",
                    self.name
                );
            };
            ahead(code).inspect_err(told).ok()
        });
        let grant = granted.unwrap_or_else(|| match name == self.name {
            true => self.grant(),
            false => Grant::default(),
        });
        let digest = self.digest.to_owned();
        let component = match ahead {
            Some(component) => component,
            None => cache
                .component(self.wasm, &digest)
                .map_err(|error| PluginError::Load {
                    plugin: name.to_owned(),
                    reason: format!("{error:#}"),
                })?,
        };
        let mut plugin = Plugin::new(name, digest, &component, grant, limits)?;
        plugin.is_builtin = true;
        plugin.note_version(self.version);
        Ok(plugin)
    }

    /// The compiled code, for building it into the program.
    ///
    /// # Errors
    /// When the component cannot be compiled.
    pub fn compile(&self) -> wasmtime::Result<Vec<u8>> {
        Component::new(engine(), self.wasm)?.serialize()
    }
}
