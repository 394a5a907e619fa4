//! Reads what a batch of requests may change, before it is sent.
//!
//! What is read is bounded by what the batch concerns, in a handful of reads however many requests there are. Where the kernel takes
//! other objects along (a link's addresses and routes when it goes down, the secondaries of a deleted primary address), they are imaged
//! too. One thing is left to others: routes of routing daemons that prefer a deleted address as their source and do not go through its
//! link. The daemon hears of their end and puts them back, and finding them would mean reading a million routes for each address.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::footprint::{AddressRequest, Footprint, Reach, changes_vlans, reach};
use super::images::{
    AddressKey, AlternativeNameKey, Images, NeighbourKey, PROTOCOL_KERNEL, RouteKey, VlanKey,
    is_ipv6, network, single_vlans,
};
use super::link_names::{Names, can_have_ports, parent, peer};
use crate::backends::netlink::Kernel;
use crate::contract::netlink::{
    Family, Kind, Link, LinkSelector, NeighbourState, Port, Prefix, Request, Route, RouteScope,
    RouteType,
};
use crate::contract::types::{Failure, FailureCode};

/// Unspecified, boot, static, DHCP: routes of people and their tools, as against those of routing daemons (rtnetlink(7)).
const OPERATORS_PROTOCOLS: [u8; 4] = [0, 3, 4, 16];

/// Reads the images of what `requests` may change that `images` does not hold yet, adds them to `images`, and returns them: they must be
/// durable before the requests are sent.
///
/// # Errors
/// Of the kernel. Then nothing has been added.
pub async fn capture(
    kernel: &dyn Kernel,
    requests: &[Request],
    images: &mut Images,
) -> Result<Images, Failure> {
    let footprint = Footprint::of(requests);
    let touched = images.links.iter().map(|(name, _)| name.clone()).collect();
    let new_addresses = images.addresses.iter().filter(|(_, was)| was.is_none());
    let new_networks = new_addresses
        .map(|(key, _)| {
            (
                key.link.clone(),
                network(&key.address, key.prefix_length),
                key.prefix_length,
            )
        })
        .collect();
    let mut capture = Capture {
        kernel,
        images,
        touched,
        new_networks,
        new: Images::default(),
        links: Vec::new(),
        names: Names::default(),
    };
    let reached = capture.links(&footprint).await?;
    capture.hanging(&footprint, &reached).await?;
    capture.routes(&footprint).await?;
    capture.rules(&footprint).await?;
    let new = capture.new;
    images.merge(new.clone());
    Ok(new)
}

struct Capture<'a> {
    kernel: &'a dyn Kernel,
    images: &'a Images,
    /// Links that an earlier batch of this transaction touched: what the kernel has made on them may be that batch's doing.
    touched: HashSet<String>,
    /// Networks of addresses that an earlier batch added: their routes are new too.
    new_networks: HashSet<(String, String, u8)>,
    new: Images,
    /// What has been read of links.
    links: Vec<Link>,
    names: Names,
}

