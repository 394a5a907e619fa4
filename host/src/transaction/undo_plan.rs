//! From what is to what was: the requests, in an order that works. Pure.
//!
//! A plan need not be complete: some things can be asked for only when others are there (a bond's primary port, routes through a link
//! that must come up first). The executor reads again and plans again until nothing is left or nothing helps.

mod addresses;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::images::Images;
use super::link_names::{can_be_created, parent, peer};
use super::link_restore::{
    Nameless, attach, change_request, create_request, is_another, second_end,
};
use super::same;
use super::undo_report::object_of;
use crate::contract::netlink::{AlternativeName, BridgeVlan, Link, LinkChange, Request, Route};
pub use addresses::other_primaries;

/// What is there of the imaged objects, under the names of before, and what was met beside them.
#[derive(Debug, Default)]
pub struct Now {
    /// The imaged objects, and all addresses of links that have an address imaged.
    pub images: Images,
    /// Names that imaged links have now, where they differ from those of before.
    pub renamed: HashMap<String, String>,
    /// Links that occupy a name of before.
    pub strays: Vec<Link>,
}

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insistence {
    /// Without disturbing what works.
    Gentle,
    /// Links are taken down for what some drivers and kernels refuse while they are up: a new name or MAC. Attributes without a name are given
    /// up where the kernel refused the object with them.
    TakeDown,
}

/// The requests that bring what is back to what was. `refused` are the kernel's words on the last requests, by object.
pub fn plan(
    before: &Images,
    now: &Now,
    insistence: Insistence,
    refused: &HashMap<String, String>,
) -> Vec<Request> {
    let mut plan = Plan {
        before,
        now,
        insistence,
        refused,
        requests: Vec::new(),
        changed: HashSet::new(),
    };
    plan.delete_links();
    plan.rename_links();
    plan.create_links();
    plan.change_links();
    plan.alternative_names();
    plan.addresses();
    plan.neighbours();
    plan.vlans();
    plan.routes();
    plan.rules();
    plan.requests
}

struct Plan<'a> {
    before: &'a Images,
    now: &'a Now,
    insistence: Insistence,
    refused: &'a HashMap<String, String>,
    requests: Vec<Request>,
    /// Links that this plan makes or changes: what the kernel makes on them may still come by itself.
    changed: HashSet<String>,
}

