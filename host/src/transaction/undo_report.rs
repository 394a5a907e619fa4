//! What an undo left undone, in words: each object, what it is and what it should be.

use std::collections::HashMap;
use std::fmt::Display;

use super::images::{AddressKey, Images, NeighbourKey, RouteKey, VlanKey};
use super::link_names::can_be_created;
use super::record::Difference;
use super::same;
use super::undo_plan::{Now, other_primaries};
use crate::contract::netlink::{Address, BridgeVlan, Neighbour, Request, Route, Rule};

/// Every object that is not as it was. `errors` are what the last requests met, by object.
pub fn differences(
    before: &Images,
    now: &Now,
    errors: &HashMap<String, String>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut report = |object: String, is: String, should_be: String| {
        let because = errors.get(&object).cloned();
        found.push(Difference {
            object,
            is,
            should_be,
            because,
        });
    };
    links(before, now, &mut report);
    let there = &now.images;
    for (key, was) in before.alternative_names.iter() {
        if was.is_some() != there.alternative_names.get(key).flatten().is_some() {
            let object = format!("alternative name {} of link {}", key.name, key.link);
            report(object, presence(was.is_none()), presence(was.is_some()));
        }
    }
    for (key, was) in before.addresses.iter() {
        let is = there.addresses.get(key).flatten();
        if !alike(was, is, same::address) {
            report(
                address_object(key),
                or_absent(is, in_words::address),
                or_absent(was, in_words::address),
            );
        }
    }
    for (network, is, was) in other_primaries(before, now) {
        let object = format!(
            "primary address of {}/{} on {}",
            network.network, network.prefix_length, network.link
        );
        report(object, is.clone(), was.clone());
    }
    for (key, was) in before.routes.iter() {
        let is = there.routes.get(key).flatten();
        if !alike(was, is, same::route) {
            report(
                route_object(key),
                or_absent(is, in_words::route),
                or_absent(was, in_words::route),
            );
        }
    }
    for (key, was) in before.neighbours.iter() {
        let is = there.neighbours.get(key).flatten();
        if !alike(was, is, same::neighbour) {
            let object = neighbour_object(key);
            report(
                object,
                or_absent(is, in_words::neighbour),
                or_absent(was, in_words::neighbour),
            );
        }
    }
    for (key, was) in before.vlans.iter() {
        let is = there.vlans.get(key).flatten();
        if was != is {
            report(
                vlan_object(key),
                or_absent(is, in_words::vlan),
                or_absent(was, in_words::vlan),
            );
        }
    }
    let (missing, wrong) = same::rules(&before.rules, &there.rules.before);
    for rule in missing {
        report(rule_object(rule), presence(false), presence(true));
    }
    for rule in wrong {
        report(rule_object(rule), presence(true), presence(false));
    }
    found
}

/// What went with a link and no request brings back, in words.
pub fn lost_for_good(before: &Images, now: &Now) -> Vec<String> {
    let links = before.links.iter().flat_map(|(name, was)| {
        let is = now.images.links.get(name).flatten();
        let mut lost = Vec::new();
        if let (Some(was), Some(is)) = (was, is) {
            lost.extend(same::lost_discipline(was, is).map(|discipline| {
                format!("its queueing discipline {discipline}: op-dbus does not bring those back")
            }));
            lost.extend(same::lost_attributes(was, is).map(|attribute| {
                format!(
                    "the attribute {}: the kernel did not take it back",
                    attribute.place
                )
            }));
        }
        lost.into_iter()
            .map(move |lost| format!("link {name} is without {lost}"))
    });
    let routes = before.routes.iter().filter_map(|(key, was)| {
        let is = now.images.routes.get(key).flatten()?;
        same::lost_next_hop_object(was?, is)?;
        let route = route_object(key);
        Some(format!(
            "{route} leads where it did, but not by its next hop object, which went with its link"
        ))
    });
    links.chain(routes).collect()
}

