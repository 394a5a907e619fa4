//! The kernel's network configuration: the types of the contract, and the calls to the host.

pub use crate::bindings::op_dbus::plugin::netlink::*;
