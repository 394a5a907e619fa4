//! Overlays over UDP: VXLAN (RFC 7348) and Geneve (RFC 8926).

use std::net::IpAddr;

use super::{DecodedKind, Lookup, Unknown, address, of};
use crate::backends::netlink::attribute::{Attribute, Attributes, Fault};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::Message;
use crate::contract::netlink::{DontFragment, Geneve, Kind, PortRange, Vxlan};
use crate::contract::types::Failure;

const VXLAN_ID: u16 = 1;
const VXLAN_GROUP: u16 = 2;
const VXLAN_LINK: u16 = 3;
const VXLAN_LOCAL: u16 = 4;
const VXLAN_TTL: u16 = 5;
const VXLAN_TOS: u16 = 6;
const VXLAN_LEARNING: u16 = 7;
const VXLAN_AGEING: u16 = 8;
const VXLAN_LIMIT: u16 = 9;
const VXLAN_PORT_RANGE: u16 = 10;
const VXLAN_PROXY: u16 = 11;
const VXLAN_RSC: u16 = 12;
const VXLAN_PORT: u16 = 15;
const VXLAN_GROUP6: u16 = 16;
const VXLAN_LOCAL6: u16 = 17;
const VXLAN_UDP_CSUM: u16 = 18;
const VXLAN_UDP_ZERO_CSUM6_TX: u16 = 19;
const VXLAN_UDP_ZERO_CSUM6_RX: u16 = 20;
const VXLAN_COLLECT_METADATA: u16 = 25;
const VXLAN_DF: u16 = 29;
const VXLAN_LOCALBYPASS: u16 = 31;

const GENEVE_ID: u16 = 1;
const GENEVE_REMOTE: u16 = 2;
const GENEVE_TTL: u16 = 3;
const GENEVE_TOS: u16 = 4;
const GENEVE_PORT: u16 = 5;
const GENEVE_COLLECT_METADATA: u16 = 6;
const GENEVE_REMOTE6: u16 = 7;
const GENEVE_UDP_CSUM: u16 = 8;
const GENEVE_UDP_ZERO_CSUM6_TX: u16 = 9;
const GENEVE_UDP_ZERO_CSUM6_RX: u16 = 10;

/// Both identifiers have 24 bits.
const LARGEST_ID: u32 = 0xff_ffff;

fn identifier(id: u32, what: &str) -> Result<u32, Failure> {
    match id <= LARGEST_ID {
        true => Ok(id),
        false => Err(invalid(format!("{what} {id} is not in 0 to {LARGEST_ID}"))),
    }
}

/// Text of an address, unless it is the unspecified one, by which the kernel says none.
fn specified(address: IpAddr) -> Option<String> {
    (!address.is_unspecified()).then(|| address.to_string())
}

/// In the order of `enum ifla_vxlan_df`.
const DONT_FRAGMENT: [DontFragment; 3] = [
    DontFragment::Unset,
    DontFragment::Set,
    DontFragment::Inherit,
];

/// `struct ifla_vxlan_port_range`; 0 to 0 says that the kernel chooses.
fn port_range(value: &[u8]) -> Result<Option<PortRange>, Fault> {
    let [a, b, c, d] = *value
        .first_chunk::<4>()
        .ok_or_else(|| Fault::new("short").within("IFLA_VXLAN_PORT_RANGE"))?;
    let (first, last) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Ok((last != 0).then_some(PortRange { first, last }))
}

