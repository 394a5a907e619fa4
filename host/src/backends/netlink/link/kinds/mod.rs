//! The kinds of links, one file per family: IFLA_INFO_DATA both ways.

mod bond;
mod bridge;
mod overlay;
mod stacked;
mod tun;
mod tunnel;

use crate::backends::netlink::attribute::{Attribute, Attributes, Fault, attributes};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::Message;
use crate::backends::netlink::unknown;
use crate::contract::netlink::{Kind, UnknownAttribute, Veth, Wireguard};
use crate::contract::types::Failure;

/// Finds the index of a link by its name, as of this place in the batch.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Result<u32, Failure>;

/// What the kernel says of a link's kind, before indices are turned into names.
pub struct DecodedKind {
    pub kind: Kind,
    /// The index of the link below, where the kind's own attributes name it.
    pub parent: Option<u32>,
    /// The index of a bond's primary port.
    pub primary: Option<u32>,
}

impl From<Kind> for DecodedKind {
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            parent: None,
            primary: None,
        }
    }
}

/// Attributes that the records have no field for, those that a recreated link would lose.
pub struct Unknown<'a> {
    pub list: &'a mut Vec<UnknownAttribute>,
    /// Where the attributes stand, ending in `/`.
    pub place: &'static str,
}

impl Unknown<'_> {
    /// Notes an attribute, unless it has the value that a new link has.
    pub fn unless(&mut self, attribute: &Attribute<'_>, default: u64) {
        let mut bytes = [0; 8];
        let same = attribute.value.len() <= 8 && {
            bytes[..attribute.value.len()].copy_from_slice(attribute.value);
            u64::from_le_bytes(bytes) == default
        };
        if !same {
            self.note(attribute);
        }
    }

    pub fn note(&mut self, attribute: &Attribute<'_>) {
        self.list
            .push(unknown::noted(self.place, attribute.kind, attribute.value));
    }
}

/// The kernel's word for a kind (IFLA_INFO_KIND); none for hardware and the loopback.
pub fn word(kind: &Kind) -> Option<&str> {
    Some(match kind {
        Kind::Ethernet | Kind::Loopback => return None,
        Kind::Dummy => "dummy",
        Kind::Ifb => "ifb",
        Kind::Veth(_) => "veth",
        Kind::Bridge(_) => "bridge",
        Kind::Bond(_) => "bond",
        Kind::Vlan(_) => "vlan",
        Kind::Vxlan(_) => "vxlan",
        Kind::Geneve(_) => "geneve",
        Kind::Gre(_) => "gre",
        Kind::Gretap(_) => "gretap",
        Kind::Ip6gre(_) => "ip6gre",
        Kind::Ip6gretap(_) => "ip6gretap",
        Kind::Ipip(_) => "ipip",
        Kind::Sit(_) => "sit",
        Kind::Ip6tnl(_) => "ip6tnl",
        Kind::Vrf(_) => "vrf",
        Kind::Macvlan(_) => "macvlan",
        Kind::Macvtap(_) => "macvtap",
        Kind::Ipvlan(_) => "ipvlan",
        Kind::Tun(_) => "tun",
        Kind::Wireguard(_) => "wireguard",
        Kind::Other(word) => word,
    })
}

/// Decodes IFLA_INFO_DATA of a link of the kind that the kernel calls `word`.
pub fn decode(
    word: &str,
    data: Attributes<'_>,
    list: &mut Vec<UnknownAttribute>,
) -> Result<DecodedKind, Fault> {
    let unknown = Unknown {
        list,
        place: unknown::INFO_DATA,
    };
    Ok(match word {
        "dummy" => Kind::Dummy.into(),
        "ifb" => Kind::Ifb.into(),
        "veth" => Kind::Veth(Veth {
            peer: None,
            peer_index: None,
        })
        .into(),
        "bridge" => Kind::Bridge(bridge::decode(data, unknown)?).into(),
        "bond" => bond::decode(data, unknown)?,
        "vlan" => Kind::Vlan(stacked::decode_vlan(data, unknown)?).into(),
        "vrf" => Kind::Vrf(stacked::decode_vrf(data, unknown)?).into(),
        "macvlan" => Kind::Macvlan(stacked::decode_macvlan(data, unknown)?).into(),
        "macvtap" => Kind::Macvtap(stacked::decode_macvlan(data, unknown)?).into(),
        "ipvlan" => Kind::Ipvlan(stacked::decode_ipvlan(data, unknown)?).into(),
        "vxlan" => overlay::decode_vxlan(data, unknown)?,
        "geneve" => Kind::Geneve(overlay::decode_geneve(data, unknown)?).into(),
        "gre" => tunnel::decode_gre(data, unknown, Kind::Gre)?,
        "gretap" => tunnel::decode_gre(data, unknown, Kind::Gretap)?,
        "ip6gre" => tunnel::decode_gre(data, unknown, Kind::Ip6gre)?,
        "ip6gretap" => tunnel::decode_gre(data, unknown, Kind::Ip6gretap)?,
        "ipip" => tunnel::decode_iptun(data, unknown, Kind::Ipip)?,
        "sit" => tunnel::decode_iptun(data, unknown, Kind::Sit)?,
        "ip6tnl" => tunnel::decode_iptun(data, unknown, Kind::Ip6tnl)?,
        "tun" => Kind::Tun(tun::decode(data, unknown)?).into(),
        // Filled in over generic netlink: this is all that rtnetlink says.
        "wireguard" => Kind::Wireguard(Wireguard {
            public_key: None,
            private_key: None,
            listen_port: None,
            firewall_mark: None,
            peers: None,
        })
        .into(),
        other => Kind::Other(other.to_owned()).into(),
    })
}

