//! The settings of a link's kind as a whole: from the kernel, to the kernel, and key by key for comparison.

use op_dbus_plugin::netlink as nl;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::section::kinds::Tun;
use crate::section::{Interface, LinkType};
use crate::step::{of_tree, tree};
use op_dbus_plugin::section::Wire;

/// Puts the kernel's words on a link's kind into its type and settings.
pub fn set(interface: &mut Interface, kind: nl::Kind) {
    fn boxed<T: Wire<W>, W>(wire: W) -> Option<Box<T>> {
        Some(Box::new(T::of_wire(wire)))
    }
    let i = interface;
    i.r#type = Some(match kind {
        nl::Kind::Ethernet => LinkType::Ethernet,
        nl::Kind::Loopback => LinkType::Loopback,
        nl::Kind::Dummy => LinkType::Dummy,
        nl::Kind::Ifb => LinkType::Ifb,
        nl::Kind::Veth(wire) => {
            // Without a visible peer there is nothing to say.
            i.veth = wire.peer.is_some().then(|| boxed(wire)).flatten();
            LinkType::Veth
        }
        nl::Kind::Bridge(wire) => {
            i.bridge = boxed(wire);
            LinkType::Bridge
        }
        nl::Kind::Bond(wire) => {
            i.bond = boxed(wire);
            LinkType::Bond
        }
        nl::Kind::Vlan(wire) => {
            i.vlan = boxed(wire);
            LinkType::Vlan
        }
        nl::Kind::Vxlan(wire) => {
            i.vxlan = boxed(wire);
            LinkType::Vxlan
        }
        nl::Kind::Geneve(wire) => {
            i.geneve = boxed(wire);
            LinkType::Geneve
        }
        nl::Kind::Gre(wire) => {
            i.gre = boxed(wire);
            LinkType::Gre
        }
        nl::Kind::Gretap(wire) => {
            i.gretap = boxed(wire);
            LinkType::Gretap
        }
        nl::Kind::Ip6gre(wire) => {
            i.ip6gre = boxed(wire);
            LinkType::Ip6gre
        }
        nl::Kind::Ip6gretap(wire) => {
            i.ip6gretap = boxed(wire);
            LinkType::Ip6gretap
        }
        nl::Kind::Ipip(wire) => {
            i.ipip = boxed(wire);
            LinkType::Ipip
        }
        nl::Kind::Sit(wire) => {
            i.sit = boxed(wire);
            LinkType::Sit
        }
        nl::Kind::Ip6tnl(wire) => {
            i.ip6tnl = boxed(wire);
            LinkType::Ip6tnl
        }
        nl::Kind::Vrf(wire) => {
            i.vrf = boxed(wire);
            LinkType::Vrf
        }
        nl::Kind::Macvlan(wire) => {
            i.macvlan = boxed(wire);
            LinkType::Macvlan
        }
        nl::Kind::Macvtap(wire) => {
            i.macvtap = boxed(wire);
            LinkType::Macvtap
        }
        nl::Kind::Ipvlan(wire) => {
            i.ipvlan = boxed(wire);
            LinkType::Ipvlan
        }
        nl::Kind::Tun(wire) if wire.mode == nl::TunMode::Tun => {
            i.tun = Some(Box::new(Tun::of_wire(wire)));
            LinkType::Tun
        }
        nl::Kind::Tun(wire) => {
            i.tap = Some(Box::new(Tun::of_wire(wire)));
            LinkType::Tap
        }
        nl::Kind::Wireguard(mut wire) => {
            if let Some(peers) = &mut wire.peers {
                peers.sort_by(|a, b| a.public_key.cmp(&b.public_key));
            }
            i.wireguard = boxed(wire);
            LinkType::Wireguard
        }
        nl::Kind::Other(word) => LinkType::Other(word),
    });
}

