//! Routes (linux/rtnetlink.h, `struct rtmsg`).

use std::net::IpAddr;

use super::attribute::{Fault, attributes};
use super::errno::invalid;
use super::ip;
use super::link::Lookup;
use super::message::{Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use super::unknown;
use crate::contract::netlink::{NextHop, Prefix, Route, RouteType, UnknownAttribute};
use crate::contract::types::Failure;

pub const RTM_NEWROUTE: u16 = 24;
pub const RTM_DELROUTE: u16 = 25;
pub const RTM_GETROUTE: u16 = 26;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_EXPIRES: u16 = 23;
const RTA_PAD: u16 = 24;
/// A next hop object (ip-nexthop(8)) that leads the way instead of hops of the route's own.
const RTA_NH_ID: u16 = 30;
const RTAX_MTU: u16 = 2;

/// Attributes of a route that have a field, or stand for nothing that can be asked for.
const NAMED: [u16; 13] = [
    RTA_DST,
    RTA_SRC,
    RTA_IIF,
    RTA_OIF,
    RTA_GATEWAY,
    RTA_PRIORITY,
    RTA_PREFSRC,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_CACHEINFO,
    RTA_TABLE,
    RTA_VIA,
    RTA_EXPIRES,
];
/// USER_HZ: how many of the kernel's ticks for user space make a second.
const TICKS: u32 = 100;

const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_ONLINK: u8 = 4;

const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const SCOPE_NOWHERE: u8 = 255;
const TABLE_COMPAT: u8 = 252;

const TYPES: [(u8, RouteType); 9] = [
    (1, RouteType::Unicast),
    (2, RouteType::Local),
    (3, RouteType::Broadcast),
    (4, RouteType::Anycast),
    (5, RouteType::Multicast),
    (6, RouteType::Blackhole),
    (7, RouteType::Unreachable),
    (8, RouteType::Prohibit),
    (9, RouteType::Throw),
];

/// `struct rtmsg`.
#[derive(Default)]
pub struct Rtmsg {
    pub family: u8,
    pub length: u8,
    pub source_length: u8,
    pub tos: u8,
    pub table: u8,
    pub protocol: u8,
    pub scope: u8,
    pub kind: u8,
    pub flags: u32,
}

impl Rtmsg {
    fn bytes(&self) -> [u8; 12] {
        let mut bytes = [
            self.family,
            self.length,
            self.source_length,
            self.tos,
            self.table,
            self.protocol,
            self.scope,
            self.kind,
            0,
            0,
            0,
            0,
        ];
        bytes[8..].copy_from_slice(&self.flags.to_ne_bytes());
        bytes
    }
}

/// What the kernel itself narrows a dump to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub family: u8,
    pub table: Option<u32>,
    pub protocol: Option<u8>,
    pub link: Option<u32>,
}

/// A dump of routes.
pub fn dump(filter: Filter) -> Message {
    let header = Rtmsg {
        family: filter.family,
        protocol: filter.protocol.unwrap_or(0),
        ..Rtmsg::default()
    };
    let mut message = Message::new(RTM_GETROUTE, 0, &header.bytes());
    if let Some(table) = filter.table {
        message.u32(RTA_TABLE, table);
    }
    if let Some(index) = filter.link {
        message.u32(RTA_OIF, index);
    }
    message
}

/// What a route is asked for by; an empty list asks for all.
pub struct Wanted {
    pub tables: Vec<u32>,
    pub protocols: Vec<u8>,
    pub links: Vec<u32>,
    pub destinations: Vec<(IpAddr, u8)>,
}

fn within<T: PartialEq>(list: &[T], item: &T) -> bool {
    list.is_empty() || list.contains(item)
}

/// A route whose next hops still name links by index.
pub struct Decoded {
    pub route: Route,
    /// The outgoing link of each next hop, 0 for none.
    pub links: Vec<u32>,
}

/// Decodes the body of an RTM_NEWROUTE; none for one that is cached or not wanted.
pub fn decode(body: &[u8], wanted: &Wanted) -> Result<Option<Decoded>, Fault> {
    inner(body, wanted).map_err(|fault| fault.within("RTM_NEWROUTE"))
}

