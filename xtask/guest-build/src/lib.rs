//! Builds the workspace's WebAssembly guests.
//!
//! # Layout
//! - [`Toolchain`]: which Rust compiler on this machine can compile for [`TARGET`].
//! - `component` (feature `component`): compiles a guest crate and encodes it as a component.
//! - `hollow` (feature `hollow`): components that have a world's shape and nothing in it.
//!
//! Two callers: the build script of whoever embeds a guest, and `cargo xtask`, which installs what
//! the toolchain lacks.

#[cfg(feature = "component")]
mod component;
#[cfg(feature = "hollow")]
pub mod hollow;
mod toolchain;

#[cfg(feature = "component")]
pub use component::{Guest, target_directory};
pub use toolchain::{TARGET, Toolchain};
