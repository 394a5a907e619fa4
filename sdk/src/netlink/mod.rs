//! The kernel's network configuration: the types of the contract, and the calls to the host.
//!
//! Compiled for Wasm, the functions are the imports of `op-dbus:plugin/netlink`; compiled natively, they go to the thread's
//! [`mock::Host`](crate::mock::Host).

mod blank;

pub use crate::bindings::op_dbus::plugin::netlink::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::mock::capabilities::netlink::{
    addresses, bridge_vlans, execute, links, neighbours, routes, rules,
};
