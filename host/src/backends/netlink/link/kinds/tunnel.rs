//! Tunnels over IP: GRE (RFC 2784, 2890), IPIP (RFC 2003), SIT (RFC 4213), IPv6 (RFC 2473).

use std::net::IpAddr;

use super::{DecodedKind, Lookup, Unknown, address};
use crate::backends::netlink::attribute::{Attribute, Attributes, Fault};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::Message;
use crate::contract::netlink::{Kind, Tunnel};
use crate::contract::types::Failure;

const GRE_LINK: u16 = 1;
const GRE_IFLAGS: u16 = 2;
const GRE_OFLAGS: u16 = 3;
const GRE_IKEY: u16 = 4;
const GRE_OKEY: u16 = 5;
const GRE_FLAGS: u16 = 13;
/// The flag of GRE's header that says that a key follows (RFC 2890), in network byte order.
const GRE_KEY: u16 = 0x2000;

const IPTUN_FLAGS: u16 = 8;
const IPTUN_PROTO: u16 = 9;

/// IP6_TNL_F_IGN_ENCAP_LIMIT of linux/ip6_tunnel.h: no encapsulation limit is sent.
const IGNORE_ENCAP_LIMIT: u32 = 1;

/// The two families number the same things differently.
struct Numbers {
    link: u16,
    local: u16,
    remote: u16,
    ttl: u16,
    tos: u16,
    pmtudisc: u16,
    encap_limit: u16,
    flowinfo: u16,
    flags: u16,
}

const GRE: Numbers = Numbers {
    link: GRE_LINK,
    local: 6,
    remote: 7,
    ttl: 8,
    tos: 9,
    pmtudisc: 10,
    encap_limit: 11,
    flowinfo: 12,
    flags: GRE_FLAGS,
};
const IPTUN: Numbers = Numbers {
    link: 1,
    local: 2,
    remote: 3,
    ttl: 4,
    tos: 5,
    pmtudisc: 10,
    encap_limit: 6,
    flowinfo: 7,
    flags: IPTUN_FLAGS,
};

/// The IP version that carries the tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Below {
    Ipv4,
    Ipv6,
}

fn empty() -> Tunnel {
    Tunnel {
        parent: None,
        local: None,
        remote: None,
        ttl: None,
        tos: None,
        input_key: None,
        output_key: None,
        path_mtu_discovery: None,
        encapsulation_limit: None,
        flow_label: None,
    }
}

