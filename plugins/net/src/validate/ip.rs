//! Addresses, gateways and neighbours of an interface.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::Problems;
use crate::section::{Address, Interface, Ip, Method, Network, Section};

/// Checks both families of an interface.
pub fn check(interface: &Interface, path: &str, problems: &mut Problems) {
    for (family, ip, v6) in [
        ("ipv4", &interface.ipv4, false),
        ("ipv6", &interface.ipv6, true),
    ] {
        let Some(ip) = ip else { continue };
        let path = format!("{path}/{family}");
        method(ip, v6, &path, problems);
        let mut seen = HashMap::new();
        for (at, address) in ip.addresses.iter().flatten().enumerate() {
            if address.is_passing() {
                continue;
            }
            let path = format!("{path}/addresses/{at}");
            if let Some(first) = seen.insert(address.address, at) {
                problems.push(
                    &path,
                    format!(
                        "{} is given already at addresses/{first}",
                        address.address.0
                    ),
                );
            }
            self::address(address, interface, v6, &path, problems);
        }
        if let Some(Some(gateway)) = ip.gateway {
            let path = format!("{path}/gateway");
            if self::family(gateway, v6, &path, problems) {
                self::gateway(gateway, ip, &path, problems);
            }
        }
        neighbours(ip, v6, &path, problems);
    }
}

fn method(ip: &Ip, v6: bool, path: &str, problems: &mut Problems) {
    let place = format!("{path}/method");
    let mut addresses = ip.addresses.iter().flatten();
    let has_addresses = addresses.any(|address| !address.is_passing());
    let mut routes = ip.routes.iter().flatten();
    let has_routes = routes.any(|route| !route.is_passing());
    match ip.method {
        Some(Method::Auto) => problems.push(
            place,
            "`net` has no DHCP client: use the plugin `networkmanager` for this interface, leave `method` out to let another DHCP client \
             keep it, or use \"manual\" with addresses",
        ),
        Some(Method::LinkLocal) if !v6 => {
            problems.push(place, "only IPv6 has link-local addresses of the kernel: use \"disabled\" or \"manual\"");
        }
        Some(Method::Disabled) => problems.push_if(
            has_addresses || has_routes || ip.gateway.flatten().is_some(),
            place,
            "there are addresses, routes or a gateway as well: use \"manual\", or take them away",
        ),
        Some(Method::LinkLocal) => problems.push_if(
            has_addresses,
            place,
            "there are addresses as well: use \"manual\", which keeps the link-local address, or take them away",
        ),
        _ => {}
    }
}

/// Whether an address is of the family that it has to be.
pub fn family(address: IpAddr, v6: bool, path: &str, problems: &mut Problems) -> bool {
    let fits = address.is_ipv6() == v6;
    let (is, other) = if v6 {
        ("IPv4", "ipv4")
    } else {
        ("IPv6", "ipv6")
    };
    problems.push_if(
        !fits,
        path,
        format!("{address} is an {is} address: it belongs into `{other}`"),
    );
    fits
}

fn address(
    address: &Address,
    interface: &Interface,
    v6: bool,
    path: &str,
    problems: &mut Problems,
) {
    let ip = address.address.0;
    if !family(ip, v6, &format!("{path}/address"), problems) {
        return;
    }
    let longest = Network::longest(ip);
    problems.push_if(
        address.prefix > longest,
        format!("{path}/prefix"),
        format!(
            "{} is too long: the prefix of {ip} has at most {longest} bits",
            address.prefix
        ),
    );
    problems.push_if(
        ip.is_multicast() || ip.is_unspecified(),
        format!("{path}/address"),
        format!("{ip} cannot be the address of an interface"),
    );
    for (key, other) in [("peer", address.peer), ("broadcast", address.broadcast)] {
        if let Some(other) = other {
            family(other, v6, &format!("{path}/{key}"), problems);
        }
    }
    problems.push_if(
        v6 && address.broadcast.is_some(),
        format!("{path}/broadcast"),
        "IPv6 has no broadcast: leave it out",
    );
    problems.push_if(
        v6 && address.scope.is_some(),
        format!("{path}/scope"),
        "an IPv6 address has its scope in its bits: leave it out",
    );
    if let Some(label) = &address.label {
        let name = interface.name.as_str();
        let fits = label == name
            || label
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(':'));
        problems.push_if(
            v6,
            format!("{path}/label"),
            "only IPv4 addresses have labels",
        );
        problems.push_if(
            !v6 && (!fits || label.len() > 15),
            format!("{path}/label"),
            format!("a label is the interface's name, or like `{name}:1`, of at most 15 bytes"),
        );
    }
    problems.push_if(
        address.preferred_lifetime.zip(address.valid_lifetime).is_some_and(|(preferred, valid)| preferred > valid)
            || (address.preferred_lifetime.is_some_and(|preferred| preferred > 0) && address.valid_lifetime.is_none()),
        format!("{path}/preferred_lifetime"),
        "an address cannot be preferred longer than it is valid: set `valid_lifetime` to at least as much",
    );
}

