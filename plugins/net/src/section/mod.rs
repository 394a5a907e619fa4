//! The section `net` of a state file. One set of types serves the wish and what is: what can only be read is marked so, is absent from the
//! schema and is refused by validation.

pub mod interface;
pub mod ip;
pub mod kinds;
pub mod ovs;
pub mod port;
pub mod rule;
#[cfg(not(target_family = "wasm"))]
pub mod schema;
pub mod text;
pub mod tunnels;
pub mod vlans;
pub mod words;

use op_dbus_plugin::keys;
pub use op_dbus_plugin::section::{Mac, Network, NextHop, Route};

pub use interface::{Interface, LinkType, State};
pub use ip::{Address, Ip, Method, Neighbour};
pub use ovs::{OvsBond, OvsBridge, OvsDb, TextMap};
pub use port::Port;
pub use rule::Rule;
pub use vlans::Vlans;

keys! {
    /// The network of the kernel: interfaces with their addresses and routes, routes that belong to no single interface, and rules.
    ///
    /// Partial: what is not mentioned stays, a list replaces, `"state": "absent"` removes.
    pub struct Section {}
    optional {
        /// Interfaces, each named once. One that is not in the list is left alone.
        interfaces: Vec<Interface>,
        /// Routes that lead nowhere, or over several interfaces. One that is not in the list is left alone.
        routes: Vec<Route>,
        /// Route rules, ip-rule(8). One that is not in the list is left alone.
        rules: Vec<Rule>,
        /// Open vSwitch as a whole.
        ovs_db = "ovs-db": OvsDb,
    }
}

impl Section {
    /// The interfaces, none when the key is absent.
    pub fn interfaces(&self) -> &[Interface] {
        self.interfaces.as_deref().unwrap_or_default()
    }

    /// The routes beside those of interfaces.
    pub fn routes(&self) -> &[Route] {
        self.routes.as_deref().unwrap_or_default()
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        self.rules.as_deref().unwrap_or_default()
    }
}
