//! The wish, brought to one form: one entry a link, with its controller and its settings as a port, wherever the file says them.

use std::collections::{BTreeMap, HashMap};

use super::Index;
use super::split::{SwitchWish, leaves_kernels, split};
use crate::kind;
use crate::ovs::{OWNER, OWNER_KEY};
use crate::section::port::PortSettings;
use crate::section::words::AddressGeneration;
use crate::section::{Interface, LinkType, Method, Section};

/// What the file wants of one link.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Its settings; a port that is only listed has its controller and settings alone.
    pub interface: Interface,
    /// Where the file names it: `/interfaces/3`.
    pub path: Option<String>,
    /// Where the file lists it as a port, or the list that leaves it out.
    pub port_path: Option<String>,
    /// Where the file names it as the peer of another, and not that other as its own.
    pub peer_path: Option<String>,
    /// It is a link of a bond of Open vSwitch.
    pub is_bond_link: bool,
    /// What Open vSwitch is to do; the rest is the kernel's.
    pub switch: Option<SwitchWish>,
}

impl Wish {
    /// Where the file says something of a key of the link.
    pub fn path_of(&self, key: &str) -> Option<String> {
        let own = self.path.as_ref().map(|path| format!("{path}/{key}"));
        match key.split('/').next() {
            Some("controller") => self.port_path.clone().or(own),
            Some("veth") => self.peer_path.clone().or(own),
            Some("port") => match &self.port_path {
                Some(path) => Some(format!("{path}{}", key.strip_prefix("port").unwrap_or(""))),
                None => own,
            },
            Some("address_generation")
                if self
                    .interface
                    .ipv6
                    .as_ref()
                    .is_some_and(|ip| ip.method.is_some()) =>
            {
                self.path.as_ref().map(|path| format!("{path}/ipv6/method"))
            }
            _ => own,
        }
    }
}

/// What the method of IPv6 means for the kernel's link-local addresses, where the file does not say it itself.
fn generation(wish: &mut Interface, is: Option<AddressGeneration>) {
    let wanted = match wish.ipv6.as_ref().and_then(|ip| ip.method) {
        Some(Method::Disabled) => AddressGeneration::None,
        Some(Method::LinkLocal) if is == Some(AddressGeneration::None) => AddressGeneration::Eui64,
        _ => return,
    };
    wish.address_generation.get_or_insert(wanted);
}

/// The wishes in the file's order, ports that only a list names behind.
#[derive(Debug, Default)]
pub struct Wishes {
    /// One a link.
    pub list: Vec<Wish>,
    by_name: HashMap<String, usize>,
    /// What cannot be, by the link's name.
    pub impossible: BTreeMap<String, String>,
}

impl Wishes {
    /// Reads them from a section. `current` says which ports a list leaves out.
    pub fn of(desired: &Section, current: &Index) -> Self {
        let mut wishes = Self::default();
        for (at, interface) in desired.interfaces().iter().enumerate() {
            let wish = wishes.entry(&interface.name);
            let (controller, port) = (wish.interface.controller.take(), wish.interface.port.take());
            wish.interface = interface.clone();
            wish.interface.ports = None;
            wish.interface.controller = interface.controller.clone().or(controller);
            wish.interface.port = interface.port.clone().or(port);
            wish.path = Some(format!("/interfaces/{at}"));
            let is = current
                .get(&interface.name)
                .and_then(|have| have.address_generation);
            generation(&mut wish.interface, is);
        }
        for (at, interface) in desired.interfaces().iter().enumerate() {
            if let Some(ports) = &interface.ports {
                wishes.ports(at, interface, ports, current);
            }
        }
        for (at, interface) in desired.interfaces().iter().enumerate() {
            if let (Some(peer), false) = (kind::peer(interface), interface.is_absent()) {
                wishes.peer(at, &interface.name, peer, current);
            }
        }
        wishes.bonds(current);
        wishes.impossible = split(&mut wishes.list, current);
        wishes
    }

