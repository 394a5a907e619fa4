//! Addresses (net/ipv4/devinet.c, net/ipv6/addrconf.c).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Kernel;
use super::device::has_mac;
use super::errno::{Result, errno, refuse};
use super::network::{Network, bits, parse};
use crate::netlink::{Address, AddressGeneration, Kind};

/// An address of a link.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    pub(super) link: u32,
    pub(super) local: IpAddr,
    /// What the prefix length applies to: the peer, where there is one.
    pub(super) network: Network,
    /// As it is shown, but for the link's name.
    pub(super) shown: Address,
}

impl Assigned {
    /// A second IPv4 address in the network of an earlier one (IFA_F_SECONDARY).
    pub(super) fn is_secondary(&self, all: &[Self]) -> bool {
        let earlier = all.iter().take_while(|it| !std::ptr::eq(*it, self));
        let mut earlier = earlier.filter(|it| it.link == self.link && it.local.is_ipv4());
        self.local.is_ipv4() && earlier.any(|it| it.network == self.network)
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// IPv6: the kernel looks at the address alone (ipv6_addr_scope). IPv4: as asked, otherwise as ip-address(8) chooses.
fn scope(address: IpAddr, asked: Option<u8>) -> u8 {
    let own = if address.is_loopback() {
        254
    } else if is_link_local(address) {
        253
    } else {
        0
    };
    if address.is_ipv4() {
        asked.unwrap_or(own)
    } else {
        own
    }
}

impl Kernel {
    pub(super) fn put_address(&mut self, asked: &Address) -> Result {
        let link = self.find(&asked.link)?;
        let local = parse(&asked.address)?;
        let peer = asked
            .peer
            .as_deref()
            .map(parse)
            .transpose()?
            .filter(|peer| *peer != local);
        let network = Network::around(peer.unwrap_or(local), asked.prefix_length)?;
        self.check_address(link, local, asked)?;
        let mut shown = asked.clone();
        shown.address = local.to_string();
        shown.peer = peer.map(|peer| peer.to_string());
        shown.scope = Some(scope(local, asked.scope));
        shown.valid_lifetime = asked.valid_lifetime.filter(|it| *it != u32::MAX);
        shown.preferred_lifetime = asked.preferred_lifetime.filter(|it| *it != u32::MAX);
        (shown.kernel_made, shown.tentative, shown.duplicate) = (false, false, false);
        if local.is_ipv4() {
            shown
                .label
                .get_or_insert_with(|| self.devices[&link].link.name.clone());
        } else {
            (shown.label, shown.broadcast) = (None, None);
        }
        let new = Assigned {
            link,
            local,
            network,
            shown,
        };
        let same = self.addresses.iter().position(|it| {
            let whole = it.network == network || it.local.is_ipv6();
            it.link == link && it.local == local && whole
        });
        let Some(position) = same else {
            self.addresses.push(new);
            self.connect(self.addresses.len() - 1);
            return Ok(());
        };
        // IPv6 knows an address once per link, whatever its prefix length (ipv6_chk_same_addr); to the contract the length is identity.
        if self.addresses[position].network != network {
            return refuse("EEXIST", "address already assigned");
        }
        self.addresses[position] = new;
        self.drop_connected_paths(link, network, local);
        self.connect_all(link);
        Ok(())
    }

    /// What inet_rtm_newaddr and inet6_rtm_newaddr refuse.
    fn check_address(&self, link: u32, local: IpAddr, asked: &Address) -> Result {
        let device = self.device(link);
        let valid = asked.valid_lifetime.unwrap_or(u32::MAX);
        if valid == 0 || asked.preferred_lifetime.is_some_and(|it| it > valid) {
            return refuse("EINVAL", "address lifetime invalid");
        }
        if asked.label.as_ref().is_some_and(|label| label.len() > 15) {
            return errno("ERANGE");
        }
        if local.is_ipv4() {
            return Ok(());
        }
        if device.link.mtu < 1280 {
            return refuse("EINVAL", "IPv6 is disabled on this device");
        }
        let foreign_loopback =
            local.is_loopback() && !device.is_loopback() && device.vrf_table().is_none();
        if local.is_unspecified() || local.is_multicast() || foreign_loopback {
            return errno("EADDRNOTAVAIL");
        }
        Ok(())
    }

    pub(super) fn delete_address(&mut self, asked: &Address) -> Result {
        let link = self.find(&asked.link)?;
        let local = parse(&asked.address)?;
        let peer = asked.peer.as_deref().map(parse).transpose()?;
        let position = self.addresses.iter().position(|it| {
            it.link == link
                && it.local == local
                && it.network.length == asked.prefix_length
                && peer.is_none_or(|peer| it.network.contains(peer))
        });
        match position {
            Some(position) => {
                self.remove_address(position);
                Ok(())
            }
            None => refuse("EADDRNOTAVAIL", "Address not found"),
        }
    }

    /// __inet_del_ifa: a primary address takes the secondary ones of its network along, unless they are promoted. What was routed with it as
    /// source goes (fib_sync_down_addr), and with a link's last IPv4 address all its IPv4 routes (fib_disable_ip).
    pub(super) fn remove_address(&mut self, position: usize) {
        let primary = !self.addresses[position].is_secondary(&self.addresses);
        let gone = self.addresses.remove(position);
        let Assigned {
            link,
            local,
            network,
            ..
        } = gone;
        self.drop_connected_paths(link, network, local);
        if primary && local.is_ipv4() && !self.promote_secondaries {
            while let Some(next) = self
                .addresses
                .iter()
                .position(|it| it.link == link && it.local.is_ipv4() && it.network == network)
            {
                let secondary = self.addresses.remove(next);
                self.drop_connected_paths(link, network, secondary.local);
                self.drop_paths_from(secondary.local);
            }
        }
        self.drop_paths_from(local);
        let last = !self
            .addresses
            .iter()
            .any(|it| it.link == link && it.local.is_ipv4());
        if local.is_ipv4() && last {
            self.drop_ipv4_paths(link);
        }
        self.connect_all(link);
    }

    /// Makes the routes of all addresses of a link that are not there yet.
    fn connect_all(&mut self, link: u32) {
        for position in 0..self.addresses.len() {
            if self.addresses[position].link == link {
                self.connect(position);
            }
        }
    }

    /// Takes IPv6 away from a link.
    pub(super) fn drop_ipv6(&mut self, link: u32) {
        while let Some(position) = self
            .addresses
            .iter()
            .position(|it| it.link == link && it.local.is_ipv6())
        {
            self.remove_address(position);
        }
        self.drop_ipv6_paths(link);
    }

    /// init_loopback (net/ipv6/addrconf.c) and inetdev_event (net/ipv4/devinet.c).
    pub(super) fn make_loopback_addresses(&mut self, link: u32) {
        let v4 = (IpAddr::V4(Ipv4Addr::LOCALHOST), 8);
        let v6 = (IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
        for (local, length) in [v4, v6] {
            if self
                .addresses
                .iter()
                .all(|it| it.link != link || it.local != local)
            {
                self.assign_by_kernel(link, local, length);
            }
        }
    }

    fn assign_by_kernel(&mut self, link: u32, local: IpAddr, length: u8) {
        let mut shown = Address::new(String::new(), local.to_string(), length);
        shown.scope = Some(scope(local, None));
        shown.label = local.is_ipv4().then(|| self.name_of(link));
        shown.kernel_made = true;
        let network = Network::around(local, length.min(bits(local)))
            .expect("the length is within the address's");
        self.addresses.push(Assigned {
            link,
            local,
            network,
            shown,
        });
        self.connect(self.addresses.len() - 1);
    }

    /// addrconf_dev_config (net/ipv6/addrconf.c): an Ethernet-like link that is up and has carrier gets a link-local address, unless it is a
    /// bond's port or generation is off.
    pub(super) fn refresh_link_local(&mut self) {
        if !self.link_local {
            return;
        }
        for index in self.devices.keys().copied().collect::<Vec<_>>() {
            let device = self.device(index);
            let mode = device.link.address_generation;
            let wanted = device.link.up
                && device.link.mtu >= 1280
                && !device.is_loopback()
                && device.vrf_table().is_none()
                && has_mac(&device.link.kind)
                && !device
                    .controller
                    .is_some_and(|above| self.device(above).is_bond())
                && mode != Some(AddressGeneration::None)
                && self.has_carrier(index);
            let has = self
                .addresses
                .iter()
                .any(|it| it.link == index && is_link_local(it.local));
            if wanted && !has && !matches!(device.link.kind, Kind::Other(_)) {
                let local = self.link_local_of(index, mode);
                self.assign_by_kernel(index, local, 64);
            }
        }
    }

    /// EUI-64 (RFC 4291 appendix A); for the other modes some other number that is always the same.
    fn link_local_of(&self, index: u32, mode: Option<AddressGeneration>) -> IpAddr {
        let mac = self.device(index).link.mac.clone().unwrap_or_default();
        let octets = mac
            .split(':')
            .map(|octet| u8::from_str_radix(octet, 16).unwrap_or(0));
        let mut mac = [0; 6];
        mac.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        let [a, b, c, d, e, f] = mac;
        let eui = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        let host = match mode {
            None | Some(AddressGeneration::Eui64) => eui,
            _ => eui.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        IpAddr::V6(((0xfe80_u128 << 112) | u128::from(host)).into())
    }

    /// Before a new MAC address: the old one's link-local address goes (addrconf_ifdown upon NETDEV_CHANGEADDR).
    pub(super) fn take_link_local_away(&mut self, index: u32) {
        while let Some(position) = self
            .addresses
            .iter()
            .position(|it| it.link == index && is_link_local(it.local) && it.shown.kernel_made)
        {
            self.remove_address(position);
        }
    }
}
