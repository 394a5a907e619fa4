//! An interface: what all links have in common, the settings of its kind, and its IP configuration.

use op_dbus_plugin::keys;
use op_dbus_plugin::section::Mac;
pub use op_dbus_plugin::section::State;
use serde::{Deserialize, Serialize};

use super::Unknown;
use super::ip::Ip;
use super::kinds::{Bond, Bridge, Ipvlan, Macvlan, Tun, Veth, Vlan, Vrf, Wireguard};
use super::ovs::OvsBridge;
use super::port::{Port, PortSettings};
use super::tunnels::{Geneve, Tunnel, Vxlan};
use super::vlans::Vlans;
use super::words::AddressGeneration;

macro_rules! link_types {
    ($($variant:ident = $word:literal,)*) => {
        /// What a link is, by the kernel's word.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum LinkType {
            $(#[doc = $word] $variant,)*
            /// A kind that this plugin does not know, by the kernel's word. It is shown, never made.
            Other(String),
        }

        impl LinkType {
            /// The kernel's word.
            pub fn word(&self) -> &str {
                match self { $(Self::$variant => $word,)* Self::Other(word) => word }
            }

            /// The kernel's word after an article: `a bridge`, `an ovs-bridge`.
            pub fn one(&self) -> String {
                let word = self.word();
                match word.starts_with(['a', 'e', 'i', 'o']) {
                    true => format!("an {word}"),
                    false => format!("a {word}"),
                }
            }

            /// By the kernel's word.
            pub fn of_word(word: &str) -> Self {
                match word { $($word => Self::$variant,)* other => Self::Other(other.to_owned()) }
            }

            /// Every word that a state file may use.
            pub const WORDS: &[&str] = &[$($word),*];
        }
    };
}

link_types! {
    Ethernet = "ethernet",
    Loopback = "loopback",
    Dummy = "dummy",
    Ifb = "ifb",
    Veth = "veth",
    Bridge = "bridge",
    OvsBridge = "ovs-bridge",
    OvsInternal = "ovs-internal",
    OvsPort = "ovs-port",
    Bond = "bond",
    Vlan = "vlan",
    Vxlan = "vxlan",
    Geneve = "geneve",
    Gre = "gre",
    Gretap = "gretap",
    Ip6gre = "ip6gre",
    Ip6gretap = "ip6gretap",
    Ipip = "ipip",
    Sit = "sit",
    Ip6tnl = "ip6tnl",
    Vrf = "vrf",
    Macvlan = "macvlan",
    Macvtap = "macvtap",
    Ipvlan = "ipvlan",
    Tun = "tun",
    Tap = "tap",
    Wireguard = "wireguard",
}

impl Serialize for LinkType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for LinkType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of_word(&String::deserialize(deserializer)?))
    }
}

#[cfg(not(target_family = "wasm"))]
impl schemars::JsonSchema for LinkType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LinkType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Not closed: what `query` shows of a kind that op-dbus does not know can stand in a file. Validation refuses all other words.
        schemars::json_schema!({
            "description": "What a link is, by the kernel's word.",
            "type": "string", "examples": Self::WORDS
        })
    }
}

