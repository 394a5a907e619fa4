//! Write op-dbus plugins in Rust.
//!
//! A plugin implements [`Plugin`] and ends with [`export!`]. Its capabilities are the modules [`netlink`], [`ovsdb`], [`dbus`] and [`log`];
//! compiled for Wasm they call the host, compiled natively they call the simulated host of [`mock`], so that a plugin's logic is tested
//! with plain `cargo test`.

#[allow(missing_docs, clippy::all)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "state-plugin",
        pub_export_macro: true,
        default_bindings_module: "op_dbus_plugin::bindings",
        additional_derives: [PartialEq],
    });
}

pub mod dbus;
mod export;
mod failure;
pub mod log;
#[cfg(not(target_family = "wasm"))]
pub mod mock;
pub mod netlink;
pub mod ovsdb;
mod plugin;

pub use bindings::exports::op_dbus::plugin::state::{
    Action, CheckpointData, Description, Features, Mismatch, Operation, Outcome, Problem, Signal,
    Watch,
};
pub use bindings::op_dbus::plugin::types::{BackendError, Failure, FailureCode, Secret};
pub use export::Exported;
pub use plugin::Plugin;
