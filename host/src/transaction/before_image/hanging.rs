//! What hangs from links: addresses, neighbours, VLANs, and the routes that go with them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::routes::{Following, any_route};
use super::{Capture, bridges_with_other_vlans};
use crate::contract::netlink::{
    Address, Family, Kind, Link, NeighbourState, Port, Route, RouteScope,
};
use crate::contract::types::{Failure, FailureCode};
use crate::transaction::footprint::{AddressRequest, Footprint, Reach};
use crate::transaction::images::{
    AddressKey, NeighbourKey, NetworkKey, VlanKey, is_ipv6, network, single_vlans,
};

/// Unspecified, boot, static, DHCP: routes of people and their tools, as against those of routing daemons (rtnetlink(7)).
const OPERATORS_PROTOCOLS: [u8; 4] = [0, 3, 4, 16];

impl Capture<'_> {
    /// Images what hangs from links: addresses, neighbours, VLANs, and routes through links that are disturbed.
    pub(super) async fn hanging(
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
            let named: HashSet<&AddressKey> = requests.iter().map(|request| &request.key).collect();
            let (taken, without_ipv4) = taken_along(requests, addresses.iter().map(|(key, _)| key));
            if without_ipv4 {
                bare.push(link.clone());
            }
            let Some(owner) = self.owner(link) else {
                continue;
            };
            let mut first: HashMap<NetworkKey, &AddressKey> = HashMap::new();
            for (key, _) in addresses.iter().filter(|(key, _)| !is_ipv6(&key.address)) {
                let key_of_owner = AddressKey {
                    link: owner.clone(),
                    ..key.clone()
                };
                first.entry(key_of_owner.network()).or_insert(key);
            }
            for (key, address) in addresses {
                let named = named.contains(key);
                if address.kernel_made && !named && self.touched.contains(&owner) {
                    continue;
                }
                if whole.contains(link) || named || taken.contains(key) {
                    let key = AddressKey {
                        link: owner.clone(),
                        ..key.clone()
                    };
                    let network = key.network();
                    if let Some(first) = first
                        .get(&network)
                        .filter(|_| !self.images.primaries.contains(&network))
                    {
                        self.new
                            .primaries
                            .insert(network, Some(first.address.clone()));
                    }
                    let image = Address {
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
            let Some(link) = self.bearer(&request.key.link) else {
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
        let whole: HashSet<&String> = whole.iter().collect();
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
            let Some(link) = self.bearer(&key.link) else {
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
        let whole: HashSet<&String> = whole.iter().collect();
        let changed = bridges_with_other_vlans(footprint);
        let asked: HashSet<&String> = footprint.vlans.iter().map(|vlan| &vlan.link).collect();
        let concerned = self.links.iter().filter(|link| {
            let filters =
                matches!(link.kind, Kind::Bridge(_)) || matches!(link.port, Some(Port::Bridge(_)));
            let bridge_changes = changed.contains(&link.name)
                || link
                    .controller
                    .as_ref()
                    .is_some_and(|bridge| changed.contains(bridge));
            (filters && (whole.contains(&link.name) || bridge_changes))
                || asked.contains(&link.name)
        });
        let links: BTreeSet<String> = concerned.map(|link| link.name.clone()).collect();
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
            let link = self.link(name)?;
            let bridge = link.controller.as_ref().unwrap_or(name);
            let id = self.link(bridge).and_then(default_vlan).unwrap_or(1);
            (id != 0).then(|| VlanKey {
                link: name.clone(),
                on_bridge: bridge == name,
                id,
            })
        });
        for key in named.chain(default).collect::<Vec<_>>() {
            let Some(link) = self.bearer(&key.link) else {
                continue;
            };
            let key = VlanKey { link, ..key };
            if !self.images.vlans.contains(&key) {
                self.new.vlans.insert(key, None);
            }
        }
        Ok(())
    }
}

fn default_vlan(bridge: &Link) -> Option<u16> {
    match &bridge.kind {
        Kind::Bridge(bridge) => bridge.default_pvid,
        _ => None,
    }
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
