//! What of a wish is Open vSwitch's business, parted from what is the kernel's.
//!
//! Bridges and ports of Open vSwitch are made and changed in its database. Of a link that Open vSwitch makes, MTU and link-layer address
//! are asked for there too; whether it is up, its addresses and its routes are the kernel's.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Index;
use super::wish::Wish;
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType, Mac, OvsBridge, State};

/// The link of the kernel's own datapath.
pub const DATAPATH: &str = "ovs-system";

/// What the file wants of Open vSwitch.
#[derive(Clone, Debug, PartialEq)]
pub enum SwitchWish {
    /// A bridge.
    Bridge(Box<OvsBridge>, Asked),
    /// A port of a bridge.
    Port(String, Box<PortSettings>, Asked),
    /// A bridge or a port with all that is its own is to go.
    Gone,
    /// The link is to stay, and no longer to be a port.
    Leave,
}

/// What is asked of the link itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Its MTU.
    pub mtu: Option<u32>,
    /// Its link-layer address.
    pub mac: Option<Mac>,
}

/// Parts the wishes. What cannot be is answered by the link's name.
pub fn split(list: &mut [Wish], current: &Index) -> BTreeMap<String, String> {
    let bridges = Bridges::of(list, current);
    let bonds = Bonds::of(list);
    let mut impossible = BTreeMap::new();
    for wish in list {
        let have = current.get(&wish.interface.name);
        if let Err(why) = one(wish, have, current, &bridges, &bonds) {
            impossible.insert(wish.interface.name.clone(), why);
        }
    }
    impossible
}

/// What the file says of bonds of Open vSwitch.
#[derive(Default)]
struct Bonds {
    /// Their links.
    links: HashMap<String, Vec<String>>,
    /// What is to be gone, or no port any longer.
    gone: HashSet<String>,
}

impl Bonds {
    fn of(list: &[Wish]) -> Self {
        let mut bonds = Self::default();
        for wish in list {
            let it = &wish.interface;
            let bond = it.port.as_ref().and_then(|port| port.bond.as_ref());
            if it.is_absent() || it.controller == Some(None) {
                bonds.gone.insert(it.name.clone());
            } else if let Some(links) = bond.and_then(|bond| bond.ports.clone()) {
                bonds.links.insert(it.name.clone(), links);
            }
        }
        bonds
    }
}

/// Which names are bridges of Open vSwitch, now and afterwards.
struct Bridges<'a> {
    current: &'a Index<'a>,
    wanted: HashSet<String>,
    otherwise: HashSet<String>,
}

impl<'a> Bridges<'a> {
    fn of(list: &[Wish], current: &'a Index<'a>) -> Self {
        let (mut wanted, mut otherwise) = (HashSet::new(), HashSet::new());
        for wish in list {
            let it = &wish.interface;
            match &it.r#type {
                _ if it.is_absent() => otherwise.insert(it.name.clone()),
                Some(LinkType::OvsBridge) => wanted.insert(it.name.clone()),
                None if it.ovs_bridge.is_some() => wanted.insert(it.name.clone()),
                None => false,
                Some(_) => otherwise.insert(it.name.clone()),
            };
        }
        Self {
            current,
            wanted,
            otherwise,
        }
    }

    fn is(&self, name: &str) -> bool {
        let have = self.current.get(name);
        have.is_some_and(|have| have.r#type == Some(LinkType::OvsBridge))
    }

    fn will_be(&self, name: &str) -> bool {
        self.wanted.contains(name) || (self.is(name) && !self.otherwise.contains(name))
    }
}

