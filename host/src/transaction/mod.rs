//! Transactions: validate, query, diff, checkpoint, journal, apply, verify, commit or roll back.
//!
//! # Layout
//! - [`state_dir`]: where a network namespace's journal, lock and checkpoints lie.
//! - [`lock`]: one transaction at a time per namespace.
//! - [`journal`], [`record`], [`frame`]: what is on disk before anything takes effect.
//! - [`before_image`]: reads what a batch of requests may change; [`images`] holds it.
//! - [`undo`]: brings back what the images hold; [`undo_plan`] decides how, without I/O.
//! - [`failpoint`]: places where a test may kill the process.

#[macro_use]
pub mod failpoint;

pub mod before_image;
pub mod frame;
pub mod images;
pub mod journal;
pub mod lock;
pub mod process;
pub mod record;
pub mod state_dir;
pub mod undo;
pub mod undo_plan;
