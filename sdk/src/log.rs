//! Words for the operator: the levels, and the calls to the host (natively to the thread's mock host).

pub use crate::bindings::op_dbus::plugin::log::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::mock::capabilities::log::{progress, write};

/// From now on the words of a panic go to the log before the panic traps: the host shows the stack, and this line says why. Every export of
/// [`export!`](crate::export) begins with it.
#[cfg(target_family = "wasm")]
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
}

/// Natively a panic says itself what it has to say.
#[cfg(not(target_family = "wasm"))]
pub fn panics() {}
