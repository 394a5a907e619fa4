//! Requests for routes.

use std::net::IpAddr;

use super::{
    NAMED, RTA_DST, RTA_EXPIRES, RTA_GATEWAY, RTA_METRICS, RTA_MULTIPATH, RTA_NH_ID, RTA_OIF,
    RTA_PREFSRC, RTA_PRIORITY, RTA_SRC, RTA_TABLE, RTA_VIA, RTAX_MTU, RTM_DELROUTE, RTM_NEWROUTE,
    RTNH_F_ONLINK, Rtmsg, SCOPE_HOST, SCOPE_LINK, SCOPE_NOWHERE, TABLE_COMPAT, TYPES,
};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::link::Lookup;
use crate::backends::netlink::message::{Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::backends::netlink::{ip, unknown};
use crate::contract::netlink::{NextHop, Route, RouteType};
use crate::contract::types::Failure;

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
