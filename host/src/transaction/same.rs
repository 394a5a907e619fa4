//! When an object is as it was: what the kernel counts down, learns or decides by itself is no difference.

use serde::Serialize;
use serde_json::Value;

use super::images::{PROTOCOL_KERNEL, PROTOCOL_RA, RuleImages, is_ipv6};
use crate::backends::netlink;
use crate::contract::netlink::{Address, Link, Neighbour, NextHop, Route, Rule, UnknownAttribute};

/// Whether two states of an address are alike. Lifetimes run: only whether there is one counts.
pub fn address(was: &Address, is: &Address) -> bool {
    address_but_lifetime(was, is)
        && flags(was) == flags(is)
        && was.valid_lifetime.is_some() == is.valid_lifetime.is_some()
        && was.preferred_lifetime.is_some() == is.preferred_lifetime.is_some()
        && was.metric == is.metric
        && was.protocol == is.protocol
}

/// Whether two states of an address differ at most in what can be changed without taking it away (inet_rtm_newaddr, inet6_addr_modify).
pub fn address_but_lifetime(was: &Address, is: &Address) -> bool {
    was.peer == is.peer
        && was.broadcast == is.broadcast
        && was.label == is.label
        && was.scope == is.scope
        && was.join_multicast == is.join_multicast
        // IPv6 takes no metric for "as it is".
        && (was.metric.is_some() || is.metric.is_none() || !is_ipv6(&was.address))
        && (is_ipv6(&was.address) || flags(was) == flags(is))
}

/// Flags that IPv4 keeps from an address's beginning to its end, and IPv6 changes in place.
fn flags(address: &Address) -> [bool; 4] {
    [
        address.no_prefix_route,
        address.no_duplicate_detection,
        address.home,
        address.manage_temporary,
    ]
}

/// Whether two states of a neighbour entry are alike.
pub fn neighbour(was: &Neighbour, is: &Neighbour) -> bool {
    let mac = |entry: &Neighbour| entry.mac.as_ref().map(|mac| mac.to_ascii_lowercase());
    was.state == is.state && was.router == is.router && mac(was) == mac(is)
}

/// Whether two states of a route are alike.
pub fn route(was: &Route, is: &Route) -> bool {
    let mut hops = [
        was.next_hops.iter().collect::<Vec<_>>(),
        is.next_hops.iter().collect(),
    ];
    for hops in &mut hops {
        hops.sort_by_key(|hop: &&NextHop| (hop.link.clone(), hop.gateway.clone(), hop.weight));
    }
    was.route_type == is.route_type
        && was.protocol == is.protocol
        && was.scope == is.scope
        && was.preferred_source == is.preferred_source
        && was.mtu == is.mtu
        && was.lifetime.is_some() == is.lifetime.is_some()
        && same_attributes(&was.unknown, &is.unknown, lost_next_hop_object(was, is))
        && hops[0] == hops[1]
}

/// A next hop object (RTA_NH_ID, ip-nexthop(8)), as the contract has attributes without a name.
pub const NEXT_HOP_OBJECT: &str = "RTA/30";

/// The next hop object of a route that leads the same way without it: it went with its link, and nothing brings it back.
pub fn lost_next_hop_object<'a>(was: &'a Route, is: &Route) -> Option<&'a UnknownAttribute> {
    let by_object = |attribute: &&UnknownAttribute| attribute.place == NEXT_HOP_OBJECT;
    let was = was.unknown.iter().find(by_object)?;
    (!is.unknown.iter().any(|attribute| by_object(&attribute))).then_some(was)
}

/// Whether two lists hold the same attributes, in any order, but for one that was lost.
fn same_attributes(
    was: &[UnknownAttribute],
    is: &[UnknownAttribute],
    lost: Option<&UnknownAttribute>,
) -> bool {
    let mut was = was.iter().filter(|attribute| Some(*attribute) != lost);
    was.clone().count() == is.len() && was.all(|attribute| is.contains(attribute))
}

/// Whether a route comes and goes with something else, by the kernel's doing.
pub fn follows(route: &Route) -> bool {
    matches!(route.protocol, PROTOCOL_KERNEL | PROTOCOL_RA)
}