impl<'a> Plan<'a> {
    fn link_now(&self, name: &str) -> Option<&'a Link> {
        self.now.images.links.get(&name.to_owned()).flatten()
    }

    /// Whether the kernel takes an object back with the attributes that have no name, as far as it has said.
    fn nameless(&self, request: &Request) -> Nameless {
        /// What it says when something else is still missing: a way to the gateway, the link, its being up.
        const SURROUNDINGS: [&str; 4] = ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "ENODEV"];
        let words = self.refused.get(&object_of(request));
        let minds = words.is_some_and(|words| !SURROUNDINGS.iter().any(|it| words.contains(it)));
        match minds && self.insistence == Insistence::TakeDown {
            true => Nameless::StayAway,
            false => Nameless::GoBack,
        }
    }

    /// Whether what is there now must go for what was there.
    fn must_be_made_anew(&self, was: &Link, is: &Link) -> bool {
        is_another(self.before, was, is)
    }

    fn delete_links(&mut self) {
        let mut gone: HashSet<&str> = HashSet::new();
        // A stray has the name under which it stands here; the others are listed by their name of before.
        let strays = self
            .now
            .strays
            .iter()
            .map(|link| (link, link.name.as_str()));
        let wrong = self.before.links.iter().filter_map(|(name, was)| {
            let is = self.link_now(name)?;
            let current = self.now.renamed.get(name).unwrap_or(name).as_str();
            was.is_none_or(|was| self.must_be_made_anew(was, is))
                .then_some((is, current))
        });
        let doomed: Vec<(&Link, &str)> = strays.chain(wrong).collect();
        for (link, current) in doomed {
            // The other end of a pair goes with the first.
            if peer(&link.kind).is_some_and(|peer| gone.contains(peer)) {
                continue;
            }
            gone.insert(&link.name);
            self.requests.push(Request::DeleteLink(current.to_owned()));
        }
    }

    /// Whether a link of before is there and needs no more than changes.
    fn stays(&self, was: &Link) -> Option<&'a Link> {
        self.link_now(&was.name)
            .filter(|is| !self.must_be_made_anew(was, is))
    }

    fn rename_links(&mut self) {
        let mut moves: Vec<(&str, &str, u32)> = self
            .before
            .links
            .iter()
            .filter_map(|(name, was)| {
                let is = self.stays(was?)?;
                let current = self.now.renamed.get(name)?;
                Some((current.as_str(), name.as_str(), is.index))
            })
            .collect();
        moves.sort_unstable();
        let occupied: HashSet<&str> = moves.iter().map(|(current, ..)| *current).collect();
        let mut last = Vec::new();
        for (current, name, index) in moves {
            if self.insistence == Insistence::TakeDown {
                self.requests.push(attach::up(current, false));
            }
            let mut from = current.to_owned();
            if occupied.contains(name) {
                // Somebody who has the name will give it up only later: out of the way first.
                let aside = format!("undo{index}");
                self.requests.push(rename(&from, &aside));
                from = aside;
            }
            last.push(rename(&from, name));
            self.changed.insert(name.to_owned());
        }
        self.requests.extend(last);
    }

    fn create_links(&mut self) {
        let mut missing: Vec<&Link> = self
            .before
            .links
            .iter()
            .filter_map(|(_, was)| was.filter(|was| self.stays(was).is_none()))
            .collect();
        // What others need first: the one below, the controller. A ring cannot be; if there is one, the kernel says so.
        while !missing.is_empty() {
            let names: HashSet<&str> = missing.iter().map(|link| link.name.as_str()).collect();
            let waits = |link: &&Link| {
                let needs = [parent(&link.kind), link.controller.as_deref()];
                needs
                    .into_iter()
                    .flatten()
                    .any(|name| names.contains(name) && name != link.name)
            };
            let (later, ready): (Vec<&Link>, Vec<&Link>) = missing.iter().copied().partition(waits);
            let (later, ready) = if ready.is_empty() {
                (Vec::new(), later)
            } else {
                (later, ready)
            };
            for link in &ready {
                self.changed.insert(link.name.clone());
                let pair =
                    second_end(self.before, link).filter(|first| self.stays(first).is_none());
                if pair.is_none() {
                    let whole = create_request(link, Nameless::GoBack);
                    let nameless = self.nameless(&whole);
                    self.requests.push(create_request(link, nameless));
                }
            }
            // Both ends of a pair are there only now.
            for link in ready {
                let nameless = self.nameless(&create_request(link, Nameless::GoBack));
                self.requests.extend(attach::after_creation(
                    link,
                    second_end(self.before, link).is_some(),
                    nameless,
                ));
            }
            missing = later;
        }
    }

    fn change_links(&mut self) {
        for (name, was) in self.before.links.iter() {
            let Some(was) = was else { continue };
            let Some(is) = self.stays(was) else { continue };
            let nameless = self.nameless(&create_request(was, Nameless::GoBack));
            let requests = change_request(was, is, self.insistence, nameless);
            if !requests.is_empty() {
                self.changed.insert(name.clone());
            }
            self.requests.extend(requests);
        }
    }

    fn alternative_names(&mut self) {
        for (key, was) in self.before.alternative_names.iter() {
            let name = AlternativeName {
                link: key.link.clone(),
                name: key.name.clone(),
            };
            match (was, self.now.images.alternative_names.get(key).flatten()) {
                (Some(_), None) if !self.is_made_anew(&key.link) => {
                    self.requests.push(Request::AddAlternativeName(name));
                }
                (None, Some(_)) => self.requests.push(Request::DeleteAlternativeName(name)),
                _ => {}
            }
        }
    }

    /// Whether this plan creates a link of before.
    fn is_made_anew(&self, name: &str) -> bool {
        let was = self.before.links.get(&name.to_owned()).flatten();
        was.is_some_and(|was| self.stays(was).is_none())
    }

    /// Whether what the kernel makes on a link has had its chance to come back: nothing on the link is still to be changed.
    fn is_settled(&self, link: &str) -> bool {
        !self.changed.contains(link) && self.link_now(link).is_none_or(|link| link.up)
    }

    fn neighbours(&mut self) {
        for (key, was) in self.before.neighbours.iter() {
            let is = self
                .now
                .images
                .neighbours
                .get(key)
                .flatten()
                .filter(|_| !self.is_made_anew(&key.link));
            match (was, is) {
                (Some(was), Some(is)) if same::neighbour(was, is) => {}
                (Some(was), _) => self.requests.push(Request::PutNeighbour(was.clone())),
                (None, Some(is)) => self.requests.push(Request::DeleteNeighbour(is.clone())),
                (None, None) => {}
            }
        }
    }

    fn vlans(&mut self) {
        let mut wrong: Vec<BridgeVlan> = Vec::new();
        let mut missing: Vec<BridgeVlan> = Vec::new();
        for (key, was) in self.before.vlans.iter() {
            // A controller that is still to be set brings VLANs of its own: in the next round they are seen.
            let is = self
                .now
                .images
                .vlans
                .get(key)
                .flatten()
                .filter(|_| !self.is_made_anew(&key.link));
            match (was, is) {
                (Some(was), Some(is)) if was == is => {}
                (Some(was), _) => missing.push(was.clone()),
                (None, Some(is)) => wrong.push(is.clone()),
                (None, None) => {}
            }
        }
        // The port's own VLAN last: it takes that from another one.
        missing.sort_by_key(|vlan| (vlan.pvid, vlan.link.clone(), vlan.on_bridge, vlan.first));
        self.requests
            .extend(ranges(wrong).into_iter().map(Request::DeleteBridgeVlan));
        self.requests
            .extend(ranges(missing).into_iter().map(Request::PutBridgeVlan));
    }

    fn routes(&mut self) {
        let mut put: Vec<&Route> = Vec::new();
        for (key, was) in self.before.routes.iter() {
            let is = self.now.images.routes.get(key).flatten();
            match (was, is) {
                (Some(was), Some(is)) if same::route(was, is) => {
                    // What goes with its link or address in this very plan is seen as missing in the next round.
                }
                (Some(was), None) if same::follows(was) => {
                    let links = was.next_hops.iter().filter_map(|hop| hop.link.as_deref());
                    if links.into_iter().all(|link| self.is_settled(link)) {
                        put.push(was);
                    }
                }
                (Some(was), _) => put.push(was),
                (None, Some(is)) => self.requests.push(Request::DeleteRoute(is.clone())),
                (None, None) => {}
            }
        }
        // A gateway is reachable only through a route that is there already.
        put.sort_by_key(|route| {
            let gateways = route.next_hops.iter().filter(|hop| hop.gateway.is_some());
            let onlink = gateways.clone().all(|hop| hop.onlink);
            (
                gateways.count() > 0,
                !onlink,
                u8::MAX - route.destination.length,
            )
        });
        let put: Vec<Route> = put
            .into_iter()
            .map(|route| {
                let mut route = route.clone();
                if self.nameless(&Request::PutRoute(route.clone())) == Nameless::StayAway {
                    // A next hop object that went with its link is the likeliest.
                    let all = route.unknown.len();
                    route
                        .unknown
                        .retain(|attribute| attribute.place != same::NEXT_HOP_OBJECT);
                    if route.unknown.len() == all {
                        route.unknown.clear();
                        let hops = route.next_hops.iter_mut();
                        hops.for_each(|hop| hop.unknown.clear());
                    }
                }
                route
            })
            .collect();
        self.requests.extend(put.into_iter().map(|route| {
            // Replacing would take the same destination from another link: the kernel has one of its own for each.
            if same::follows(&route) {
                Request::AddRoute(route)
            } else {
                Request::PutRoute(route)
            }
        }));
    }

    fn rules(&mut self) {
        let (missing, wrong) = same::rules(&self.before.rules, &self.now.images.rules.before);
        self.requests
            .extend(missing.into_iter().cloned().map(Request::AddRule));
        self.requests
            .extend(wrong.into_iter().cloned().map(Request::DeleteRule));
    }
}

