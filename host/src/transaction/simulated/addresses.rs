//! Addresses: primaries take their secondaries along, the last IPv4 one takes IPv4's routes.

use super::{Answer, State, refuse};
use crate::contract::netlink::{Address, AddressGeneration};
use crate::transaction::footprint::IPV6_LEAST_MTU;
use crate::transaction::images::{AddressKey, is_ipv6, network};

fn net(address: &Address) -> (String, String, u8) {
    (
        address.link.clone(),
        network(&address.address, address.prefix_length),
        address.prefix_length,
    )
}

impl State {
    pub(super) fn put_address(&mut self, asked: &Address) -> Answer {
        let link = self.link(&asked.link)?;
        if is_ipv6(&asked.address) && link.mtu < IPV6_LEAST_MTU {
            return Err(refuse("EINVAL", "the MTU is too small for IPv6".into()));
        }
        let key = AddressKey::of(asked);
        match self
            .addresses
            .iter_mut()
            .find(|it| AddressKey::of(it) == key)
        {
            Some(there) => {
                there.valid_lifetime = asked.valid_lifetime;
                there.preferred_lifetime = asked.preferred_lifetime;
                // inet6_addr_modify takes no metric for "as it is".
                if !is_ipv6(&asked.address) || asked.metric.is_some() {
                    there.metric = asked.metric;
                }
                there.protocol = asked.protocol;
                if is_ipv6(&asked.address) {
                    there.no_prefix_route = asked.no_prefix_route;
                    there.no_duplicate_detection = asked.no_duplicate_detection;
                    there.home = asked.home;
                    there.manage_temporary = asked.manage_temporary;
                }
            }
            None => self.addresses.push(asked.clone()),
        }
        let link = asked.link.clone();
        self.connect(&link);
        Ok(())
    }

    pub(super) fn delete_address(&mut self, asked: &Address) -> Answer {
        let key = AddressKey::of(asked);
        let at = self
            .addresses
            .iter()
            .position(|it| AddressKey::of(it) == key);
        let at = at.ok_or_else(|| refuse("EADDRNOTAVAIL", "there is no such address".into()))?;
        self.remove_address(at);
        Ok(())
    }

    fn remove_address(&mut self, at: usize) {
        let primary = self
            .addresses
            .iter()
            .position(|it| net(it) == net(&self.addresses[at]))
            == Some(at);
        let gone = self.addresses.remove(at);
        if primary && !is_ipv6(&gone.address) {
            while let Some(secondary) = self.addresses.iter().position(|it| net(it) == net(&gone)) {
                let gone = self.addresses.remove(secondary);
                self.drop_routes_from(&gone.address);
            }
        }
        if !is_ipv6(&gone.address) {
            self.drop_routes_from(&gone.address);
            if !self
                .addresses
                .iter()
                .any(|it| it.link == gone.link && !is_ipv6(&it.address))
            {
                self.drop_ipv4_routes(&gone.link);
            }
        }
        if !self.addresses.iter().any(|it| net(it) == net(&gone)) {
            self.drop_connected(&gone);
        }
        self.connect(&gone.link);
    }

    pub(super) fn drop_ipv6(&mut self, link: &str) {
        self.addresses
            .retain(|it| it.link != link || !is_ipv6(&it.address));
        self.routes.retain(|it| {
            !is_ipv6(&it.destination.address)
                || it
                    .next_hops
                    .iter()
                    .all(|hop| hop.link.as_deref() != Some(link))
        });
    }

    /// What the kernel makes on a link that is up: its link-local address, and the routes of its addresses.
    pub(super) fn connect(&mut self, name: &str) {
        let Ok(link) = self.link(name).map(|link| link.clone()) else {
            return;
        };
        if !link.up {
            return;
        }
        let mac = link.mac.clone().unwrap_or_default().replace(':', "");
        let (high, low) = (&mac[4..8], &mac[8..]);
        let local = crate::transaction::images::normal_address(&format!("fe80::1:{high}:{low}"));
        let has_local = self
            .addresses
            .iter()
            .any(|it| it.link == name && it.address.starts_with("fe80:"));
        if link.mtu >= IPV6_LEAST_MTU
            && link.address_generation != Some(AddressGeneration::None)
            && !has_local
        {
            let mut address = address(name, &local, 64);
            address.kernel_made = true;
            self.addresses.push(address);
        }
        for address in self.addresses.clone() {
            if address.link == name && !address.no_prefix_route {
                self.add_connected(&address);
            }
        }
    }
}

/// An address as a request would name it.
pub fn address(link: &str, address: &str, prefix_length: u8) -> Address {
    Address {
        link: link.to_owned(),
        address: address.to_owned(),
        prefix_length,
        peer: None,
        broadcast: None,
        label: None,
        scope: None,
        valid_lifetime: None,
        preferred_lifetime: None,
        metric: None,
        no_prefix_route: false,
        no_duplicate_detection: false,
        home: false,
        manage_temporary: false,
        join_multicast: false,
        protocol: 0,
        kernel_made: false,
        tentative: false,
        duplicate: false,
    }
}
