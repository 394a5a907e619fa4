//! Types that sections of several plugins share: addresses, routes, secrets, and how an object is declared.
//!
//! One set of types serves the wish and what is: what can only be read is marked so in the schema.

#[doc(hidden)]
#[macro_use]
pub mod keys;

mod address;
pub mod route;
#[cfg(not(target_family = "wasm"))]
pub mod schema;
mod text;
mod unknown;
mod wire;
mod wireguard;
mod words;

pub use address::{Addr, Address, PROTOCOL_OP_DBUS};
pub use route::{NextHop, Route};
pub use text::{Mac, Network, Secret};
pub use unknown::Unknown;
pub use wire::Wire;
pub use wireguard::Peer;
pub use words::{RouteType, State};