/// The kind for a request: its settings where any are given, `None` where the type is unknown.
pub fn wire(interface: &Interface) -> Option<nl::Kind> {
    fn plain<T: Wire<W> + Default + Clone, W>(settings: &Option<Box<T>>) -> W {
        match settings {
            Some(settings) => settings.to_wire(),
            None => T::default().to_wire(),
        }
    }
    let i = interface;
    let tun = |settings: &Option<Box<Tun>>, mode| {
        settings
            .as_deref()
            .cloned()
            .unwrap_or_default()
            .to_wire(mode)
    };
    Some(match i.r#type.as_ref()? {
        LinkType::Ethernet => nl::Kind::Ethernet,
        LinkType::Loopback => nl::Kind::Loopback,
        LinkType::Dummy => nl::Kind::Dummy,
        LinkType::Ifb => nl::Kind::Ifb,
        LinkType::Veth => nl::Kind::Veth(plain(&i.veth)),
        LinkType::Bridge => nl::Kind::Bridge(plain(&i.bridge)),
        LinkType::Bond => nl::Kind::Bond(plain(&i.bond)),
        LinkType::Vlan => nl::Kind::Vlan(plain(&i.vlan)),
        LinkType::Vxlan => nl::Kind::Vxlan(plain(&i.vxlan)),
        LinkType::Geneve => nl::Kind::Geneve(plain(&i.geneve)),
        LinkType::Gre => nl::Kind::Gre(plain(&i.gre)),
        LinkType::Gretap => nl::Kind::Gretap(plain(&i.gretap)),
        LinkType::Ip6gre => nl::Kind::Ip6gre(plain(&i.ip6gre)),
        LinkType::Ip6gretap => nl::Kind::Ip6gretap(plain(&i.ip6gretap)),
        LinkType::Ipip => nl::Kind::Ipip(plain(&i.ipip)),
        LinkType::Sit => nl::Kind::Sit(plain(&i.sit)),
        LinkType::Ip6tnl => nl::Kind::Ip6tnl(plain(&i.ip6tnl)),
        LinkType::Vrf => nl::Kind::Vrf(plain(&i.vrf)),
        LinkType::Macvlan => nl::Kind::Macvlan(plain(&i.macvlan)),
        LinkType::Macvtap => nl::Kind::Macvtap(plain(&i.macvtap)),
        LinkType::Ipvlan => nl::Kind::Ipvlan(plain(&i.ipvlan)),
        LinkType::Tun => nl::Kind::Tun(tun(&i.tun, nl::TunMode::Tun)),
        LinkType::Tap => nl::Kind::Tun(tun(&i.tap, nl::TunMode::Tap)),
        LinkType::Wireguard => nl::Kind::Wireguard(plain(&i.wireguard)),
        LinkType::OvsBridge | LinkType::OvsInternal | LinkType::OvsPort | LinkType::Other(_) => {
            return None;
        }
    })
}

/// What is done with each of the places where settings of a kind can stand.
macro_rules! each {
    ($interface:expr, $visit:ident) => {{
        $visit!($interface, veth, Veth);
        $visit!($interface, bridge, Bridge);
        $visit!($interface, bond, Bond);
        $visit!($interface, vlan, Vlan);
        $visit!($interface, vxlan, Vxlan);
        $visit!($interface, geneve, Geneve);
        $visit!($interface, gre, Gre);
        $visit!($interface, gretap, Gretap);
        $visit!($interface, ip6gre, Ip6gre);
        $visit!($interface, ip6gretap, Ip6gretap);
        $visit!($interface, ipip, Ipip);
        $visit!($interface, sit, Sit);
        $visit!($interface, ip6tnl, Ip6tnl);
        $visit!($interface, vrf, Vrf);
        $visit!($interface, macvlan, Macvlan);
        $visit!($interface, macvtap, Macvtap);
        $visit!($interface, ipvlan, Ipvlan);
        $visit!($interface, tun, Tun);
        $visit!($interface, tap, Tap);
        $visit!($interface, wireguard, Wireguard);
    }};
}

/// The kinds whose settings are given.
pub fn given(interface: &Interface) -> Vec<LinkType> {
    let mut types = Vec::new();
    macro_rules! visit {
        ($interface:expr, $field:ident, $variant:ident) => {
            if $interface.$field.is_some() {
                types.push(LinkType::$variant);
            }
        };
    }
    each!(interface, visit);
    types
}

