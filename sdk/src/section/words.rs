//! Enumerations, by the words that iproute2 uses.

use serde::{Deserialize, Serialize};

use crate::netlink as nl;

words! {
    /// What becomes of a packet that a route matches.
    pub enum RouteType = nl::RouteType {
        Unicast = "unicast",
        Blackhole = "blackhole",
        Unreachable = "unreachable",
        Prohibit = "prohibit",
        Throw = "throw",
        Local = "local",
        Broadcast = "broadcast",
        Multicast = "multicast",
        Anycast = "anycast",
    }
}

/// Whether an object is there and is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There, and up.
    Up,
    /// There, and down.
    Down,
    /// Not there.
    Absent,
}
