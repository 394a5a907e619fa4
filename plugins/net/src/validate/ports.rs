//! Ports and controllers: that they agree, wherever the file says it.

use std::collections::HashMap;

use super::Problems;
use crate::section::port::PortSettings;
use crate::section::vlans::Range;
use crate::section::{Interface, LinkType, Section, Vlans};

/// Checks ports against controllers.
pub fn check(desired: &Section, problems: &mut Problems) {
    let by_name: HashMap<&str, &Interface> = desired
        .interfaces()
        .iter()
        .map(|interface| (interface.name.as_str(), interface))
        .collect();
    let mut listed: HashMap<&str, (&str, String)> = HashMap::new();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        let Some(ports) = interface.ports.as_ref().filter(|_| !interface.is_absent()) else {
            continue;
        };
        let path = format!("/interfaces/{at}/ports");
        let of = type_of(interface);
        problems.push_if(
            of.is_some_and(|of| !has_ports(of)),
            &path,
            format!(
                "{} has no ports: only a bridge, a bond and a VRF do",
                of.map_or_else(|| "a link".to_owned(), LinkType::one)
            ),
        );
        for (place, port) in ports.iter().enumerate() {
            let path = format!("{path}/{place}");
            // A name alone may be a port that a bridge of Open vSwitch has already.
            let is_only_name = port.settings == PortSettings::default();
            let can_be_no_link = matches!(of, None | Some(LinkType::OvsBridge)) && is_only_name;
            let checked = match can_be_no_link || super::switch::has_no_link(&port.settings) {
                true => super::interface::port_name(&port.name),
                false => super::interface::name(&port.name),
            };
            if let Err(why) = checked {
                problems.push(&path, why);
            }
            settings(&port.name, &port.settings, of, &path, problems);
            if let Some((other, first)) = listed.insert(&port.name, (&interface.name, path.clone()))
            {
                let message = if other == interface.name {
                    format!("{} is listed already at {first}", port.name)
                } else {
                    format!(
                        "{} is a port of {other} already ({first}): it can have one controller only",
                        port.name
                    )
                };
                problems.push(&path, message);
            }
            let Some(itself) = by_name.get(port.name.as_str()) else {
                continue;
            };
            problems.push_if(
                itself.is_absent(),
                &path,
                format!("{} is to be absent: take it from the list", port.name),
            );
            problems.push_if(
                itself.port.is_some() && port.settings != PortSettings::default(),
                &path,
                format!(
                    "{} has settings as a port here and in its own `port`: keep one of the two",
                    port.name
                ),
            );
        }
    }
    for (at, interface) in desired
        .interfaces()
        .iter()
        .enumerate()
        .filter(|(_, interface)| !interface.is_absent())
    {
        let path = format!("/interfaces/{at}");
        own(interface, &path, &by_name, &listed, problems);
    }
    super::switch::bonds(desired, &listed, problems);
    super::switch::stacked(&listed, &by_name, problems);
}

fn own(
    interface: &Interface,
    path: &str,
    by_name: &HashMap<&str, &Interface>,
    listed: &HashMap<&str, (&str, String)>,
    problems: &mut Problems,
) {
    let name = interface.name.as_str();
    if let Some(vlans) = &interface.vlans {
        problems.push_if(
            type_of(interface).is_some_and(|of| *of != LinkType::Bridge),
            format!("{path}/vlans"),
            "only a bridge has VLANs of its own; a port's stand in its `port`",
        );
        self::vlans(vlans, &format!("{path}/vlans"), problems);
    }
    let by_list = listed.get(name);
    let own = interface.controller.as_ref().map(Option::as_deref);
    let controller = own.unwrap_or(by_list.map(|(controller, _)| *controller));
    let there = controller
        .and_then(|controller| by_name.get(controller))
        .copied();
    if let Some(port) = &interface.port {
        let bridge = interface
            .r#type
            .as_ref()
            .filter(|of| matches!(of, LinkType::OvsInternal | LinkType::OvsPort))
            .map(|_| &LinkType::OvsBridge);
        settings(
            name,
            port,
            there.and_then(type_of).or(bridge),
            &format!("{path}/port"),
            problems,
        );
    }
    let Some(own) = own else { return };
    let path = format!("{path}/controller");
    match (own, by_list) {
        (None, Some((other, first))) => problems.push(
            path,
            format!("{name} is listed as a port of {other} ({first}): take it from the list, or leave `controller` out"),
        ),
        (Some(own), Some((other, first))) if own != *other => problems.push(
            path,
            format!("{name} is listed as a port of {other} ({first}): it can have one controller only"),
        ),
        // A link says which bond of Open vSwitch has it, as `query` shows it.
        (Some(_), None) if there.is_some_and(|there| has_link(there, name)) => {}
        (Some(own), None) => {
            let list = there.filter(|there| there.ports.is_some() && !there.is_absent());
            problems.push_if(
                list.is_some(),
                &path,
                format!("the `ports` of {own} leave {name} out: add it there, or take this away"),
            );
            problems.push_if(
                there.is_some_and(Interface::is_absent),
                &path,
                format!("{own} is to be absent"),
            );
            let of = there.and_then(type_of);
            problems.push_if(
                of.is_some_and(|of| !has_ports(of)) && list.is_none(),
                &path,
                format!("{own} is to be {}, which has no ports", of.map_or_else(String::new, LinkType::one)),
            );
        }
        _ => {}
    }
}

