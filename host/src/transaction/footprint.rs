//! What a batch of requests may affect, as far as the requests alone say it.
//!
//! Names are those from the start of the batch: a link that the batch renames keeps its earlier name here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::images::{AddressKey, AlternativeNameKey, NeighbourKey, RouteKey, normal_address};
use crate::contract::netlink::{
    Address, BridgeVlan, ControllerChange, Kind, Link, LinkChange, LinkSettings, Neighbour,
    Request, Route, Rule,
};

/// IPv6 needs links that carry as much (RFC 8200 section 5); below it the kernel takes IPv6 off the link.
pub const IPV6_LEAST_MTU: u32 = 1280;

/// How far what happens to a link reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The links stacked on it change with it (a smaller MTU), what hangs from it stays.
    Stacked,
    /// What hangs from it and from the links stacked on it may go.
    Whole,
    /// It goes, with all that hangs from it, its peer and what is stacked on it; its ports lose their controller.
    Deleted,
}

/// What a batch names.
#[derive(Debug, Default)]
pub struct Footprint {
    /// Links named as objects.
    pub links: BTreeSet<String>,
    /// Changes asked of links.
    pub changes: Vec<(String, LinkChange)>,
    /// Links to be deleted.
    pub deleted: BTreeSet<String>,
    /// Alternative names added or deleted.
    pub alternative_names: Vec<AlternativeNameKey>,
    /// Addresses put or deleted.
    pub addresses: BTreeMap<String, Vec<AddressRequest>>,
    /// Routes added, put or deleted.
    pub routes: Vec<RouteKey>,
    /// Destination and table of deletions that name no metric: the kernel takes whichever it finds first.
    pub any_metric: HashSet<(String, u8, u32)>,
    /// Neighbour entries.
    pub neighbours: Vec<NeighbourKey>,
    /// VLAN ranges.
    pub vlans: Vec<BridgeVlan>,
    /// Rules.
    pub rules: Vec<Rule>,
}

/// A request for an address.
#[derive(Debug)]
pub struct AddressRequest {
    /// Which.
    pub key: AddressKey,
    /// Whether it goes.
    pub delete: bool,
}

impl Footprint {
    /// Of a batch.
    pub fn of(requests: &[Request]) -> Self {
        let mut footprint = Self::default();
        let mut names = Aliases::default();
        for request in requests {
            footprint.add(request, &mut names);
        }
        footprint
    }

    fn add(&mut self, request: &Request, names: &mut Aliases) {
        match request {
            Request::CreateLink(spec) => {
                self.links.insert(names.first(&spec.name));
                if let Kind::Veth(veth) = &spec.kind {
                    self.links
                        .extend(veth.peer.as_deref().map(|peer| names.first(peer)));
                }
            }
            Request::ChangeLink(change) => {
                let link = names.first(&change.link);
                self.links.insert(link.clone());
                if let Some(new_name) = &change.new_name {
                    self.links.insert(names.first(new_name));
                    names.rename(&change.link, new_name);
                }
                let mut change = change.clone();
                if let ControllerChange::Attach(controller) = &mut change.settings.controller {
                    *controller = names.first(controller);
                }
                self.changes.push((link, change));
            }
            Request::DeleteLink(link) => {
                let link = names.first(link);
                self.links.insert(link.clone());
                self.deleted.insert(link);
            }
            Request::AddAlternativeName(name) | Request::DeleteAlternativeName(name) => {
                let link = names.first(&name.link);
                self.links.insert(link.clone());
                self.alternative_names.push(AlternativeNameKey {
                    link,
                    name: name.name.clone(),
                });
            }
            Request::PutAddress(address) => self.address(address, false, names),
            Request::DeleteAddress(address) => self.address(address, true, names),
            Request::AddRoute(route) | Request::PutRoute(route) => self.route(route, names),
            Request::DeleteRoute(route) => {
                self.route(route, names);
                if route.metric.is_none_or(|metric| metric == 0) {
                    let key = self.routes.last().expect("just added");
                    self.any_metric
                        .insert((key.destination.clone(), key.length, key.table));
                }
            }
            Request::AddRule(rule) | Request::DeleteRule(rule) => self.rules.push(rule.clone()),
            Request::PutNeighbour(entry) | Request::DeleteNeighbour(entry) => {
                let link = names.first(&entry.link);
                self.neighbours.push(NeighbourKey::of(&Neighbour {
                    link,
                    ..entry.clone()
                }));
            }
            Request::PutBridgeVlan(vlan) | Request::DeleteBridgeVlan(vlan) => {
                let link = names.first(&vlan.link);
                self.vlans.push(BridgeVlan {
                    link,
                    ..vlan.clone()
                });
            }
        }
    }

