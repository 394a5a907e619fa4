//! Open vSwitch's database (RFC 7047, ovs-vswitchd.conf.db(5)) and the section.
//!
//! - [`row`] rows and values as the database writes them; [`read`] reading the rows that a section concerns
//! - [`shown`] from rows to the section's words; [`columns`] from the section's words to columns
//! - [`change`] one change of bridges and ports as one transaction; [`carry`] carrying it out

pub mod carry;
pub mod change;
pub mod columns;
pub mod read;
pub mod row;
pub mod shown;

/// The name of the database.
pub const DATABASE: &str = "Open_vSwitch";

/// The key of `external_ids` that marks a port that this plugin made. A list of ports takes away none without it.
pub const OWNER_KEY: &str = "op-dbus-owner";

/// What stands under [`OWNER_KEY`].
pub const OWNER: &str = "net";
