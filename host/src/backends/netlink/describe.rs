//! Requests in words, for the messages of failures.

use super::link::word;
use crate::contract::netlink::{Request, Route, Rule};

fn route(route: &Route) -> String {
    format!(
        "{}/{} in table {}",
        route.destination.address, route.destination.length, route.table
    )
}

fn rule(rule: &Rule) -> String {
    match rule.priority {
        Some(priority) => format!("rule with priority {priority}"),
        None => "rule".to_owned(),
    }
}

/// What a request was to do, on which object.
pub fn describe(request: &Request) -> String {
    match request {
        Request::CreateLink(spec) => format!(
            "create link {:?} of kind {}",
            spec.name,
            word(&spec.kind).unwrap_or("ethernet")
        ),
        Request::ChangeLink(change) => match &change.new_name {
            Some(name) => format!("change link {:?}, renaming it {name:?}", change.link),
            None => format!("change link {:?}", change.link),
        },
        Request::DeleteLink(name) => format!("delete link {name:?}"),
        Request::AddAlternativeName(name) => {
            format!(
                "give link {:?} the alternative name {:?}",
                name.link, name.name
            )
        }
        Request::DeleteAlternativeName(name) => {
            format!(
                "take the alternative name {:?} from link {:?}",
                name.name, name.link
            )
        }
        Request::PutAddress(a) => {
            format!(
                "put address {}/{} on link {:?}",
                a.address, a.prefix_length, a.link
            )
        }
        Request::DeleteAddress(a) => {
            format!(
                "delete address {}/{} of link {:?}",
                a.address, a.prefix_length, a.link
            )
        }
        Request::AddRoute(r) => format!("add route {}", route(r)),
        Request::PutRoute(r) => format!("put route {}", route(r)),
        Request::DeleteRoute(r) => format!("delete route {}", route(r)),
        Request::AddRule(r) => format!("add {}", rule(r)),
        Request::DeleteRule(r) => format!("delete {}", rule(r)),
        Request::PutNeighbour(n) => format!("put neighbour {} on link {:?}", n.address, n.link),
        Request::DeleteNeighbour(n) => {
            format!("delete neighbour {} on link {:?}", n.address, n.link)
        }
        Request::PutBridgeVlan(v) => {
            format!("put VLANs {} to {} on link {:?}", v.first, v.last, v.link)
        }
        Request::DeleteBridgeVlan(v) => {
            format!(
                "delete VLANs {} to {} of link {:?}",
                v.first, v.last, v.link
            )
        }
    }
}
