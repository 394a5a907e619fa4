//! A port of a bridge, bond or VRF.

use op_dbus_plugin::keys;
use std::fmt;

use op_dbus_plugin::netlink as nl;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::ovs::{OvsBond, TextMap};
use super::vlans::Vlans;

keys! {
    /// Settings of a link as a port of its controller.
    pub struct PortSettings {}
    optional {
        /// Spanning tree path cost.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1, max = 65535)))]
        cost: u32,
        /// On a bridge the spanning tree priority, 0 to 63; on a bond the port's priority.
        priority: i32,
        /// Sends frames back out of the port that they came from.
        hairpin: bool,
        /// Speaks only with ports that are not isolated.
        isolated: bool,
        /// Learns addresses.
        learning: bool,
        /// Floods unicast to unknown addresses.
        unicast_flood: bool,
        /// Floods multicast.
        multicast_flood: bool,
        /// Floods broadcast.
        broadcast_flood: bool,
        /// Answers ARP and neighbour solicitations from what is known.
        neighbour_suppression: bool,
        /// Goes down when a bridge protocol packet comes in.
        bpdu_guard: bool,
        /// Never becomes the way to the root bridge.
        root_block: bool,
        /// Leaves multicast groups at once.
        fast_leave: bool,
        /// On a bond: the transmit queue of the port.
        queue_id: u16,
        /// On a bridge with VLAN filtering, or of Open vSwitch: the VLANs of the port. On the latter a trunk without a list carries every VLAN.
        vlans: Vlans,
        /// Open vSwitch: what the port is: `system` (a link of the kernel, the default), `internal` (a link that Open vSwitch makes), `patch`,
        /// or a tunnel such as `vxlan`, `gre`, `geneve`.
        r#type: String,
        /// Open vSwitch: the other end of a tunnel, an IP address or `flow` (option `remote_ip`).
        remote: String,
        /// Open vSwitch: the own end of a tunnel, an IP address or `flow` (option `local_ip`).
        local: String,
        /// Open vSwitch: the key of a tunnel, such as a VXLAN's network identifier, a number or `flow`.
        key: String,
        /// Open vSwitch: the patch port at the other end.
        peer: String,
        /// Open vSwitch: further options of the interface, merged key by key; `null` removes a key.
        options: TextMap,
        /// Open vSwitch: the port is a bond of several links.
        bond: Box<OvsBond>,
        /// Open vSwitch: the port's `other_config`, merged key by key; `null` removes a key.
        other_config: TextMap,
        /// Open vSwitch: the port's `external_ids`, merged key by key; `null` removes a key. `op-dbus-owner` marks ports that op-dbus made.
        external_ids: TextMap,
        /// Read only: the OpenFlow port number.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        ofport: i64,
        /// Read only: whether the port's link has carrier, `up` or `down`.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        link_state: String,
        /// Read only: why Open vSwitch cannot have the port, in its own words.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        error: String,
        /// Read only: a mode of VLANs that `vlans` has no words for (`dot1q-tunnel`).
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        vlan_mode: String,
        /// Read only: the MTU that Open vSwitch was asked for; it is set by the interface's `mtu`.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        mtu_request: u32,
        /// Read only: the link-layer address that Open vSwitch was asked for; it is set by the interface's `mac`.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        mac_request: String,
    }
}

impl PortSettings {
    /// From what the kernel says; `None` where there is nothing to say.
    pub fn of_wire(port: Option<nl::Port>) -> Option<Box<Self>> {
        Some(Box::new(match port? {
            nl::Port::Bridge(port) => Self {
                cost: port.cost,
                priority: port.priority.map(Into::into),
                hairpin: port.hairpin,
                isolated: port.isolated,
                learning: port.learning,
                unicast_flood: port.unicast_flood,
                multicast_flood: port.multicast_flood,
                broadcast_flood: port.broadcast_flood,
                neighbour_suppression: port.neighbour_suppression,
                bpdu_guard: port.bpdu_guard,
                root_block: port.root_block,
                fast_leave: port.fast_leave,
                ..Self::default()
            },
            nl::Port::Bond(port) => Self {
                queue_id: port.queue_id,
                priority: port.priority,
                ..Self::default()
            },
            nl::Port::Other(_) => return None,
        }))
    }

