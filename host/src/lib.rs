//! Changes a Linux host's network as one transaction, through sandboxed plugins.
//!
//! # Layout
//! Dependencies point one way, from the top of this list to its end.
//! - [`commands`]: one file per verb of the command line.
//! - [`config`]: what the operator set for all commands.
//! - [`state_file`]: what the operator wrote, with the place of every value.
//! - [`output`]: what the operator sees: trees, the shapes of `--json`.
//! - [`tenant`]: several parties on one host, each confined.
//! - [`transaction`]: from validation to commit or rollback; the journal.
//! - [`audit`]: who did what, in a log that shows tampering.
//! - [`conformance`]: whether a plugin keeps the contract's laws; a simulated host.
//! - [`trace`]: every call between plugins and host, in a file; replay.
//! - [`trust`]: whose signatures a component needs. [`registry`]: where components are pulled from.
//! - [`plugin`]: engine, loader, one bounded actor per Store.
//! - [`interfaces`]: the WIT interfaces, thin shims over the gate.
//! - [`boundary`]: what crosses between plugin and host, for those who listen in.
//! - [`gate`]: grants, and the single place where they are checked.
//! - [`backends`]: netlink, OVSDB, D-Bus; native and unaware of plugins.
//! - [`secrets`], [`measure`], [`digest`], [`document`], [`guarded`], [`contract`], [`timing`], [`progress`]: what all of them speak in.

pub mod audit;
pub mod backends;
pub mod boundary;
pub mod commands;
pub mod config;
pub mod conformance;
#[allow(missing_docs, clippy::all)]
pub mod contract;
pub mod digest;
pub mod document;
pub mod gate;
pub mod guarded;
pub mod interfaces;
pub mod measure;
pub mod network_manager;
pub mod output;
pub mod plugin;
pub mod progress;
pub mod registry;
pub mod secret_agent;
pub mod secrets;
pub mod state_file;
pub mod tenant;
pub mod timing;
pub mod trace;
pub mod transaction;
pub mod trust;
