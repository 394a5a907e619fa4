//! Routes, at interfaces and beside them.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Problems;
use super::ip::{is_reachable, networks};
use crate::section::words::RouteType;
use crate::section::{Interface, Ip, Network, Route, Section};
use op_dbus_plugin::section::route::RouteKey;

/// Checks all routes.
pub fn check(desired: &Section, problems: &mut Problems) {
    let mut seen: HashMap<RouteKey, String> = HashMap::new();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        if interface.is_absent() {
            continue;
        }
        for (family, ip, v6) in [
            ("ipv4", &interface.ipv4, false),
            ("ipv6", &interface.ipv6, true),
        ] {
            let Some(ip) = ip else { continue };
            let path = format!("/interfaces/{at}/{family}");
            if let Some(Some(gateway)) = ip.gateway {
                twice(
                    &Route::of_gateway(gateway),
                    format!("{path}/gateway"),
                    &mut seen,
                    problems,
                );
            }
            for (place, route) in ip.routes.iter().flatten().enumerate() {
                if route.is_passing() {
                    continue;
                }
                let path = format!("{path}/routes/{place}");
                if super::ip::family(route.dest.0, v6, &format!("{path}/dest"), problems) {
                    self::route(route, &path, problems);
                    of_interface(route, interface, ip, &path, problems);
                    twice(route, path, &mut seen, problems);
                }
            }
        }
    }
    for (at, route) in desired.routes().iter().enumerate() {
        let path = format!("/routes/{at}");
        self::route(route, &path, problems);
        beside(route, &path, problems);
        twice(route, path, &mut seen, problems);
    }
}

fn twice(
    route: &Route,
    path: String,
    seen: &mut HashMap<RouteKey, String>,
    problems: &mut Problems,
) {
    if let Some(first) = seen.get(&route.key()) {
        let message = format!(
            "the route to {} with this table and metric is given already at {first}: give one of the two another `metric`, or use one route \
             with several `next_hops`",
            route.destination()
        );
        problems.push(path, message);
    } else {
        seen.insert(route.key(), path);
    }
}

/// A network without host bits.
pub fn network(network: Network, path: &str, problems: &mut Problems) {
    let longest = Network::longest(network.address);
    if network.prefix > longest {
        problems.push(
            path,
            format!(
                "/{} is too long: {} has {longest} bits",
                network.prefix, network.address
            ),
        );
    } else if network.masked() != network {
        problems.push(
            path,
            format!(
                "{network} has bits set beyond its prefix: the network is {}",
                network.masked()
            ),
        );
    }
}

/// What holds for every route.
fn route(route: &Route, path: &str, problems: &mut Problems) {
    network(route.destination(), &format!("{path}/dest"), problems);
    let leads_nowhere = matches!(
        route.kind(),
        RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
    );
    problems.push_if(
        leads_nowhere && (route.next_hop.is_some() || route.next_hops.is_some()),
        path,
        "a route that leads nowhere has no next hop: take the next hop away, or `type`",
    );
    problems.push_if(
        route.next_hop.is_some() && route.next_hops.is_some(),
        format!("{path}/next_hops"),
        "`next_hop` and `next_hops` exclude each other",
    );
    problems.push_if(
        route.next_hops.as_ref().is_some_and(Vec::is_empty),
        format!("{path}/next_hops"),
        "there is no next hop in the list: leave it out",
    );
    problems.push_if(
        route.onlink == Some(true) && route.next_hop.is_none(),
        format!("{path}/onlink"),
        "this is about a `next_hop`, and there is none",
    );
    let v6 = route.dest.0.is_ipv6();
    problems.push_if(
        route
            .preferred_source
            .is_some_and(|source| source.is_ipv6() != v6),
        format!("{path}/preferred_source"),
        "not of the same family as the destination",
    );
    // IPv4 by way of an IPv6 router is sound (RFC 8950).
    let mut router = |router: Option<IpAddr>, key: &str| {
        problems.push_if(
            v6 && router.is_some_and(|router| router.is_ipv4()),
            format!("{path}/{key}"),
            "not of the same family as the destination",
        );
    };
    router(route.next_hop, "next_hop");
    for (at, hop) in route.next_hops.iter().flatten().enumerate() {
        router(hop.next_hop, &format!("next_hops/{at}/next_hop"));
    }
    problems.push_if(
        route.from.is_some_and(|from| !v6 || from.address.is_ipv4()),
        format!("{path}/from"),
        "only IPv6 routes go by the source network: use a rule with `from` and a table",
    );
    if let Some(from) = route.from.filter(|from| from.address.is_ipv6()) {
        network(from, &format!("{path}/from"), problems);
    }
    for (at, hop) in route.next_hops.iter().flatten().enumerate() {
        problems.push_if(
            hop.weight
                .is_some_and(|weight| !(1..=256).contains(&weight)),
            format!("{path}/next_hops/{at}/weight"),
            "a weight goes from 1 to 256",
        );
    }
    problems.push_if(
        route.table == Some(0),
        format!("{path}/table"),
        "there is no table 0: leave it out for the main table",
    );
    problems.push_if(
        v6 && route.tos.is_some_and(|tos| tos != 0),
        format!("{path}/tos"),
        "only IPv4 routes have a type of service",
    );
}

fn of_interface(
    route: &Route,
    interface: &Interface,
    ip: &Ip,
    path: &str,
    problems: &mut Problems,
) {
    problems.push_if(
        route.state.is_some(),
        format!("{path}/state"),
        "the routes of an interface are a list that replaces: leave out the one that is to go",
    );
    problems.push_if(
        matches!(route.kind(), RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw),
        format!("{path}/type"),
        "a route that leads nowhere belongs to no interface: put it into `routes` beside `interfaces`",
    );
    let mut router = |router: Option<IpAddr>, onlink: Option<bool>, key: &str| {
        let Some(router) = router.filter(|router| router.is_ipv6() == route.dest.0.is_ipv6())
        else {
            return;
        };
        problems.push_if(
            onlink != Some(true) && !is_reachable(router, ip),
            format!("{path}/{key}"),
            format!(
                "{router} is in none of the networks of {} ({}): correct it, or say \"onlink\": true",
                interface.name,
                networks(ip)
            ),
        );
    };
    router(route.next_hop, route.onlink, "next_hop");
    for (at, hop) in route.next_hops.iter().flatten().enumerate() {
        router(
            hop.next_hop,
            hop.onlink,
            &format!("next_hops/{at}/next_hop"),
        );
    }
    for (at, hop) in route.next_hops.iter().flatten().enumerate() {
        problems.push_if(
            hop.interface.as_ref().is_some_and(|other| *other != interface.name),
            format!("{path}/next_hops/{at}/interface"),
            "a route over several interfaces belongs to none of them: put it into `routes` beside `interfaces`",
        );
    }
}

/// Routes beside the interfaces lead nowhere or over several.
fn beside(route: &Route, path: &str, problems: &mut Problems) {
    if route.is_absent() {
        return;
    }
    let ways = route.ways(None);
    let has_way = |way: &crate::section::NextHop| way.next_hop.is_some() || way.interface.is_some();
    problems.push_if(
        !ways.iter().all(has_way),
        path,
        "no next hop: give it `next_hops`, a `type` that leads nowhere, or put it into the `routes` of an interface",
    );
}
