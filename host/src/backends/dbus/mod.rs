//! Calls, properties and signals on a D-Bus message bus.
//!
//! [`Bus`] connects when it is first used and again when the connection was lost. Deadlines are the caller's: every future here may be
//! dropped at any time, and what was being written is still written whole. Values are JSON in the form that `busctl --json` prints
//! ([`value`]).
//!
//! Source: the D-Bus specification, <https://dbus.freedesktop.org/doc/dbus-specification.html>.

mod address;
mod body;
mod bus;
mod call;
mod error;
mod link;
mod message_bus;
mod object;
mod owners;
mod signal;
pub mod value;

pub use address::BusAddress;
pub use bus::{Bus, Limits};
pub use call::{Outgoing, PROPERTIES, Terms, check, get_of, subject_of, variant_of};
pub use message_bus::{MessageBus, Signals};
pub use object::{ErrorReply, Incoming, Object};
pub use owners::BUS;
pub use signal::Subscription;

#[cfg(test)]
pub(crate) mod tests;
