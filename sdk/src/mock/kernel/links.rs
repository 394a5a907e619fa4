//! Relations between links: names, controllers and ports, and whether a link can carry traffic.

use super::Kernel;
use super::create::check_name;
use super::device::Device;
use super::errno::{Result, errno, refuse};
use crate::netlink::{BondPort, BridgePort, Kind, Port};

impl Kernel {
    /// rtnl_linkprop (net/core/rtnetlink.c). Alternative names may be as long as 127 bytes.
    pub(super) fn add_alternative_name(&mut self, link: &str, name: &str) -> Result {
        let index = self.find(link)?;
        if name.is_empty() || name.len() > 127 {
            return errno("EINVAL");
        }
        if self.index_of(name).is_some() {
            return errno("EEXIST");
        }
        self.device_mut(index)
            .link
            .alternative_names
            .push(name.to_owned());
        Ok(())
    }

    /// netdev_name_node_alt_destroy (net/core/dev.c): ENOENT for no such name, EINVAL for another link's or a primary one.
    pub(super) fn delete_alternative_name(&mut self, link: &str, name: &str) -> Result {
        let index = self.find(link)?;
        let Some(owner) = self.index_of(name) else {
            return errno("ENOENT");
        };
        if owner != index || self.device(index).link.name == name {
            return errno("EINVAL");
        }
        self.device_mut(index)
            .link
            .alternative_names
            .retain(|it| it != name);
        Ok(())
    }

    /// dev_change_name (net/core/dev.c). Links that are up may be renamed (since 6.2).
    pub(super) fn rename(&mut self, index: u32, name: &str) -> Result {
        check_name(name)?;
        let old = self.name_of(index);
        if old == name {
            return Ok(());
        }
        if self.index_of(name).is_some() {
            return errno("EEXIST");
        }
        self.device_mut(index).link.name = name.to_owned();
        for device in self.devices.values_mut() {
            if let Kind::Bond(bond) = &mut device.link.kind
                && bond.primary.as_ref() == Some(&old)
            {
                bond.primary = Some(name.to_owned());
            }
        }
        Ok(())
    }

    pub(super) fn ports_of(&self, controller: u32) -> Vec<u32> {
        let ports = self
            .devices
            .values()
            .filter(|it| it.controller == Some(controller));
        ports.map(|it| it.link.index).collect()
    }

