//! IPv4 and IPv6 of a profile.

use std::net::IpAddr;

use op_dbus_plugin::keys;
use op_dbus_plugin::section::{Address, Route};
use serde::{Deserialize, Serialize};

/// Where addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// DHCP for IPv4, router advertisements (and DHCP where they say so) for IPv6.
    Auto,
    /// IPv6 only: DHCP alone.
    Dhcp,
    /// From this file.
    Manual,
    /// A link-local address alone.
    LinkLocal,
    /// An address of this host, DHCP and NAT for others on the link.
    Shared,
    /// IPv6 only: left to the kernel.
    Ignore,
    /// There are none.
    Disabled,
}

impl Method {
    /// NetworkManager's word, the same as the file's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dhcp => "dhcp",
            Self::Manual => "manual",
            Self::LinkLocal => "link-local",
            Self::Shared => "shared",
            Self::Ignore => "ignore",
            Self::Disabled => "disabled",
        }
    }

    /// By NetworkManager's word.
    pub fn of_word(word: &str) -> Option<Self> {
        [
            Self::Auto,
            Self::Dhcp,
            Self::Manual,
            Self::LinkLocal,
            Self::Shared,
            Self::Ignore,
            Self::Disabled,
        ]
        .into_iter()
        .find(|method| method.word() == word)
    }
}

keys! {
    /// One address family of a profile.
    pub struct Ip {}
    optional {
        /// Where addresses come from. A new profile with addresses is `manual`, one without is `auto`.
        method: Method,
        /// Exactly these addresses; only `address`, `prefix` and for IPv4 `label`.
        addresses: Vec<Address>,
        /// The router of the default route; `null` removes it.
        #[serde(default)]
        #[cfg_attr(not(target_family = "wasm"), schemars(with = "Option<IpAddr>"))]
        gateway: Option<IpAddr>,
        /// Exactly these name servers, best first.
        dns: Vec<String>,
        /// Exactly these domains for names without a dot.
        dns_search: Vec<String>,
        /// Exactly these routes.
        routes: Vec<Route>,
        /// The metric of routes that name none; -1 lets NetworkManager choose.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = -1, max = 4294967295_i64)))]
        route_metric: i64,
        /// The routing table of routes that name none; 0 lets NetworkManager choose.
        route_table: u32,
        /// Never the way to everywhere.
        never_default: bool,
        /// Takes no name servers from DHCP or routers.
        ignore_auto_dns: bool,
        /// Takes no routes from DHCP or routers.
        ignore_auto_routes: bool,
        /// The activation may succeed although this family fails.
        may_fail: bool,
    }
}