/// Appends attributes that have no field to what stands in IFLA_INFO_DATA: those that a read of the whole would show as unknown.
pub fn add_unknown(
    word: &str,
    list: &[UnknownAttribute],
    data: &mut Message,
) -> Result<(), Failure> {
    for (number, attribute) in unknown::at(list, unknown::INFO_DATA) {
        data.put(number, &attribute.value);
    }
    let mut found = Vec::new();
    // What is wrong with the others, the kernel says.
    let _ = decode(word, attributes(data.body()), &mut found);
    let strange = unknown::at(list, unknown::INFO_DATA).find(|(_, it)| !found.contains(it));
    strange.map_or(Ok(()), |(_, it)| Err(unknown::refused(it)))
}

/// The name of the link below, where the kind has one.
pub fn parent(kind: &Kind) -> Option<&Option<String>> {
    Some(match kind {
        Kind::Vlan(vlan) => &vlan.parent,
        Kind::Vxlan(vxlan) => &vxlan.parent,
        Kind::Macvlan(macvlan) | Kind::Macvtap(macvlan) => &macvlan.parent,
        Kind::Ipvlan(ipvlan) => &ipvlan.parent,
        Kind::Gre(tunnel)
        | Kind::Gretap(tunnel)
        | Kind::Ip6gre(tunnel)
        | Kind::Ip6gretap(tunnel)
        | Kind::Ipip(tunnel)
        | Kind::Sit(tunnel)
        | Kind::Ip6tnl(tunnel) => &tunnel.parent,
        _ => return None,
    })
}

/// Where the name of the link below is to be put, where the kind has one.
pub fn parent_mut(kind: &mut Kind) -> Option<&mut Option<String>> {
    Some(match kind {
        Kind::Vlan(vlan) => &mut vlan.parent,
        Kind::Vxlan(vxlan) => &mut vxlan.parent,
        Kind::Macvlan(macvlan) | Kind::Macvtap(macvlan) => &mut macvlan.parent,
        Kind::Ipvlan(ipvlan) => &mut ipvlan.parent,
        Kind::Gre(tunnel)
        | Kind::Gretap(tunnel)
        | Kind::Ip6gre(tunnel)
        | Kind::Ip6gretap(tunnel)
        | Kind::Ipip(tunnel)
        | Kind::Sit(tunnel)
        | Kind::Ip6tnl(tunnel) => &mut tunnel.parent,
        _ => return None,
    })
}

/// Appends what belongs into IFLA_INFO_DATA. A veth's peer and WireGuard's settings go other ways.
pub fn encode(
    kind: &Kind,
    new: bool,
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    match kind {
        Kind::Bridge(bridge) => bridge::encode(bridge, new, out),
        Kind::Bond(bond) => bond::encode(bond, out, lookup)?,
        Kind::Vlan(vlan) => stacked::encode_vlan(vlan, new, out)?,
        Kind::Vrf(vrf) => stacked::encode_vrf(vrf, out)?,
        Kind::Macvlan(macvlan) | Kind::Macvtap(macvlan) => stacked::encode_macvlan(macvlan, out),
        Kind::Ipvlan(ipvlan) => stacked::encode_ipvlan(ipvlan, out),
        Kind::Vxlan(vxlan) => overlay::encode_vxlan(vxlan, out, lookup)?,
        Kind::Geneve(geneve) => overlay::encode_geneve(geneve, out)?,
        Kind::Gre(tunnel) | Kind::Gretap(tunnel) => {
            tunnel::encode_gre(tunnel, tunnel::Below::Ipv4, out, lookup)?
        }
        Kind::Ip6gre(tunnel) | Kind::Ip6gretap(tunnel) => {
            tunnel::encode_gre(tunnel, tunnel::Below::Ipv6, out, lookup)?
        }
        Kind::Ipip(tunnel) | Kind::Sit(tunnel) => {
            tunnel::encode_iptun(tunnel, tunnel::Below::Ipv4, out, lookup)?
        }
        Kind::Ip6tnl(tunnel) => tunnel::encode_iptun(tunnel, tunnel::Below::Ipv6, out, lookup)?,
        _ => {}
    }
    Ok(())
}

/// Whether a change resets what it leaves out: the tunnels over IP start from nothing, all others from what is.
pub fn resets(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Gre(_)
            | Kind::Gretap(_)
            | Kind::Ip6gre(_)
            | Kind::Ip6gretap(_)
            | Kind::Ipip(_)
            | Kind::Sit(_)
            | Kind::Ip6tnl(_)
    )
}

/// Overlays the attributes in `present` with those in `wanted`, so that a change keeps what it leaves out.
pub fn merge(present: &[u8], wanted: &[u8], out: &mut Message) {
    let wanted: Vec<_> = attributes(wanted).flatten().collect();
    for attribute in attributes(present).flatten() {
        if !wanted.iter().any(|w| w.kind == attribute.kind) {
            out.put(attribute.kind, attribute.value);
        }
    }
    for attribute in wanted {
        out.put(attribute.kind, attribute.value);
    }
}

/// An address of the text, or which field is wrong.
pub fn address(text: &str, field: &str) -> Result<std::net::IpAddr, Failure> {
    text.parse()
        .map_err(|_| invalid(format!("{field} {text:?} is not an IP address")))
}

/// The position of a number in the contract's order of an enumeration.
pub fn of<T: Copy>(all: &[T], number: u32, attribute: &Attribute<'_>) -> Result<T, Fault> {
    all.get(number as usize).copied().ok_or_else(|| {
        Fault::new(format!(
            "attribute {} has the value {number}, which this version does not know",
            attribute.kind
        ))
    })
}