impl Capture<'_> {
    /// Reads and images links, and finds how far what happens to them reaches, by the names that they have now.
    async fn links(&mut self, footprint: &Footprint) -> Result<BTreeMap<String, Reach>, Failure> {
        let mut named: BTreeSet<String> = footprint.links.clone();
        named.extend(footprint.addresses.keys().cloned());
        named.extend(footprint.neighbours.iter().map(|key| key.link.clone()));
        named.extend(footprint.vlans.iter().map(|vlan| vlan.link.clone()));
        let mut selectors: Vec<_> = named.into_iter().map(LinkSelector::Name).collect();
        selectors.extend(self.images.renamed.iter().copied().map(LinkSelector::Index));
        self.read_links(&selectors).await?;

        let mut reached: BTreeMap<String, Reach> = BTreeMap::new();
        let mut frontier: Vec<(String, Reach)> = Vec::new();
        for name in &footprint.deleted {
            frontier.push((name.clone(), Reach::Deleted));
        }
        for (name, change) in &footprint.changes {
            let Some(link) = self.links.iter().find(|link| link.name == *name) else {
                continue;
            };
            frontier.extend(reach(link, change).map(|reach| (name.clone(), reach)));
            if change.new_name.is_some() {
                self.new.renamed.push(link.index);
            }
        }
        let mut vlan_bridges: Vec<_> = footprint
            .changes
            .iter()
            .filter(|(_, change)| changes_vlans(change))
            .map(|(name, _)| LinkSelector::Controller(name.clone()))
            .collect();
        while !frontier.is_empty() || !vlan_bridges.is_empty() {
            let mut selectors = std::mem::take(&mut vlan_bridges);
            let mut latest: HashMap<String, Reach> = HashMap::new();
            for (name, reach) in frontier.drain(..) {
                if reached.get(&name).is_some_and(|earlier| *earlier >= reach) {
                    continue;
                }
                let Some(link) = self.links.iter().find(|link| link.name == name) else {
                    continue;
                };
                selectors.push(LinkSelector::Parent(name.clone()));
                if reach == Reach::Deleted {
                    selectors
                        .extend(peer(&link.kind).map(|peer| LinkSelector::Name(peer.to_owned())));
                    if can_have_ports(&link.kind) {
                        selectors.push(LinkSelector::Controller(name.clone()));
                    }
                }
                reached.insert(name.clone(), reach);
                latest.insert(name, reach);
            }
            self.read_links(&selectors).await?;
            for link in &self.links {
                if let Some(reach) = parent(&link.kind).and_then(|parent| latest.get(parent)) {
                    frontier.push((link.name.clone(), *reach));
                }
                let is_deleted = |name: Option<&str>| {
                    name.and_then(|name| latest.get(name)) == Some(&Reach::Deleted)
                };
                if is_deleted(peer(&link.kind)) {
                    frontier.push((link.name.clone(), Reach::Deleted));
                }
                if is_deleted(link.controller.as_deref()) {
                    frontier.push((link.name.clone(), Reach::Whole));
                }
            }
        }

        self.names = Names::of(self.images, &self.links);
        for link in &self.links {
            let touched = footprint.links.contains(&link.name) || reached.contains_key(&link.name);
            let of_vlan_bridge = footprint.changes.iter().any(|(name, change)| {
                link.controller.as_ref() == Some(name) && changes_vlans(change)
            });
            if (touched || of_vlan_bridge) && !self.names.is_stray(&link.name) {
                let mut image = link.clone();
                self.names.translate_link(&mut image);
                if !self.images.links.contains(&image.name) {
                    self.new.links.insert(image.name.clone(), Some(image));
                }
            }
        }
        for key in &footprint.alternative_names {
            let Some(link) = self.links.iter().find(|link| link.name == key.link) else {
                continue;
            };
            let Some(owner) = self.owner(&key.link) else {
                continue;
            };
            let was = link.alternative_names.contains(&key.name).then_some(true);
            let key = AlternativeNameKey {
                link: owner,
                name: key.name.clone(),
            };
            if !self.images.alternative_names.contains(&key) {
                self.new.alternative_names.insert(key, was);
            }
        }
        for name in &footprint.links {
            let exists = self.links.iter().any(|link| link.name == *name);
            if !exists && !self.images.links.contains(name) {
                self.new.links.insert(name.clone(), None);
            }
        }
        Ok(reached)
    }

    async fn read_links(&mut self, selectors: &[LinkSelector]) -> Result<(), Failure> {
        // No selector would mean all links.
        if selectors.is_empty() {
            return Ok(());
        }
        let mut known: HashSet<u32> = self.links.iter().map(|link| link.index).collect();
        for link in self.kernel.links(selectors).await? {
            if known.insert(link.index) {
                self.links.push(link);
            }
        }
        Ok(())
    }

    /// The name from before of a link on which something may have been before.
    fn owner(&self, current: &str) -> Option<String> {
        let original = self.names.original(current);
        let absent = self.images.was_absent(original) || self.new.was_absent(original);
        (!absent && !self.names.is_stray(current)).then(|| original.to_owned())
    }

    fn exists(&self, name: &str) -> bool {
        self.links.iter().any(|link| link.name == name)
    }

    /// Images what hangs from links: addresses, neighbours, VLANs, and routes through links that are disturbed.
    async fn hanging(
        &mut self,
        footprint: &Footprint,
        reached: &BTreeMap<String, Reach>,
    ) -> Result<(), Failure> {
        let whole: Vec<String> = reached
            .iter()
            .filter(|(name, reach)| {
                **reach >= Reach::Whole
                    && self
                        .owner(name)
                        .is_some_and(|owner| !self.images.whole.contains(&owner))
            })
            .map(|(name, _)| name.clone())
            .collect();
        let through = self.addresses(footprint, &whole).await?;
        self.neighbours(footprint, &whole).await?;
        self.vlans(footprint, &whole).await?;
        for name in &whole {
            if let Some(owner) = self.owner(name) {
                let untouched = !self.touched.contains(&owner);
                self.new.whole.insert(owner, Some(untouched));
            }
        }
        if !whole.is_empty() {
            let scope = RouteScope {
                links: whole,
                ..any_route()
            };
            self.keep_routes(&scope, Following::Skip, |_| true).await?;
        }
        if !through.is_empty() {
            let scope = RouteScope {
                families: vec![Family::Ipv4],
                links: through,
                ..any_route()
            };
            self.keep_routes(&scope, Following::Skip, |_| true).await?;
        }
        Ok(())
    }

    /// Images addresses. Returns the links that may be without an IPv4 address for a while: they lose their IPv4 routes.
    async fn addresses(
        &mut self,
        footprint: &Footprint,
        whole: &[String],
    ) -> Result<Vec<String>, Failure> {
        let mut links: BTreeSet<String> = whole.iter().cloned().collect();
        links.extend(
            footprint
                .addresses
                .keys()
                .filter(|name| self.exists(name))
                .cloned(),
        );
        let found = match Vec::from_iter(links) {
            links if links.is_empty() => Vec::new(),
            links => self.kernel.addresses(&links).await?,
        };
        let mut bare = Vec::new();
        let mut gone = HashSet::new();
        let whole: HashSet<&String> = whole.iter().collect();
        let mut by_link: HashMap<String, Vec<(AddressKey, _)>> = HashMap::new();
        for address in found {
            by_link
                .entry(address.link.clone())
                .or_default()
                .push((AddressKey::of(&address), address));
        }
        for (link, addresses) in &by_link {
            let requests = footprint.addresses.get(link).map_or(&[][..], Vec::as_slice);
            let (taken, without_ipv4) = taken_along(requests, addresses.iter().map(|(key, _)| key));
            if without_ipv4 {
                bare.push(link.clone());
            }
            let Some(owner) = self.owner(link) else {
                continue;
            };
            for (key, address) in addresses {
                let named = requests.iter().any(|request| request.key == *key);
                if address.kernel_made && !named && self.touched.contains(&owner) {
                    continue;
                }
                if whole.contains(link) || named || taken.contains(key) {
                    let key = AddressKey {
                        link: owner.clone(),
                        ..key.clone()
                    };
                    let image = crate::contract::netlink::Address {
                        link: owner.clone(),
                        ..address.clone()
                    };
                    if !self.images.addresses.contains(&key) {
                        self.new.addresses.insert(key, Some(image));
                    }
                }
            }
            gone.extend(taken.into_iter().map(|key| key.address));
        }
        for request in footprint.addresses.values().flatten() {
            let Some(link) = self.owner(&request.key.link) else {
                continue;
            };
            if request.delete {
                gone.insert(request.key.address.clone());
            }
            let key = AddressKey {
                link,
                ..request.key.clone()
            };
            if !self.images.addresses.contains(&key) {
                self.new.addresses.insert(key, None);
            }
        }
        if !gone.is_empty() {
            let families = [(Family::Ipv4, false), (Family::Ipv6, true)];
            let families = families
                .into_iter()
                .filter(|(_, v6)| gone.iter().any(|address| is_ipv6(address) == *v6))
                .map(|(family, _)| family)
                .collect();
            let scope = RouteScope {
                families,
                protocols: OPERATORS_PROTOCOLS.to_vec(),
                ..any_route()
            };
            let prefers = |route: &Route| {
                route
                    .preferred_source
                    .as_ref()
                    .is_some_and(|source| gone.contains(source))
            };
            self.keep_routes(&scope, Following::Skip, prefers).await?;
        }
        Ok(bare)
    }

    async fn neighbours(&mut self, footprint: &Footprint, whole: &[String]) -> Result<(), Failure> {
        let mut links: BTreeSet<String> = whole.iter().cloned().collect();
        let named: HashSet<&NeighbourKey> = footprint.neighbours.iter().collect();
        links.extend(
            named
                .iter()
                .map(|key| key.link.clone())
                .filter(|name| self.exists(name)),
        );
        if !links.is_empty() {
            for mut entry in self.kernel.neighbours(&Vec::from_iter(links)).await? {
                let key = NeighbourKey::of(&entry);
                // Learnt entries come and go by themselves; NOARP ones are the kernel's own unless somebody names them.
                let lasting = entry.proxy
                    || entry.state == NeighbourState::Permanent
                    || (entry.state == NeighbourState::NoArp && named.contains(&key));
                let Some(owner) = self.owner(&entry.link).filter(|_| lasting) else {
                    continue;
                };
                if !named.contains(&key) && !whole.contains(&entry.link) {
                    continue;
                }
                entry.link.clone_from(&owner);
                let key = NeighbourKey { link: owner, ..key };
                if !self.images.neighbours.contains(&key) {
                    self.new.neighbours.insert(key, Some(entry));
                }
            }
        }
        for key in &footprint.neighbours {
            let Some(link) = self.owner(&key.link) else {
                continue;
            };
            let key = NeighbourKey {
                link,
                ..key.clone()
            };
            if !self.images.neighbours.contains(&key) {
                self.new.neighbours.insert(key, None);
            }
        }
        Ok(())
    }

    /// Images VLANs: of a port or bridge all or none, because one that becomes the port's own (PVID) takes that from another.
    async fn vlans(&mut self, footprint: &Footprint, whole: &[String]) -> Result<(), Failure> {
        let mut links: BTreeSet<String> = BTreeSet::new();
        for link in &self.links {
            let filters =
                matches!(link.kind, Kind::Bridge(_)) || matches!(link.port, Some(Port::Bridge(_)));
            let bridge_changes = footprint.changes.iter().any(|(name, change)| {
                (link.name == *name || link.controller.as_ref() == Some(name))
                    && changes_vlans(change)
            });
            let named = footprint.vlans.iter().any(|vlan| vlan.link == link.name);
            if (filters && (whole.contains(&link.name) || bridge_changes)) || named {
                links.insert(link.name.clone());
            }
        }
        if links.is_empty() {
            return Ok(());
        }
        let links = Vec::from_iter(links);
        let found = match self.kernel.bridge_vlans(&links).await {
            Err(Failure {
                code: FailureCode::Unsupported,
                ..
            }) => Vec::new(),
            answer => answer?,
        };
        for mut range in found {
            let Some(owner) = self.owner(&range.link) else {
                continue;
            };
            range.link = owner;
            for (key, vlan) in single_vlans(&range) {
                if !self.images.vlans.contains(&key) {
                    self.new.vlans.insert(key, Some(vlan));
                }
            }
        }
        let named = footprint
            .vlans
            .iter()
            .flat_map(|range| single_vlans(range).map(|(key, _)| key));
        // Becoming a port again gives it the bridge's default VLAN, whether it had that before or not.
        let default = links.iter().filter_map(|name| {
            let link = self.links.iter().find(|link| link.name == *name)?;
            let bridge = link.controller.as_ref().unwrap_or(name);
            let id = self
                .links
                .iter()
                .find(|link| link.name == *bridge)
                .and_then(default_vlan)
                .unwrap_or(1);
            (id != 0).then(|| VlanKey {
                link: name.clone(),
                on_bridge: bridge == name,
                id,
            })
        });
        for key in named.chain(default).collect::<Vec<_>>() {
            let Some(link) = self.owner(&key.link) else {
                continue;
            };
            let key = VlanKey { link, ..key };
            if !self.images.vlans.contains(&key) {
                self.new.vlans.insert(key, None);
            }
        }
        Ok(())
    }

    /// Images routes that requests name.
    async fn routes(&mut self, footprint: &Footprint) -> Result<(), Failure> {
        if footprint.routes.is_empty() {
            return Ok(());
        }
        let tables: BTreeSet<u32> = footprint.routes.iter().map(|key| key.table).collect();
        let destinations: BTreeSet<(&str, u8)> = footprint
            .routes
            .iter()
            .map(|key| (key.destination.as_str(), key.length))
            .collect();
        let scope = RouteScope {
            tables: tables.into_iter().collect(),
            destinations: destinations
                .into_iter()
                .map(|(address, length)| Prefix {
                    address: address.to_owned(),
                    length,
                })
                .collect(),
            ..any_route()
        };
        let named: HashSet<&RouteKey> = footprint.routes.iter().collect();
        self.keep_routes(&scope, Following::Keep, |route| {
            let key = RouteKey::of(route);
            // A request says "this destination, metric and table" of whoever's route is there.
            let plain = RouteKey {
                link: None,
                ..key.clone()
            };
            let deleted = (key.destination.clone(), key.length, key.table);
            named.contains(&key)
                || named.contains(&plain)
                || footprint.any_metric.contains(&deleted)
        })
        .await?;
        for key in &footprint.routes {
            if !self.images.routes.contains(key) {
                self.new.routes.insert(key.clone(), None);
            }
        }
        Ok(())
    }

    async fn keep_routes(
        &mut self,
        scope: &RouteScope,
        following: Following,
        keep: impl Fn(&Route) -> bool,
    ) -> Result<(), Failure> {
        for mut route in self.kernel.routes(scope).await? {
            if !keep(&route) || (following == Following::Skip && follows_an_address(&route)) {
                continue;
            }
            self.names.translate_route(&mut route);
            let Prefix { address, length } = &route.destination;
            let may_be_new = |link: &String| {
                self.touched.contains(link)
                    || self
                        .new_networks
                        .contains(&(link.clone(), address.clone(), *length))
            };
            if following == Following::Skip
                && route.protocol == PROTOCOL_KERNEL
                && route
                    .next_hops
                    .iter()
                    .filter_map(|hop| hop.link.as_ref())
                    .any(may_be_new)
            {
                continue;
            }
            let new_link = |link: &str| self.images.was_absent(link) || self.new.was_absent(link);
            if route
                .next_hops
                .iter()
                .any(|hop| hop.link.as_deref().is_some_and(new_link))
            {
                continue;
            }
            let key = RouteKey::of(&route);
            if !self.images.routes.contains(&key) {
                self.new.routes.insert(key, Some(route));
            }
        }
        Ok(())
    }

    async fn rules(&mut self, footprint: &Footprint) -> Result<(), Failure> {
        if footprint.rules.is_empty() {
            return Ok(());
        }
        let unread: Vec<Family> = [Family::Ipv4, Family::Ipv6]
            .into_iter()
            .filter(|family| !self.images.rules.has(*family))
            .filter(|family| footprint.rules.iter().any(|rule| rule.family == *family))
            .collect();
        let rules = &mut self.new.rules;
        rules.touched.clone_from(&footprint.rules);
        if !unread.is_empty() {
            rules.before = self.kernel.rules(&unread).await?;
            rules.ipv4 = unread.contains(&Family::Ipv4);
            rules.ipv6 = unread.contains(&Family::Ipv6);
        }
        Ok(())
    }
}