fn inner(body: &[u8], wanted: &Wanted) -> Result<Option<Decoded>, Fault> {
    let (header, rest) = body
        .split_first_chunk::<12>()
        .ok_or_else(|| Fault::new("shorter than struct rtmsg"))?;
    let [
        family,
        length,
        source_length,
        tos,
        table,
        protocol,
        scope,
        kind,
        flags @ ..,
    ] = *header;
    let flags = u32::from_ne_bytes(flags);
    // Other families (multicast routing, MPLS) come with a dump of all, and have dumps of their own.
    if flags & RTM_F_CLONED != 0
        || !within(&wanted.protocols, &protocol)
        || !matches!(family, ip::AF_INET | ip::AF_INET6)
    {
        return Ok(None);
    }
    let mut destination = ip::unspecified(family)?;
    let mut table = u32::from(table);
    let mut source = ip::unspecified(family)?;
    let (mut metric, mut preferred_source, mut mtu) = (None, None, None);
    let (mut unknown, mut multipath, mut lifetime) = (Vec::new(), None, None);
    let mut single = Hop::of_flags(flags as u8);
    for item in attributes(rest) {
        let item = item?;
        match item.kind {
            RTA_DST => destination = item.ip()?,
            RTA_SRC => source = item.ip()?,
            RTA_TABLE => table = item.u32()?,
            RTA_PRIORITY => metric = Some(item.u32()?),
            RTA_PREFSRC => preferred_source = Some(item.ip()?.to_string()),
            RTA_OIF => single.index = item.u32()?,
            RTA_GATEWAY => single.gateway = Some(item.ip()?.to_string()),
            RTA_VIA => single.gateway = Some(via(item.value)?),
            RTA_MULTIPATH => multipath = Some(item.value),
            RTA_METRICS => {
                for metric in item.nested() {
                    let metric = metric.map_err(|f| f.within("RTA_METRICS"))?;
                    match metric.kind {
                        RTAX_MTU => mtu = Some(metric.u32()?),
                        kind => {
                            let noted = unknown::noted(unknown::RTA_METRICS, kind, metric.value);
                            unknown.push(noted);
                        }
                    }
                }
            }
            // Seconds left, which RTA_CACHEINFO says too; padding; where a packet came in, which only cached routes say.
            RTA_EXPIRES | RTA_PAD | RTA_IIF => {}
            // The default router preference.
            RTA_PREF if item.u8()? == 0 => {}
            RTA_CACHEINFO => {
                // struct rta_cacheinfo: clntref, lastuse, expires, ...
                let expires = item.value.get(8..12).and_then(|word| word.try_into().ok());
                let ticks = expires.map_or(0, i32::from_ne_bytes);
                lifetime = u32::try_from(ticks).ok().filter(|ticks| *ticks != 0);
                lifetime = lifetime.map(|ticks| (ticks / TICKS).max(1));
            }
            // Nexthop objects, encapsulations, flows, marks and what is newer.
            kind => unknown.push(unknown::noted(unknown::RTA, kind, item.value)),
        }
        // Early, for a million foreign routes: the table stands first.
        if item.kind == RTA_TABLE && !within(&wanted.tables, &table) {
            return Ok(None);
        }
    }
    if !within(&wanted.tables, &table) || !within(&wanted.destinations, &(destination, length)) {
        return Ok(None);
    }
    let route_type = TYPES
        .iter()
        .find(|row| row.0 == kind)
        .map(|row| row.1)
        .ok_or_else(|| Fault::new(format!("route type {kind} is not known")))?;
    let mut hops = Vec::new();
    match multipath {
        Some(bytes) => hops_of(bytes, &mut hops).map_err(|f| f.within("RTA_MULTIPATH"))?,
        None if single.index != 0 && leads(route_type) || single.gateway.is_some() => {
            hops.push(single);
        }
        None => {}
    }
    let links: Vec<u32> = hops.iter().map(|hop| hop.index).collect();
    if !wanted.links.is_empty() && !links.iter().any(|index| wanted.links.contains(index)) {
        return Ok(None);
    }
    Ok(Some(Decoded {
        route: Route {
            destination: ip::prefix(destination, length),
            source: (source_length != 0).then(|| ip::prefix(source, source_length)),
            table,
            metric,
            tos,
            route_type,
            protocol,
            scope: Some(scope),
            preferred_source,
            mtu,
            next_hops: hops.into_iter().map(Hop::named_later).collect(),
            lifetime,
            unknown,
        },
        links,
    }))
}

/// Whether routes of this type have an outgoing link. IPv6 shows the loopback for those that lead nowhere.
fn leads(route_type: RouteType) -> bool {
    !matches!(
        route_type,
        RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
    )
}

struct Hop {
    index: u32,
    gateway: Option<String>,
    weight: u16,
    onlink: bool,
    unknown: Vec<UnknownAttribute>,
}

impl Hop {
    fn of_flags(flags: u8) -> Self {
        Self {
            index: 0,
            gateway: None,
            weight: 1,
            onlink: flags & RTNH_F_ONLINK != 0,
            unknown: Vec::new(),
        }
    }

