//! The message bus: the types of the contract, and the calls to the host (natively to the thread's mock host).

pub use crate::bindings::op_dbus::plugin::dbus::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::mock::{
    Subscription,
    capabilities::dbus::{call, call_all, get_property, has_owner, subscribe},
};