fn links(before: &Images, now: &Now, report: &mut impl FnMut(String, String, String)) {
    for (name, was) in before.links.iter() {
        let object = format!("link {name}");
        match (was, now.images.links.get(name).flatten()) {
            (None, None) => {}
            (None, Some(is)) => report(
                object,
                format!("present with index {}", is.index),
                presence(false),
            ),
            (Some(_), None) => report(object, presence(false), presence(true)),
            (Some(was), Some(is)) => {
                if let Some(current) = now.renamed.get(name) {
                    report(
                        object.clone(),
                        format!("named {current}"),
                        format!("named {name}"),
                    );
                }
                let mut differences = same::link(was, is);
                if was.index != is.index && can_be_created(&was.kind) {
                    differences.push((
                        "index".to_owned(),
                        is.index.to_string(),
                        was.index.to_string(),
                    ));
                }
                for (what, is, was) in differences {
                    report(
                        object.clone(),
                        format!("{what} {is}"),
                        format!("{what} {was}"),
                    );
                }
            }
        }
    }
    for stray in &now.strays {
        report(
            format!("link {}", stray.name),
            format!("present with index {}", stray.index),
            presence(false),
        );
    }
}

fn alike<T>(was: Option<&T>, is: Option<&T>, same: impl Fn(&T, &T) -> bool) -> bool {
    match (was, is) {
        (Some(was), Some(is)) => same(was, is),
        (None, None) => true,
        _ => false,
    }
}

fn presence(present: bool) -> String {
    if present { "present" } else { "absent" }.to_owned()
}

fn or_absent<T>(value: Option<&T>, words: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| presence(false), words)
}

/// The object of a request, in the words of [`differences`].
pub fn object_of(request: &Request) -> String {
    match request {
        Request::CreateLink(spec) => format!("link {}", spec.name),
        Request::ChangeLink(change) => {
            format!("link {}", change.new_name.as_ref().unwrap_or(&change.link))
        }
        Request::DeleteLink(name) => format!("link {name}"),
        Request::AddAlternativeName(name) | Request::DeleteAlternativeName(name) => {
            format!("alternative name {} of link {}", name.name, name.link)
        }
        Request::PutAddress(address) | Request::DeleteAddress(address) => {
            address_object(&AddressKey::of(address))
        }
        Request::AddRoute(route) | Request::PutRoute(route) | Request::DeleteRoute(route) => {
            route_object(&RouteKey::of(route))
        }
        Request::AddRule(rule) | Request::DeleteRule(rule) => rule_object(rule),
        Request::PutNeighbour(entry) | Request::DeleteNeighbour(entry) => {
            neighbour_object(&NeighbourKey::of(entry))
        }
        Request::PutBridgeVlan(vlan) | Request::DeleteBridgeVlan(vlan) => vlan_object(&VlanKey {
            link: vlan.link.clone(),
            on_bridge: vlan.on_bridge,
            id: vlan.first,
        }),
    }
}

/// The objects that images are of, in the words of [`differences`].
pub fn objects(images: &Images) -> Vec<String> {
    let links = images.links.iter().map(|(name, _)| format!("link {name}"));
    let names = images
        .alternative_names
        .iter()
        .map(|(key, _)| format!("alternative name {} of link {}", key.name, key.link));
    let addresses = images.addresses.iter().map(|(key, _)| address_object(key));
    let routes = images.routes.iter().map(|(key, _)| route_object(key));
    let neighbours = images.neighbours.iter();
    let neighbours = neighbours.map(|(key, _)| neighbour_object(key));
    let vlans = images.vlans.iter().map(|(key, _)| vlan_object(key));
    let rules = images.rules.touched.iter().map(rule_object);
    let hanging = addresses.chain(routes).chain(neighbours).chain(vlans);
    links.chain(names).chain(hanging).chain(rules).collect()
}

fn address_object(key: &AddressKey) -> String {
    format!(
        "address {}/{} on {}",
        key.address, key.prefix_length, key.link
    )
}

fn route_object(key: &RouteKey) -> String {
    let through = key
        .link
        .as_ref()
        .map_or_else(String::new, |link| format!(" on {link}"));
    let tos = if key.tos == 0 {
        String::new()
    } else {
        format!(" tos {}", key.tos)
    };
    let source = key
        .source
        .as_ref()
        .map_or_else(String::new, |source| format!(" from {source}"));
    format!(
        "route {}/{}{source} table {} metric {}{tos}{through}",
        key.destination, key.length, key.table, key.metric
    )
}

fn neighbour_object(key: &NeighbourKey) -> String {
    let proxy = if key.proxy { "proxy " } else { "" };
    format!("{proxy}neighbour {} on {}", key.address, key.link)
}

