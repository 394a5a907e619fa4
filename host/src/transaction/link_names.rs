//! Where links are named: in themselves, in what hangs from them, in what leads through them.

use std::collections::HashMap;

use super::images::Images;
use crate::backends::netlink as backend;
use crate::contract::netlink::{Kind, Link, Route};

/// The link that a kind is stacked on, or bound to.
pub fn parent(kind: &Kind) -> Option<&str> {
    backend::parent(kind)?.as_deref()
}

fn named_in_kind(kind: &mut Kind) -> Option<&mut String> {
    match kind {
        Kind::Veth(veth) => veth.peer.as_mut(),
        Kind::Bond(bond) => bond.primary.as_mut(),
        kind => backend::parent_mut(kind)?.as_mut(),
    }
}

/// The other end of a veth pair.
pub fn peer(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Veth(veth) => veth.peer.as_deref(),
        _ => None,
    }
}

/// Whether links can have one of this kind as their controller.
pub fn can_have_ports(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Bridge(_) | Kind::Bond(_) | Kind::Vrf(_) | Kind::Other(_)
    )
}

/// Whether links of this kind can be made by a request. Hardware cannot, nor can a kind that the host does not know, nor a tap that goes
/// with the process that holds it (a port of Open vSwitch's userspace datapath, a virtual machine's).
pub fn can_be_created(kind: &Kind) -> bool {
    match kind {
        Kind::Ethernet | Kind::Loopback | Kind::Other(_) => false,
        Kind::Tun(tun) => tun.persistent != Some(false),
        _ => true,
    }
}

/// From the names that links have now to those from before the transaction.
#[derive(Debug, Default)]
pub struct Names {
    originals: HashMap<String, String>,
    /// Links that have the name of an imaged one which still exists under another name: they are in its way.
    pub strays: Vec<Link>,
}

impl Names {
    /// From what is imaged and the links that are there now (at least those imaged, by name and by index).
    pub fn of(images: &Images, now: &[Link]) -> Self {
        let before = images.names_by_index();
        let mut names = Self::default();
        let mut taken: HashMap<&str, u32> = HashMap::new();
        for link in now {
            if let Some(original) = before.get(&link.index) {
                taken.insert(original, link.index);
                names
                    .originals
                    .insert(link.name.clone(), (*original).to_owned());
            }
        }
        for link in now {
            if before.contains_key(&link.index) {
                continue;
            }
            if taken.contains_key(link.name.as_str()) {
                names.strays.push(link.clone());
            }
        }
        names
    }

    /// Whether the link of this name is in an imaged one's way: nothing on it was there before.
    pub fn is_stray(&self, current: &str) -> bool {
        self.strays.iter().any(|link| link.name == current)
    }

    /// The name from before.
    pub fn original<'a>(&'a self, current: &'a str) -> &'a str {
        self.originals.get(current).map_or(current, String::as_str)
    }

    fn translate(&self, name: &mut String) {
        if let Some(original) = self.originals.get(name) {
            name.clone_from(original);
        }
    }

    /// A link with the names of before.
    pub fn translate_link(&self, link: &mut Link) {
        self.translate(&mut link.name);
        if let Some(controller) = &mut link.controller {
            self.translate(controller);
        }
        if let Some(name) = named_in_kind(&mut link.kind) {
            self.translate(name);
        }
    }

    /// A route with the names of before.
    pub fn translate_route(&self, route: &mut Route) {
        for link in route
            .next_hops
            .iter_mut()
            .filter_map(|hop| hop.link.as_mut())
        {
            self.translate(link);
        }
    }
}
