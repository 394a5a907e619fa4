//! Changing links (do_setlink in net/core/rtnetlink.c).

use super::device::{mac, mtu_limits, unusable};
use super::errno::{Result, errno, refuse};
use super::{Kernel, kinds};
use crate::netlink::{
    BondPort, BridgePort, ControllerChange, Kind, LinkChange, LinkSettings, Port, UnknownAttribute,
};

impl Kernel {
    pub(super) fn change_link(&mut self, change: &LinkChange) -> Result {
        let index = self.find(&change.link)?;
        if let Some(kind) = &change.kind {
            self.change_kind(index, kind)?;
        }
        if let Some(name) = &change.new_name {
            self.rename(index, name)?;
        }
        self.configure(index, &change.settings)
    }

    fn change_kind(&mut self, index: u32, newer: &Kind) -> Result {
        let shown = self.shown(index).kind;
        if std::mem::discriminant(&shown) != std::mem::discriminant(newer) {
            return errno("EOPNOTSUPP");
        }
        if let (Kind::Veth(present), Kind::Veth(newer)) = (&shown, newer)
            && newer.peer.is_some()
            && newer.peer != present.peer
        {
            return errno("EOPNOTSUPP");
        }
        self.check_parent_stays(index, newer)?;
        let device = self.device(index);
        let busy = device.link.up || !self.ports_of(index).is_empty();
        let mut kind = device.link.kind.clone();
        kinds::change(&mut kind, newer, busy)?;
        let old_pvid = self.default_pvid(index);
        self.device_mut(index).link.kind = kind;
        self.move_default_pvid(index, old_pvid);
        Ok(())
    }

    /// A parent cannot change, except a tunnel's.
    fn check_parent_stays(&mut self, index: u32, newer: &Kind) -> Result {
        let (fixed, parent) = match newer {
            Kind::Vlan(it) => (true, &it.parent),
            Kind::Macvlan(it) | Kind::Macvtap(it) => (true, &it.parent),
            Kind::Ipvlan(it) => (true, &it.parent),
            Kind::Vxlan(it) => (false, &it.parent),
            Kind::Gre(it) | Kind::Gretap(it) | Kind::Ip6gre(it) | Kind::Ip6gretap(it) => {
                (false, &it.parent)
            }
            Kind::Ipip(it) | Kind::Sit(it) | Kind::Ip6tnl(it) => (false, &it.parent),
            _ => return Ok(()),
        };
        let Some(parent) = parent else {
            return Ok(());
        };
        let parent = Some(self.find(parent)?);
        if fixed && parent != self.device(index).parent {
            return errno("EOPNOTSUPP");
        }
        self.device_mut(index).parent = parent;
        Ok(())
    }

    /// What all links have in common, in the kernel's order; port settings last.
    pub(super) fn configure(&mut self, index: u32, settings: &LinkSettings) -> Result {
        if let Some(mac) = &settings.mac {
            self.set_mac(index, mac)?;
        }
        if let Some(mtu) = settings.mtu {
            self.set_mtu(index, mtu)?;
        }
        if let Some(text) = &settings.description {
            if text.len() > 255 {
                return errno("EINVAL");
            }
            let text = Some(text.clone()).filter(|text| !text.is_empty());
            self.device_mut(index).link.description = text;
        }
        match &settings.controller {
            ControllerChange::Keep => {}
            _ if self.is_switched(index) => return errno("EOPNOTSUPP"),
            ControllerChange::Detach => self.detach(index),
            ControllerChange::Attach(controller) => self.attach(index, controller)?,
        }
        let link = &mut self.device_mut(index).link;
        link.arp = settings.arp.unwrap_or(link.arp);
        link.all_multicast = settings.all_multicast.unwrap_or(link.all_multicast);
        link.promiscuous = settings.promiscuous.unwrap_or(link.promiscuous);
        link.group = settings.group.unwrap_or(link.group);
        let queue = settings.transmit_queue_length;
        link.transmit_queue_length = queue.unwrap_or(link.transmit_queue_length);
        link.address_generation = settings.address_generation.or(link.address_generation);
        for attribute in &settings.unknown {
            let there = |it: &UnknownAttribute| it.place == attribute.place;
            let of_port = attribute.place.contains("/IFLA_INFO_SLAVE_DATA/");
            if !(of_port && settings.port.is_none()) {
                link.unknown.retain(|it| !there(it));
                link.unknown.push(attribute.clone());
            }
        }
        if let Some(port) = &settings.port {
            self.set_port(index, port)?;
        }
        match settings.up {
            Some(true) => self.open(index)?,
            Some(false) => self.take_down(index),
            None => {}
        }
        self.refresh_link_local();
        Ok(())
    }

