//! The section `networkmanager` of a state file. One set of types serves the wish and what is: what can only be read is marked so in the
//! schema, and is passed over where it stands in a file: what `query` shows is a section.

pub mod connection;
pub mod device;
pub mod ip;
pub mod kinds;
#[cfg(not(target_family = "wasm"))]
pub mod schema;

use op_dbus_plugin::keys;

pub use connection::Connection;
pub use device::{Active, Device};
pub use ip::{Ip, Method};
pub use kinds::{Eap, Security};

keys! {
    /// NetworkManager's profiles, and which devices it manages.
    ///
    /// Partial: what is not mentioned stays, a list replaces, `"state": "absent"` removes.
    pub struct Section {}
    optional {
        /// Profiles, each named once. One that is not in the list is left alone.
        connections: Vec<Connection>,
        /// Devices, each named once. One that is not in the list is left alone.
        devices: Vec<Device>,
        /// Read only: what is active.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        active_connections: Vec<Active>,
    }
}

impl Section {
    /// The profiles, none when the key is absent.
    pub fn connections(&self) -> &[Connection] {
        self.connections.as_deref().unwrap_or_default()
    }

    /// The devices.
    pub fn devices(&self) -> &[Device] {
        self.devices.as_deref().unwrap_or_default()
    }

    /// What is active.
    pub fn active(&self) -> &[Active] {
        self.active_connections.as_deref().unwrap_or_default()
    }
}
