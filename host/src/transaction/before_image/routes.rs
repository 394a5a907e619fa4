//! Routes and rules.

use std::collections::{BTreeSet, HashSet};

use super::Capture;
use crate::contract::netlink::{Family, Prefix, Route, RouteScope, RouteType};
use crate::contract::types::Failure;
use crate::transaction::footprint::Footprint;
use crate::transaction::images::{PROTOCOL_KERNEL, RouteKey};

impl Capture<'_> {
    /// Images routes that requests name.
    pub(super) async fn routes(&mut self, footprint: &Footprint) -> Result<(), Failure> {
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

    pub(super) async fn keep_routes(
        &mut self,
        scope: &RouteScope,
        following: Following,
        keep: impl Fn(&Route) -> bool,
    ) -> Result<(), Failure> {
        for mut route in self.kernel.routes(scope).await? {
            if !keep(&route) || (following == Following::Skip && follows_an_address(&route)) {
                continue;
            }
            let nothing_before = |link: &String| self.owner(link).is_none();
            if route
                .next_hops
                .iter()
                .filter_map(|hop| hop.link.as_ref())
                .any(nothing_before)
            {
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
            let key = RouteKey::of(&route);
            if !self.images.routes.contains(&key) {
                self.new.routes.insert(key, Some(route));
            }
        }
        Ok(())
    }

    pub(super) async fn rules(&mut self, footprint: &Footprint) -> Result<(), Failure> {
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
pub(super) enum Following {
    /// Nobody asked for them.
    Skip,
    /// A request names them.
    Keep,
}

/// The scope of all routes.
pub(in crate::transaction) fn any_route() -> RouteScope {
    RouteScope {
        families: Vec::new(),
        links: Vec::new(),
        tables: Vec::new(),
        protocols: Vec::new(),
        destinations: Vec::new(),
    }
}

/// Local, broadcast and multicast routes of the kernel come and go with the address.
fn follows_an_address(route: &Route) -> bool {
    use RouteType::{Anycast, Broadcast, Local, Multicast};
    route.protocol == PROTOCOL_KERNEL
        && matches!(route.route_type, Local | Broadcast | Anycast | Multicast)
}