    fn named_later(self) -> NextHop {
        NextHop {
            gateway: self.gateway,
            link: None,
            weight: self.weight,
            onlink: self.onlink,
            unknown: self.unknown,
        }
    }
}

/// The gateway of `struct rtvia`: one of another family.
fn via(value: &[u8]) -> Result<String, Fault> {
    let (family, rest) = value
        .split_first_chunk::<2>()
        .ok_or_else(|| Fault::new("short").within("RTA_VIA"))?;
    let ip = match (u16::from_ne_bytes(*family) as u8, rest.len()) {
        (ip::AF_INET, 4..) => IpAddr::from(*rest.first_chunk::<4>().expect("has four bytes")),
        (ip::AF_INET6, 16..) => IpAddr::from(*rest.first_chunk::<16>().expect("has sixteen bytes")),
        _ => return Err(Fault::new("no IP address").within("RTA_VIA")),
    };
    Ok(ip.to_string())
}

/// Decodes a run of `struct rtnexthop`.
fn hops_of(mut bytes: &[u8], hops: &mut Vec<Hop>) -> Result<(), Fault> {
    while !bytes.is_empty() {
        let header = bytes
            .first_chunk::<8>()
            .ok_or_else(|| Fault::new("shorter than struct rtnexthop"))?;
        let [a, b, flags, weight, index @ ..] = *header;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        if length < 8 || length > bytes.len() {
            return Err(Fault::new(format!(
                "a hop claims {length} bytes of {}",
                bytes.len()
            )));
        }
        let mut hop = Hop::of_flags(flags);
        hop.index = u32::from_ne_bytes(index);
        hop.weight = u16::from(weight) + 1;
        for item in attributes(&bytes[8..length]) {
            let item = item?;
            match item.kind {
                RTA_GATEWAY => hop.gateway = Some(item.ip()?.to_string()),
                RTA_VIA => hop.gateway = Some(via(item.value)?),
                kind => {
                    let noted = unknown::noted(unknown::RTA, kind, item.value);
                    hop.unknown.push(noted);
                }
            }
        }
        hops.push(hop);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(())
}

/// The destination of a scope, as [`Wanted`] has it.
pub fn wanted_destination(prefix: &Prefix) -> Result<(IpAddr, u8), Failure> {
    ip::parse_prefix(prefix, "destination")
}

/// How a route is to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Fails when it is there.
    Add,
    /// Adds or replaces.
    Put,
    Delete,
}

/// The message that adds, replaces or deletes a route.
pub fn encode(route: &Route, verb: Verb, lookup: Lookup<'_>) -> Result<Message, Failure> {
    let (destination, length) = ip::parse_prefix(&route.destination, "destination")?;
    let kind = TYPES
        .iter()
        .find(|row| row.1 == route.route_type)
        .map_or(1, |row| row.0);
    let (message_type, flags) = match verb {
        Verb::Add => (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL),
        Verb::Put => (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE),
        Verb::Delete => (RTM_DELROUTE, 0),
    };
    unknown::check(&route.unknown, &[unknown::RTA, unknown::RTA_METRICS])?;
    let source = match &route.source {
        None => None,
        Some(prefix) => Some(ip::parse_prefix(prefix, "source")?),
    };
    let mut header = Rtmsg {
        family: ip::family(destination),
        length,
        source_length: source.map_or(0, |(_, length)| length),
        tos: route.tos,
        table: u8::try_from(route.table).unwrap_or(TABLE_COMPAT),
        protocol: route.protocol,
        scope: route.scope.unwrap_or_else(|| natural_scope(route, verb)),
        kind,
        flags: 0,
    };
    let hops = &route.next_hops;
    if let [hop] = &hops[..] {
        header.flags = if hop.onlink { RTNH_F_ONLINK.into() } else { 0 };
    }
    let mut message = Message::new(message_type, flags, &header.bytes());
    if length > 0 {
        message.ip(RTA_DST, destination);
    }
    if let Some((source, 1..)) = source {
        message.ip(RTA_SRC, source);
    }
    message.u32(RTA_TABLE, route.table);
    if let Some(metric) = route.metric {
        message.u32(RTA_PRIORITY, metric);
    }
    if let Some(text) = &route.preferred_source {
        message.ip(RTA_PREFSRC, ip::parse(text, "preferred source")?);
    }
    put_metrics(route, verb, &mut message)?;
    if let Some(seconds) = route.lifetime.filter(|_| verb != Verb::Delete) {
        message.u32(RTA_EXPIRES, seconds);
    }
    // A deletion goes by what identifies the route.
    if verb != Verb::Delete {
        unknown::put(&route.unknown, unknown::RTA, &NAMED, &mut message)?;
    }
    let by_object = unknown::at(&route.unknown, unknown::RTA).any(|(kind, _)| kind == RTA_NH_ID);
    match &hops[..] {
        [] => {}
        // What a next hop object leads to is shown, and not to be asked for beside it.
        _ if by_object => {}
        [hop] => put_hop(hop, destination, RTA_OIF, &mut message, lookup)?,
        several => message.nest(RTA_MULTIPATH, |out| -> Result<(), Failure> {
            for hop in several {
                put_rtnexthop(hop, destination, out, lookup)?;
            }
            Ok(())
        })?,
    }
    if message.len() > usize::from(u16::MAX) {
        return Err(invalid(format!(
            "a route with {} next hops is too long",
            hops.len()
        )));
    }
    Ok(message)
}

