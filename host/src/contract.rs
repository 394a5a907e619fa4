//! The contract of `wit/`, as Rust types.
//!
//! The types of the newest version of the contract are the host's own vocabulary: gate, journal and backends speak in them. When an older
//! version of the contract stays in service beside a newer one, its shim in `interfaces/` converts to these.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "state-plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "op-dbus:plugin/dbus.subscription": crate::interfaces::Subscription },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});

pub use op_dbus::plugin::{dbus, log, netlink, ovsdb, types};

impl Default for netlink::LinkSettings {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            up: None,
            mtu: None,
            mac: None,
            description: None,
            transmit_queue_length: None,
            group: None,
            arp: None,
            all_multicast: None,
            promiscuous: None,
            address_generation: None,
            controller: netlink::ControllerChange::Keep,
            port: None,
            unknown: Vec::new(),
        }
    }
}