    fn address(&mut self, address: &Address, delete: bool, names: &Aliases) {
        let link = names.first(&address.link);
        let key = AddressKey {
            link: link.clone(),
            address: normal_address(&address.address),
            prefix_length: address.prefix_length,
        };
        self.addresses
            .entry(link)
            .or_default()
            .push(AddressRequest { key, delete });
    }

    fn route(&mut self, route: &Route, names: &Aliases) {
        let mut route = route.clone();
        for link in route
            .next_hops
            .iter_mut()
            .filter_map(|hop| hop.link.as_mut())
        {
            *link = names.first(link);
        }
        self.routes.push(RouteKey::of(&route));
    }
}

/// From names within a batch to names at its start.
#[derive(Default)]
struct Aliases(HashMap<String, String>);

impl Aliases {
    fn first(&self, name: &str) -> String {
        self.0.get(name).map_or(name, String::as_str).to_owned()
    }

    fn rename(&mut self, from: &str, to: &str) {
        let first = self.first(from);
        self.0.remove(from);
        self.0.insert(to.to_owned(), first);
    }
}

/// How far a change of this link reaches beyond the link itself; nothing if it does not.
///
/// What Linux does: a link that goes down loses its IPv4 routes (fib_disable_ip) and its IPv6 addresses and routes (addrconf_ifdown);
/// joining or leaving a VRF or bond takes it down on the way, and some drivers and kernels want it down for a new name or MAC; a new
/// MAC or ARP flag flushes neighbours, permanent ones too (neigh_changeaddr); a link that goes up and is taken down again by an undo
/// loses the IPv6 addresses that it had while down.
pub fn reach(link: &Link, change: &LinkChange) -> Option<Reach> {
    let settings: &LinkSettings = &change.settings;
    let controller = match &settings.controller {
        ControllerChange::Keep => false,
        ControllerChange::Detach => link.controller.is_some(),
        ControllerChange::Attach(name) => link.controller.as_ref() != Some(name),
    };
    let mac = |mac: &String| {
        !link
            .mac
            .as_ref()
            .is_some_and(|now| now.eq_ignore_ascii_case(mac))
    };
    let loses_ipv6 =
        |mtu: u32| mtu != link.mtu && (mtu < IPV6_LEAST_MTU || link.mtu < IPV6_LEAST_MTU);
    let disturbed = controller
        || settings.up.is_some_and(|up| up != link.up)
        || settings.mac.as_ref().is_some_and(mac)
        || settings.arp.is_some_and(|arp| arp != link.arp)
        || settings.mtu.is_some_and(loses_ipv6)
        || (settings.address_generation.is_some()
            && settings.address_generation != link.address_generation)
        || change
            .new_name
            .as_ref()
            .is_some_and(|name| *name != link.name)
        || change.kind.as_ref().is_some_and(|kind| {
            !matches!(kind, Kind::Bridge(_) | Kind::Wireguard(_)) && *kind != link.kind
        });
    if disturbed {
        Some(Reach::Whole)
    } else if settings.mtu.is_some_and(|mtu| mtu < link.mtu) {
        Some(Reach::Stacked)
    } else {
        None
    }
}

/// Whether a change of a bridge changes the VLANs of its ports.
pub fn changes_vlans(change: &LinkChange) -> bool {
    matches!(&change.kind, Some(Kind::Bridge(bridge))
        if bridge.vlan_filtering.is_some() || bridge.default_pvid.is_some() || bridge.vlan_protocol.is_some())
}
