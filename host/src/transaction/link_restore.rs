//! How a link comes back: made anew, or changed to what it was.

use serde_json::{Map, Value};

use super::images::Images;
use super::link_names::{can_be_created, peer};
use super::undo_plan::Insistence;
use crate::contract::netlink::{
    ControllerChange, Kind, Link, LinkSettings, LinkSpec, MacvlanMode, Request,
};

/// Whether what is there is not the link that was, but another one of its name.
pub fn is_another(before: &Images, was: &Link, is: &Link) -> bool {
    if !can_be_created(&was.kind) {
        return false;
    }
    let moved = was.index != is.index;
    let other_kind = std::mem::discriminant(&was.kind) != std::mem::discriminant(&is.kind);
    moved || other_kind || differs_for_good(&was.kind, &is.kind) || cannot_unset(before, was, is)
}

/// Settings that only a new link takes, by their names in the contract (the `changelink` functions of the kernel's drivers). A setting of
/// which nothing can be said (a parent in another namespace) is like any.
fn fixed_settings(kind: &Kind) -> &'static [&'static str] {
    match kind {
        Kind::Veth(_) => &["peer", "peer_index"],
        Kind::Vlan(_) => &["id", "parent", "protocol"],
        Kind::Vxlan(_) => &[
            "id",
            "port",
            "limit",
            "proxy",
            "route_short_circuit",
            "collect_metadata",
            "udp_checksum",
        ],
        Kind::Geneve(_) => &["id", "port", "collect_metadata", "udp_checksum"],
        Kind::Vrf(_) => &["table"],
        Kind::Tun(_) => &[
            "mode",
            "owner",
            "group",
            "packet_information",
            "vnet_header",
            "multi_queue",
        ],
        Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_) => &["parent"],
        _ => &[],
    }
}

/// Whether the two differ in what only a new link takes.
fn differs_for_good(was: &Kind, is: &Kind) -> bool {
    let passes_through = |kind: &Kind| match kind {
        Kind::Macvlan(macvlan) | Kind::Macvtap(macvlan) => {
            macvlan.mode == Some(MacvlanMode::Passthru)
        }
        _ => false,
    };
    let settings = (settings_of(was), settings_of(is));
    passes_through(was) != passes_through(is)
        || fixed_settings(was).iter().any(|key| {
            let of = |settings: &Option<Map<String, Value>>| {
                settings
                    .as_ref()
                    .and_then(|settings| settings.get(*key).cloned())
            };
            of(&settings.0) != of(&settings.1)
        })
}

/// A setting that was absent and is there now cannot be asked away; only a new link is without it. That is worth it only where all that
/// would go with the link is known.
fn cannot_unset(before: &Images, was: &Link, is: &Link) -> bool {
    if !before.whole.contains(&was.name) || matches!(was.kind, Kind::Bridge(_) | Kind::Bond(_)) {
        return false;
    }
    let (Some(was), Some(is)) = (settings_of(&was.kind), settings_of(&is.kind)) else {
        return false;
    };
    was.iter()
        .any(|(key, was)| was.is_null() && is.get(key).is_some_and(|is| !is.is_null()))
}

/// The first end of the pair of which this link is the second: it is made along with it.
pub fn second_end<'a>(before: &'a Images, was: &Link) -> Option<&'a Link> {
    let first = before.links.get(&peer(&was.kind)?.to_owned()).flatten()?;
    (first.index < was.index && peer(&first.kind) == Some(&was.name)).then_some(first)
}

/// The request that makes a link as it was; of a veth, both ends with their indices. What only works later comes by
/// [`attach::after_creation`].
pub fn create_request(was: &Link) -> Request {
    let mut kind = was.kind.clone();
    if let Kind::Bond(bond) = &mut kind {
        // There is no port yet.
        bond.primary = None;
    }
    if let Kind::Tun(tun) = &mut kind {
        tun.persistent = None;
    }
    if let Kind::Wireguard(wireguard) = &mut kind {
        wireguard.public_key = None;
    }
    Request::CreateLink(LinkSpec {
        name: was.name.clone(),
        index: Some(was.index),
        kind,
        alternative_names: was.alternative_names.clone(),
        settings: LinkSettings {
            controller: ControllerChange::Keep,
            port: None,
            up: None,
            ..all_settings(was)
        },
    })
}

fn all_settings(was: &Link) -> LinkSettings {
    LinkSettings {
        up: Some(was.up),
        mtu: Some(was.mtu),
        mac: was.mac.clone(),
        description: was.description.clone(),
        transmit_queue_length: Some(was.transmit_queue_length),
        arp: Some(was.arp),
        all_multicast: Some(was.all_multicast),
        promiscuous: Some(was.promiscuous),
        address_generation: was.address_generation,
        controller: was
            .controller
            .clone()
            .map_or(ControllerChange::Keep, ControllerChange::Attach),
        port: was.port.clone(),
    }
}

