//! Words for a person.

use serde_json::Value;

use crate::kind;
use crate::section::{Interface, LinkType, Neighbour, Route, Rule, State, Vlans};
use crate::step::tree;

/// `create vlan 20 on eth0, up`.
pub fn created(link: &Interface, state: State) -> String {
    let Some(of) = &link.r#type else {
        return "create".to_owned();
    };
    let settings = kind::settings(link, of);
    let number = |key: &str| {
        settings
            .get(key)
            .map(|id| format!(" {id}"))
            .unwrap_or_default()
    };
    let mut words = match of {
        LinkType::Vlan | LinkType::Vxlan | LinkType::Geneve => {
            format!("create {}{}", of.word(), number("id"))
        }
        LinkType::Vrf => format!("create vrf with table{}", number("table")),
        _ => format!("create {}", of.word()),
    };
    if let Some(parent) = kind::parent(link) {
        words += &format!(" on {parent}");
    }
    if let Some(peer) = kind::peer(link) {
        words += &format!(" with peer {peer}");
    }
    if let Some(Some(controller)) = &link.controller {
        words += &format!(", port of {controller}");
    }
    words
        + if state == State::Down {
            ", down"
        } else {
            ", up"
        }
}

/// `remove bridge`.
pub fn removed(link: &Interface) -> String {
    let of = link.r#type.as_ref().map_or("interface", LinkType::word);
    let lost = lost_with(link);
    match kind::peer(link) {
        Some(peer) => format!("remove {of} with its peer {peer}{lost}"),
        None => format!("remove {of}{lost}"),
    }
}

/// What goes with a link and does not come back with it, nor by a rollback: ` (its queueing discipline htb is lost for good)`. Whether a
/// VXLAN has static forwarding entries is not read: it is said of each.
pub fn lost_with(link: &Interface) -> String {
    let mut lost = String::new();
    if let Some(discipline) = &link.queueing_discipline {
        lost += &format!(" (its queueing discipline {discipline} is lost for good)");
    }
    if link.r#type == Some(LinkType::Vxlan) {
        lost += " (static forwarding entries on it are lost for good)";
    }
    lost
}

/// `vlans access 10 → trunk 20, 100-200 native 1`.
pub fn vlans(have: &Vlans, want: &Vlans) -> String {
    format!("vlans {} → {}", vlan_words(have), vlan_words(want))
}

fn vlan_words(vlans: &Vlans) -> String {
    let Value::Object(map) = tree(vlans) else {
        return "none".to_owned();
    };
    let value = |value: &Value| match value {
        Value::Array(ranges) => ranges
            .iter()
            .map(|range| {
                range
                    .as_str()
                    .map_or_else(|| range.to_string(), str::to_owned)
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    let words: Vec<String> = map
        .iter()
        .filter(|(_, list)| list.as_array().is_none_or(|list| !list.is_empty()))
        .map(|(key, list)| format!("{} {}", key.replace('_', " "), value(list)))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(" ")
    }
}

/// `add neighbour 192.0.2.1 at 02:…`.
pub fn neighbour(want: &Neighbour, is: Option<&Neighbour>, keep: bool) -> String {
    let verb = match (keep, is) {
        (true, _) => "keep",
        (false, Some(_)) => "change",
        (false, None) => "add",
    };
    let at = want
        .mac
        .as_ref()
        .map(|mac| format!(" at {}", mac.0))
        .unwrap_or_default();
    let proxy = if want.proxy == Some(true) {
        "proxy "
    } else {
        ""
    };
    format!("{verb} {proxy}neighbour {}{at}", want.address.0)
}

/// `default via 10.0.0.254 dev eth0`, as iproute2 would say it.
pub fn route(route: &Route) -> String {
    let mut words = match route.r#type {
        Some(kind) => format!("{} ", tree(&kind).as_str().unwrap_or_default()),
        None => String::new(),
    };
    words += &if route.prefix == 0 {
        "default".to_owned()
    } else {
        route.destination().to_string()
    };
    for way in route.ways(None) {
        if let Some(next_hop) = way.next_hop {
            words += &format!(" via {next_hop}");
        }
        if let Some(interface) = way.interface {
            words += &format!(" dev {interface}");
        }
    }
    if let Some(metric) = route.metric {
        words += &format!(" metric {metric}");
    }
    if let Some(table) = route.table {
        words += &format!(" table {table}");
    }
    words
}

/// `priority 100 from 10.0.0.0/8 table 100`.
pub fn rule(rule: &Rule) -> String {
    let Value::Object(map) = tree(rule) else {
        return String::new();
    };
    let word = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{} {text}", key.replace('_', " ")),
        Value::Bool(true) => key.clone(),
        Value::Object(range) => format!(
            "{} {}-{}",
            key.replace('_', " "),
            range["first"],
            range["last"]
        ),
        other => format!("{} {other}", key.replace('_', " ")),
    };
    let skipped = |key: &str| matches!(key, "family" | "state" | "protocol");
    let first = map.iter().filter(|(key, _)| *key == "priority");
    first
        .chain(
            map.iter()
                .filter(|(key, _)| *key != "priority" && !skipped(key)),
        )
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}
