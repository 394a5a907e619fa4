//! IPv4 and IPv6 of an interface.

use op_dbus_plugin::keys;
use std::net::IpAddr;

pub use op_dbus_plugin::section::{Addr, Address};
use op_dbus_plugin::section::{Mac, Route};
use serde::{Deserialize, Serialize};

/// Where addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// From this file.
    Manual,
    /// There are none.
    Disabled,
    /// IPv6 only: the kernel's link-local address alone.
    LinkLocal,
    /// From DHCP or router advertisements: not in `net`, which refuses it and says what to use instead.
    Auto,
}

keys! {
    /// One address family of an interface.
    pub struct Ip {}
    optional {
        /// Where addresses come from: `manual`, `disabled`, and for IPv6 `link-local`.
        method: Method,
        /// Exactly these addresses beside those of the kernel and those that expire.
        addresses: Vec<Address>,
        /// The router of the default route in the main table; `null` removes it.
        #[serde(default)]
        #[cfg_attr(not(target_family = "wasm"), schemars(with = "Option<IpAddr>"))]
        gateway: Option<IpAddr>,
        /// Exactly these routes over this interface beside the gateway's and those of the kernel, of DHCP and of routing daemons.
        routes: Vec<Route>,
        /// Exactly these permanent neighbours.
        neighbours: Vec<Neighbour>,
    }
}

keys! {
    /// A permanent entry of the neighbour table (ARP, NDP).
    pub struct Neighbour {
        /// Its IP address.
        address: Addr,
    }
    optional {
        /// Its link-layer address.
        mac: Mac,
        /// Answers for the address rather than reaching it.
        proxy: bool,
    }
}
