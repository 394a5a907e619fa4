//! A profile.

use std::collections::BTreeMap;

use op_dbus_plugin::keys;
use op_dbus_plugin::section::{Peer, Secret, State};
use serde_json::Value;

use super::ip::Ip;
use super::kinds::Security;

keys! {
    /// A connection profile. What is not mentioned stays as it is. It is found by `uuid`, without one by `id`.
    pub struct Connection {}
    optional {
        /// Its name for people.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(min = 1)))]
        id: String,
        /// Its identity. A new profile without one gets one that its `id` determines.
        #[cfg_attr(not(target_family = "wasm"), schemars(regex(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")))]
        uuid: String,
        /// `ethernet`, `bridge`, `bond`, `vlan`, `wifi`, `vpn`, `wireguard`, or NetworkManager's own word for another type.
        r#type: String,
        /// `up` activates it, `down` deactivates it, `absent` removes it.
        state: State,
        /// NetworkManager activates it by itself. When this says `true`, an apply activates it where there is a device for it.
        autoconnect: bool,
        /// The interface that it is for.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(min = 1, max = 15)))]
        interface: String,
        /// The profile, by uuid or id, or the interface, that this one is a port of; `null` detaches it.
        #[serde(default)]
        #[cfg_attr(not(target_family = "wasm"), schemars(with = "Option<String>"))]
        controller: Option<String>,
        /// Exactly these interfaces are ports of this bridge or bond.
        ports: Vec<String>,
        /// Another name of `ports`.
        slaves: Vec<String>,
        /// Another name of `ports`, for bridges.
        bridge_ports: Vec<String>,
        /// The firewall's zone.
        zone: String,
        /// The largest packet, in bytes; 0 lets the kernel choose. For ethernet, wifi and wireguard.
        mtu: u32,
        /// Bridge: spanning tree protocol.
        stp: bool,
        /// Bridge: seconds in the listening and learning states.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 2, max = 30)))]
        forward_delay: u32,
        /// Bridge: keeps VLANs apart on the ports.
        vlan_filtering: bool,
        /// Bond: `balance-rr`, `active-backup`, `balance-xor`, `broadcast`, `802.3ad`, `balance-tlb`, `balance-alb`. Wifi:
        /// `infrastructure`, `ap`, `adhoc`.
        mode: String,
        /// Bond: its options by the kernel's names, such as `miimon`; `null` takes one away.
        options: BTreeMap<String, Value>,
        /// VLAN: the link below, by interface or uuid.
        parent: String,
        /// VLAN: its number.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 4094)))]
        vlan_id: u16,
        /// Wifi: the network's name.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(min = 1, max = 32)))]
        ssid: String,
        /// Wifi: the network does not announce its name.
        hidden: bool,
        /// Wifi: `a` (5 GHz) or `bg` (2.4 GHz).
        band: String,
        /// Wifi: the channel, for `ap` and `adhoc`.
        channel: u32,
        /// Wifi: how the network is secured.
        security: Box<Security>,
        /// VPN: the plugin, such as `openvpn`, `vpnc`, `openconnect`, or its D-Bus name. `openvpn` unless this says otherwise.
        service: String,
        /// VPN: who logs in.
        user: String,
        /// VPN: the server, in the plugin's own key for it.
        gateway: String,
        /// VPN: data of the plugin; `null` takes a key away.
        data: BTreeMap<String, Option<String>>,
        /// VPN: secrets of the plugin.
        secrets: BTreeMap<String, Secret>,
        /// WireGuard: the private key.
        private_key: Secret,
        /// WireGuard: UDP port, 0 for one that the kernel chooses.
        listen_port: u16,
        /// WireGuard: mark of the packets that it sends, 0 for none.
        firewall_mark: u32,
        /// WireGuard: exactly these peers.
        peers: Vec<Peer>,
        /// IPv4.
        ipv4: Ip,
        /// IPv6.
        ipv6: Ip,
        /// Any other setting of NetworkManager's by its name, with its properties (nm-settings-dbus(5)): plain JSON where op-dbus knows
        /// the type, otherwise `{"type": SIGNATURE, "data": VALUE}`; `null` takes a property or a setting away.
        settings: BTreeMap<String, Option<BTreeMap<String, Value>>>,
    }
}

impl Connection {
    /// Whether the file wants it gone.
    pub fn is_absent(&self) -> bool {
        self.state == Some(State::Absent)
    }

    /// Its ports, under whichever name the file gives them, with that name.
    pub fn port_list(&self) -> Option<(&'static str, &[String])> {
        [
            ("ports", &self.ports),
            ("slaves", &self.slaves),
            ("bridge_ports", &self.bridge_ports),
        ]
        .into_iter()
        .find_map(|(key, list)| Some((key, list.as_deref()?)))
    }

    /// What a person calls it.
    pub fn name(&self) -> &str {
        let name = self.id.as_deref().or(self.uuid.as_deref());
        name.unwrap_or_default()
    }

    /// Whether only its key is given.
    pub fn is_only_key(&self) -> bool {
        *self
            == Self {
                id: self.id.clone(),
                uuid: self.uuid.clone(),
                ..Self::default()
            }
    }
}
