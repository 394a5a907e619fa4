//! The OVSDB server: the calls to the host (natively to the thread's mock host).

pub use crate::bindings::op_dbus::plugin::ovsdb::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::mock::capabilities::ovsdb::{databases, schema, settle, transact};