    /// Without what a bond's port starts with anyway: most modes of a bond refuse a priority, even 0.
    pub fn for_attaching(mut self: Box<Self>) -> Box<Self> {
        if self.queue_id.is_some() {
            self.queue_id = self.queue_id.filter(|queue| *queue != 0);
            self.priority = self.priority.filter(|priority| *priority != 0);
        }
        self
    }

    /// Whether it says something that only a port of Open vSwitch has.
    pub fn is_for_switch(&self) -> bool {
        self.r#type.is_some()
            || self.remote.is_some()
            || self.local.is_some()
            || self.key.is_some()
            || self.peer.is_some()
            || self.options.is_some()
            || self.bond.is_some()
            || self.other_config.is_some()
            || self.external_ids.is_some()
    }

    /// Whether it is what Open vSwitch says of a port of its own.
    pub fn is_of_switch(&self) -> bool {
        self.is_for_switch() || self.ofport.is_some() || self.link_state.is_some()
    }

    /// For a request; `None` where there is nothing to ask for. VLANs have requests of their own.
    pub fn to_wire(&self, on_bond: bool) -> Option<nl::Port> {
        if *self
            == (Self {
                vlans: self.vlans.clone(),
                ..Self::default()
            })
        {
            return None;
        }
        Some(if on_bond || self.queue_id.is_some() {
            nl::Port::Bond(nl::BondPort {
                queue_id: self.queue_id,
                priority: self.priority,
            })
        } else {
            nl::Port::Bridge(nl::BridgePort {
                cost: self.cost,
                priority: self.priority.and_then(|priority| priority.try_into().ok()),
                hairpin: self.hairpin,
                isolated: self.isolated,
                learning: self.learning,
                unicast_flood: self.unicast_flood,
                multicast_flood: self.multicast_flood,
                broadcast_flood: self.broadcast_flood,
                neighbour_suppression: self.neighbour_suppression,
                bpdu_guard: self.bpdu_guard,
                root_block: self.root_block,
                fast_leave: self.fast_leave,
            })
        })
    }
}

/// An entry of a controller's `ports`: a name, or an object with `name` and settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Port {
    /// The port's name.
    pub name: String,
    /// What else is said of it.
    pub settings: PortSettings,
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.settings == PortSettings::default() {
            return serializer.serialize_str(&self.name);
        }
        let mut object = crate::step::tree(&self.settings);
        object["name"] = self.name.clone().into();
        object.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrObject;

        impl<'de> Visitor<'de> for NameOrObject {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a port, or an object with `name` and its settings")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Port, E> {
                Ok(Port {
                    name: name.to_owned(),
                    settings: PortSettings::default(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Port, A::Error> {
                let mut object = serde_json::Map::deserialize(MapAccessDeserializer::new(map))?;
                let Some(serde_json::Value::String(name)) = object.remove("name") else {
                    return Err(A::Error::custom("a port needs its `name`"));
                };
                let settings = crate::step::of_tree(object)
                    .map_err(|error| A::Error::custom(format!("port {name}: {error}")))?;
                Ok(Port { name, settings })
            }
        }

        deserializer.deserialize_any(NameOrObject)
    }
}

#[cfg(not(target_family = "wasm"))]
impl schemars::JsonSchema for Port {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let settings = PortSettings::json_schema(generator);
        let mut object = settings.as_value().clone();
        object["properties"]["name"] = serde_json::json!({
            "description": "The port's name.", "type": "string", "minLength": 1, "maxLength": 127
        });
        object["required"] = serde_json::json!(["name"]);
        object["description"] = "A port with its settings.".into();
        schemars::json_schema!({
            "description": "A port: its name, or an object with `name` and its settings.",
            "anyOf": [{"type": "string", "minLength": 1, "maxLength": 127}, object]
        })
    }
}