    /// The links of Open vSwitch's bonds leave the kernel's controllers.
    fn bonds(&mut self, current: &Index) {
        let mut members = Vec::new();
        for wish in &self.list {
            let bond = wish
                .interface
                .port
                .as_ref()
                .and_then(|port| port.bond.as_ref());
            for (at, name) in bond
                .and_then(|bond| bond.ports.as_ref())
                .into_iter()
                .flatten()
                .enumerate()
            {
                members.push((name.clone(), wish.path_of(&format!("port/bond/ports/{at}"))));
            }
        }
        for (name, path) in members {
            let have = current.get(&name);
            let held_by = have.and_then(|have| have.controller.clone()).flatten();
            let bridge = held_by.as_deref().and_then(|name| current.get(name));
            let is_switched = bridge.is_some_and(|it| it.r#type == Some(LinkType::OvsBridge));
            let leaves = leaves_kernels(held_by.as_deref(), is_switched, current);
            let wish = self.entry(&name);
            wish.is_bond_link = true;
            if wish.interface.controller.is_none() && (leaves.is_some() || is_switched) {
                wish.interface.controller = Some(None);
                wish.port_path = path;
            }
        }
    }

    /// What one end of a virtual Ethernet pair says holds for the other, as far as the file names that. A link of another kind does not
    /// become the other end by this alone: the file has to say that it is to be given up.
    fn peer(&mut self, at: usize, name: &str, peer: &str, current: &Index) {
        let Some(place) = self.by_name.get(peer) else {
            return;
        };
        let wish = &mut self.list[*place];
        let end = &mut wish.interface;
        let is = current.get(peer).and_then(|have| have.r#type.as_ref());
        let of = end.r#type.as_ref().or(is).unwrap_or(&LinkType::Veth);
        if *of != LinkType::Veth || end.is_absent() || kind::peer(end).is_some() {
            return;
        }
        end.r#type = Some(LinkType::Veth);
        end.veth.get_or_insert_default().peer = Some(name.to_owned());
        wish.peer_path = Some(format!("/interfaces/{at}/veth/peer"));
    }

    fn ports(
        &mut self,
        at: usize,
        interface: &Interface,
        ports: &[crate::section::Port],
        current: &Index,
    ) {
        for (place, port) in ports.iter().enumerate() {
            let wish = self.entry(&port.name);
            wish.interface.controller = Some(Some(interface.name.clone()));
            wish.port_path = Some(format!("/interfaces/{at}/ports/{place}"));
            if port.settings != PortSettings::default() {
                wish.interface.port = Some(Box::new(port.settings.clone()));
            }
        }
        let is_switch = [Some(interface), current.get(&interface.name)]
            .into_iter()
            .flatten()
            .any(|it| it.r#type == Some(LinkType::OvsBridge));
        for left_out in current.ports(&interface.name) {
            let have = current.get(left_out).and_then(|have| have.port.as_ref());
            if is_switch && !have.is_some_and(|port| is_own(port)) {
                continue;
            }
            let wish = self.entry(left_out);
            if wish.interface.controller.is_none() && !wish.interface.is_absent() {
                wish.interface.controller = Some(None);
                wish.port_path = Some(format!("/interfaces/{at}/ports"));
            }
        }
    }

    /// The wish for a link, made where there is none.
    pub fn entry(&mut self, name: &str) -> &mut Wish {
        let place = *self.by_name.entry(name.to_owned()).or_insert_with(|| {
            self.list.push(Wish {
                interface: Interface::named(name),
                ..Wish::default()
            });
            self.list.len() - 1
        });
        &mut self.list[place]
    }

    /// The wish for a link.
    pub fn get(&self, name: &str) -> Option<&Wish> {
        self.by_name.get(name).map(|place| &self.list[*place])
    }
}

/// Whether this plugin made a port of Open vSwitch.
pub fn is_own(port: &PortSettings) -> bool {
    let owner = port
        .external_ids
        .as_ref()
        .and_then(|ids| ids.get(OWNER_KEY));
    owner.cloned().flatten().as_deref() == Some(OWNER)
}
