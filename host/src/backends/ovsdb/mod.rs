//! A client of the Open vSwitch database protocol (RFC 7047).
//!
//! # Layout
//! - [`remote`]: where the server is; [`tls`]: how `ssl:` remotes are secured.
//! - [`frame`]: where one JSON text ends in a stream of bytes.
//! - [`message`]: requests, replies and notifications (RFC 7047 section 4).
//! - [`json`]: reading JSON strictly.
//! - [`value`]: the notations for uuids, sets and maps (section 5.1).
//! - `connection`: one connection; `task`: what serves it.
//! - [`client`]: calls, and the next connection when one has ended.
//! - [`schema`] (section 3.2), [`transact`] (sections 4.1.3 and 5.2), [`monitor`] with [`update`] (sections 4.1.5
//!   to 4.1.7, and ovsdb-server(7)), [`settle`] (ovs-vswitchd.conf.db(5)).
//! - [`server`]: a server that is connected to at its first use.
//! - [`operation`], [`datum`], [`evaluate`]: operations and values as the server understands them; [`effect`]: which rows a transaction
//!   will change, worked out before it is sent; [`image`]: what was there of them.
//! - [`error`]: why a call failed, in the server's own words.
//!
//! ```ignore
//! # use op_dbus::backends::ovsdb::{Client, Options, OvsdbError, value};
//! # async fn example() -> Result<(), OvsdbError> {
//! let client = Client::connect(Options::new("unix:/run/openvswitch/db.sock".parse()?)).await?;
//! let select = serde_json::json!({"op": "select", "table": "Bridge", "where": []});
//! let results = client.transact("Open_vSwitch", &[select]).await?;
//! for row in results.rows(0) {
//!     println!("{:?}", row.get("_uuid").and_then(value::as_uuid));
//! }
//! # Ok(()) }
//! ```

pub mod client;
mod connection;
pub mod datum;
pub mod effect;
pub mod error;
pub mod evaluate;
pub mod frame;
pub mod image;
pub mod json;
pub mod message;
pub mod monitor;
pub mod operation;
pub mod remote;
pub mod schema;
pub mod server;
pub mod settle;
mod task;
pub mod tls;
pub mod transact;
pub mod update;
pub mod value;

pub use client::{Client, Options};
pub use error::OvsdbError;
pub use monitor::{Event, Monitor, MonitorRequest, TableRequest};
pub use remote::Remote;
pub use schema::Schema;
pub use server::{Lazy, Server, local_remote};
pub use tls::TlsFiles;
pub use transact::Results;
pub use update::{Row, RowUpdate};
