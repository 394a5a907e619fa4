//! Requests that would be sent, in words.

use serde_json::{Map, Value};

use super::escape::escape;
use crate::backends::netlink::describe;
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::Request;

/// What [`describe`] says already.
const SAID: [&str; 10] = [
    "name",
    "link",
    "new_name",
    "address",
    "prefix_length",
    "destination",
    "table",
    "priority",
    "first",
    "last",
];

/// A request to the kernel: what is done to which object, then all that it sets.
pub fn netlink(request: &Request) -> String {
    let mut details = Vec::new();
    if let Ok(Value::Object(variant)) = serde_json::to_value(request)
        && let Some(Value::Object(content)) = variant.into_iter().next().map(|(_, content)| content)
    {
        // Of a link, `false` is a setting; elsewhere it is a flag that is not raised.
        let sets_false = matches!(request, Request::CreateLink(_) | Request::ChangeLink(_));
        let rest = content
            .into_iter()
            .filter(|(key, _)| !SAID.contains(&key.as_str()));
        say_all(&rest.collect(), sets_false, &mut details);
    }
    let head = describe(request);
    match details.is_empty() {
        true => escape(&head).into_owned(),
        false => escape(&format!("{head}: {}", details.join(", "))).into_owned(),
    }
}

fn say_all(object: &Map<String, Value>, sets_false: bool, details: &mut Vec<String>) {
    for (key, value) in object {
        say(key, value, sets_false, details);
    }
}

fn say(key: &str, value: &Value, sets_false: bool, details: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(false) if !sets_false => {}
        Value::Array(items) if items.is_empty() => {}
        // Settings stand for themselves, and so do those of a kind or a port: {"Bridge": {…}}.
        Value::Object(object) if key == "settings" => say_all(object, sets_false, details),
        Value::Object(object) if matches!(key, "kind" | "port") => {
            for settings in object.values().filter_map(Value::as_object) {
                say_all(settings, sets_false, details);
            }
        }
        Value::Object(object) if key == "controller" => {
            details.extend(
                object
                    .values()
                    .map(|name| format!("controller {}", scalar(name))),
            );
        }
        Value::String(word) if key == "controller" => {
            details.extend((word == "Detach").then(|| "no controller".to_owned()));
        }
        Value::String(_) if key == "kind" => {}
        other => {
            let said = value_in_words(other, sets_false);
            details.push(format!("{} {said}", key.replace('_', " ")));
        }
    }
}

fn value_in_words(value: &Value, sets_false: bool) -> String {
    match value {
        Value::Object(object) => {
            let mut inner = Vec::new();
            say_all(object, sets_false, &mut inner);
            format!("({})", inner.join(", "))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| value_in_words(item, sets_false));
            items.collect::<Vec<_>>().join(" and ")
        }
        other => scalar(other),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A transaction of an OVSDB server: a text for each operation (RFC 7047 section 5.2).
pub fn ovsdb(database: &str, operations: &Value) -> Vec<String> {
    let operations = operations.as_array().map_or(&[][..], Vec::as_slice);
    let in_words = operations.iter().map(|operation| {
        let text = |key: &str| operation[key].as_str().unwrap_or_default();
        let mut said = format!("{database}: {} {}", text("op"), text("table"));
        for (key, value) in operation.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "op" | "table") {
                said.push_str(&format!(" {key} {value}"));
            }
        }
        escape(&said).into_owned()
    });
    in_words.collect()
}

/// A method call on the message bus, much as busctl(1) would be told it.
pub fn dbus(call: &MethodCall) -> String {
    let said = format!(
        "call {} {} {} {} {:?} {}",
        call.destination, call.path, call.interface, call.member, call.signature, call.arguments
    );
    escape(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::netlink::{NextHop, Prefix, Route, RouteType};

    #[test]
    fn a_route_is_said_with_all_that_it_sets_and_nothing_else() {
        let route = Route {
            destination: Prefix {
                address: "198.51.100.0".into(),
                length: 24,
            },
            table: 254,
            metric: Some(50),
            tos: 0,
            route_type: RouteType::Unicast,
            protocol: 4,
            scope: None,
            preferred_source: None,
            mtu: None,
            next_hops: vec![NextHop {
                gateway: Some("192.0.2.254".into()),
                link: Some("br0".into()),
                weight: 1,
                onlink: false,
                unknown: Vec::new(),
            }],
            source: None,
            lifetime: None,
            unknown: Vec::new(),
        };
        assert_eq!(
            netlink(&Request::PutRoute(route)),
            "put route 198.51.100.0/24 in table 254: metric 50, next hops (gateway 192.0.2.254, link br0, weight 1), \
             protocol 4, route type Unicast, tos 0"
        );
    }

    #[test]
    fn a_deletion_needs_no_details() {
        assert_eq!(
            netlink(&Request::DeleteLink("a\u{1b}b".into())),
            "delete link \"a\\u{1b}b\""
        );
    }

    #[test]
    fn each_operation_of_a_transaction_is_said() {
        let operations = serde_json::json!([
            {"op": "insert", "table": "Bridge", "row": {"name": "br0"}},
            {"op": "abort"},
        ]);
        assert_eq!(
            ovsdb("Open_vSwitch", &operations),
            [
                "Open_vSwitch: insert Bridge row {\"name\":\"br0\"}",
                "Open_vSwitch: abort "
            ]
        );
    }
}
