//! The conformance kit: whether a plugin, in whatever language, keeps the laws that the contract's words imply.
//!
//! A plugin is loaded like any other and gets what it asks for as its grant. Each [`law`] is tried on a host of its own: a simulated one, or
//! a throw-away network namespace of the real kernel. What a law needs of states comes from state files, or from the `examples` of the
//! plugin's own schema, and from [`variants`] of both. The smallest input that shows a breach is what is reported.
//!
//! # Layout
//! - [`law`]: the laws, by name and sentence. [`report`]: which held; [`junit`] for machines.
//! - [`trial`](mod@trial): all of it, in order. [`states`]: what is tried; [`variants`], [`shrink`].
//! - [`stage`]: where: [`simulation`], a host in memory, or [`live`], the real kernel. [`snapshot`](mod@snapshot): all that is there.
//! - [`subject`]: the plugin that is tried; [`witness`]: who listens to it, and answers with lies where that is wanted ([`twist`]).
//! - [`alone`]: laws that need no state. [`life`]: those of one transaction. [`keys`]: unknown ones. [`lies`]: hostile answers.

pub mod alone;
pub mod junit;
pub mod keys;
pub mod law;
pub mod lies;
pub mod life;
pub mod live;
pub mod report;
pub mod schema;
pub mod shrink;
pub mod simulation;
pub mod snapshot;
pub mod stage;
pub mod states;
pub mod subject;
pub mod trial;
pub mod twist;
pub mod variants;
pub mod witness;

#[cfg(test)]
mod tests;
