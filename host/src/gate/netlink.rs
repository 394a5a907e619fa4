//! Netlink calls against a grant: which names, networks and tables a request concerns, and whether the grant covers them.

mod deletions;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::failure;
use super::grant::{Grant, NetlinkGrant};
use super::network::Network;
use super::pattern::any_matches;
use crate::backends::netlink as backend;
use crate::contract::netlink::{
    Address, ControllerChange, Kind, Link, Neighbour, Prefix, Request, Route, RouteScope,
    RouteType, Rule, RuleAction, UnknownAttribute,
};
use crate::contract::types::{Failure, FailureCode, Secret};
use crate::secrets::{SecretStore, of_link};
use deletions::Obstacle;

pub use deletions::Deletions;

/// A refusal, with what would have to be granted.
fn denied(what: &str, key: &str, value: &str) -> Failure {
    failure(
        FailureCode::Denied,
        format!(
            "the grant does not cover {what} {value:?}; to allow it, the operator adds it to netlink.{key}"
        ),
    )
}

fn invalid(message: String) -> Failure {
    failure(FailureCode::Invalid, message)
}

/// Names that the request concerns.
#[derive(Default)]
struct Concerns<'a> {
    /// Links that it changes, creates, names, or hangs something from.
    changes: Vec<&'a str>,
    /// Links that it stacks another one on.
    parents: Vec<&'a str>,
    /// Links that it only mentions.
    mentions: Vec<&'a str>,
}

fn parent(kind: &Kind) -> Option<&str> {
    backend::parent(kind)?.as_deref()
}

impl<'a> Concerns<'a> {
    fn kind(&mut self, kind: &'a Kind) {
        self.parents.extend(parent(kind));
        match kind {
            Kind::Veth(veth) => self.changes.extend(veth.peer.as_deref()),
            Kind::Bond(bond) => {
                self.changes
                    .extend(bond.primary.as_deref().filter(|name| !name.is_empty()));
            }
            _ => {}
        }
    }

    fn controller(&mut self, change: &'a ControllerChange) {
        if let ControllerChange::Attach(name) = change {
            self.changes.push(name);
        }
    }

    fn of(request: &'a Request) -> Self {
        let mut concerns = Self::default();
        match request {
            Request::CreateLink(spec) => {
                concerns.changes.push(&spec.name);
                concerns
                    .changes
                    .extend(spec.alternative_names.iter().map(String::as_str));
                concerns.kind(&spec.kind);
                concerns.controller(&spec.settings.controller);
            }
            Request::ChangeLink(change) => {
                concerns.changes.push(&change.link);
                concerns.changes.extend(change.new_name.as_deref());
                change.kind.iter().for_each(|kind| concerns.kind(kind));
                concerns.controller(&change.settings.controller);
            }
            Request::DeleteLink(name) => concerns.changes.push(name),
            Request::AddAlternativeName(name) | Request::DeleteAlternativeName(name) => {
                concerns
                    .changes
                    .extend([name.link.as_str(), name.name.as_str()]);
            }
            Request::PutAddress(address) | Request::DeleteAddress(address) => {
                concerns.changes.push(&address.link);
            }
            Request::AddRoute(route) | Request::PutRoute(route) | Request::DeleteRoute(route) => {
                concerns
                    .changes
                    .extend(route.next_hops.iter().filter_map(|hop| hop.link.as_deref()));
            }
            Request::AddRule(rule) | Request::DeleteRule(rule) => {
                concerns.mentions.extend(rule.input_link.as_deref());
                concerns.mentions.extend(rule.output_link.as_deref());
            }
            Request::PutNeighbour(neighbour) | Request::DeleteNeighbour(neighbour) => {
                concerns.changes.push(&neighbour.link);
            }
            Request::PutBridgeVlan(vlan) | Request::DeleteBridgeVlan(vlan) => {
                concerns.changes.push(&vlan.link);
            }
        }
        concerns
    }
}