/// Takes what both families have; false for an attribute that is not among it.
fn common(
    item: &Attribute<'_>,
    numbers: &Numbers,
    six: bool,
    tunnel: &mut Tunnel,
    parent: &mut Option<u32>,
) -> Result<bool, Fault> {
    let end = |item: &Attribute<'_>| {
        item.ip()
            .map(|ip| (!ip.is_unspecified()).then(|| ip.to_string()))
    };
    match item.kind {
        kind if kind == numbers.link => *parent = Some(item.u32()?),
        kind if kind == numbers.local => tunnel.local = end(item)?,
        kind if kind == numbers.remote => tunnel.remote = end(item)?,
        kind if kind == numbers.ttl => tunnel.ttl = Some(item.u8()?),
        kind if kind == numbers.tos && !six => tunnel.tos = Some(item.u8()?),
        kind if kind == numbers.pmtudisc && !six => {
            tunnel.path_mtu_discovery = Some(item.flag()?);
        }
        kind if kind == numbers.encap_limit && six => {
            tunnel.encapsulation_limit = Some(item.u8()?);
        }
        kind if kind == numbers.flowinfo && six => {
            let word = item.u32_be()?;
            tunnel.flow_label = Some(word & 0xf_ffff);
            tunnel.tos = Some((word >> 20) as u8);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

pub fn decode_gre(
    data: Attributes<'_>,
    mut unknown: Unknown<'_>,
    kind: fn(Tunnel) -> Kind,
) -> Result<DecodedKind, Fault> {
    let six = matches!(kind(empty()), Kind::Ip6gre(_) | Kind::Ip6gretap(_));
    let (mut tunnel, mut parent) = (empty(), None);
    let (mut input, mut output) = (0, 0);
    for item in data {
        let item = item?;
        if common(&item, &GRE, six, &mut tunnel, &mut parent)? {
            continue;
        }
        match item.kind {
            GRE_IFLAGS | GRE_OFLAGS => {
                let flags = item.u16_be()?;
                match item.kind {
                    GRE_IFLAGS => input = flags,
                    _ => output = flags,
                }
                // Checksums and sequence numbers have no field.
                if flags & !GRE_KEY != 0 {
                    unknown.note(&item);
                }
            }
            GRE_IKEY => tunnel.input_key = Some(item.u32_be()?),
            GRE_OKEY => tunnel.output_key = Some(item.u32_be()?),
            GRE_FLAGS => flags(&item, &mut tunnel, &mut unknown)?,
            // Shown even where it does not apply.
            kind if six && (kind == GRE.tos || kind == GRE.pmtudisc) => {}
            // The encapsulation's details mean nothing without ENCAP_TYPE. Its flags are on from the start over UDP over IPv6.
            15..=17 => {}
            18 => unknown.note(&item),
            // ENCAP_TYPE, IGNORE_DF, FWMARK, ERSPAN and what is newer.
            _ => unknown.unless(&item, 0),
        }
    }
    if input & GRE_KEY == 0 {
        tunnel.input_key = None;
    }
    if output & GRE_KEY == 0 {
        tunnel.output_key = None;
    }
    Ok(DecodedKind {
        kind: kind(tunnel),
        parent,
        primary: None,
    })
}

/// IP6_TNL_F_*: of these only the absence of an encapsulation limit has a field.
fn flags(
    item: &Attribute<'_>,
    tunnel: &mut Tunnel,
    unknown: &mut Unknown<'_>,
) -> Result<(), Fault> {
    let value = item.u32()?;
    if value & IGNORE_ENCAP_LIMIT != 0 {
        tunnel.encapsulation_limit = None;
    }
    // Traffic class, flow label, mark or DSCP of the inner packet; the high bits are the kernel's own notes (capabilities).
    if value & 0x7e != 0 {
        unknown.note(item);
    }
    Ok(())
}

pub fn decode_iptun(
    data: Attributes<'_>,
    mut unknown: Unknown<'_>,
    kind: fn(Tunnel) -> Kind,
) -> Result<DecodedKind, Fault> {
    let shape = kind(empty());
    let six = matches!(shape, Kind::Ip6tnl(_));
    let (mut tunnel, mut parent) = (empty(), None);
    for item in data {
        let item = item?;
        if common(&item, &IPTUN, six, &mut tunnel, &mut parent)? {
            continue;
        }
        match item.kind {
            IPTUN_FLAGS if six => flags(&item, &mut tunnel, &mut unknown)?,
            // ISATAP, which iproute2 alone sets on SIT.
            IPTUN_FLAGS => unknown.unless(&item, 0),
            // What is carried: IP in IP, IPv6 in IP, anything over IPv6.
            IPTUN_PROTO => {
                let default = match shape {
                    Kind::Ipip(_) => 4,
                    Kind::Sit(_) => 41,
                    _ => 0,
                };
                unknown.unless(&item, default);
            }
            // 2002::/16, the prefix of 6to4, is the 6RD prefix of every SIT tunnel.
            11 if item.value.starts_with(&[0x20, 0x02])
                && item.value[2..].iter().all(|b| *b == 0) => {}
            13 => unknown.unless(&item, 16),
            16..=18 => {}
            19 => unknown.note(&item),
            _ => unknown.unless(&item, 0),
        }
    }
    Ok(DecodedKind {
        kind: kind(tunnel),
        parent,
        primary: None,
    })
}

/// An end of a tunnel; an empty text is none.
fn end(text: &str, below: Below, field: &str) -> Result<IpAddr, Failure> {
    let ip = address(text, field)?;
    match ip.is_ipv4() == (below == Below::Ipv4) {
        true => Ok(ip),
        false => Err(invalid(format!(
            "{field} {text} is of the wrong IP version"
        ))),
    }
}

fn encode_common(
    tunnel: &Tunnel,
    numbers: &Numbers,
    below: Below,
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    if let Some(name) = &tunnel.parent {
        out.u32(numbers.link, lookup(name)?);
    }
    if let Some(text) = &tunnel.local {
        out.ip(numbers.local, end(text, below, "local end")?);
    }
    if let Some(text) = &tunnel.remote {
        out.ip(numbers.remote, end(text, below, "remote end")?);
    }
    if let Some(ttl) = tunnel.ttl {
        out.u8(numbers.ttl, ttl);
        // The kernel fixes the TTL only with path MTU discovery on, which is the default.
    }
    match below {
        Below::Ipv4 => {
            for (kind, value) in [
                (numbers.tos, tunnel.tos),
                (numbers.pmtudisc, tunnel.path_mtu_discovery.map(u8::from)),
            ] {
                value.inspect(|value| out.u8(kind, *value));
            }
        }
        Below::Ipv6 => {
            if tunnel.flow_label.is_some() || tunnel.tos.is_some() {
                let label = tunnel.flow_label.unwrap_or(0);
                if label > 0xf_ffff {
                    return Err(invalid(format!("flow label {label} has more than 20 bits")));
                }
                let class = u32::from(tunnel.tos.unwrap_or(0)) << 20;
                out.u32_be(numbers.flowinfo, class | label);
            }
            if let Some(limit) = tunnel.encapsulation_limit {
                out.u8(numbers.encap_limit, limit);
                out.u32(numbers.flags, 0);
            }
        }
    }
    Ok(())
}

pub fn encode_gre(
    tunnel: &Tunnel,
    below: Below,
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    encode_common(tunnel, &GRE, below, out, lookup)?;
    let keys = [
        (GRE_IFLAGS, GRE_IKEY, tunnel.input_key),
        (GRE_OFLAGS, GRE_OKEY, tunnel.output_key),
    ];
    for (flags, kind, key) in keys {
        if let Some(key) = key {
            out.u16_be(flags, GRE_KEY);
            out.u32_be(kind, key);
        }
    }
    Ok(())
}

pub fn encode_iptun(
    tunnel: &Tunnel,
    below: Below,
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    encode_common(tunnel, &IPTUN, below, out, lookup)
}
