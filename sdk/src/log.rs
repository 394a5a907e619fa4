//! Words for the operator: the levels, and the calls to the host (natively to the thread's mock host).

pub use crate::bindings::op_dbus::plugin::log::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::mock::capabilities::log::{progress, write};
