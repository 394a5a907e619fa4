//! Traces: every call between plugins and host with its answer, in a file, and plugins run against such a file.
//!
//! # Layout
//! - [`line`](mod@line): the file's format, JSON lines.
//! - [`recording`]: writes a trace while plugins are at work.
//! - [`script`]: reads one.
//! - [`replay`](mod@replay): runs a plugin against it, without root, network or grant; [`difference`] is where it first does something else.

pub mod difference;
pub mod line;
pub mod recording;
pub mod replay;
pub mod script;

#[cfg(test)]
mod tests;