fn rename(from: &str, to: &str) -> Request {
    Request::ChangeLink(LinkChange {
        new_name: Some(to.to_owned()),
        ..attach::nothing(from)
    })
}

/// Single VLANs put together to ranges where they follow each other and are alike.
fn ranges(vlans: Vec<BridgeVlan>) -> Vec<BridgeVlan> {
    let mut ranges: Vec<BridgeVlan> = Vec::new();
    for vlan in vlans {
        match ranges.last_mut() {
            Some(last)
                if last.last + 1 == vlan.first
                    && !vlan.pvid
                    && BridgeVlan {
                        first: last.first,
                        last: last.last,
                        ..vlan.clone()
                    } == *last =>
            {
                last.last = vlan.last;
            }
            _ => ranges.push(vlan),
        }
    }
    ranges
}

/// Links of before whose index could not be given back: those that no request makes anew, hardware above all.
pub fn moved_indices<'a>(before: &'a Images, now: &'a Now) -> BTreeSet<(&'a str, u32, u32)> {
    before
        .links
        .iter()
        .filter_map(|(name, was)| {
            let (was, is) = (was?, now.images.links.get(name).flatten()?);
            (was.index != is.index && !can_be_created(&was.kind)).then_some((
                name.as_str(),
                was.index,
                is.index,
            ))
        })
        .collect()
}
