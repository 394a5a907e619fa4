//! Routes: only through links that are up, to gateways that a route leads to.

use super::{Answer, State, refuse};
use crate::contract::netlink::{Address, NextHop, Prefix, Route, RouteType};
use crate::transaction::images::{PROTOCOL_KERNEL, RouteKey, is_ipv6, network};

fn contains(prefix: &Prefix, address: &str) -> bool {
    is_ipv6(&prefix.address) == is_ipv6(address)
        && network(address, prefix.length) == prefix.address
}

impl State {
    pub(super) fn add_route(&mut self, asked: &Route, replace: bool) -> Answer {
        for hop in &asked.next_hops {
            let link = hop.link.clone().unwrap_or_default();
            self.link(&link)?;
            if !self.is_up(&link) {
                return Err(refuse("ENETDOWN", format!("link {link} is down")));
            }
            let reachable = |gateway: &String| {
                self.routes.iter().any(|route| {
                    let direct = route
                        .next_hops
                        .iter()
                        .any(|it| it.gateway.is_none() && it.link == hop.link);
                    direct && contains(&route.destination, gateway)
                })
            };
            if !hop.onlink && !hop.gateway.as_ref().is_none_or(reachable) {
                return Err(refuse(
                    "ENETUNREACH",
                    format!("no route leads to {:?}", hop.gateway),
                ));
            }
        }
        if let Some(source) = &asked.preferred_source
            && !self.addresses.iter().any(|it| it.address == *source)
        {
            return Err(refuse(
                "EINVAL",
                format!("{source} is no address of this host"),
            ));
        }
        let key = RouteKey {
            link: None,
            ..RouteKey::of(asked)
        };
        let same = |it: &Route| {
            RouteKey {
                link: None,
                ..RouteKey::of(it)
            } == key
        };
        match self.routes.iter().position(same) {
            Some(_) if !replace => return Err(refuse("EEXIST", "there is such a route".into())),
            Some(at) => {
                self.routes[at] = Route {
                    metric: Some(key.metric),
                    ..asked.clone()
                }
            }
            None => self.routes.push(Route {
                metric: Some(key.metric),
                ..asked.clone()
            }),
        }
        Ok(())
    }

    pub(super) fn delete_route(&mut self, asked: &Route) -> Answer {
        let key = RouteKey {
            link: None,
            ..RouteKey::of(asked)
        };
        let at = self.routes.iter().position(|it| {
            let it = RouteKey {
                link: None,
                ..RouteKey::of(it)
            };
            RouteKey {
                metric: if asked.metric.is_none() {
                    key.metric
                } else {
                    it.metric
                },
                ..it
            } == key
        });
        self.routes
            .remove(at.ok_or_else(|| refuse("ESRCH", "there is no such route".into()))?);
        Ok(())
    }

    pub(super) fn drop_ipv4_routes(&mut self, link: &str) {
        self.routes.retain(|it| {
            is_ipv6(&it.destination.address)
                || it
                    .next_hops
                    .iter()
                    .all(|hop| hop.link.as_deref() != Some(link))
        });
    }

    pub(super) fn drop_routes_from(&mut self, address: &str) {
        let elsewhere = self.addresses.iter().any(|it| it.address == address);
        self.routes
            .retain(|it| elsewhere || it.preferred_source.as_deref() != Some(address));
    }

    pub(super) fn drop_connected(&mut self, address: &Address) {
        let connected = connected(address);
        self.routes.retain(|it| {
            it.protocol != PROTOCOL_KERNEL
                || it.destination != connected.destination
                || it.next_hops != connected.next_hops
        });
    }

    pub(super) fn add_connected(&mut self, address: &Address) {
        let route = connected(address);
        if !self
            .routes
            .iter()
            .any(|it| RouteKey::of(it) == RouteKey::of(&route))
        {
            self.routes.push(route);
        }
    }
}

fn connected(address: &Address) -> Route {
    let is_ipv6 = is_ipv6(&address.address);
    // IPv4 counts from the other end, if there is one.
    let peer = address.peer.as_ref().filter(|_| !is_ipv6);
    let mut route = route(
        &network(peer.unwrap_or(&address.address), address.prefix_length),
        address.prefix_length,
    );
    route.protocol = PROTOCOL_KERNEL;
    route.next_hops = vec![hop(Some(&address.link), None)];
    if is_ipv6 {
        route.metric = Some(256);
    } else {
        route.metric = Some(0);
        route.preferred_source = Some(address.address.clone());
    }
    route
}

/// A static route of the main table, to be given its next hops.
pub fn route(destination: &str, length: u8) -> Route {
    Route {
        destination: Prefix {
            address: destination.to_owned(),
            length,
        },
        source: None,
        table: 254,
        metric: None,
        tos: 0,
        route_type: RouteType::Unicast,
        protocol: 4,
        scope: None,
        preferred_source: None,
        mtu: None,
        lifetime: None,
        next_hops: Vec::new(),
        unknown: Vec::new(),
    }
}

/// A next hop.
pub fn hop(link: Option<&str>, gateway: Option<&str>) -> NextHop {
    NextHop {
        gateway: gateway.map(str::to_owned),
        link: link.map(str::to_owned),
        weight: 1,
        onlink: false,
        unknown: Vec::new(),
    }
}