fn vlan_object(key: &VlanKey) -> String {
    let on_bridge = if key.on_bridge { " itself" } else { "" };
    format!("VLAN {} of {}{on_bridge}", key.id, key.link)
}

fn rule_object(rule: &Rule) -> String {
    let mut text = format!("{} rule", same::word(&rule.family));
    let mut add = |what: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            text += &format!(" {what} {value}");
        }
    };
    let prefix =
        |prefix: &crate::contract::netlink::Prefix| format!("{}/{}", prefix.address, prefix.length);
    let (source, destination) = (
        rule.source.as_ref().map(prefix),
        rule.destination.as_ref().map(prefix),
    );
    add("priority", rule.priority.as_ref().map(|value| value as _));
    add("from", source.as_ref().map(|value| value as _));
    add("to", destination.as_ref().map(|value| value as _));
    add("iif", rule.input_link.as_ref().map(|value| value as _));
    add("oif", rule.output_link.as_ref().map(|value| value as _));
    add(
        "fwmark",
        rule.firewall_mark.as_ref().map(|value| value as _),
    );
    format!("{text} {}", in_words::rule_action(rule))
}

/// Values in a few words, as ip(8) would print them.
mod in_words {
    use super::{Address, BridgeVlan, Neighbour, Route, Rule, same};
    use crate::contract::netlink::RuleAction;

    fn option(what: &str, value: Option<&String>) -> String {
        value.map_or_else(String::new, |value| format!(" {what} {value}"))
    }

    pub fn address(address: &Address) -> String {
        let lifetime = if address.valid_lifetime.is_some() {
            " with a lifetime"
        } else {
            ""
        };
        let flags = [
            (" noprefixroute", address.no_prefix_route),
            (" nodad", address.no_duplicate_detection),
            (" home", address.home),
            (" mngtmpaddr", address.manage_temporary),
            (" autojoin", address.join_multicast),
        ];
        let flags = flags.into_iter().filter(|(_, set)| *set);
        let flags: String = flags.map(|(word, _)| word).collect();
        let metric = address
            .metric
            .map_or_else(String::new, |metric| format!(" metric {metric}"));
        let scope = address
            .scope
            .map_or_else(String::new, |scope| format!(" scope {scope}"));
        format!(
            "present{}{}{}{scope}{metric}{lifetime}{flags}",
            option("peer", address.peer.as_ref()),
            option("broadcast", address.broadcast.as_ref()),
            option("label", address.label.as_ref()),
        )
    }

    pub fn route(route: &Route) -> String {
        let hops: String = route
            .next_hops
            .iter()
            .map(|hop| {
                let onlink = if hop.onlink { " onlink" } else { "" };
                format!(
                    "{}{}{onlink}",
                    option("via", hop.gateway.as_ref()),
                    option("dev", hop.link.as_ref())
                )
            })
            .collect();
        let mtu = route
            .mtu
            .map_or_else(String::new, |mtu| format!(" mtu {mtu}"));
        let of_hops = route.next_hops.iter().flat_map(|hop| &hop.unknown);
        let unknown: String = route
            .unknown
            .iter()
            .chain(of_hops)
            .map(|attribute| format!(" with attribute {}", attribute.place))
            .collect();
        let kind = same::word(&route.route_type);
        format!(
            "{kind}{hops}{}{mtu} proto {}{unknown}",
            option("src", route.preferred_source.as_ref()),
            route.protocol
        )
    }

    pub fn neighbour(entry: &Neighbour) -> String {
        let state = same::word(&entry.state);
        format!("{state}{}", option("lladdr", entry.mac.as_ref()))
    }

    pub fn vlan(vlan: &BridgeVlan) -> String {
        let pvid = if vlan.pvid { " pvid" } else { "" };
        let untagged = if vlan.untagged { " untagged" } else { "" };
        format!("present{pvid}{untagged}")
    }

    pub fn rule_action(rule: &Rule) -> String {
        match rule.action {
            RuleAction::Lookup(table) => format!("lookup {table}"),
            RuleAction::Goto(priority) => format!("goto {priority}"),
            RuleAction::Nop => "nop".to_owned(),
            RuleAction::Blackhole => "blackhole".to_owned(),
            RuleAction::Unreachable => "unreachable".to_owned(),
            RuleAction::Prohibit => "prohibit".to_owned(),
        }
    }
}