pub fn decode_vxlan(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<DecodedKind, Fault> {
    let mut vxlan = Vxlan {
        id: 0,
        parent: None,
        local: None,
        remote: None,
        port: None,
        source_ports: None,
        dont_fragment: None,
        ttl: None,
        tos: None,
        learning: None,
        ageing: None,
        limit: None,
        proxy: None,
        route_short_circuit: None,
        collect_metadata: None,
        udp_checksum: None,
    };
    let mut parent = None;
    for item in data {
        let item = item?;
        match item.kind {
            VXLAN_ID => vxlan.id = item.u32()?,
            VXLAN_LINK => parent = Some(item.u32()?),
            VXLAN_GROUP | VXLAN_GROUP6 => vxlan.remote = specified(item.ip()?),
            VXLAN_LOCAL | VXLAN_LOCAL6 => vxlan.local = specified(item.ip()?),
            VXLAN_PORT => vxlan.port = Some(item.u16_be()?),
            VXLAN_TTL => vxlan.ttl = Some(item.u8()?),
            VXLAN_TOS => vxlan.tos = Some(item.u8()?),
            VXLAN_LEARNING => vxlan.learning = Some(item.flag()?),
            VXLAN_AGEING => vxlan.ageing = Some(item.u32()?),
            VXLAN_LIMIT => vxlan.limit = Some(item.u32()?),
            VXLAN_PROXY => vxlan.proxy = Some(item.flag()?),
            VXLAN_RSC => vxlan.route_short_circuit = Some(item.flag()?),
            VXLAN_COLLECT_METADATA => vxlan.collect_metadata = Some(item.flag()?),
            VXLAN_UDP_CSUM => vxlan.udp_checksum = Some(item.flag()?),
            VXLAN_PORT_RANGE => vxlan.source_ports = port_range(item.value)?,
            VXLAN_DF => {
                vxlan.dont_fragment = Some(of(&DONT_FRAGMENT, item.u8()?.into(), &item)?);
            }
            VXLAN_LOCALBYPASS => unknown.unless(&item, 1),
            // Zero checksums over IPv6: off by default, and set by flow-based devices themselves.
            VXLAN_UDP_ZERO_CSUM6_TX | VXLAN_UDP_ZERO_CSUM6_RX => unknown.unless(&item, 0),
            // Presence is the setting: group policy, generic protocol extension, checksums without partials.
            23 | 24 | 27 => unknown.note(&item),
            // RESERVED_BITS (Linux 6.14): which bits of the header must be zero; by default all but the flag and the identifier.
            33 => unknown.unless(&item, 0xff00_0000_ffff_fff7),
            // TTL_INHERIT: shown with a value, and taken without one.
            28 if item.value == [0] => {}
            28 => unknown.note(&Attribute {
                kind: item.kind,
                value: &[],
            }),
            // L2MISS, L3MISS, REMCSUM_*, LABEL, VNIFILTER and what is newer.
            _ => unknown.unless(&item, 0),
        }
    }
    Ok(DecodedKind {
        kind: Kind::Vxlan(vxlan),
        parent,
        primary: None,
    })
}

pub fn encode_vxlan(vxlan: &Vxlan, out: &mut Message, lookup: Lookup<'_>) -> Result<(), Failure> {
    out.u32(VXLAN_ID, identifier(vxlan.id, "VXLAN network identifier")?);
    if let Some(name) = &vxlan.parent {
        out.u32(VXLAN_LINK, lookup(name)?);
    }
    if let Some(text) = &vxlan.remote {
        let remote = address(text, "remote end")?;
        out.ip(
            if remote.is_ipv4() {
                VXLAN_GROUP
            } else {
                VXLAN_GROUP6
            },
            remote,
        );
    }
    if let Some(text) = &vxlan.local {
        let local = address(text, "local end")?;
        out.ip(
            if local.is_ipv4() {
                VXLAN_LOCAL
            } else {
                VXLAN_LOCAL6
            },
            local,
        );
    }
    if let Some(port) = vxlan.port {
        out.u16_be(VXLAN_PORT, port);
    }
    if let Some(range) = &vxlan.source_ports {
        let [[a, b], [c, d]] = [range.first.to_be_bytes(), range.last.to_be_bytes()];
        out.put(VXLAN_PORT_RANGE, &[a, b, c, d]);
    }
    let fragment = vxlan.dont_fragment.map(|mode| {
        let position = DONT_FRAGMENT.iter().position(|it| *it == mode);
        position.unwrap_or(0) as u8
    });
    let small = [
        (VXLAN_DF, fragment),
        (VXLAN_TTL, vxlan.ttl),
        (VXLAN_TOS, vxlan.tos),
        (VXLAN_LEARNING, vxlan.learning.map(u8::from)),
        (VXLAN_PROXY, vxlan.proxy.map(u8::from)),
        (VXLAN_RSC, vxlan.route_short_circuit.map(u8::from)),
        (VXLAN_COLLECT_METADATA, vxlan.collect_metadata.map(u8::from)),
        (VXLAN_UDP_CSUM, vxlan.udp_checksum.map(u8::from)),
    ];
    for (kind, value) in small {
        value.inspect(|value| out.u8(kind, *value));
    }
    for (kind, value) in [(VXLAN_AGEING, vxlan.ageing), (VXLAN_LIMIT, vxlan.limit)] {
        value.inspect(|value| out.u32(kind, *value));
    }
    Ok(())
}

pub fn decode_geneve(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Geneve, Fault> {
    let mut geneve = Geneve {
        id: 0,
        remote: None,
        port: None,
        ttl: None,
        tos: None,
        // Presence of the attribute is the setting.
        collect_metadata: Some(false),
        udp_checksum: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            GENEVE_ID => geneve.id = item.u32()?,
            GENEVE_REMOTE | GENEVE_REMOTE6 => geneve.remote = specified(item.ip()?),
            GENEVE_TTL => geneve.ttl = Some(item.u8()?),
            GENEVE_TOS => geneve.tos = Some(item.u8()?),
            GENEVE_PORT => geneve.port = Some(item.u16_be()?),
            GENEVE_COLLECT_METADATA => geneve.collect_metadata = Some(true),
            GENEVE_UDP_CSUM => geneve.udp_checksum = Some(item.flag()?),
            GENEVE_UDP_ZERO_CSUM6_TX if geneve.udp_checksum.is_none() => {
                geneve.udp_checksum = Some(!item.flag()?);
            }
            // On by default over IPv4, off over IPv6: not a setting that a recreated tunnel would miss.
            GENEVE_UDP_ZERO_CSUM6_RX => {}
            // INNER_PROTO_INHERIT: presence is the setting.
            14 => unknown.note(&item),
            // LABEL, TTL_INHERIT, DF, PORT_RANGE and what is newer.
            _ => unknown.unless(&item, if item.kind == 15 { 0xffff_0100 } else { 0 }),
        }
    }
    Ok(geneve)
}

pub fn encode_geneve(geneve: &Geneve, out: &mut Message) -> Result<(), Failure> {
    out.u32(
        GENEVE_ID,
        identifier(geneve.id, "virtual network identifier")?,
    );
    let mut over_ipv6 = false;
    if let Some(text) = &geneve.remote {
        let remote = address(text, "remote end")?;
        over_ipv6 = remote.is_ipv6();
        out.ip(
            if over_ipv6 {
                GENEVE_REMOTE6
            } else {
                GENEVE_REMOTE
            },
            remote,
        );
    }
    if let Some(port) = geneve.port {
        out.u16_be(GENEVE_PORT, port);
    }
    for (kind, value) in [(GENEVE_TTL, geneve.ttl), (GENEVE_TOS, geneve.tos)] {
        value.inspect(|value| out.u8(kind, *value));
    }
    if geneve.collect_metadata == Some(true) {
        out.put(GENEVE_COLLECT_METADATA, &[]);
    }
    match geneve.udp_checksum {
        Some(on) if over_ipv6 => out.u8(GENEVE_UDP_ZERO_CSUM6_TX, u8::from(!on)),
        Some(on) => out.u8(GENEVE_UDP_CSUM, on.into()),
        None => {}
    }
    Ok(())
}