/// What of a link is not as it was, in words: name of the setting, what it is, what it should be.
pub fn link(was: &Link, is: &Link) -> Vec<(String, String, String)> {
    let mut differences = Vec::new();
    let mut check = |what: &str, is: String, was: String| {
        if is != was {
            differences.push((what.to_owned(), is, was));
        }
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let mac = |link: &Link| text(&link.mac).to_ascii_lowercase();
    match (kind_of(was), kind_of(is)) {
        ((was, old), (is, new)) if was == is => {
            for (what, is, was) in different_settings(&old, &new) {
                check(&what, is, was);
            }
        }
        ((was, _), (is, _)) => check("kind", is, was),
    }
    check("up", is.up.to_string(), was.up.to_string());
    check("MTU", is.mtu.to_string(), was.mtu.to_string());
    check("MAC", mac(is), mac(was));
    check("group", is.group.to_string(), was.group.to_string());
    check("controller", text(&is.controller), text(&was.controller));
    for (what, is, was) in different_settings(&port_of(was), &port_of(is)) {
        check(&format!("port {what}"), is, was);
    }
    check("description", text(&is.description), text(&was.description));
    check(
        "transmit queue length",
        is.transmit_queue_length.to_string(),
        was.transmit_queue_length.to_string(),
    );
    check("ARP", is.arp.to_string(), was.arp.to_string());
    check(
        "all-multicast",
        is.all_multicast.to_string(),
        was.all_multicast.to_string(),
    );
    check(
        "promiscuous",
        is.promiscuous.to_string(),
        was.promiscuous.to_string(),
    );
    check(
        "address generation",
        word(&is.address_generation),
        word(&was.address_generation),
    );
    differences
}

fn tree<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// A word of one of the contract's enumerations, as the contract has it: `ipv4`, `no-arp`.
pub fn word<T: Serialize>(value: &T) -> String {
    let mut word = String::new();
    for (at, letter) in in_words(&tree(value)).char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// A value as a state file would have it.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A kind by the kernel's word, and its settings.
fn kind_of(link: &Link) -> (String, Settings) {
    let word = netlink::word(&link.kind).unwrap_or("ethernet").to_owned();
    (word, settings_of(&link.kind).unwrap_or_default())
}

fn port_of(link: &Link) -> Settings {
    let settings = link.port.as_ref().and_then(settings_of);
    settings.unwrap_or_default()
}

/// Settings by name.
pub type Settings = serde_json::Map<String, Value>;

/// The settings of a variant of the contract (a kind, a port), by name; none where it has none.
pub fn settings_of<T: Serialize>(variant: &T) -> Option<Settings> {
    let Ok(Value::Object(variant)) = serde_json::to_value(variant) else {
        return None;
    };
    match variant.into_iter().next() {
        Some((_, Value::Object(settings))) => Some(settings),
        _ => None,
    }
}

fn different_settings(was: &Settings, is: &Settings) -> Vec<(String, String, String)> {
    let mut keys: Vec<&String> = was.keys().chain(is.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |settings: &Settings, key: &str| in_words(settings.get(key).unwrap_or(&Value::Null));
    keys.into_iter()
        .map(|key| (key.replace('_', " "), of(is, key), of(was, key)))
        .collect()
}

/// Attributes without a name that were there and are gone. That one has another value tells nothing: it may be the kernel's own count.
pub fn lost_attributes<'a>(
    was: &'a Link,
    is: &'a Link,
) -> impl Iterator<Item = &'a UnknownAttribute> {
    let there = |place: &str| is.unknown.iter().any(|attribute| attribute.place == place);
    was.unknown
        .iter()
        .filter(move |attribute| !there(&attribute.place))
}

/// A queueing discipline that somebody put there, and that is not there any more: no request brings it back.
pub fn lost_discipline<'a>(was: &'a Link, is: &Link) -> Option<&'a str> {
    let was = was.queueing_discipline.as_deref()?;
    (is.queueing_discipline.as_deref() != Some(was)).then_some(was)
}

/// Rules that are missing and rules that should not be there. Rules that no request named are left alone.
pub fn rules<'a>(images: &'a RuleImages, now: &'a [Rule]) -> (Vec<&'a Rule>, Vec<&'a Rule>) {
    let without = |from: &'a [Rule], these: &[Rule]| {
        let mut these: Vec<&Rule> = these.iter().collect();
        let missing =
            from.iter().filter(
                move |rule| match these.iter().position(|other| other == rule) {
                    Some(at) => {
                        these.swap_remove(at);
                        false
                    }
                    None => true,
                },
            );
        missing.collect::<Vec<_>>()
    };
    let mut missing = without(&images.before, now);
    missing.retain(|rule| {
        images
            .touched
            .iter()
            .any(|asked| may_have_deleted(asked, rule))
    });
    let mut wrong = without(now, &images.before);
    wrong.retain(|rule| {
        images
            .touched
            .iter()
            .any(|asked| may_have_added(asked, rule))
    });
    (missing, wrong)
}

/// The kernel deletes the first rule that agrees in what a request says; what it leaves out matches anything.
fn may_have_deleted(asked: &Rule, rule: &Rule) -> bool {
    fn agrees<T: PartialEq>(asked: &Option<T>, is: &Option<T>) -> bool {
        asked.is_none() || asked == is
    }
    asked.family == rule.family
        && agrees(&asked.priority, &rule.priority)
        && agrees(&asked.source, &rule.source)
        && agrees(&asked.destination, &rule.destination)
        && agrees(&asked.input_link, &rule.input_link)
        && agrees(&asked.output_link, &rule.output_link)
        && agrees(&asked.firewall_mark, &rule.firewall_mark)
        && agrees(&asked.ip_protocol, &rule.ip_protocol)
        && agrees(&asked.source_ports, &rule.source_ports)
        && agrees(&asked.destination_ports, &rule.destination_ports)
        && agrees(&asked.user_ids, &rule.user_ids)
        && (asked.tos == 0 || asked.tos == rule.tos)
}

/// What the kernel makes of a request: it chooses a priority and a mask where none is named.
fn may_have_added(asked: &Rule, rule: &Rule) -> bool {
    let made = Rule {
        priority: asked.priority.or(rule.priority),
        firewall_mask: asked.firewall_mask.or(rule.firewall_mask),
        protocol: rule.protocol,
        ..asked.clone()
    };
    made == *rule
}
