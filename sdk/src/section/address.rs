//! Addresses of an interface.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Network;

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