/// Every link name that the requests mention; the gate looks them up, so that a grant is held against the kernel's own names.
pub fn names(requests: &[Request]) -> HashSet<&str> {
    requests
        .iter()
        .flat_map(|request| {
            let Concerns {
                changes,
                parents,
                mentions,
            } = Concerns::of(request);
            changes.into_iter().chain(parents).chain(mentions)
        })
        .collect()
}

/// The links that the requests change, or hang something from.
pub fn changed_links(requests: &[Request]) -> BTreeSet<&str> {
    requests
        .iter()
        .flat_map(|request| Concerns::of(request).changes)
        .collect()
}

/// Secrets that the request asks the host to put in place.
pub fn secrets(request: &Request) -> Vec<&Secret> {
    let kind = match request {
        Request::CreateLink(spec) => Some(&spec.kind),
        Request::ChangeLink(change) => change.kind.as_ref(),
        _ => None,
    };
    let Some(Kind::Wireguard(wireguard)) = kind else {
        return Vec::new();
    };
    let peers = wireguard
        .peers
        .iter()
        .flatten()
        .filter_map(|peer| peer.preshared_key.as_ref());
    wireguard.private_key.iter().chain(peers).collect()
}

/// Attributes without a name that the request sends.
fn unknown(request: &Request) -> Box<dyn Iterator<Item = &UnknownAttribute> + '_> {
    match request {
        Request::CreateLink(spec) => Box::new(spec.settings.unknown.iter()),
        Request::ChangeLink(change) => Box::new(change.settings.unknown.iter()),
        Request::AddRoute(route) | Request::PutRoute(route) | Request::DeleteRoute(route) => {
            let hops = route.next_hops.iter().flat_map(|hop| &hop.unknown);
            Box::new(route.unknown.iter().chain(hops))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// The table that the kernel takes a number for: 0 stands for main.
fn table_of(number: u32) -> u32 {
    const MAIN: u32 = 254;
    match number {
        0 => MAIN,
        number => number,
    }
}

/// Where a route stands: its destination as the kernel compares it, and its table. `None` for a destination that is no network.
fn place(route: &Route) -> Option<(Network, u32)> {
    let address = route.destination.address.parse().ok()?;
    let network = Network::around(address, route.destination.length)?;
    Some((network, table_of(route.table)))
}

/// The routes that requests may take the place of, or take away: those of the same destination in the same table.
pub fn at_stake(requests: &[Request]) -> Option<RouteScope> {
    let places: HashSet<_> = requests
        .iter()
        .filter_map(|request| match request {
            Request::PutRoute(route) | Request::DeleteRoute(route) => place(route),
            _ => None,
        })
        .collect();
    let networks: HashSet<_> = places.iter().map(|(network, _)| network).collect();
    let tables: HashSet<_> = places.iter().map(|(_, table)| *table).collect();
    let destinations = networks.into_iter().map(|network| Prefix {
        address: network.address().to_string(),
        length: network.length(),
    });
    let scope = RouteScope {
        families: Vec::new(),
        links: Vec::new(),
        tables: tables.into_iter().collect(),
        protocols: Vec::new(),
        destinations: destinations.collect(),
    };
    (!scope.destinations.is_empty()).then_some(scope)
}

/// The routes that lead over links which the grant does not cover, among those [`at_stake`]: for each place and metric the first such link;
/// without a metric, that of any.
pub struct Standing(HashMap<(Network, u32, Option<u32>), String>);

impl Standing {
    /// Sorts out what the kernel holds.
    pub fn of(routes: Vec<Route>, grant: &NetlinkGrant) -> Self {
        let mut found = HashMap::new();
        for route in routes {
            let Some((network, table)) = place(&route) else {
                continue;
            };
            let metric = metric(&route);
            let links = route.next_hops.into_iter().filter_map(|hop| hop.link);
            let foreign = links
                .into_iter()
                .find(|link| !any_matches(&grant.change, link));
            if let Some(link) = foreign {
                found
                    .entry((network, table, None))
                    .or_insert_with(|| link.clone());
                found.entry((network, table, Some(metric))).or_insert(link);
            }
        }
        Self(found)
    }

    /// Somebody else's link that a route leads over which this one would take the place of, or take away.
    fn in_the_way(&self, route: &Route) -> Option<&str> {
        let (network, table) = place(route)?;
        // To be deleted, a metric of 0 is any.
        let metric = route.metric.filter(|metric| *metric != 0);
        let link = self.0.get(&(network, table, metric))?;
        Some(link)
    }
}

/// The metric that the kernel gives a route.
fn metric(route: &Route) -> u32 {
    const DEFAULT_OF_IPV6: u32 = 1024;
    match route.metric.unwrap_or(0) {
        0 if route.destination.address.contains(':') => DEFAULT_OF_IPV6,
        metric => metric,
    }
}

/// A grant, held against requests; `real` tells the kernel's own name of a link that is there.
pub struct Check<'a> {
    /// The whole grant, for its secrets.
    pub grant: &'a Grant,
    /// Its netlink part.
    pub netlink: &'a NetlinkGrant,
    /// From names and alternative names to the names that the kernel lists.
    pub real: &'a HashMap<String, String>,
    /// What there is of [`at_stake`].
    pub standing: &'a Standing,
    /// Which secrets were read where.
    pub store: &'a SecretStore,
    /// What goes when links are deleted.
    pub deletions: &'a Deletions,
}

impl Check<'_> {
    /// Whether the grant covers a request whole.
    ///
    /// # Errors
    /// `denied`, with what would have to be granted; `invalid` for an address that is none.
    pub fn request(&self, request: &Request) -> Result<(), Failure> {
        let concerns = Concerns::of(request);
        for name in concerns.changes {
            self.changes(name)?;
        }
        for name in concerns.parents {
            let real = self.real(name);
            if !any_matches(&self.netlink.change, real) && !any_matches(&self.netlink.parents, real)
            {
                return Err(denied("stacking a link on", "parents", real));
            }
        }
        for name in concerns.mentions {
            if !sees(self.netlink, self.real(name)) {
                return Err(denied("the link", "see", name));
            }
        }
        self.secrets(request)?;
        if let Some(attribute) = unknown(request).next()
            && !self.netlink.unknown_attributes
        {
            let place = &attribute.place;
            return Err(denied("the unknown attribute", "unknown_attributes", place));
        }
        match request {
            Request::CreateLink(spec) => {
                let kind = kind_name(&spec.kind);
                if !any_matches(&self.netlink.kinds, kind) {
                    return Err(denied("creating links of the kind", "kinds", kind));
                }
                match &spec.kind {
                    // It leads all traffic of its ports there.
                    Kind::Vrf(vrf) => self.table(vrf.table),
                    _ => Ok(()),
                }
            }
            Request::DeleteLink(name) => self.deletion(name),
            Request::PutAddress(address) | Request::DeleteAddress(address) => self.address(address),
            Request::AddRoute(route) => self.route(route),
            Request::PutRoute(route) | Request::DeleteRoute(route) => {
                self.route(route)?;
                self.standing(route)
            }
            Request::AddRule(rule) | Request::DeleteRule(rule) => self.rule(rule),
            Request::PutNeighbour(neighbour) | Request::DeleteNeighbour(neighbour) => {
                self.network(&neighbour.address, None)
            }
            _ => Ok(()),
        }
    }

    /// A secret that is named must be granted; a fingerprint alone puts back what the link had.
    fn secrets(&self, request: &Request) -> Result<(), Failure> {
        let link = match request {
            Request::CreateLink(spec) => &spec.name,
            Request::ChangeLink(change) => self.real(&change.link),
            _ => return Ok(()),
        };
        for secret in secrets(request) {
            match (&secret.name, &secret.fingerprint) {
                (Some(name), _) if !any_matches(&self.grant.secrets, name) => {
                    return Err(denied("the secret", "secrets (beside netlink)", name));
                }
                (None, Some(fingerprint))
                    if !self.grant.covers_all_secrets()
                        && !self.store.was_at(fingerprint, &of_link(link)) =>
                {
                    let message = format!(
                        "the secret with the fingerprint {fingerprint:?} was not read from the link {link:?}, to which alone it may be put back; to \
                         allow it anywhere, the operator adds \"*\" to secrets (beside netlink)"
                    );
                    return Err(failure(FailureCode::Denied, message));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn real<'n>(&'n self, name: &'n str) -> &'n str {
        self.real.get(name).map_or(name, String::as_str)
    }

    /// The name as it was written and the link that it leads to must both be covered.
    fn changes(&self, name: &str) -> Result<(), Failure> {
        let real = self.real(name);
        if any_matches(&self.netlink.change, real)
            && (real != name || any_matches(&self.netlink.change, name))
        {
            Ok(())
        } else {
            Err(denied("changes to the link", "change", real))
        }
    }

    /// With a link the kernel deletes what is stacked on it, and of a veth pair both ends.
    fn deletion(&self, name: &str) -> Result<(), Failure> {
        if self.deletions.is_renamed(name) {
            return Err(invalid(format!(
                "link {name:?} got this name in the same batch: what goes with it cannot be looked up; delete it in a call of its own"
            )));
        }
        let Some(why) = self.deletions.obstacle(self.real(name)) else {
            return Ok(());
        };
        Err(match why {
            Obstacle::Uncovered(link) => denied(
                &format!("the deletion of {name:?}, with which goes the link"),
                "change",
                link,
            ),
            Obstacle::Beyond(link) => failure(
                FailureCode::Denied,
                format!(
                    "the other end of the veth {link:?} lies in another network namespace and would go with it; who works in that namespace deletes it there"
                ),
            ),
        })
    }

    fn network(&self, address: &str, length: Option<u8>) -> Result<(), Failure> {
        let parsed: IpAddr = address
            .parse()
            .map_err(|_| invalid(format!("{address:?} is no IP address")))?;
        let longest = if parsed.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(longest);
        if self
            .netlink
            .networks
            .iter()
            .any(|network| network.contains(parsed, length))
        {
            Ok(())
        } else {
            Err(denied(
                "the network",
                "networks",
                &format!("{address}/{length}"),
            ))
        }
    }

    /// With an address come the kernel's own routes (`fib_add_ifaddr`, `inet6_addr_add`), so what those lead to must be covered: the whole
    /// network of the address, in IPv4 that of the peer if there is one, and the broadcast address.
    fn address(&self, address: &Address) -> Result<(), Failure> {
        let is_ipv6 = address.address.contains(':');
        // In IPv4 a network without a route of its own still gets one for its broadcast address. The kernel makes temporary addresses of the
        // whole network.
        let alone = is_ipv6 && address.no_prefix_route && !address.manage_temporary;
        let length = (!alone).then_some(address.prefix_length);
        match &address.peer {
            None => self.network(&address.address, length)?,
            Some(peer) if is_ipv6 => {
                self.network(&address.address, length)?;
                self.network(peer, None)?;
            }
            Some(peer) => {
                self.network(&address.address, None)?;
                self.network(peer, length)?;
            }
        }
        match &address.broadcast {
            // It is everybody's.
            Some(broadcast) if broadcast != "255.255.255.255" => self.network(broadcast, None),
            _ => Ok(()),
        }
    }

    fn route(&self, route: &Route) -> Result<(), Failure> {
        if let Some(source) = &route.source {
            self.network(&source.address, Some(source.length))?;
        }
        self.table(route.table)?;
        self.network(&route.destination.address, Some(route.destination.length))?;
        // Where a hop names no link, the kernel finds one, whoever's that is; a route to be deleted that names no hop is any.
        let leads_nowhere = matches!(
            route.route_type,
            RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
        );
        let hops = &route.next_hops;
        let open = match hops.is_empty() {
            true => !leads_nowhere,
            false => hops.iter().any(|hop| hop.link.is_none()),
        };
        if open && !self.netlink.covers_all_links() {
            let message = format!(
                "the grant covers some links only: the route to {}/{} must name the link of each next hop",
                route.destination.address, route.destination.length
            );
            return Err(failure(FailureCode::Denied, message));
        }
        Ok(())
    }

    /// A route that leads over somebody else's link is not replaced or deleted by one of the same identity.
    fn standing(&self, route: &Route) -> Result<(), Failure> {
        match self.standing.in_the_way(route) {
            Some(link) => Err(denied("changes to the link", "change", link)),
            None => Ok(()),
        }
    }

    fn rule(&self, rule: &Rule) -> Result<(), Failure> {
        if !self.netlink.rules {
            return Err(denied("routing rules", "rules", "true"));
        }
        match rule.action {
            RuleAction::Lookup(0) if rule.l3mdev => Ok(()),
            // The kernel takes it for a free table when it adds a rule, for any when it deletes one.
            RuleAction::Lookup(0) => Err(invalid(
                "a rule looks up a table by its number, not 0".into(),
            )),
            RuleAction::Lookup(table) => self.table(table),
            _ => Ok(()),
        }
    }

    fn table(&self, table: u32) -> Result<(), Failure> {
        let table = table_of(table);
        if self
            .netlink
            .tables
            .iter()
            .any(|range| range.contains(table))
        {
            Ok(())
        } else {
            Err(denied("the routing table", "tables", &table.to_string()))
        }
    }
}

/// Whether reads show a link.
pub fn sees(grant: &NetlinkGrant, name: &str) -> bool {
    any_matches(&grant.see, name) || any_matches(&grant.change, name)
}

/// A link as the grant shows it: hidden relations are absent. `None` for a hidden link.
pub fn show_link(grant: &NetlinkGrant, mut link: Link) -> Option<Link> {
    if !sees(grant, &link.name) {
        return None;
    }
    let hide = |name: &mut Option<String>| {
        if name.as_deref().is_some_and(|name| !sees(grant, name)) {
            *name = None;
        }
    };
    hide(&mut link.controller);
    match &mut link.kind {
        Kind::Veth(veth) => {
            hide(&mut veth.peer);
            veth.peer_index = veth.peer_index.filter(|_| veth.peer.is_some());
        }
        kind => {
            if let Some(parent) = backend::parent_mut(kind) {
                hide(parent);
            }
        }
    }
    Some(link)
}

/// Whether reads show a route: its table, and every link that it uses.
pub fn sees_route(grant: &NetlinkGrant, route: &Route) -> bool {
    grant.tables.iter().any(|range| range.contains(route.table))
        && route
            .next_hops
            .iter()
            .filter_map(|hop| hop.link.as_deref())
            .all(|link| sees(grant, link))
}

/// Whether reads show a rule: every link that it mentions.
pub fn sees_rule(grant: &NetlinkGrant, rule: &Rule) -> bool {
    [&rule.input_link, &rule.output_link]
        .into_iter()
        .flatten()
        .all(|link| sees(grant, link))
}

/// Whether reads show a neighbour: its link.
pub fn sees_neighbour(grant: &NetlinkGrant, neighbour: &Neighbour) -> bool {
    sees(grant, &neighbour.link)
}

/// The kernel's word for a kind.
pub fn kind_name(kind: &Kind) -> &str {
    match kind {
        Kind::Ethernet => "ethernet",
        Kind::Loopback => "loopback",
        other => backend::word(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