/// Requests around a link's controller and its being up.
pub mod attach {
    use super::all_settings;
    use crate::contract::netlink::{
        AlternativeName, ControllerChange, Link, LinkChange, LinkSettings, Request,
    };

    /// A change that changes nothing, to start from.
    pub fn nothing(link: &str) -> LinkChange {
        LinkChange {
            link: link.to_owned(),
            new_name: None,
            kind: None,
            settings: LinkSettings {
                up: None,
                mtu: None,
                mac: None,
                description: None,
                transmit_queue_length: None,
                arp: None,
                all_multicast: None,
                promiscuous: None,
                address_generation: None,
                controller: ControllerChange::Keep,
                port: None,
            },
        }
    }

    /// Up or down.
    pub fn up(link: &str, up: bool) -> Request {
        let mut change = nothing(link);
        change.settings.up = Some(up);
        Request::ChangeLink(change)
    }

    /// What a new link still needs: its controller, then being up. The second end of a pair, made along with the first, needs all.
    pub fn after_creation(was: &Link, second_end: bool) -> Vec<Request> {
        let mut requests = Vec::new();
        let mut change = nothing(&was.name);
        if second_end {
            change.settings = LinkSettings {
                up: None,
                ..all_settings(was)
            };
            requests.push(Request::ChangeLink(change));
            requests.extend(was.alternative_names.iter().map(|name| {
                let (link, name) = (was.name.clone(), name.clone());
                Request::AddAlternativeName(AlternativeName { link, name })
            }));
        } else if let Some(controller) = &was.controller {
            change.settings.controller = ControllerChange::Attach(controller.clone());
            change.settings.port.clone_from(&was.port);
            requests.push(Request::ChangeLink(change));
        }
        if was.up {
            requests.push(up(&was.name, true));
        }
        requests
    }
}

/// The requests that make of a link that is there the one that was; none if it is that already.
pub fn change_request(was: &Link, is: &Link, insistence: Insistence) -> Vec<Request> {
    let mut change = attach::nothing(&was.name);
    let settings = &mut change.settings;
    let mut requests = Vec::new();
    let mut is_up = is.up;
    let other_controller = was.controller != is.controller;
    if other_controller {
        settings.controller = was
            .controller
            .clone()
            .map_or(ControllerChange::Detach, ControllerChange::Attach);
    } else {
        // A bond gives its ports a MAC and an MTU, and gives the old ones back: what is still wrong is seen afterwards.
        settings.mtu = (was.mtu != is.mtu).then_some(was.mtu);
        settings.mac = was.mac.clone().filter(|mac| {
            !is.mac
                .as_ref()
                .is_some_and(|is| is.eq_ignore_ascii_case(mac))
        });
    }
    if was.port != is.port || other_controller {
        settings.port.clone_from(&was.port);
    }
    let description = |link: &Link| link.description.clone().unwrap_or_default();
    settings.description = (description(was) != description(is)).then(|| description(was));
    settings.transmit_queue_length = (was.transmit_queue_length != is.transmit_queue_length)
        .then_some(was.transmit_queue_length);
    settings.arp = (was.arp != is.arp).then_some(was.arp);
    settings.all_multicast = (was.all_multicast != is.all_multicast).then_some(was.all_multicast);
    settings.promiscuous = (was.promiscuous != is.promiscuous).then_some(was.promiscuous);
    if was.address_generation != is.address_generation {
        settings.address_generation = was.address_generation;
    }
    if settings.mac.is_some() && is_up && insistence == Insistence::TakeDown {
        requests.push(attach::up(&was.name, false));
        is_up = false;
    }
    change.kind = different_settings(&was.kind, &is.kind);
    if change != attach::nothing(&was.name) {
        requests.push(Request::ChangeLink(change));
    }
    // Changing the controller may take it down on the way.
    if was.up != is_up || other_controller {
        requests.push(attach::up(&was.name, was.up));
    }
    requests
}

/// The settings of a kind, by name.
fn settings_of(kind: &Kind) -> Option<serde_json::Map<String, Value>> {
    let Ok(Value::Object(variant)) = serde_json::to_value(kind) else {
        return None;
    };
    match variant.into_iter().next() {
        Some((_, Value::Object(settings))) => Some(settings),
        _ => None,
    }
}

/// A kind with only those optional settings that differ: the kernel refuses some even when they are what they were.
fn different_settings(was: &Kind, is: &Kind) -> Option<Kind> {
    if was == is || std::mem::discriminant(was) != std::mem::discriminant(is) {
        return None;
    }
    let (now, mut change) = (settings_of(is)?, serde_json::to_value(was).ok()?);
    let variant = change.as_object()?.keys().next()?.clone();
    for (key, value) in now {
        let place = change.get_mut(&variant)?.get_mut(&key)?;
        if *place != value {
            continue;
        }
        let same = std::mem::take(place);
        // Settings that must be named cannot be left out.
        if serde_json::from_value::<Kind>(change.clone()).is_err() {
            *change.get_mut(&variant)?.get_mut(&key)? = same;
        }
    }
    serde_json::from_value(change).ok()
}
