//! Addresses of an interface.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Network;

/// Who made an address, as the kernel keeps it (IFA_PROTO, Linux 5.18; numbers above those of linux/if_addr.h are free for all): what tells
/// op-dbus's addresses that expire from a DHCP client's.
pub const PROTOCOL_OP_DBUS: u8 = 79;

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
        /// IPv4: where it is valid, by number as in rtnetlink(7): 0 everywhere, 253 on its link, 254 on this host; absent means everywhere, for
        /// 127.0.0.0/8 on this host.
        scope: u8,
        /// Seconds until it is removed; absent means never.
        valid_lifetime: u32,
        /// Seconds until it is no longer chosen; absent means never.
        preferred_lifetime: u32,
        /// The metric of the kernel's route for the prefix.
        metric: u32,
        /// The kernel adds no route for the prefix.
        no_prefix_route: bool,
        /// The address is used without asking first whether somebody else has it.
        no_duplicate_detection: bool,
        /// IPv6: Mobile IPv6's home address (RFC 6275).
        home: bool,
        /// IPv6: the kernel makes temporary addresses from it (RFC 8981).
        manage_temporary: bool,
        /// Joins the multicast group that the address is.
        join_multicast: bool,
        /// Read only: made by the kernel.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        kernel_made: bool,
        /// Read only: who made it, by number (IFA_PROTO), where somebody says so; 79 stands for op-dbus.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        protocol: u8,
        /// Read only: duplicate address detection still runs.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        tentative: bool,
        /// Read only: somebody else has the address.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        duplicate: bool,
    }
}

/// An IP address, like 192.0.2.1 or 2001:db8::1.
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

    /// Where it is valid: its scope, or what ip-address(8) chooses for an IPv4 address without one. That of an IPv6 address is in its bits.
    pub fn effective_scope(&self) -> u8 {
        const HOST: u8 = 254;
        let natural = if self.address.0.is_loopback() {
            HOST
        } else {
            0
        };
        self.scope.unwrap_or(natural)
    }

    /// Whether it comes and goes by the kernel's doing: in a file, no wish.
    pub fn is_passing(&self) -> bool {
        self.kernel_made == Some(true)
    }

    /// Whether somebody put it there to stay: neither the kernel's, nor one that expires (a DHCP client's, a router's) unless op-dbus made
    /// it.
    pub fn is_static(&self) -> bool {
        self.kernel_made != Some(true)
            && (self.valid_lifetime.is_none() || self.protocol == Some(PROTOCOL_OP_DBUS))
    }
}