/// What to do with routes of the kernel's own that come and go with an address.
#[derive(Clone, Copy, PartialEq)]
enum Following {
    /// Nobody asked for them.
    Skip,
    /// A request names them.
    Keep,
}

/// The scope of all routes.
pub(super) fn any_route() -> RouteScope {
    RouteScope {
        families: Vec::new(),
        links: Vec::new(),
        tables: Vec::new(),
        protocols: Vec::new(),
        destinations: Vec::new(),
    }
}

fn default_vlan(bridge: &Link) -> Option<u16> {
    match &bridge.kind {
        Kind::Bridge(bridge) => bridge.default_pvid,
        _ => None,
    }
}

/// Local, broadcast and multicast routes of the kernel come and go with the address.
fn follows_an_address(route: &Route) -> bool {
    use RouteType::{Anycast, Broadcast, Local, Multicast};
    route.protocol == PROTOCOL_KERNEL
        && matches!(route.route_type, Local | Broadcast | Anycast | Multicast)
}

/// What deletions take along: the secondaries of an IPv4 address (all others of its network; which one is the primary cannot be seen),
/// and whether the link may be without an IPv4 address in between.
fn taken_along<'a>(
    requests: &[AddressRequest],
    present: impl Iterator<Item = &'a AddressKey>,
) -> (HashSet<AddressKey>, bool) {
    let mut taken = HashSet::new();
    let mut without = false;
    if !requests
        .iter()
        .any(|request| request.delete && !is_ipv6(&request.key.address))
    {
        return (taken, without);
    }
    let mut left: Vec<AddressKey> = present
        .filter(|key| !is_ipv6(&key.address))
        .cloned()
        .collect();
    let net = |key: &AddressKey| (network(&key.address, key.prefix_length), key.prefix_length);
    for request in requests
        .iter()
        .filter(|request| !is_ipv6(&request.key.address))
    {
        if !request.delete {
            left.push(request.key.clone());
            continue;
        }
        left.retain(|key| {
            let goes = net(key) == net(&request.key);
            if goes && *key != request.key {
                taken.insert(key.clone());
            }
            !goes
        });
        without |= left.is_empty();
    }
    (taken, without)
}
