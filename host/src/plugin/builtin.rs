//! The plugins that the host carries with it.

use wasmtime::component::Component;

use super::cache::Cache;
use super::engine::engine;
use super::failure::PluginError;
use super::limits::Limits;
use super::loader::{Plugin, digest};
use crate::backends::dbus::BusAddress;
use crate::gate::grant::{DbusGrant, Grant, NetlinkGrant, OvsdbGrant};
use crate::gate::pattern::Pattern;

/// A component that is part of the program.
pub struct Builtin {
    /// The key of its section in a state file.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// Its compiled code, where the program was built with it.
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

    /// Loads it: from the code that was compiled ahead, else through the cache. `granted` takes the place of what it is granted otherwise.
    ///
    /// # Errors
    /// When the component does not fit the contract.
    pub fn load(
        &self,
        cache: &Cache,
        granted: Option<Grant>,
        limits: Limits,
    ) -> Result<Plugin, PluginError> {
        let ahead = self.compiled.and_then(|code| {
            // SAFETY: the code is part of this program, made by its own build from the component beside it. A build for another engine is
            // refused by `deserialize` itself.
            unsafe { Component::deserialize(engine(), code) }.ok()
        });
        let digest = digest(self.wasm);
        let component = match ahead {
            Some(component) => component,
            None => cache
                .component(self.wasm, &digest)
                .map_err(|error| PluginError::Load {
                    plugin: self.name.into(),
                    reason: format!("{error:#}"),
                })?,
        };
        Plugin::new(
            self.name,
            digest,
            &component,
            granted.unwrap_or_else(|| self.grant()),
            limits,
        )
    }

    /// The compiled code, for building it into the program.
    ///
    /// # Errors
    /// When the component cannot be compiled.
    pub fn compile(&self) -> wasmtime::Result<Vec<u8>> {
        Component::new(engine(), self.wasm)?.serialize()
    }
}