    /// Whether frames can pass below this link: the carrier, where it depends on others.
    pub(super) fn has_carrier(&self, index: u32) -> bool {
        let device = self.device(index);
        let works = |other: u32| self.device(other).link.up && self.has_carrier(other);
        match &device.link.kind {
            Kind::Ethernet | Kind::Other(_) => device.carrier,
            Kind::Veth(_) => device.peer.is_none_or(|peer| self.device(peer).link.up),
            Kind::Bridge(_) => self.ports_of(index).into_iter().any(works),
            Kind::Bond(bond) => {
                let working = self.ports_of(index).into_iter().filter(|port| works(*port));
                working.count() >= bond.min_links.unwrap_or(0).max(1) as usize
            }
            Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_) => {
                device.parent.is_none_or(works)
            }
            // Nobody has it open.
            Kind::Tun(_) => false,
            _ => true,
        }
    }

    /// do_set_master (net/core/rtnetlink.c): out of the old controller, then into the new one.
    pub(super) fn attach(&mut self, port: u32, controller: &str) -> Result {
        let controller = self.find(controller)?;
        if self.device(port).controller == Some(controller) {
            return Ok(());
        }
        if self.device(port).controller.is_some() {
            self.detach(port);
        }
        self.check_port(port, controller)?;
        self.device_mut(port).controller = Some(controller);
        let above = self.device(controller);
        if above.is_bridge() {
            self.device_mut(port).link.port = Some(Port::Bridge(initial_bridge_port()));
            self.make_initial_vlans(port);
            self.take_lowest_mac(controller);
        } else if above.is_bond() {
            self.join_bond(port, controller);
        } else if above.vrf_table().is_some() {
            self.cycle(port);
        } else if let Kind::Other(word) = &above.link.kind {
            self.device_mut(port).link.port = Some(Port::Other(word.clone()));
        }
        self.refresh_link_local();
        Ok(())
    }

    /// What br_add_if, bond_enslave, vrf_add_slave and __netdev_upper_dev_link refuse.
    fn check_port(&self, port: u32, controller: u32) -> Result {
        let (below, above) = (self.device(port), self.device(controller));
        if !above.is_bridge()
            && !above.is_bond()
            && above.vrf_table().is_none()
            && !matches!(above.link.kind, Kind::Other(_))
        {
            return errno("EOPNOTSUPP");
        }
        if above.is_bridge() && below.is_bridge() {
            return refuse("ELOOP", "Can not enslave a bridge to a bridge");
        }
        if above.is_bridge() && (below.is_loopback() || below.link.mac.is_none()) {
            return errno("EINVAL");
        }
        // A MACVLAN or IPVLAN on the port takes its frames already (netdev_rx_handler_register).
        let taken = |it: &Device| {
            it.parent == Some(port)
                && matches!(
                    it.link.kind,
                    Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_)
                )
        };
        if above.vrf_table().is_none() && self.devices.values().any(taken) {
            return errno("EBUSY");
        }
        if above.vrf_table().is_some() && below.is_loopback() {
            return errno("EOPNOTSUPP");
        }
        if above.vrf_table().is_some() && below.vrf_table().is_some() {
            return refuse("EINVAL", "Can not enslave an L3 master device to a VRF");
        }
        if port == controller || self.stands_on(port, controller) {
            return errno("EBUSY");
        }
        Ok(())
    }

    /// Whether `upper` is, through parents and ports, on top of `lower`.
    fn stands_on(&self, upper: u32, lower: u32) -> bool {
        let below = self
            .ports_of(upper)
            .into_iter()
            .chain(self.device(upper).parent);
        let mut below = below.into_iter();
        below.any(|it| it == lower || self.stands_on(it, lower))
    }

    /// bond_enslave (drivers/net/bonding/bond_main.c): the first port lends the bond its MAC address, all ports take the bond's, and the port
    /// comes up.
    fn join_bond(&mut self, port: u32, bond: u32) {
        let mac = self.device(port).link.mac.clone();
        let first = self.ports_of(bond).len() == 1;
        if first && !self.device(bond).mac_chosen && mac.is_some() {
            self.device_mut(bond).link.mac = mac;
        }
        let shared = self.device(bond).link.mac.clone();
        let own = self.device(port).link.mac.clone();
        let device = self.device_mut(port);
        device.link.permanent_mac = device.link.permanent_mac.take().or(own);
        device.link.mac = shared;
        device.link.port = Some(Port::Bond(BondPort {
            queue_id: Some(0),
            priority: Some(0),
        }));
        self.bring_up(port);
    }

    /// Takes a port out of its controller.
    pub(super) fn detach(&mut self, port: u32) {
        let Some(controller) = self.device_mut(port).controller.take() else {
            return;
        };
        let link = &mut self.device_mut(port).link;
        link.port = None;
        link.unknown
            .retain(|it| !it.place.contains("/IFLA_INFO_SLAVE_DATA/"));
        let above = self.device(controller);
        if above.is_bridge() {
            self.vlans.retain(|(link, _), _| *link != port);
            self.take_lowest_mac(controller);
        } else if above.is_bond() {
            // __bond_release_one gives the port its address back and leaves it down.
            let device = self.device_mut(port);
            device.link.mac = device.link.permanent_mac.clone().or(device.link.mac.take());
            self.take_down(port);
        } else if above.vrf_table().is_some() {
            self.cycle(port);
        }
        self.refresh_link_local();
    }

    /// br_stp_recalculate_bridge_id (net/bridge/br_stp_if.c): the lowest MAC address among the ports, unless one was chosen.
    fn take_lowest_mac(&mut self, bridge: u32) {
        if self.device(bridge).mac_chosen {
            return;
        }
        let ports = self.ports_of(bridge);
        let lowest = ports
            .iter()
            .filter_map(|port| self.device(*port).link.mac.clone())
            .min();
        if lowest.is_some() {
            self.device_mut(bridge).link.mac = lowest;
        }
    }
}

/// new_nbp (net/bridge/br_if.c) and the flags that br_add_if sets.
fn initial_bridge_port() -> BridgePort {
    BridgePort {
        cost: Some(2),
        priority: Some(32),
        hairpin: Some(false),
        isolated: Some(false),
        learning: Some(true),
        unicast_flood: Some(true),
        multicast_flood: Some(true),
        broadcast_flood: Some(true),
        neighbour_suppression: Some(false),
        bpdu_guard: Some(false),
        root_block: Some(false),
        fast_leave: Some(false),
    }
}