fn one(
    wish: &mut Wish,
    have: Option<&Interface>,
    current: &Index,
    bridges: &Bridges,
    bonds: &Bonds,
) -> Result<(), String> {
    let want = &mut wish.interface;
    let held_by = have.and_then(|have| have.controller.clone()).flatten();
    let bridge = held_by.clone().filter(|name| bridges.is(name));
    let is_ours = have.is_some_and(Interface::is_of_switch);
    if want.is_absent() {
        wish.switch = match bridge {
            _ if is_ours => Some(SwitchWish::Gone),
            Some(_) => Some(SwitchWish::Leave),
            None => None,
        };
        return Ok(());
    }
    if bridges.will_be(&want.name) {
        want.r#type = Some(LinkType::OvsBridge);
        let settings = want.ovs_bridge.take().unwrap_or_default();
        wish.switch = Some(SwitchWish::Bridge(settings, asked(want)));
        return Ok(());
    }
    if is_ours && want.r#type.as_ref().is_some_and(is_kernels) {
        wish.switch = Some(SwitchWish::Gone);
        return Ok(());
    }
    let joins = match &want.controller {
        Some(Some(name)) => Some(name.clone()).filter(|name| bridges.will_be(name)),
        Some(None) => None,
        None => bridge.clone().filter(|name| bridges.will_be(name)),
    };
    if let Some(joins) = joins {
        let settings = want.port.take();
        let is_said = settings.is_some() || want.controller.is_some();
        let mut settings = settings.unwrap_or_default();
        match &want.r#type {
            Some(LinkType::OvsInternal) => {
                settings.r#type.get_or_insert("internal".to_owned());
            }
            None if settings.r#type.is_none() && settings.bond.is_none() => {
                want.r#type = have
                    .filter(|_| is_ours)
                    .and_then(|have| have.r#type.clone());
            }
            _ => {}
        }
        let of = match settings.r#type.as_deref() {
            _ if settings.bond.is_some() => Some(LinkType::OvsPort),
            Some("internal") => Some(LinkType::OvsInternal),
            None | Some("system") => want.r#type.clone(),
            Some(_) => Some(LinkType::OvsPort),
        };
        want.r#type = of;
        let asked = if want.r#type == Some(LinkType::OvsInternal) {
            asked(want)
        } else {
            Asked::default()
        };
        if is_said || asked != Asked::default() {
            wish.switch = Some(SwitchWish::Port(joins, settings, asked));
        }
        want.controller = leaves_kernels(held_by.as_deref(), bridge.is_some(), current);
        return Ok(());
    }
    if want.port.as_ref().is_some_and(|port| port.is_for_switch()) {
        return Err(format!(
            "{} has settings of a port of Open vSwitch, and is to be a port of none of its bridges: say the bridge as `controller`, with \"type\": \"ovs-bridge\"",
            want.name
        ));
    }
    let was_bond = |name: &String| {
        let of = current.get(name).and_then(|have| have.r#type.as_ref());
        of == Some(&LinkType::OvsPort)
    };
    let is_bond = |name: &String| {
        bonds.links.contains_key(name) || (was_bond(name) && !bonds.gone.contains(name))
    };
    if bridge.is_some() && (want.controller.is_some() || is_ours) {
        if is_ours {
            want.state = Some(State::Absent);
            wish.switch = Some(SwitchWish::Gone);
        } else {
            wish.switch = Some(SwitchWish::Leave);
        }
        // Its place in the datapath goes with the port, and Open vSwitch itself gives it another in a bond.
        let to_kernels = |to: &Option<String>| to.as_ref().is_some_and(|to| !is_bond(to));
        want.controller = want.controller.take().filter(to_kernels);
        return Ok(());
    }
    // A bond has its links by its own list.
    let joins = want.controller.clone().flatten().filter(is_bond);
    let leaves = held_by
        .clone()
        .filter(|name| want.controller.is_some() && was_bond(name));
    let lists = |bond: &String| match bonds.links.get(bond) {
        Some(links) => links.contains(&want.name),
        None => held_by.as_ref() == Some(bond) && !bonds.gone.contains(bond),
    };
    if let Some(bond) = joins {
        if !lists(&bond) {
            return Err(format!(
                "{bond} is a bond of Open vSwitch and takes its links from its own list: add {} there",
                want.name
            ));
        }
        want.controller = leaves_kernels(held_by.as_deref(), bridge.is_some(), current);
        want.port = None;
    } else if let Some(bond) = leaves {
        let bridge = current.get(&bond).and_then(|have| have.controller.clone());
        let is_gone = bridge
            .flatten()
            .is_some_and(|bridge| !bridges.will_be(&bridge));
        if !is_gone && lists(&bond) {
            return Err(format!(
                "{} is a link of {bond}, a bond of Open vSwitch: say that bond's links without it",
                want.name
            ));
        }
        want.controller = want.controller.take().filter(Option::is_some);
    }
    Ok(())
}

/// Whether a link of this type is no matter of Open vSwitch's.
fn is_kernels(of: &LinkType) -> bool {
    !matches!(
        of,
        LinkType::OvsBridge | LinkType::OvsInternal | LinkType::OvsPort
    )
}

fn asked(want: &mut Interface) -> Asked {
    Asked {
        mtu: want.mtu.take(),
        mac: want.mac.take(),
    }
}

/// A port of a bridge of the kernel's leaves that first.
pub fn leaves_kernels(
    held_by: Option<&str>,
    is_switched: bool,
    current: &Index,
) -> Option<Option<String>> {
    let name = held_by?;
    let of = current.get(name).and_then(|have| have.r#type.as_ref());
    let is_ours = is_switched || name == DATAPATH || of == Some(&LinkType::OvsPort);
    (!is_ours).then_some(None)
}