keys! {
    /// An interface. What is not mentioned stays as it is.
    pub struct Interface {
        /// Its name in the kernel, of 15 bytes at most. A patch port, a tunnel or a bond of Open vSwitch is no link of the kernel and may have a
        /// longer one.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(min = 1, max = 127)))]
        name: String,
    }
    optional {
        /// What it is. May be left out for an interface that exists, or where the settings of a kind say it.
        r#type: LinkType,
        /// `up`, `down`, or `absent` to remove it. A new interface is up unless this says otherwise.
        state: State,
        /// The largest packet, in bytes.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 68)))]
        mtu: u32,
        /// Its link-layer address.
        mac: Mac,
        /// Free text of the operator; an empty text removes it.
        #[cfg_attr(not(target_family = "wasm"), schemars(length(max = 255)))]
        description: String,
        /// Exactly these further names.
        alternative_names: Vec<String>,
        /// Packets that wait to be sent.
        transmit_queue_length: u32,
        /// The group of interfaces that it belongs to, by number; 0 by default.
        group: u32,
        /// Whether it speaks ARP.
        arp: bool,
        /// Receives all multicast.
        all_multicast: bool,
        /// Receives everything.
        promiscuous: bool,
        /// How IPv6 link-local addresses come to be.
        address_generation: AddressGeneration,
        /// The bridge (the kernel's or Open vSwitch's), bond or VRF that it is a port of; `null` detaches it.
        #[serde(default)]
        #[cfg_attr(not(target_family = "wasm"), schemars(with = "Option<String>"))]
        controller: Option<String>,
        /// Its settings as a port. They may stand here or in the controller's `ports`.
        port: Box<PortSettings>,
        /// Exactly these ports: names, or objects with `name` and settings. A bridge of Open vSwitch keeps the ports beside them that op-dbus
        /// did not make.
        ports: Vec<Port>,
        /// VLANs of the bridge itself, where its VLAN filtering is on.
        vlans: Box<Vlans>,
        /// Settings of a virtual Ethernet pair.
        veth: Box<Veth>,
        /// Settings of a bridge.
        bridge: Box<Bridge>,
        /// Settings of a bridge of Open vSwitch.
        ovs_bridge = "ovs-bridge": Box<OvsBridge>,
        /// Settings of a bond.
        bond: Box<Bond>,
        /// Settings of a VLAN.
        vlan: Box<Vlan>,
        /// Settings of a VXLAN.
        vxlan: Box<Vxlan>,
        /// Settings of a Geneve tunnel.
        geneve: Box<Geneve>,
        /// Settings of a GRE tunnel (layer 3).
        gre: Box<Tunnel>,
        /// Settings of a GRE tunnel (layer 2).
        gretap: Box<Tunnel>,
        /// Settings of a GRE tunnel over IPv6 (layer 3).
        ip6gre: Box<Tunnel>,
        /// Settings of a GRE tunnel over IPv6 (layer 2).
        ip6gretap: Box<Tunnel>,
        /// Settings of an IPv4-in-IPv4 tunnel.
        ipip: Box<Tunnel>,
        /// Settings of an IPv6-in-IPv4 tunnel.
        sit: Box<Tunnel>,
        /// Settings of a tunnel over IPv6.
        ip6tnl: Box<Tunnel>,
        /// Settings of a VRF.
        vrf: Box<Vrf>,
        /// Settings of a MACVLAN.
        macvlan: Box<Macvlan>,
        /// Settings of a MACVTAP.
        macvtap: Box<Macvlan>,
        /// Settings of an IPVLAN.
        ipvlan: Box<Ipvlan>,
        /// Settings of a TUN device.
        tun: Box<Tun>,
        /// Settings of a TAP device.
        tap: Box<Tun>,
        /// Settings of a WireGuard device.
        wireguard: Box<Wireguard>,
        /// IPv4.
        ipv4: Ip,
        /// IPv6.
        ipv6: Ip,
        /// Read only: the kernel's number for it.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        index: u32,
        /// Read only: whether it can carry traffic.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        running: bool,
        /// Read only: the address that the hardware came with.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        permanent_mac: Mac,
        /// Read only: its root queueing discipline, tc(8), where somebody chose it.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        queueing_discipline: String,
        /// Read only: attributes that op-dbus has no name for, by place, in hexadecimal. They are kept when the link is made anew.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        unknown: Vec<Unknown>,
    }
}

impl Interface {
    /// One of which nothing is said but its name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Whether the file wants it gone.
    pub fn is_absent(&self) -> bool {
        self.state == Some(State::Absent)
    }

    /// Whether only its name is given.
    pub fn is_only_name(&self) -> bool {
        *self == Self::named(self.name.clone())
    }

    /// Whether Open vSwitch makes its link, if it has one: a bridge's own, an internal port's.
    pub fn is_of_switch(&self) -> bool {
        matches!(
            self.r#type,
            Some(LinkType::OvsBridge | LinkType::OvsInternal | LinkType::OvsPort)
        )
    }

    /// IPv4 and IPv6 by number: 4 or 6.
    pub fn ip(&self, v6: bool) -> Option<&Ip> {
        if v6 {
            self.ipv6.as_ref()
        } else {
            self.ipv4.as_ref()
        }
    }
}
