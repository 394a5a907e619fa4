//! What the operator sees.
//!
//! # Layout
//! - [`color`]: whether to use colour, and the few styles there are.
//! - [`escape`](mod@escape): makes a text from a plugin, the network or a file harmless.
//! - [`tree`]: plans, outcomes, mismatches and states for a person.
//! - [`request`]: requests that would be sent, in words.
//! - [`json`], [`plugins`]: the documented shapes of `--json`.

pub mod color;
pub mod escape;
pub mod json;
pub mod kit;
pub mod plugins;
pub mod request;
pub mod tree;

pub use color::{ColorChoice, Style};
