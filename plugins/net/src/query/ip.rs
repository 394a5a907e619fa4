//! Addresses, routes and neighbours, in the section's words.

use std::net::IpAddr;

use op_dbus_plugin::{Failure, FailureCode, netlink as nl};

use crate::section::ip::Addr;
use crate::section::words::RouteType;
use crate::section::{Address, Mac, Neighbour, Route};
use op_dbus_plugin::section::Wire;
use op_dbus_plugin::section::route::{MAIN_TABLE, NextHop};

fn ip(text: &str) -> Result<IpAddr, Failure> {
    text.parse().map_err(|_| {
        Failure::new(
            FailureCode::Internal,
            format!("the host answered `{text}` for an IP address"),
        )
    })
}

fn optional(text: Option<String>) -> Result<Option<IpAddr>, Failure> {
    text.map(|text| ip(&text)).transpose()
}

/// An address.
pub fn address(wire: nl::Address) -> Result<Address, Failure> {
    let mut address = Address {
        address: Addr(ip(&wire.address)?),
        prefix: wire.prefix_length,
        peer: optional(wire.peer)?,
        broadcast: optional(wire.broadcast)?,
        // A label that repeats the link's name says nothing.
        label: wire.label.filter(|label| *label != wire.link),
        valid_lifetime: wire.valid_lifetime,
        preferred_lifetime: wire.preferred_lifetime,
        metric: wire.metric,
        no_prefix_route: wire.no_prefix_route.then_some(true),
        no_duplicate_detection: wire.no_duplicate_detection.then_some(true),
        home: wire.home.then_some(true),
        manage_temporary: wire.manage_temporary.then_some(true),
        join_multicast: wire.join_multicast.then_some(true),
        protocol: Some(wire.protocol).filter(|protocol| *protocol != 0),
        kernel_made: wire.kernel_made.then_some(true),
        tentative: wire.tentative.then_some(true),
        duplicate: wire.duplicate.then_some(true),
        scope: None,
    };
    // One that goes without saying, and all of IPv6, say nothing.
    address.scope = wire
        .scope
        .filter(|scope| address.address.0.is_ipv4() && *scope != address.effective_scope());
    Ok(address)
}

/// A route, and the one link that all of its ways use; `None` for a route that leads nowhere or over several links.
pub fn route(wire: nl::Route) -> Result<(Option<String>, Route), Failure> {
    let mut links = wire.next_hops.iter().map(|hop| hop.link.as_deref());
    let link = match links.next() {
        Some(Some(first)) if links.all(|link| link == Some(first)) => Some(first.to_owned()),
        _ => None,
    };
    let dest = ip(&wire.destination.address)?;
    let default_metric = if dest.is_ipv4() { 0 } else { 1024 };
    let mut route = Route {
        dest: Addr(dest),
        prefix: wire.destination.length,
        from: Wire::of_wire(wire.source),
        metric: wire.metric.filter(|metric| *metric != default_metric),
        table: Some(wire.table).filter(|table| *table != MAIN_TABLE),
        r#type: Some(RouteType::of_wire(wire.route_type))
            .filter(|kind| *kind != RouteType::Unicast),
        preferred_source: optional(wire.preferred_source)?,
        mtu: wire.mtu,
        tos: Some(wire.tos).filter(|tos| *tos != 0),
        protocol: Some(wire.protocol).filter(|protocol| *protocol != 4),
        lifetime: wire.lifetime,
        unknown: Wire::of_wire(wire.unknown),
        ..Route::default()
    };
    // The kernel shows IPv6 routes that lead nowhere as if they used the loopback link.
    let nowhere = matches!(
        route.kind(),
        RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
    );
    if nowhere {
        return Ok((None, route));
    }
    let mut hops = wire.next_hops;
    if hops.len() == 1 {
        let hop = hops.remove(0);
        route.next_hop = optional(hop.gateway)?;
        route.onlink = hop.onlink.then_some(true);
        let mut unknown = route.unknown.take().unwrap_or_default();
        unknown.extend(Vec::of_wire(hop.unknown));
        route.unknown = (!unknown.is_empty()).then_some(unknown);
    } else if hops.len() > 1 {
        let same_link = link.is_some();
        let way = |hop: nl::NextHop| {
            Ok(NextHop {
                next_hop: optional(hop.gateway)?,
                interface: hop.link.filter(|_| !same_link),
                weight: Some(hop.weight),
                onlink: hop.onlink.then_some(true),
                unknown: Wire::of_wire(hop.unknown),
            })
        };
        route.next_hops = Some(hops.into_iter().map(way).collect::<Result<_, Failure>>()?);
    }
    Ok((link, route))
}

/// A neighbour that somebody put there to stay; `None` for what the kernel learnt.
pub fn neighbour(wire: nl::Neighbour) -> Result<Option<Neighbour>, Failure> {
    if wire.state != nl::NeighbourState::Permanent && !wire.proxy {
        return Ok(None);
    }
    Ok(Some(Neighbour {
        address: Addr(ip(&wire.address)?),
        mac: wire.mac.map(|mac| Mac(mac.to_ascii_lowercase())),
        proxy: wire.proxy.then_some(true),
    }))
}
