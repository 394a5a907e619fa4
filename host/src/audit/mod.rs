//! The audit log: who did what, in hash-chained JSON lines that show tampering.
//!
//! # Layout
//! - [`record`]: what a line says. [`log`]: writing. [`mod@verify`]: checking. [`mod@show`]: reading with filters. [`head`]: where the log ends.
//!
//! ```text
//! audit-000001.log   rotated, full
//! audit.log          the present one; its first record carries the hash of the last one of the file before
//! audit.head         number and hash of the last record
//! ```
//! # What it shows and what it cannot
//! Each record holds its own hash and that of the one before, so that a change, a removal, an insertion or a swap is found, wherever it is;
//! the head tells if the end was cut off. All of it lies on this host. Whoever is root here can write a whole new log with hashes that
//! fit, head included, and no log on the same host could tell. Copy the head (`count` and `last`) to another host from time to time, or
//! ship the lines away: against such a copy every rewriting shows.

pub mod head;
pub mod log;
pub mod record;
pub mod show;
pub mod verify;

pub use log::AuditLog;
pub use record::{Entry, Kind, Record};
pub use show::{Filter, show};
pub use verify::{Broken, Verified, verify};
