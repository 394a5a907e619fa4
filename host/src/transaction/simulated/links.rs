//! Links: what they take along when they come, go and change.

use super::{Answer, State, refuse};
use crate::contract::netlink::{
    AddressGeneration, BridgeVlan, ControllerChange, Kind, Link, LinkChange, LinkSettings,
    LinkSpec, Port, Veth,
};
use crate::transaction::footprint::IPV6_LEAST_MTU;
use crate::transaction::link_names::parent;

impl State {
    pub(super) fn add_link(&mut self, name: &str, kind: Kind, index: Option<u32>) -> u32 {
        self.next_index += 1;
        let index = index.unwrap_or(self.next_index);
        self.next_index = self.next_index.max(index);
        let bridge = matches!(kind, Kind::Bridge(_));
        self.links.push(Link {
            index,
            name: name.to_owned(),
            alternative_names: Vec::new(),
            kind,
            up: false,
            running: false,
            mtu: 1500,
            mac: Some(format!("02:00:00:00:00:{:02x}", index % 256)),
            permanent_mac: None,
            description: None,
            transmit_queue_length: 1000,
            group: 0,
            queueing_discipline: None,
            arp: true,
            all_multicast: false,
            promiscuous: false,
            address_generation: Some(AddressGeneration::Eui64),
            controller: None,
            port: None,
            unknown: Vec::new(),
        });
        if bridge {
            self.put_vlan(default_vlan(name, true));
        }
        index
    }

    pub(super) fn create_link(&mut self, spec: &LinkSpec) -> Answer {
        let taken = |state: &Self, name: &str| {
            state
                .links
                .iter()
                .any(|link| link.name == name || link.alternative_names.iter().any(|it| it == name))
        };
        if taken(self, &spec.name) || self.links.iter().any(|link| Some(link.index) == spec.index) {
            return Err(refuse("EEXIST", format!("link {} exists", spec.name)));
        }
        if let Some(parent) = parent(&spec.kind) {
            self.link(parent)?;
        }
        if matches!(spec.kind, Kind::Ethernet | Kind::Loopback | Kind::Other(_)) {
            return Err(refuse("EOPNOTSUPP", "hardware cannot be made".into()));
        }
        if let Kind::Veth(veth) = &spec.kind {
            let Some(peer) = &veth.peer else {
                return Err(refuse("EINVAL", "a pair needs a peer".into()));
            };
            if taken(self, peer) {
                return Err(refuse("EEXIST", format!("link {peer} exists")));
            }
            if self
                .links
                .iter()
                .any(|it| Some(it.index) == veth.peer_index)
            {
                return Err(refuse("EEXIST", format!("the index of {peer} is taken")));
            }
            let first = self.add_link(&spec.name, spec.kind.clone(), spec.index);
            let end = Kind::Veth(Veth {
                peer: Some(spec.name.clone()),
                peer_index: Some(first),
            });
            let second = self.add_link(peer, end, veth.peer_index);
            self.link(&spec.name)?.kind = Kind::Veth(Veth {
                peer_index: Some(second),
                ..veth.clone()
            });
        } else {
            self.add_link(&spec.name, spec.kind.clone(), spec.index);
        }
        let link = self.link(&spec.name)?;
        link.alternative_names.clone_from(&spec.alternative_names);
        link.unknown.clone_from(&spec.settings.unknown);
        self.apply_settings(&spec.name, &spec.settings)
    }

    pub(super) fn change_link(&mut self, change: &LinkChange) -> Answer {
        self.link(&change.link)?;
        let mut name = change.link.clone();
        if let Some(new_name) = change
            .new_name
            .as_ref()
            .filter(|new_name| **new_name != name)
        {
            if self.links.iter().any(|link| link.name == *new_name) {
                return Err(refuse("EEXIST", format!("link {new_name} exists")));
            }
            if self.is_up(&name) {
                return Err(refuse("EBUSY", format!("link {name} is up")));
            }
            self.rename(&name, new_name);
            name.clone_from(new_name);
        }
        self.apply_settings(&name, &change.settings)
    }

    fn rename(&mut self, from: &str, to: &str) {
        let change = |name: &mut String| {
            if name == from {
                to.clone_into(name);
            }
        };
        for link in &mut self.links {
            change(&mut link.name);
            link.controller.as_mut().map(change);
            match &mut link.kind {
                Kind::Veth(veth) => veth.peer.as_mut().map(change),
                Kind::Vlan(vlan) => vlan.parent.as_mut().map(change),
                _ => None,
            };
        }
        self.addresses
            .iter_mut()
            .for_each(|it| change(&mut it.link));
        self.neighbours
            .iter_mut()
            .for_each(|it| change(&mut it.link));
        self.vlans.iter_mut().for_each(|it| change(&mut it.link));
        let hops = self.routes.iter_mut().flat_map(|it| &mut it.next_hops);
        hops.filter_map(|hop| hop.link.as_mut()).for_each(change);
    }