fn gateway(gateway: IpAddr, ip: &Ip, path: &str, problems: &mut Problems) {
    let own = ip
        .addresses
        .iter()
        .flatten()
        .any(|address| address.address.0 == gateway);
    problems.push_if(
        own,
        path,
        format!("{gateway} is the address of this interface itself: name the router's"),
    );
    problems.push_if(
        !own && !is_reachable(gateway, ip),
        path,
        format!(
            "{gateway} is in none of the networks of this interface ({}): correct the address or its prefix, or add a route to it, or use \
             a route with \"onlink\": true instead of `gateway`",
            networks(ip)
        ),
    );
}

/// Whether a router is in one of the interface's networks, or on a route of the file's that needs no router. True where the file does not
/// say which addresses there are.
pub fn is_reachable(router: IpAddr, ip: &Ip) -> bool {
    let Some(addresses) = &ip.addresses else {
        return true;
    };
    let is_link_local = matches!(router, IpAddr::V6(router) if router.is_unicast_link_local());
    let by_address = addresses.iter().any(|address| {
        let network = Network {
            address: address.peer.unwrap_or(address.address.0),
            prefix: address.prefix,
        };
        network.prefix <= Network::longest(network.address) && network.contains(router)
    });
    let by_route = ip.routes.iter().flatten().any(|route| {
        route.next_hop.is_none()
            && route.next_hops.is_none()
            && route.prefix > 0
            && route.destination().contains(router)
    });
    is_link_local || by_address || by_route
}

/// The interface's networks, for a message.
pub fn networks(ip: &Ip) -> String {
    let networks: Vec<String> = ip
        .addresses
        .iter()
        .flatten()
        .map(|address| address.network().masked().to_string())
        .collect();
    if networks.is_empty() {
        "it has none".to_owned()
    } else {
        networks.join(", ")
    }
}

fn neighbours(ip: &Ip, v6: bool, path: &str, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for (at, neighbour) in ip.neighbours.iter().flatten().enumerate() {
        let path = format!("{path}/neighbours/{at}");
        family(
            neighbour.address.0,
            v6,
            &format!("{path}/address"),
            problems,
        );
        let proxy = neighbour.proxy == Some(true);
        problems.push_if(
            neighbour.mac.is_none() && !proxy,
            &path,
            "a neighbour needs its `mac`, unless it is a `proxy`",
        );
        problems.push_if(
            !seen.insert((neighbour.address, proxy)),
            &path,
            format!("{} is given already", neighbour.address.0),
        );
    }
}

/// Addresses that two interfaces have. The same one on several is meant where it is link-local, a host's alone (unnumbered links), or where
/// a controller keeps the interfaces apart.
pub fn shared(desired: &Section, problems: &mut Problems) {
    let mut seen: HashMap<IpAddr, String> = HashMap::new();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        if interface.is_absent() || interface.controller.is_some() {
            continue;
        }
        for (family, ip) in [("ipv4", &interface.ipv4), ("ipv6", &interface.ipv6)] {
            for (place, address) in ip
                .iter()
                .flat_map(|ip| ip.addresses.iter().flatten())
                .enumerate()
            {
                let ip = address.address.0;
                let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
                if is_link_local || address.is_passing() || address.prefix >= Network::longest(ip) {
                    continue;
                }
                let path = format!("/interfaces/{at}/{family}/addresses/{place}");
                if let Some(first) = seen.get(&ip) {
                    if !first.starts_with(&format!("/interfaces/{at}/")) {
                        problems.push(
                            path,
                            format!("{ip} is given already at {first}: one of the two must go"),
                        );
                    }
                } else {
                    seen.insert(ip, path);
                }
            }
        }
    }
}
