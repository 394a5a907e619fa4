//! Reading: the selectors and scopes of the contract.

use super::device::word;
use super::network::Network;
use super::{Kernel, Path};
use crate::netlink::{
    Address, BridgeVlan, Family, Kind, Link, LinkSelector, Neighbour, NextHop, Route, RouteScope,
    Rule,
};

impl Kernel {
    /// Links that match one of the selectors, all when there is none, in the order of their indices.
    pub fn links(&self, selectors: &[LinkSelector]) -> Vec<Link> {
        let chosen = |index: &u32| {
            selectors.is_empty() || selectors.iter().any(|it| self.matches(*index, it))
        };
        self.devices
            .keys()
            .copied()
            .filter(chosen)
            .map(|index| self.shown(index))
            .collect()
    }

    fn matches(&self, index: u32, selector: &LinkSelector) -> bool {
        let device = self.device(index);
        match selector {
            LinkSelector::Name(name) => self.index_of(name) == Some(index),
            LinkSelector::Index(wanted) => *wanted == index,
            LinkSelector::Kind(wanted) => word(&device.link.kind) == Some(wanted),
            LinkSelector::Controller(name) => {
                device.controller.is_some() && device.controller == self.index_of(name)
            }
            LinkSelector::Parent(name) => {
                device.parent.is_some() && device.parent == self.index_of(name)
            }
        }
    }

    /// A link with the names of the others filled in.
    pub(super) fn shown(&self, index: u32) -> Link {
        let device = self.device(index);
        let mut link = device.link.clone();
        link.running = link.up && self.has_carrier(index);
        link.controller = device.controller.map(|it| self.name_of(it));
        let parent = device.parent.map(|it| self.name_of(it));
        match &mut link.kind {
            Kind::Veth(it) => {
                it.peer = device.peer.map(|it| self.name_of(it));
                it.peer_index = device.peer;
            }
            Kind::Vlan(it) => it.parent = parent,
            Kind::Vxlan(it) => it.parent = parent,
            Kind::Macvlan(it) | Kind::Macvtap(it) => it.parent = parent,
            Kind::Ipvlan(it) => it.parent = parent,
            Kind::Gre(it) | Kind::Gretap(it) | Kind::Ip6gre(it) | Kind::Ip6gretap(it) => {
                it.parent = parent;
            }
            Kind::Ipip(it) | Kind::Sit(it) | Kind::Ip6tnl(it) => it.parent = parent,
            _ => {}
        }
        link
    }

    /// The link with this name or alternative name.
    pub fn link(&self, name: &str) -> Option<Link> {
        self.index_of(name).map(|index| self.shown(index))
    }

    /// Whether a read narrowed to these links concerns this one.
    fn concerns(&self, links: &[String], index: u32) -> bool {
        links.is_empty() || links.iter().any(|name| self.index_of(name) == Some(index))
    }

    /// Addresses of these links, or of all.
    pub fn addresses(&self, links: &[String]) -> Vec<Address> {
        let chosen = self
            .addresses
            .iter()
            .filter(|it| self.concerns(links, it.link));
        let shown = chosen.map(|it| Address {
            link: self.name_of(it.link),
            ..it.shown.clone()
        });
        shown.collect()
    }

    /// Routes within a scope; within a list one item must match, and each list that is not empty must have a match.
    pub fn routes(&self, within: &RouteScope) -> Vec<Route> {
        let destinations: Vec<Option<Network>> = within
            .destinations
            .iter()
            .map(|it| Network::of(it).ok())
            .collect();
        let chosen = |path: &&Path| {
            let family = if path.network.first.is_ipv4() {
                Family::Ipv4
            } else {
                Family::Ipv6
            };
            let through = |name: &String| self.index_of(name).is_some_and(|it| path.uses(it));
            (within.families.is_empty() || within.families.contains(&family))
                && (within.links.is_empty() || within.links.iter().any(through))
                && (within.tables.is_empty() || within.tables.contains(&path.table))
                && (within.protocols.is_empty() || within.protocols.contains(&path.protocol))
                && (destinations.is_empty() || destinations.contains(&Some(path.network)))
        };
        self.paths
            .iter()
            .filter(chosen)
            .map(|path| self.shown_route(path))
            .collect()
    }

    fn shown_route(&self, path: &Path) -> Route {
        let hops = path.hops.iter().map(|hop| NextHop {
            gateway: hop.gateway.map(|it| it.to_string()),
            link: Some(self.name_of(hop.link)),
            weight: hop.weight,
            onlink: hop.onlink,
            unknown: hop.unknown.clone(),
        });
        Route {
            destination: path.network.prefix(),
            source: path.from.clone(),
            table: path.table,
            // fib_dump_info leaves out an IPv4 metric of 0.
            metric: Some(path.metric).filter(|it| *it != 0 || path.network.first.is_ipv6()),
            tos: path.tos,
            route_type: path.kind,
            protocol: path.protocol,
            scope: Some(path.scope),
            preferred_source: path.source.map(|it| it.to_string()),
            mtu: path.mtu,
            lifetime: path.lifetime,
            next_hops: hops.collect(),
            unknown: path.unknown.clone(),
        }
    }

    /// Rules of these families, or of both, in the order in which they are tried.
    pub fn rules(&self, families: &[Family]) -> Vec<Rule> {
        let chosen = |it: &&Rule| families.is_empty() || families.contains(&it.family);
        self.rules.iter().filter(chosen).cloned().collect()
    }

    /// Entries of the neighbour table on these links, or on all.
    pub fn neighbours(&self, links: &[String]) -> Vec<Neighbour> {
        let chosen = self
            .neighbours
            .iter()
            .filter(|it| self.concerns(links, it.link));
        let shown = chosen.map(|it| Neighbour {
            link: self.name_of(it.link),
            ..it.shown.clone()
        });
        shown.collect()
    }

    /// VLANs on these bridges and ports, or on all; neighbouring ones with the same flags as one range, as the kernel dumps them.
    pub fn bridge_vlans(&self, links: &[String]) -> Vec<BridgeVlan> {
        let mut shown: Vec<BridgeVlan> = Vec::new();
        for (&(link, vlan), membership) in &self.vlans {
            let filtered = self
                .bridge_of(link)
                .is_some_and(|bridge| self.filters(bridge));
            if !filtered || !self.concerns(links, link) {
                continue;
            }
            let name = self.name_of(link);
            match shown.last_mut() {
                Some(last)
                    if last.link == name
                        && last.last + 1 == vlan
                        && !last.pvid
                        && !membership.pvid
                        && last.untagged == membership.untagged =>
                {
                    last.last = vlan;
                }
                _ => shown.push(BridgeVlan {
                    link: name,
                    on_bridge: self.device(link).is_bridge(),
                    first: vlan,
                    last: vlan,
                    pvid: membership.pvid,
                    untagged: membership.untagged,
                }),
            }
        }
        shown
    }
}