/// The settings of the kind `of`, key by key; empty where there are none.
pub fn settings(interface: &Interface, of: &LinkType) -> Map<String, Value> {
    fn map<T: Serialize>(settings: &T) -> Map<String, Value> {
        match tree(settings) {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
    macro_rules! visit {
        ($interface:expr, $field:ident, $variant:ident) => {
            if let (Some(settings), LinkType::$variant) = (&$interface.$field, of) {
                return map(settings);
            }
        };
    }
    each!(interface, visit);
    Map::new()
}

/// Replaces the settings of the kind `of`, none where the map is empty. Keys that fit no field are a defect of the caller and are
/// answered as such.
pub fn set_settings(
    interface: &mut Interface,
    of: &LinkType,
    map: Map<String, Value>,
) -> Result<(), serde_json::Error> {
    fn read<T: DeserializeOwned>(
        map: Map<String, Value>,
    ) -> Result<Option<Box<T>>, serde_json::Error> {
        if map.is_empty() {
            return Ok(None);
        }
        of_tree(map).map(|settings| Some(Box::new(settings)))
    }
    macro_rules! visit {
        ($interface:expr, $field:ident, $variant:ident) => {
            if *of == LinkType::$variant {
                $interface.$field = read(map)?;
                return Ok(());
            }
        };
    }
    each!(interface, visit);
    Ok(())
}

/// Forgets the settings of every kind.
pub fn clear(interface: &mut Interface) {
    macro_rules! visit {
        ($interface:expr, $field:ident, $variant:ident) => {
            $interface.$field = None
        };
    }
    each!(interface, visit);
}

/// The link below, by the settings of its kind.
pub fn parent(i: &Interface) -> Option<&str> {
    let tunnels = [
        &i.gre,
        &i.gretap,
        &i.ip6gre,
        &i.ip6gretap,
        &i.ipip,
        &i.sit,
        &i.ip6tnl,
    ];
    let tunnel = tunnels
        .into_iter()
        .flatten()
        .find_map(|tunnel| tunnel.parent.as_ref());
    None.or(i.vlan.as_ref().and_then(|vlan| vlan.parent.as_ref()))
        .or(i.vxlan.as_ref().and_then(|vxlan| vxlan.parent.as_ref()))
        .or(i
            .macvlan
            .as_ref()
            .and_then(|macvlan| macvlan.parent.as_ref()))
        .or(i
            .macvtap
            .as_ref()
            .and_then(|macvtap| macvtap.parent.as_ref()))
        .or(i.ipvlan.as_ref().and_then(|ipvlan| ipvlan.parent.as_ref()))
        .or(tunnel)
        .map(String::as_str)
}

/// The other end of a virtual Ethernet pair.
pub fn peer(interface: &Interface) -> Option<&str> {
    interface.veth.as_ref()?.peer.as_deref()
}

/// Keys that the kernel does not change on a link that exists (the `changelink` functions of its drivers), or only when nothing hangs
/// from it: for these the link is made anew.
pub fn fixed_keys(of: &LinkType) -> &'static [&'static str] {
    match of {
        LinkType::Veth => &["peer"],
        LinkType::Bond => &["mode", "fail_over_mac"],
        LinkType::Vlan => &["parent", "id", "protocol"],
        LinkType::Vxlan => &[
            "id",
            "port",
            "limit",
            "proxy",
            "route_short_circuit",
            "collect_metadata",
            "udp_checksum",
        ],
        LinkType::Geneve => &["id", "port", "collect_metadata", "udp_checksum"],
        LinkType::Vrf => &["table"],
        LinkType::Macvlan | LinkType::Macvtap | LinkType::Ipvlan => &["parent"],
        LinkType::Tun | LinkType::Tap => &[
            "owner",
            "group",
            "packet_information",
            "vnet_header",
            "multi_queue",
        ],
        _ => &[],
    }
}

/// Settings without which a link of this kind cannot be made.
pub fn required_keys(of: &LinkType) -> &'static [&'static str] {
    match of {
        LinkType::Veth => &["peer"],
        LinkType::Vlan => &["parent", "id"],
        LinkType::Vxlan => &["id"],
        LinkType::Geneve => &["id", "remote"],
        LinkType::Vrf => &["table"],
        LinkType::Macvlan | LinkType::Macvtap | LinkType::Ipvlan => &["parent"],
        _ => &[],
    }
}

/// Keys that every change of settings must carry, because the contract requires them.
pub fn identity_keys(of: &LinkType) -> &'static [&'static str] {
    match of {
        LinkType::Vlan | LinkType::Vxlan | LinkType::Geneve => &["id"],
        LinkType::Vrf => &["table"],
        _ => &[],
    }
}

/// Keys that the kernel changes only while the link is down.
pub fn keys_that_need_down(of: &LinkType) -> &'static [&'static str] {
    match of {
        LinkType::Bond => &["lacp_rate", "ad_select", "ad_actor_system_priority"],
        _ => &[],
    }
}