fn put_metrics(route: &Route, verb: Verb, out: &mut Message) -> Result<(), Failure> {
    let mut metrics = Message::new(0, 0, &[]);
    if let Some(mtu) = route.mtu {
        metrics.u32(RTAX_MTU, mtu);
    }
    if verb != Verb::Delete {
        let others = &route.unknown;
        unknown::put(others, unknown::RTA_METRICS, &[RTAX_MTU], &mut metrics)?;
    }
    if !metrics.body().is_empty() {
        out.nest(RTA_METRICS, |out| out.raw(metrics.body()));
    }
    Ok(())
}

/// The scope that ip-route(8) gives a route by itself. For deletion, any.
fn natural_scope(route: &Route, verb: Verb) -> u8 {
    if verb == Verb::Delete {
        return SCOPE_NOWHERE;
    }
    let gateways = route.next_hops.iter().any(|hop| hop.gateway.is_some());
    match route.route_type {
        RouteType::Local => SCOPE_HOST,
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => SCOPE_LINK,
        RouteType::Unicast if !gateways && !route.destination.address.contains(':') => SCOPE_LINK,
        _ => 0,
    }
}

fn put_gateway(hop: &NextHop, destination: IpAddr, out: &mut Message) -> Result<(), Failure> {
    let Some(text) = &hop.gateway else {
        return Ok(());
    };
    let gateway = ip::parse(text, "gateway")?;
    match (destination, gateway) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
            out.ip(RTA_GATEWAY, gateway);
        }
        // IPv4 by way of IPv6 (RFC 5549).
        (IpAddr::V4(_), IpAddr::V6(v6)) => {
            let mut value = [0; 18];
            value[..2].copy_from_slice(&u16::from(ip::AF_INET6).to_ne_bytes());
            value[2..].copy_from_slice(&v6.octets());
            out.put(RTA_VIA, &value);
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => {
            return Err(invalid(format!("gateway {text} is not an IPv6 address")));
        }
    }
    Ok(())
}

fn put_hop(
    hop: &NextHop,
    destination: IpAddr,
    link: u16,
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    put_gateway(hop, destination, out)?;
    if let Some(name) = &hop.link {
        out.u32(link, lookup(name)?);
    }
    unknown::check(&hop.unknown, &[unknown::RTA])?;
    unknown::put(&hop.unknown, unknown::RTA, &NAMED, out)
}

fn put_rtnexthop(
    hop: &NextHop,
    destination: IpAddr,
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    let weight = match hop.weight {
        weight @ 1..=256 => (weight - 1) as u8,
        other => return Err(invalid(format!("weight {other} is not in 1 to 256"))),
    };
    let index = match &hop.link {
        Some(name) => lookup(name)?,
        None => 0,
    };
    let start = out.len();
    let mut header = [0; 8];
    header[2] = if hop.onlink { RTNH_F_ONLINK } else { 0 };
    header[3] = weight;
    header[4..].copy_from_slice(&index.to_ne_bytes());
    out.raw(&header);
    put_gateway(hop, destination, out)?;
    unknown::check(&hop.unknown, &[unknown::RTA])?;
    unknown::put(&hop.unknown, unknown::RTA, &NAMED, out)?;
    let length = u16::try_from(out.len() - start)
        .map_err(|_| invalid("the attributes of a next hop are too long".into()))?;
    out.patch_u16(start, length);
    Ok(())
}

/// Gives the next hops the names of their links; one that `name` does not know stays without.
pub fn attach_names<'a>(decoded: Decoded, name: impl Fn(u32) -> Option<&'a str>) -> Route {
    let mut route = decoded.route;
    for (hop, index) in route.next_hops.iter_mut().zip(decoded.links) {
        hop.link = name(index).map(str::to_owned);
    }
    route
}
