//! Addresses: a deleted one may take others along, and the first of an IPv4 network is the primary one.

use std::collections::{HashMap, HashSet};

use super::Plan;
use crate::contract::netlink::{Address, Request};
use crate::transaction::images::{AddressKey, Images, NetworkKey, is_ipv6};
use crate::transaction::same;
use crate::transaction::undo_plan::Now;

/// Networks of which another address is the primary one than before, what it is and what it was.
pub fn other_primaries<'a>(
    before: &'a Images,
    now: &'a Now,
) -> Vec<(&'a NetworkKey, &'a String, &'a String)> {
    if before.primaries.is_empty() {
        return Vec::new();
    }
    let mut there: HashMap<NetworkKey, Vec<&AddressKey>> = HashMap::new();
    for (key, is) in now.images.addresses.iter() {
        if is.is_some() && !is_ipv6(&key.address) {
            there.entry(key.network()).or_default().push(key);
        }
    }
    let primaries = before.primaries.iter().filter_map(|(network, primary)| {
        let (primary, there) = (primary?, there.get(network)?);
        let first = *there.first()?;
        let key = AddressKey {
            address: primary.clone(),
            ..first.clone()
        };
        // If nothing was asked of it and it is gone, somebody else took it away.
        let wanted = match before.addresses.get(&key) {
            Some(was) => was.is_some(),
            None => there.contains(&&key),
        };
        (wanted && first.address != *primary).then_some((network, &first.address, primary))
    });
    primaries.collect()
}

impl<'a> Plan<'a> {
    pub(super) fn addresses(&mut self) {
        let mut doomed: Vec<(&AddressKey, &Address)> = Vec::new();
        let mut put: Vec<(&AddressKey, &Address)> = Vec::new();
        for (key, was) in self.before.addresses.iter() {
            let is = self.address_now(key);
            match (was, is) {
                (Some(was), Some(is)) if same::address(was, is) => {}
                (Some(was), None) if was.kernel_made && !self.is_settled(&key.link) => {}
                (was, is) => {
                    let wrong =
                        |is: &&Address| was.is_none_or(|was| !same::address_but_lifetime(was, is));
                    doomed.extend(is.filter(wrong).map(|is| (key, is)));
                    put.extend(was.map(|was| (key, was)));
                }
            }
        }
        // The first one that is put becomes the primary one: all others have to make room for it.
        let networks: HashSet<&NetworkKey> = other_primaries(self.before, self.now)
            .into_iter()
            .map(|(network, ..)| network)
            .collect();
        let in_the_way = self
            .present()
            .filter(|(key, _)| networks.contains(&key.network()));
        doomed.extend(
            in_the_way
                .filter(|(key, _)| !self.is_made_anew(&key.link))
                .collect::<Vec<_>>(),
        );
        let mut done = HashSet::new();
        for (key, address) in &doomed {
            if done.insert(*key) {
                self.changed.insert(key.link.clone());
                self.requests
                    .push(Request::DeleteAddress((*address).clone()));
            }
        }
        self.made_by_the_kernel();

        // Others may go with what is deleted: those that were there before, and those that somebody added.
        let disturbed: HashSet<NetworkKey> = doomed
            .iter()
            .filter(|(key, _)| !is_ipv6(&key.address))
            .map(|(key, _)| key.network())
            .collect();
        let wanted = |key: &AddressKey| {
            self.before
                .addresses
                .get(key)
                .is_none_or(|was| was.is_some())
        };
        put.extend(
            self.present()
                .filter(|(key, _)| disturbed.contains(&key.network()) && wanted(key)),
        );
        // The kernel lists the newest IPv6 address first, and with it prefers it as a source: the last one goes first.
        let (v6, mut all): (Vec<_>, Vec<_>) =
            put.into_iter().partition(|(key, _)| is_ipv6(&key.address));
        all.extend(v6.into_iter().rev());
        let mut put = all;
        put.sort_by_key(|(key, _)| {
            let primary = self.before.primaries.get(&key.network()).flatten();
            primary.is_some_and(|primary| *primary != key.address)
        });
        let mut done = HashSet::new();
        for (key, address) in put {
            if done.insert(key) {
                self.changed.insert(key.link.clone());
                self.requests.push(Request::PutAddress(address.clone()));
            }
        }
    }

    /// All addresses that were met, those of others included, in the kernel's order.
    fn present(&self) -> impl Iterator<Item = (&'a AddressKey, &'a Address)> + use<'a> {
        self.now
            .images
            .addresses
            .iter()
            .filter_map(|(key, is)| Some((key, is?)))
    }

    fn address_now(&self, key: &AddressKey) -> Option<&'a Address> {
        let is = self.now.images.addresses.get(key).flatten();
        is.filter(|_| !self.is_made_anew(&key.link))
    }

    /// Link-local addresses that came with another MAC or mode while all that was on the link is known.
    fn made_by_the_kernel(&mut self) {
        for (key, is) in self.now.images.addresses.iter() {
            let new = is.filter(|is| {
                is.kernel_made
                    && is.address.starts_with("fe80:")
                    && !self.before.addresses.contains(key)
            });
            let was = self.before.links.get(&key.link).flatten();
            let known = self.before.whole.get(&key.link).flatten() == Some(&true);
            if let Some(new) = new.filter(|_| known && was.is_some_and(|was| was.up)) {
                self.requests.push(Request::DeleteAddress(new.clone()));
            }
        }
    }
}
