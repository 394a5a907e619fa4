//! Steps on the VLANs of ports and of bridges.

use super::{Index, Losses, Wishes};
use crate::section::{Interface, Vlans};
use crate::step::{Object, PortVlans, Step, json};
use crate::summary;

fn target(name: &str) -> String {
    format!("interface {name}")
}

/// Steps on the VLANs of ports and of bridges.
pub fn steps(current: &Index, wishes: &Wishes, losses: &Losses, steps: &mut Vec<Step>) {
    let mut push = |name: &str, on_bridge, have: Vlans, want: &Vlans, path: Option<String>| {
        if have.entries() == want.entries() {
            return;
        }
        let object = |vlans: &Vlans| {
            let interface = name.to_owned();
            Some(Object::Vlans(PortVlans {
                interface,
                on_bridge,
                vlans: vlans.clone(),
            }))
        };
        let summary = summary::vlans(&have, want);
        let (want_json, have_json) = (json(want), json(&have));
        steps.push(
            Step::new(target(name), object(&have), object(want), summary).at(
                path,
                want_json,
                Some(have_json),
            ),
        );
    };
    for wish in &wishes.list {
        let (name, want) = (wish.interface.name.as_str(), &wish.interface);
        if want.is_absent() {
            continue;
        }
        let have = current.get(name);
        // The kernel puts a new port, and a new bridge, into the default VLAN.
        let starts_anew = losses.moved.contains(name);
        if let Some(vlans) = want.port.as_ref().and_then(|port| port.vlans.as_ref()) {
            let is = have
                .and_then(|have| have.port.as_ref())
                .and_then(|port| port.vlans.clone());
            let controller = want
                .controller
                .clone()
                .or(have.and_then(|have| have.controller.clone()));
            let is = if starts_anew {
                default_vlan(controller.flatten().as_deref(), current, wishes)
            } else {
                is.unwrap_or_default()
            };
            push(name, false, is, vlans, wish.path_of("port/vlans"));
        } else if starts_anew && losses.gone.contains(name) {
            carry(name, have, false, current, wishes, &mut push);
        }
        if let Some(vlans) = &want.vlans {
            let is = have.and_then(|have| have.vlans.as_deref().cloned());
            let is = if starts_anew && (have.is_none() || losses.gone.contains(name)) {
                default_vlan(Some(name), current, wishes)
            } else {
                is.unwrap_or_default()
            };
            push(name, true, is, vlans, wish.path_of("vlans"));
        } else if losses.again.contains(name) {
            carry(name, have, true, current, wishes, &mut push);
        }
    }
    let unmentioned = losses.moved.iter().filter(|name| {
        wishes
            .get(name)
            .is_none_or(|wish| wish.interface.port.is_none() && !losses.gone.contains(*name))
    });
    for name in unmentioned {
        let have = current.get(name);
        let keeps = wishes.get(name).is_none_or(|wish| {
            let controller = &wish.interface.controller;
            controller.is_none()
                || controller.as_ref() == have.and_then(|have| have.controller.as_ref())
        });
        if keeps {
            carry(name, have, false, current, wishes, &mut push);
            if wishes.get(name).is_none() && losses.again.contains(name) {
                carry(name, have, true, current, wishes, &mut push);
            }
        }
    }
}

/// VLANs that a link had and is to have again.
fn carry(
    name: &str,
    have: Option<&Interface>,
    on_bridge: bool,
    current: &Index,
    wishes: &Wishes,
    push: &mut impl FnMut(&str, bool, Vlans, &Vlans, Option<String>),
) {
    let Some(have) = have else { return };
    let controller = have.controller.clone().flatten();
    let (vlans, from) = if on_bridge {
        (have.vlans.as_deref(), Some(name))
    } else {
        (
            have.port.as_ref().and_then(|port| port.vlans.as_ref()),
            controller.as_deref(),
        )
    };
    if let Some(vlans) = vlans {
        push(
            name,
            on_bridge,
            default_vlan(from, current, wishes),
            vlans,
            None,
        );
    }
}

/// The VLAN that the kernel gives a new port of a bridge.
fn default_vlan(bridge: Option<&str>, current: &Index, wishes: &Wishes) -> Vlans {
    let Some(bridge) = bridge else {
        return Vlans::default();
    };
    let pvid = |interface: Option<&Interface>| interface?.bridge.as_ref()?.default_pvid;
    let id = pvid(wishes.get(bridge).map(|wish| &wish.interface))
        .or(pvid(current.get(bridge)))
        .unwrap_or(1);
    if id == 0 {
        Vlans::default()
    } else {
        Vlans {
            access: Some(id),
            ..Vlans::default()
        }
    }
}
