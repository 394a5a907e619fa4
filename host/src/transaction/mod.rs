//! Transactions: validate, query, diff, checkpoint, journal, apply, verify, commit or roll back.
//!
//! # Layout
//! - [`plan`], [`apply`], [`settle`]: from the steps to a state that is verified.
//! - [`plan_file`]: a plan on disk; [`moved`](mod@moved): what has moved since it was made.
//! - [`closing`], [`ending`], [`interrupt`]: how a transaction begins and ends: committed or undone.
//! - [`book`], [`trail`], [`journalled`]: record what plugins and host do on the way; [`effects`] is what an undo needs of that.
//! - [`reversal`], [`undoers`]: undo across plugins and backends; [`recovery`] does that for a dead process.
//! - [`checkpoints`], [`rollback`](mod@rollback): what was before, and going back to it; [`escrow`]: the secrets that this may need.
//! - [`state_dir`]: where a network namespace's journal, lock and checkpoints lie; [`room`]: how much may.
//! - [`pending`], [`deadline`]: a change that holds only if somebody says so in time.
//! - [`noting`]: what a backend may keep for a transaction that died before it had begun.
//! - [`lock`], [`process`]: one transaction at a time per namespace.
//! - [`journal`], [`record`], [`frame`]: what is on disk before anything takes effect.
//! - [`before_image`]: reads what a batch of requests may change, as [`footprint`] tells it; [`images`] holds it.
//! - [`undo`]: brings back what the images hold; [`undo_plan`] and [`link_restore`] decide how, without I/O, [`same`] what counts as
//!   different, [`undo_report`] says what is left.
//! - [`ovsdb_undo`]: brings back rows of an OVSDB database.
//! - [`link_names`]: where links are named, and what they were called before.
//! - [`probes`]: whether the host is healthy after a change.
//! - [`watched`](mod@watched): waiting for a descriptor.
//! - [`failpoint`]: places where a test may kill the process.

#[macro_use]
pub mod failpoint;

pub mod apply;
pub mod before_image;
pub mod book;
pub mod checkpoints;
pub mod closing;
pub mod deadline;
pub mod denials;
pub mod effects;
pub mod ending;
pub mod escrow;
pub mod footprint;
pub mod frame;
pub mod images;
pub mod interrupt;
pub mod journal;
pub mod journalled;
pub mod link_names;
pub mod link_restore;
pub mod lock;
pub mod moved;
pub mod noting;
pub mod ovsdb_undo;
pub mod pending;
pub mod plan;
pub mod plan_file;
pub mod probes;
pub mod process;
pub mod record;
pub mod recovery;
pub mod reversal;
pub mod rollback;
pub mod room;
pub mod same;
pub mod settle;
#[cfg(test)]
pub(crate) mod simulated;
pub mod state_dir;
pub mod trail;
pub mod undo;
pub mod undo_plan;
pub mod undo_report;
pub mod undoers;
pub mod watched;
