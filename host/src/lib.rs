//! Changes a Linux host's network as one transaction, through sandboxed plugins.
//!
//! # Layout
//! Dependencies point one way, from the top of this list to its end.
//! - [`commands`]: one file per verb of the command line.
//! - [`config`]: what the operator set for all commands.
//! - [`state_file`]: what the operator wrote, with the place of every value.
//! - [`output`]: what the operator sees: trees, progress, the shapes of `--json`.
//! - [`transaction`]: from validation to commit or rollback; the journal.
//! - [`audit`]: who did what, in a log that shows tampering.
//! - [`trust`]: whose signatures a component needs. [`registry`]: where components are pulled from.
//! - [`plugin`]: engine, loader, one bounded actor per Store.
//! - [`interfaces`]: the WIT interfaces, thin shims over the gate.
//! - [`gate`]: grants, and the single place where they are checked.
//! - [`backends`]: netlink, OVSDB, D-Bus; native and unaware of plugins.
//! - [`secrets`], [`measure`], [`digest`], [`guarded`], [`contract`], [`timing`]: what all of them speak in.

pub mod audit;
pub mod backends;
pub mod commands;
pub mod config;
#[allow(missing_docs, clippy::all)]
pub mod contract;
pub mod digest;
pub mod gate;
pub mod guarded;
pub mod interfaces;
pub mod measure;
pub mod network_manager;
pub mod output;
pub mod plugin;
pub mod registry;
pub mod secret_agent;
pub mod secrets;
pub mod state_file;
pub mod timing;
pub mod transaction;
pub mod trust;
