//! Routes as the kernel shows them.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;

use super::{
    RTA_CACHEINFO, RTA_DST, RTA_EXPIRES, RTA_GATEWAY, RTA_IIF, RTA_METRICS, RTA_MULTIPATH, RTA_OIF,
    RTA_PAD, RTA_PREF, RTA_PREFSRC, RTA_PRIORITY, RTA_SRC, RTA_TABLE, RTA_VIA, RTAX_MTU,
    RTM_F_CLONED, RTNH_F_ONLINK, TICKS, TYPES,
};
use crate::backends::netlink::attribute::{Fault, attributes};
use crate::backends::netlink::{ip, unknown};
use crate::contract::netlink::{NextHop, Prefix, Route, RouteType, UnknownAttribute};
use crate::contract::types::Failure;

/// What a route is asked for by; an empty set asks for all.
#[derive(Default)]
pub struct Wanted {
    pub tables: HashSet<u32>,
    pub protocols: HashSet<u8>,
    pub links: HashSet<u32>,
    pub destinations: HashSet<(IpAddr, u8)>,
}

fn within<T: Eq + Hash>(set: &HashSet<T>, item: &T) -> bool {
    set.is_empty() || set.contains(item)
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

/// Gives the next hops the names of their links; one that `name` does not know stays without.
pub fn attach_names<'a>(decoded: Decoded, name: impl Fn(u32) -> Option<&'a str>) -> Route {
    let mut route = decoded.route;
    for (hop, index) in route.next_hops.iter_mut().zip(decoded.links) {
        hop.link = name(index).map(str::to_owned);
    }
    route
}