    fn apply_settings(&mut self, name: &str, settings: &LinkSettings) -> Answer {
        if let Some(mac) = &settings.mac {
            let link = self.link(name)?;
            let changed = link.mac.as_ref() != Some(mac);
            link.mac = Some(mac.clone());
            if changed {
                self.neighbours.retain(|it| it.link != name);
            }
        }
        match &settings.controller {
            ControllerChange::Keep => {}
            ControllerChange::Detach => self.set_controller(name, None),
            ControllerChange::Attach(controller) => {
                self.link(controller)?;
                self.set_controller(name, Some(controller));
            }
        }
        let link = self.link(name)?;
        if settings.port.is_some() && link.controller.is_some() {
            link.port.clone_from(&settings.port);
        }
        if let Some(description) = &settings.description {
            link.description = Some(description.clone()).filter(|text| !text.is_empty());
        }
        link.transmit_queue_length = settings
            .transmit_queue_length
            .unwrap_or(link.transmit_queue_length);
        link.group = settings.group.unwrap_or(link.group);
        link.arp = settings.arp.unwrap_or(link.arp);
        link.address_generation = settings.address_generation.or(link.address_generation);
        if let Some(mtu) = settings.mtu {
            self.set_mtu(name, mtu);
        }
        if let Some(up) = settings.up {
            self.set_up(name, up);
        }
        Ok(())
    }

    fn set_mtu(&mut self, name: &str, mtu: u32) {
        if let Ok(link) = self.link(name) {
            link.mtu = mtu;
        }
        if mtu < IPV6_LEAST_MTU {
            self.drop_ipv6(name);
        } else {
            // IPv6 begins anew on a link whose MTU suffices again (addrconf_notify, NETDEV_CHANGEMTU).
            self.connect(name);
        }
        for stacked in self.stacked(name) {
            if self.link(&stacked).is_ok_and(|link| link.mtu > mtu) {
                self.set_mtu(&stacked, mtu);
            }
        }
    }

    fn stacked(&self, name: &str) -> Vec<String> {
        let stacked = self
            .links
            .iter()
            .filter(|link| parent(&link.kind) == Some(name));
        stacked.map(|link| link.name.clone()).collect()
    }

    pub(super) fn set_up(&mut self, name: &str, up: bool) {
        let Ok(link) = self.link(name) else { return };
        if link.up == up {
            return;
        }
        link.up = up;
        if up {
            self.connect(name);
        } else {
            self.drop_ipv4_routes(name);
            self.drop_ipv6(name);
            self.neighbours.retain(|it| it.link != name);
            self.stacked(name)
                .iter()
                .for_each(|stacked| self.set_up(stacked, false));
        }
    }

    fn set_controller(&mut self, name: &str, controller: Option<&String>) {
        let kind_of = |state: &Self, name: &String| {
            state
                .links
                .iter()
                .find(|link| link.name == *name)
                .map(|link| link.kind.clone())
        };
        let Ok(link) = self.link(name) else { return };
        if link.controller.as_ref() == controller {
            return;
        }
        let was_up = link.up;
        let earlier = link
            .controller
            .take()
            .and_then(|earlier| kind_of(self, &earlier));
        let later = controller.and_then(|controller| kind_of(self, controller));
        self.vlans.retain(|vlan| vlan.link != name);
        let bridge = matches!(later, Some(Kind::Bridge(_)));
        if bridge {
            self.put_vlan(default_vlan(name, false));
        }
        // Joining and leaving a VRF takes a link down and up again (cycle_netdev).
        let cycle = [&earlier, &later]
            .into_iter()
            .any(|kind| matches!(kind, Some(Kind::Vrf(_))));
        if cycle && was_up {
            self.set_up(name, false);
        }
        if let Ok(link) = self.link(name) {
            link.controller = controller.cloned();
            link.port = bridge.then(|| Port::Bridge(port_defaults()));
        }
        if cycle && was_up {
            self.set_up(name, true);
        }
    }

    pub(super) fn delete_link(&mut self, name: &str) -> Answer {
        let link = self.link(name)?.clone();
        if matches!(link.kind, Kind::Ethernet | Kind::Loopback) {
            return Err(refuse("EOPNOTSUPP", format!("{name} is hardware")));
        }
        for stacked in self.stacked(name) {
            self.delete_link(&stacked)?;
        }
        let ports: Vec<String> = self
            .links
            .iter()
            .filter(|port| port.controller.as_deref() == Some(name))
            .map(|port| port.name.clone())
            .collect();
        ports
            .iter()
            .for_each(|port| self.set_controller(port, None));
        self.set_up(name, false);
        self.addresses.retain(|it| it.link != name);
        self.vlans.retain(|it| it.link != name);
        self.neighbours.retain(|it| it.link != name);
        self.routes.retain(|it| {
            it.next_hops
                .iter()
                .all(|hop| hop.link.as_deref() != Some(name))
        });
        self.links.retain(|it| it.name != name);
        if let Kind::Veth(Veth {
            peer: Some(peer), ..
        }) = &link.kind
        {
            // The other end is gone already when this is called for it.
            let _ = self.delete_link(peer);
        }
        Ok(())
    }
}

fn default_vlan(link: &str, on_bridge: bool) -> BridgeVlan {
    BridgeVlan {
        link: link.to_owned(),
        on_bridge,
        first: 1,
        last: 1,
        pvid: true,
        untagged: true,
    }
}

fn port_defaults() -> crate::contract::netlink::BridgePort {
    crate::contract::netlink::BridgePort {
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
