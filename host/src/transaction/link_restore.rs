//! How a link comes back: made anew, or changed to what it was.

use super::images::Images;
use super::link_names::{can_be_created, peer};
use super::same;
use super::undo_plan::Insistence;
use crate::contract::netlink::{
    ControllerChange, Kind, Link, LinkSettings, LinkSpec, MacvlanMode, Request, UnknownAttribute,
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
            "source_ports",
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
    let settings = (same::settings_of(was), same::settings_of(is));
    passes_through(was) != passes_through(is)
        || fixed_settings(was).iter().any(|key| {
            let of = |settings: &Option<same::Settings>| {
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
    let (Some(was), Some(is)) = (same::settings_of(&was.kind), same::settings_of(&is.kind)) else {
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
pub fn create_request(was: &Link, nameless: Nameless) -> Request {
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
            ..all_settings(was, nameless)
        },
    })
}

/// Whether attributes that the contract has no name for go back to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nameless {
    /// As it gave them.
    GoBack,
    /// It did not take them: better without them than not at all.
    StayAway,
}

fn unknown(was: &Link, nameless: Nameless) -> Vec<UnknownAttribute> {
    match nameless {
        Nameless::GoBack => was.unknown.clone(),
        Nameless::StayAway => Vec::new(),
    }
}

fn all_settings(was: &Link, nameless: Nameless) -> LinkSettings {
    LinkSettings {
        up: Some(was.up),
        mtu: Some(was.mtu),
        mac: was.mac.clone(),
        description: was.description.clone(),
        transmit_queue_length: Some(was.transmit_queue_length),
        group: Some(was.group),
        arp: Some(was.arp),
        all_multicast: Some(was.all_multicast),
        promiscuous: Some(was.promiscuous),
        address_generation: was.address_generation,
        controller: was
            .controller
            .clone()
            .map_or(ControllerChange::Keep, ControllerChange::Attach),
        port: was.port.clone(),
        unknown: unknown(was, nameless),
    }
}

/// Requests around a link's controller and its being up.
pub mod attach {
    use super::{Nameless, all_settings};
    use crate::contract::netlink::{
        AlternativeName, ControllerChange, Link, LinkChange, LinkSettings, Request,
    };

    /// A change that changes nothing, to start from.
    pub fn nothing(link: &str) -> LinkChange {
        LinkChange {
            link: link.to_owned(),
            new_name: None,
            kind: None,
            settings: LinkSettings::default(),
        }
    }

    /// Up or down.
    pub fn up(link: &str, up: bool) -> Request {
        let mut change = nothing(link);
        change.settings.up = Some(up);
        Request::ChangeLink(change)
    }

    /// What a new link still needs: its controller, then being up. The second end of a pair, made along with the first, needs all.
    pub fn after_creation(was: &Link, second_end: bool, nameless: Nameless) -> Vec<Request> {
        let mut requests = Vec::new();
        let mut change = nothing(&was.name);
        if second_end {
            change.settings = LinkSettings {
                up: None,
                ..all_settings(was, nameless)
            };
            requests.push(Request::ChangeLink(change));
            requests.extend(was.alternative_names.iter().map(|name| {
                let (link, name) = (was.name.clone(), name.clone());
                Request::AddAlternativeName(AlternativeName { link, name })
            }));
        } else if let Some(controller) = &was.controller {
            change.settings.controller = ControllerChange::Attach(controller.clone());
            change.settings.port.clone_from(&was.port);
            change.settings.unknown = super::unknown(was, nameless);
            requests.push(Request::ChangeLink(change));
        }
        if was.up {
            requests.push(up(&was.name, true));
        }
        requests
    }
}

/// The requests that make of a link that is there the one that was; none if it is that already.
pub fn change_request(
    was: &Link,
    is: &Link,
    insistence: Insistence,
    nameless: Nameless,
) -> Vec<Request> {
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
    let loses_unknown =
        nameless == Nameless::GoBack && same::lost_attributes(was, is).next().is_some();
    if was.port != is.port || other_controller || loses_unknown {
        settings.port.clone_from(&was.port);
        settings.unknown = match &was.port {
            Some(_) => unknown(was, nameless),
            None => Vec::new(),
        };
    }
    settings.group = (was.group != is.group).then_some(was.group);
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

/// A kind with only those optional settings that differ: the kernel refuses some even when they are what they were.
fn different_settings(was: &Kind, is: &Kind) -> Option<Kind> {
    if was == is || std::mem::discriminant(was) != std::mem::discriminant(is) {
        return None;
    }
    let (now, mut change) = (same::settings_of(is)?, serde_json::to_value(was).ok()?);
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::contract::netlink::{Geneve, Ipvlan, Macvlan, Tun, TunMode, Veth, Vlan, Vrf, Vxlan};

    /// What only a new link takes is a matter of the kernel's drivers, and the plugin `net` has to know it as well: its schema says it.
    #[test]
    fn the_plugin_and_the_undo_agree_on_what_only_a_new_link_takes() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../plugins/net/schema.json")).unwrap();
        let anew = |definition: &str| {
            let definition = &schema["$defs"][definition];
            let says = |schema: &Value, words: &str| {
                let text = schema["description"].as_str();
                text.is_some_and(|text| text.contains(words))
            };
            let all = says(definition, "Changing any of it makes the");
            let properties = definition["properties"].as_object().unwrap().iter();
            let keys = properties.filter(|(_, key)| {
                says(key, "Changing it makes the") || all && key["readOnly"] != true
            });
            keys.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        let kinds = [
            (
                "Veth",
                Kind::Veth(Veth {
                    peer: None,
                    peer_index: None,
                }),
            ),
            ("Vlan", serde_kind::<Vlan>("Vlan", Kind::Vlan)),
            ("Vxlan", serde_kind::<Vxlan>("Vxlan", Kind::Vxlan)),
            ("Geneve", serde_kind::<Geneve>("Geneve", Kind::Geneve)),
            ("Vrf", Kind::Vrf(Vrf { table: 1 })),
            (
                "Macvlan",
                Kind::Macvlan(Macvlan {
                    parent: None,
                    mode: None,
                }),
            ),
            (
                "Ipvlan",
                Kind::Ipvlan(Ipvlan {
                    parent: None,
                    mode: None,
                    isolation: None,
                }),
            ),
            ("Tun", serde_kind::<Tun>("Tun", Kind::Tun)),
        ];
        for (definition, kind) in kinds {
            let mut said = anew(definition);
            // The index of a veth's other end and the mode of a TUN device are no keys of a state file.
            let fixed = fixed_settings(&kind).iter();
            let mut fixed: Vec<_> = fixed
                .filter(|key| !matches!(**key, "peer_index" | "mode"))
                .map(ToString::to_string)
                .collect();
            said.sort();
            fixed.sort();
            assert_eq!(said, fixed, "{definition}");
        }
    }

    /// A kind of which nothing is said but what must be.
    fn serde_kind<T: serde::de::DeserializeOwned>(name: &str, kind: fn(T) -> Kind) -> Kind {
        let settings = serde_json::json!({"id": 1, "mode": TunMode::Tap});
        let settings = serde_json::from_value(settings);
        kind(settings.unwrap_or_else(|error| panic!("{name}: {error}")))
    }
}
