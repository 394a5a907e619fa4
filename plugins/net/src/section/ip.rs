//! IPv4 and IPv6 of an interface.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::route::Route;
use super::text::{Mac, Network};

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
    /// An address of an interface.
    pub struct Address {
        /// The address.
        address: Addr,
        /// The length of the network's prefix.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 128)))]
        prefix: u8,
    }
    optional {
        /// The other end of a point-to-point link.
        peer: IpAddr,
        /// IPv4: the broadcast address.
        broadcast: IpAddr,
        /// IPv4: the label, the interface's name or `name:text`.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(max = 15)))]
        label: String,
        /// Seconds until it is removed; absent means never.
        valid_lifetime: u32,
        /// Seconds until it is no longer chosen; absent means never.
        preferred_lifetime: u32,
        /// The kernel adds no route for the prefix.
        no_prefix_route: bool,
        /// Read only: made by the kernel.
        #[cfg_attr(not(target_family = "wasm"), schemars(skip))]
        kernel_made: bool,
        /// Read only: duplicate address detection still runs.
        #[cfg_attr(not(target_family = "wasm"), schemars(skip))]
        tentative: bool,
        /// Read only: somebody else has the address.
        #[cfg_attr(not(target_family = "wasm"), schemars(skip))]
        duplicate: bool,
    }
}

/// An IP address; the unspecified one stands for none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Addr(
    /// The address itself.
    pub IpAddr,
);

impl Default for Addr {
    fn default() -> Self {
        Self(IpAddr::from([0, 0, 0, 0]))
    }
}

impl Address {
    /// Address and prefix length: what identifies it on its link.
    pub fn network(&self) -> Network {
        Network {
            address: self.address.0,
            prefix: self.prefix,
        }
    }

    /// Whether somebody put it there to stay: neither the kernel's, nor one that expires (a DHCP client's, a router's).
    pub fn is_static(&self) -> bool {
        self.kernel_made != Some(true) && self.valid_lifetime.is_none()
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
