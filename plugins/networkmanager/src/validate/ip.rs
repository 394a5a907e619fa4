//! Addresses, name servers and routes of a profile.

use std::net::IpAddr;

use op_dbus_plugin::section::Network;

use super::Problems;
use crate::section::{Ip, Method};

/// Checks one address family.
pub(super) fn check(ip: &Ip, v6: bool, path: &str, problems: &mut Problems) {
    let has_addresses = ip.addresses.as_ref().is_some_and(|it| !it.is_empty());
    let has_gateway = ip.gateway.flatten().is_some();
    if let Some(method) = ip.method {
        let place = format!("{path}/method");
        problems.push_if(
            !v6 && matches!(method, Method::Dhcp | Method::Ignore),
            &place,
            format!(
                "only IPv6 has the method {}: use auto, manual, link-local, shared or disabled",
                method.word()
            ),
        );
        problems.push_if(
            method == Method::Manual && ip.addresses.as_ref().is_some_and(Vec::is_empty),
            &place,
            "\"manual\" needs addresses: give at least one, or use \"disabled\"",
        );
        let bare = matches!(
            method,
            Method::Disabled | Method::Ignore | Method::LinkLocal
        );
        problems.push_if(
            bare && (has_addresses || has_gateway),
            &place,
            format!("there are addresses or a gateway as well, which \"{}\" excludes: use \"manual\", or take them away", method.word()),
        );
    }
    let family = |address: IpAddr, path: String, problems: &mut Problems| {
        let (is, other) = if v6 {
            ("IPv4", "ipv4")
        } else {
            ("IPv6", "ipv6")
        };
        problems.push_if(
            address.is_ipv6() != v6,
            path,
            format!("{address} is an {is} address: it belongs into `{other}`"),
        );
    };
    for (at, address) in ip.addresses.iter().flatten().enumerate() {
        let path = format!("{path}/addresses/{at}");
        family(address.address.0, format!("{path}/address"), problems);
        let longest = Network::longest(address.address.0);
        problems.push_if(
            address.prefix > longest || address.prefix == 0,
            format!("{path}/prefix"),
            format!(
                "the prefix of {} has 1 to {longest} bits",
                address.address.0
            ),
        );
        let other = [
            ("peer", address.peer.is_some()),
            ("broadcast", address.broadcast.is_some()),
            ("valid_lifetime", address.valid_lifetime.is_some()),
            ("preferred_lifetime", address.preferred_lifetime.is_some()),
            ("metric", address.metric.is_some()),
            ("scope", address.scope.is_some()),
            ("no_prefix_route", address.no_prefix_route.is_some()),
            (
                "no_duplicate_detection",
                address.no_duplicate_detection.is_some(),
            ),
            ("home", address.home.is_some()),
            ("manage_temporary", address.manage_temporary.is_some()),
            ("join_multicast", address.join_multicast.is_some()),
        ];
        for (key, _) in other.iter().filter(|(_, given)| *given) {
            problems.push_if(
                true,
                format!("{path}/{key}"),
                format!(
                    "a profile of NetworkManager cannot keep `{key}` of an address: leave it out"
                ),
            );
        }
        problems.push_if(
            v6 && address.label.is_some(),
            format!("{path}/label"),
            "only IPv4 addresses have labels",
        );
    }
    if let Some(Some(gateway)) = ip.gateway {
        family(gateway, format!("{path}/gateway"), problems);
        problems.push_if(
            ip.addresses.as_ref().is_some_and(Vec::is_empty) || ip.never_default == Some(true),
            format!("{path}/gateway"),
            "a gateway needs an address of the same family, and excludes \"never_default\"",
        );
    }
    for (at, server) in ip.dns.iter().flatten().enumerate() {
        let path = format!("{path}/dns/{at}");
        match server.parse::<IpAddr>() {
            Ok(address) => family(address, path, problems),
            Err(_) => problems.push_if(
                true,
                path,
                format!("`{server}` is not the IP address of a name server"),
            ),
        }
    }
    routes(ip, v6, path, problems);
}

fn routes(ip: &Ip, v6: bool, path: &str, problems: &mut Problems) {
    for (at, route) in ip.routes.iter().flatten().enumerate() {
        let path = format!("{path}/routes/{at}");
        let dest = route.dest.0;
        problems.push_if(
            dest.is_ipv6() != v6 || route.next_hop.is_some_and(|it| it.is_ipv6() != v6),
            &path,
            "the route is of the other address family",
        );
        problems.push_if(
            route.prefix > Network::longest(dest),
            format!("{path}/prefix"),
            format!(
                "the prefix of {dest} has at most {} bits",
                Network::longest(dest)
            ),
        );
        let network = route.destination();
        problems.push_if(
            route.prefix <= Network::longest(dest) && network.masked() != network,
            format!("{path}/dest"),
            format!(
                "{dest}/{} has bits beyond its prefix: write {}",
                route.prefix,
                network.masked()
            ),
        );
        problems.push_if(
            route.next_hops.is_some(),
            format!("{path}/next_hops"),
            "a profile of NetworkManager has one way a route: use `next_hop`",
        );
        problems.push_if(
            route.from.is_some(),
            format!("{path}/from"),
            "a profile of NetworkManager cannot keep `from` of a route: leave it out",
        );
        problems.push_if(
            route.state.is_some(),
            format!("{path}/state"),
            "the list holds exactly the routes that there are to be: leave out the one that is to go",
        );
    }
}
