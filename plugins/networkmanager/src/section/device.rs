//! Devices and what is active on them.

use op_dbus_plugin::keys;

keys! {
    /// A network device as NetworkManager sees it.
    pub struct Device {
        /// Its name in the kernel.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(min = 1, max = 15)))]
        interface: String,
    }
    optional {
        /// Whether NetworkManager manages it; `false` hands it over to others, such as the plugin `net`.
        managed: bool,
        /// Read only: what it is, by NetworkManager's name (NMDeviceType).
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        r#type: String,
        /// Read only: its hardware address.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        mac: String,
        /// Read only: how far its activation is, by NetworkManager's name (NMDeviceState).
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        state: String,
        /// Read only: the kernel driver.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        driver: String,
        /// Read only: the uuid of the profile that is active on it.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        active_connection: String,
        /// Read only: the uuids of the profiles that could be activated on it now.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        available_connections: Vec<String>,
    }
}

keys! {
    /// An active connection. All of it is only read.
    pub struct Active {
        /// The profile's uuid.
        uuid: String,
    }
    optional {
        /// The profile's name.
        id: String,
        /// The profile's type.
        r#type: String,
        /// `activating`, `activated`, `deactivating`, `deactivated` (NMActiveConnectionState).
        state: String,
        /// The interfaces that it is active on.
        devices: Vec<String>,
        /// Whether it has the default route of IPv4.
        default: bool,
        /// Whether it has the default route of IPv6.
        default6: bool,
    }
}
