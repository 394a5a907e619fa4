//! When an object is as it was: what the kernel counts down, learns or decides by itself is no difference.

use super::images::{PROTOCOL_KERNEL, PROTOCOL_RA, RuleImages};
use crate::contract::netlink::{Address, Link, Neighbour, NextHop, Route, Rule};

/// Whether two states of an address are alike. Lifetimes run: only whether there is one counts.
pub fn address(was: &Address, is: &Address) -> bool {
    address_but_lifetime(was, is)
        && was.valid_lifetime.is_some() == is.valid_lifetime.is_some()
        && was.preferred_lifetime.is_some() == is.preferred_lifetime.is_some()
        && was.no_prefix_route == is.no_prefix_route
}

/// Whether two states of an address differ at most in what can be changed without taking it away.
pub fn address_but_lifetime(was: &Address, is: &Address) -> bool {
    was.peer == is.peer
        && was.broadcast == is.broadcast
        && was.label == is.label
        && was.scope == is.scope
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
        && was.has_unknown == is.has_unknown
        && hops[0] == hops[1]
}

/// Whether a route comes and goes with something else, by the kernel's doing.
pub fn follows(route: &Route) -> bool {
    matches!(route.protocol, PROTOCOL_KERNEL | PROTOCOL_RA)
}

/// What of a link is not as it was, in words: name of the setting, what it is, what it should be.
pub fn link(was: &Link, is: &Link) -> Vec<(&'static str, String, String)> {
    let mut differences = Vec::new();
    let mut check = |what, is: String, was: String| {
        if is != was {
            differences.push((what, is, was));
        }
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let mac = |link: &Link| text(&link.mac).to_ascii_lowercase();
    let debug = |value: &dyn std::fmt::Debug| format!("{value:?}");
    check("kind", debug(&is.kind), debug(&was.kind));
    check("up", is.up.to_string(), was.up.to_string());
    check("MTU", is.mtu.to_string(), was.mtu.to_string());
    check("MAC", mac(is), mac(was));
    check("controller", text(&is.controller), text(&was.controller));
    check("port settings", debug(&is.port), debug(&was.port));
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
        debug(&is.address_generation),
        debug(&was.address_generation),
    );
    differences
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