    /// eth_prepare_mac_addr_change (net/ethernet/eth.c).
    fn set_mac(&mut self, index: u32, text: &str) -> Result {
        let Some(mac) = mac(text) else {
            return refuse("EINVAL", "Malformed MAC address");
        };
        let device = self.device(index);
        if device.link.mac.is_none() {
            return errno("EOPNOTSUPP");
        }
        if unusable(&mac) {
            return errno("EADDRNOTAVAIL");
        }
        self.take_link_local_away(index);
        let device = self.device_mut(index);
        device.link.mac = Some(mac);
        device.mac_chosen = true;
        Ok(())
    }

    /// dev_validate_mtu (net/core/dev.c), and the bounds that a parent sets (vlan_dev_change_mtu, macvlan_change_mtu, vxlan_change_mtu).
    fn set_mtu(&mut self, index: u32, mtu: u32) -> Result {
        let device = self.device(index);
        let (least, most) = mtu_limits(&device.link.kind);
        if mtu < least {
            return refuse("EINVAL", "mtu less than device minimum");
        }
        if mtu > most {
            return refuse("EINVAL", "mtu greater than device maximum");
        }
        if let Some(below) = device.parent.map(|parent| self.device(parent).link.mtu) {
            match device.link.kind {
                Kind::Vlan(_) if mtu > below => return errno("ERANGE"),
                Kind::Macvlan(_) | Kind::Macvtap(_) if mtu > below => return errno("EINVAL"),
                Kind::Vxlan(_) if mtu > below.saturating_sub(50) => return errno("EINVAL"),
                _ => {}
            }
        }
        self.device_mut(index).link.mtu = mtu;
        // vlan_device_event (net/8021q/vlan.c) pulls the VLANs above along.
        for device in self.devices.values_mut() {
            if device.parent == Some(index) && matches!(device.link.kind, Kind::Vlan(_)) {
                device.link.mtu = device.link.mtu.min(mtu);
            }
        }
        // addrconf_notify (net/ipv6/addrconf.c): below 1280 bytes there is no IPv6.
        if mtu < 1280 {
            self.drop_ipv6(index);
        }
        Ok(())
    }

    fn set_port(&mut self, index: u32, newer: &Port) -> Result {
        match (&mut self.device_mut(index).link.port, newer) {
            (Some(Port::Bridge(present)), Port::Bridge(newer)) => {
                change_bridge_port(present, newer)
            }
            (Some(Port::Bond(BondPort { queue_id, priority })), Port::Bond(newer)) => {
                *queue_id = newer.queue_id.or(*queue_id);
                *priority = newer.priority.or(*priority);
                Ok(())
            }
            _ => errno("EOPNOTSUPP"),
        }
    }
}

/// br_setport (net/bridge/br_netlink.c); bounds of br_stp_set_path_cost and br_stp_set_port_priority.
fn change_bridge_port(present: &mut BridgePort, newer: &BridgePort) -> Result {
    if newer.cost.is_some_and(|cost| !(1..=65535).contains(&cost))
        || newer.priority.is_some_and(|priority| priority > 63)
    {
        return errno("ERANGE");
    }
    present.cost = newer.cost.or(present.cost);
    present.priority = newer.priority.or(present.priority);
    present.hairpin = newer.hairpin.or(present.hairpin);
    present.isolated = newer.isolated.or(present.isolated);
    present.learning = newer.learning.or(present.learning);
    present.unicast_flood = newer.unicast_flood.or(present.unicast_flood);
    present.multicast_flood = newer.multicast_flood.or(present.multicast_flood);
    present.broadcast_flood = newer.broadcast_flood.or(present.broadcast_flood);
    present.neighbour_suppression = newer
        .neighbour_suppression
        .or(present.neighbour_suppression);
    present.bpdu_guard = newer.bpdu_guard.or(present.bpdu_guard);
    present.root_block = newer.root_block.or(present.root_block);
    present.fast_leave = newer.fast_leave.or(present.fast_leave);
    Ok(())
}
