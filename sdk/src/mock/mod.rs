//! A simulated host, so that a plugin's logic runs under plain `cargo test`: no Wasm, no root, no network.
//!
//! A [`Host`] holds an in-memory [`Kernel`], an [`Ovsdb`] server and a [`NetworkManager`] where a test wants one, what was logged, the calls that were made and the
//! answers of D-Bus that a test laid down. Within [`Host::enter`] the functions of [`netlink`](crate::netlink), [`log`](crate::log), [`ovsdb`](crate::ovsdb) and
//! [`dbus`](crate::dbus) go to it. There are no grants here: everything is allowed.
//!
//! ```
//! use op_dbus_plugin::{mock, netlink};
//!
//! let host = mock::Host::new();
//! host.kernel().add_ethernet("eth0").set_up("eth0").add_address("eth0", "192.0.2.1/24");
//! let names: Vec<String> =
//!     host.enter(|| netlink::links(&[]).unwrap()).into_iter().map(|link| link.name).collect();
//! assert_eq!(names, ["lo", "eth0"]);
//! ```

pub(crate) mod capabilities;
mod host;
mod kernel;
mod network_manager;
mod ovsdb;
mod subscription;

pub use host::{Call, Host, LogLine, Progress};
pub use kernel::Kernel;
pub use network_manager::NetworkManager;
pub use ovsdb::Ovsdb;
pub use subscription::Subscription;
