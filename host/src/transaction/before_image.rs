//! Reads what a batch of requests may change, before it is sent.
//!
//! What is read is bounded by what the batch concerns, in a handful of reads however many requests there are. Where the kernel takes
//! other objects along (a link's addresses and routes when it goes down, the secondaries of a deleted primary address), they are imaged
//! too. One thing is left to others: routes of routing daemons that prefer a deleted address as their source, while the link keeps another
//! one. The daemon hears of their end and puts them back, and finding them would mean reading a million routes for each address.

mod hanging;
mod routes;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::footprint::{Footprint, Reach, changes_vlans, reach};
use super::images::{AlternativeNameKey, Images, network};
use super::link_names::{Names, can_be_created, can_have_ports, parent, peer};
use crate::backends::netlink::Kernel;
use crate::contract::netlink::{Link, LinkSelector, Request};
use crate::contract::types::Failure;

pub(super) use routes::any_route;

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
    capture_for(Purpose::Transaction, kernel, requests, images).await
}

/// Why images are taken.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    /// To undo a transaction: what is on a link that the transaction has made was not there before.
    Transaction,
    /// To keep what others added from an undo: on whatever link of the name.
    Undo,
}

pub(super) async fn capture_for(
    purpose: Purpose,
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
        purpose,
        kernel,
        images,
        touched,
        new_networks,
        new: Images::default(),
        links: Vec::new(),
        by_name: HashMap::new(),
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
    purpose: Purpose,
    kernel: &'a dyn Kernel,
    images: &'a Images,
    /// Links that an earlier batch of this transaction touched: what the kernel has made on them may be that batch's doing.
    touched: HashSet<String>,
    /// Networks of addresses that an earlier batch added: their routes are new too.
    new_networks: HashSet<(String, String, u8)>,
    new: Images,
    /// What has been read of links.
    links: Vec<Link>,
    /// Where each is in `links`.
    by_name: HashMap<String, usize>,
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
            let Some(link) = self.link(name) else {
                continue;
            };
            frontier.extend(reach(link, change).map(|reach| (name.clone(), reach)));
            if change.new_name.is_some() {
                self.new.renamed.push(link.index);
            }
        }
        let mut selectors: Vec<_> = bridges_with_other_vlans(footprint)
            .into_iter()
            .map(|name| LinkSelector::Controller(name.clone()))
            .collect();
        while !frontier.is_empty() || !selectors.is_empty() {
            let mut latest: HashMap<String, Reach> = HashMap::new();
            for (name, reach) in frontier.drain(..) {
                if reached.get(&name).is_some_and(|earlier| *earlier >= reach) {
                    continue;
                }
                let Some(link) = self.link(&name) else {
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
            self.read_links(&std::mem::take(&mut selectors)).await?;
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
        let vlan_bridges = bridges_with_other_vlans(footprint);
        for link in &self.links {
            let touched = footprint.links.contains(&link.name) || reached.contains_key(&link.name);
            let of_vlan_bridge = link
                .controller
                .as_ref()
                .is_some_and(|controller| vlan_bridges.contains(controller));
            if (touched || of_vlan_bridge) && !self.names.is_stray(&link.name) {
                let mut image = link.clone();
                self.names.translate_link(&mut image);
                if !self.images.links.contains(&image.name) {
                    self.new.links.insert(image.name.clone(), Some(image));
                }
            }
        }
        for key in &footprint.alternative_names {
            let Some(link) = self.link(&key.link) else {
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
            let exists = self.exists(name);
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
                self.by_name.insert(link.name.clone(), self.links.len());
                self.links.push(link);
            }
        }
        Ok(())
    }

    /// The name from before of a link on which something may have been before.
    fn owner(&self, current: &str) -> Option<String> {
        let owner = self.bearer(current)?;
        let made_anew = self.purpose == Purpose::Transaction && self.was_another(current, &owner);
        (!made_anew).then_some(owner)
    }

    /// The name from before of a link that there was, be it another one by now.
    fn bearer(&self, current: &str) -> Option<String> {
        let original = self.names.original(current);
        let absent = self.images.was_absent(original) || self.new.was_absent(original);
        (!absent && !self.names.is_stray(current)).then(|| original.to_owned())
    }

    /// Whether the transaction has made this link in the place of one of before.
    fn was_another(&self, current: &str, original: &str) -> bool {
        let was = self.images.links.get(&original.to_owned()).flatten();
        was.zip(self.link(current)).is_some_and(|(was, is)| {
            std::mem::discriminant(&was.kind) != std::mem::discriminant(&is.kind)
                || (was.index != is.index && can_be_created(&was.kind))
        })
    }

    fn exists(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn link(&self, name: &str) -> Option<&Link> {
        Some(&self.links[*self.by_name.get(name)?])
    }
}

/// Bridges of which a batch changes the VLANs of all ports.
fn bridges_with_other_vlans(footprint: &Footprint) -> HashSet<&String> {
    let changes = footprint
        .changes
        .iter()
        .filter(|(_, change)| changes_vlans(change));
    changes.map(|(name, _)| name).collect()
}