/// Whether an interface is a bond of Open vSwitch that has this link.
fn has_link(interface: &Interface, link: &str) -> bool {
    let port = interface.port.as_deref().filter(|_| !interface.is_absent());
    let ports = port.and_then(|port| port.bond.as_ref()?.ports.as_ref());
    ports.is_some_and(|ports| ports.iter().any(|name| name == link))
}

/// What an interface is, by its type or by the settings of a kind.
pub fn type_of(interface: &Interface) -> Option<&LinkType> {
    interface
        .r#type
        .as_ref()
        .or(interface.bridge.as_ref().map(|_| &LinkType::Bridge))
        .or(interface.ovs_bridge.as_ref().map(|_| &LinkType::OvsBridge))
        .or(interface.bond.as_ref().map(|_| &LinkType::Bond))
        .or(interface.vrf.as_ref().map(|_| &LinkType::Vrf))
}

fn has_ports(of: &LinkType) -> bool {
    matches!(
        of,
        LinkType::Bridge
            | LinkType::Bond
            | LinkType::Vrf
            | LinkType::OvsBridge
            | LinkType::Other(_)
    )
}

fn settings(
    name: &str,
    port: &PortSettings,
    of: Option<&LinkType>,
    path: &str,
    problems: &mut Problems,
) {
    if let Some(vlans) = &port.vlans {
        self::vlans(vlans, &format!("{path}/vlans"), problems);
    }
    let for_bonds = PortSettings {
        queue_id: port.queue_id,
        priority: port.priority,
        ..PortSettings::default()
    };
    let is_kernels = matches!(of, Some(LinkType::Bridge | LinkType::Bond | LinkType::Vrf));
    if is_kernels && port.is_for_switch() {
        let word = of.map_or("", LinkType::word);
        return problems.push(
            path,
            format!("these are settings of a port of Open vSwitch, and the controller is to be a {word}: use \"type\": \"ovs-bridge\" there, or leave them out"),
        );
    }
    match of {
        Some(LinkType::OvsBridge) => super::switch::port(name, port, path, problems),
        None if port.is_for_switch() => super::switch::port(name, port, path, problems),
        Some(LinkType::Bridge) => {
            problems.push_if(
                port.queue_id.is_some(),
                format!("{path}/queue_id"),
                "only a port of a bond has one",
            );
            problems.push_if(
                port.priority.is_some_and(|priority| !(0..=63).contains(&priority)),
                format!("{path}/priority"),
                "on a bridge a port's priority goes from 0 to 63",
            );
        }
        Some(LinkType::Bond) => problems.push_if(
            *port != for_bonds,
            path,
            "a port of a bond has only `queue_id` and `priority`; the other settings are for ports of bridges",
        ),
        Some(LinkType::Vrf) => {
            problems.push_if(*port != PortSettings::default(), path, "a port of a VRF has no settings");
        }
        _ => {}
    }
}

fn vlans(vlans: &Vlans, path: &str, problems: &mut Problems) {
    let others = vlans.trunk.is_some() || vlans.native.is_some() || vlans.untagged.is_some();
    problems.push_if(
        vlans.access.is_some() && (others || vlans.native_tagged.is_some()),
        format!("{path}/access"),
        "a port is an access port or a trunk: use `native` for the untagged VLAN of a trunk",
    );
    problems.push_if(
        vlans.native_tagged.is_some() && vlans.native.is_none(),
        format!("{path}/native_tagged"),
        "there is no `native` VLAN",
    );
    let is_valid =
        |range: &Range| range.first >= 1 && range.first <= range.last && range.last <= 4094;
    for (key, list) in [("trunk", &vlans.trunk), ("untagged", &vlans.untagged)] {
        for (at, range) in list.iter().flatten().enumerate() {
            let message = format!(
                "{}-{} is no range of VLANs: they go from 1 to 4094",
                range.first, range.last
            );
            problems.push_if(!is_valid(range), format!("{path}/{key}/{at}"), message);
        }
    }
    for (key, id) in [("access", vlans.access), ("native", vlans.native)] {
        problems.push_if(
            id.is_some_and(|id| !(1..=4094).contains(&id)),
            format!("{path}/{key}"),
            "VLANs go from 1 to 4094",
        );
    }
}
