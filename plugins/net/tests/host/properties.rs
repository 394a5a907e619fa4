//! What holds for every plan, tried on the simulated kernel with sections made up at random.

use op_dbus_net::Net;
use op_dbus_net::section::Section;
use op_dbus_plugin::Plugin;
use op_dbus_plugin::mock::Host;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::support::{self, tried, tried_there_and_back};

/// A machine with two cards, an address and a gateway.
fn machine() -> Host {
    let host = Host::new();
    host.kernel()
        .set_up("lo")
        .add_ethernet("eth0")
        .add_ethernet("eth1")
        .set_up("eth0")
        .add_address("eth0", "192.0.2.2/24")
        .add_address("eth0", "2001:db8::2/64")
        .add_static_route("0.0.0.0/0", Some("192.0.2.254"), Some("eth0"));
    host
}

/// A key and its value, or nothing.
fn maybe(key: &'static str, values: Vec<Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    let value = select(values).prop_map(move |value| vec![(key.to_owned(), value)]);
    prop_oneof![Just(Vec::new()), value]
}

/// An object of some of the keys.
fn object(parts: Vec<Vec<(String, Value)>>) -> Value {
    Value::Object(parts.into_iter().flatten().collect())
}

fn common() -> impl Strategy<Value = Vec<(String, Value)>> {
    let parts = (
        maybe("mtu", vec![json!(1400), json!(1500)]),
        maybe("description", vec![json!("uplink"), json!("")]),
        maybe("state", vec![json!("up"), json!("down")]),
        maybe("alternative_names", vec![json!([]), json!(["other"])]),
    );
    parts.prop_map(|(mtu, description, state, _)| [mtu, description, state].concat())
}

fn ipv4(net: u8) -> impl Strategy<Value = Value> {
    let own = move |host: u8| json!({"address": format!("10.{net}.0.{host}"), "prefix": 24});
    let addresses = maybe(
        "addresses",
        vec![
            json!([own(1)]),
            json!([own(1), own(2)]),
            json!([own(2)]),
            json!([]),
        ],
    );
    let gateway = maybe("metric", vec![json!(10), json!(20)]);
    (addresses, gateway).prop_map(move |(addresses, metric)| {
        let has_addresses = addresses.iter().any(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        let mut ip = object(vec![addresses]);
        if has_addresses {
            let mut route = json!({"dest": format!("172.16.{net}.0"), "prefix": 24, "next_hop": format!("10.{net}.0.254")});
            for (key, value) in metric {
                route[key] = value;
            }
            ip["routes"] = json!([route]);
        }
        ip
    })
}

fn ipv6(net: u8) -> impl Strategy<Value = Value> {
    let own = move |host: u8| json!({"address": format!("2001:db8:{net}::{host}"), "prefix": 64});
    select(vec![
        json!({}),
        json!({"addresses": [own(1)]}),
        json!({"addresses": []}),
        json!({"addresses": [own(3), own(4)]}),
    ])
}

/// An interface that may be there or not, of one kind.
fn interface(
    name: &'static str,
    net: u8,
    kinds: Vec<Value>,
) -> impl Strategy<Value = Option<Value>> {
    let there = (common(), select(kinds), ipv4(net), ipv6(net)).prop_map(
        move |(common, kind, ipv4, ipv6)| {
            let mut interface = object(vec![common]);
            interface["name"] = name.into();
            if interface["state"] != "down" {
                // Only a link that is up takes routes.
                interface["state"] = "up".into();
                interface["ipv4"] = ipv4;
                interface["ipv6"] = ipv6;
            }
            if let Value::Object(kind) = kind {
                for (key, value) in kind {
                    interface[key] = value;
                }
            }
            Some(interface)
        },
    );
    prop_oneof![1 => Just(None), 1 => Just(Some(json!({"name": name, "state": "absent"}))), 4 => there]
}

fn section() -> impl Strategy<Value = Section> {
    let bridges = vec![
        json!({"type": "bridge", "ports": ["d0"]}),
        json!({"type": "bridge", "bridge": {"stp": true, "forward_delay": 4.5}, "ports": ["eth1", {"name": "d0", "cost": 9}]}),
        json!({"type": "bridge", "ports": []}),
        json!({"type": "bond", "bond": {"mode": "active-backup", "miimon": 100}, "ports": ["eth1"]}),
        json!({"type": "bond", "bond": {"mode": "802.3ad", "lacp_rate": "fast"}, "ports": ["eth1"]}),
    ];
    let stacked = vec![
        json!({"type": "vlan", "vlan": {"parent": "eth0", "id": 20}}),
        json!({"type": "vlan", "vlan": {"parent": "eth0", "id": 30, "protocol": "802.1ad"}}),
        json!({"type": "macvlan", "macvlan": {"parent": "eth0", "mode": "bridge"}}),
    ];
    let tunnels = vec![
        json!({"type": "vxlan", "vxlan": {"id": 7, "remote": "198.51.100.7", "port": 4789}}),
        json!({"type": "vxlan", "vxlan": {"id": 8, "remote": "198.51.100.8", "port": 4789}}),
        json!({"type": "veth", "veth": {"peer": "veth1"}}),
        json!({"type": "vrf", "vrf": {"table": 10}}),
        json!({"type": "vrf", "vrf": {"table": 11}}),
    ];
    let interfaces = (
        interface("ctl", 1, bridges),
        interface("stk", 2, stacked),
        interface("tun", 3, tunnels),
        interface("d0", 4, vec![json!({"type": "dummy"})]),
    );
    let rules = maybe(
        "rules",
        vec![
            json!([{"priority": 100, "from": "10.0.0.0/8", "table": 100}]),
            json!([{"priority": 100, "from": "10.0.0.0/8", "table": 100, "state": "absent"}]),
        ],
    );
    let routes = maybe(
        "routes",
        vec![
            json!([{"dest": "10.66.0.0", "prefix": 16, "type": "blackhole"}]),
            json!([{"dest": "10.66.0.0", "prefix": 16, "type": "unreachable"}]),
            json!([{"dest": "10.66.0.0", "prefix": 16, "state": "absent"}]),
        ],
    );
    (interfaces, rules, routes).prop_map(|((a, b, c, d), rules, routes)| {
        let mut section = object(vec![rules, routes]);
        section["interfaces"] = [a, b, c, d].into_iter().flatten().collect();
        support::section(section)
    })
}

/// Everything but what the kernel makes by itself (link-local addresses, the rule for the first VRF), links by name (their place in the kernel's list tells only
/// when they were made).
fn whole() -> Value {
    let mut section = Net::query(None).expect("everything can be read");
    section
        .rules
        .iter_mut()
        .for_each(|rules| rules.retain(|rule| rule.l3mdev.is_none()));
    section
        .interfaces
        .iter_mut()
        .for_each(|interfaces| interfaces.sort_by(|a, b| a.name.cmp(&b.name)));
    for interface in section.interfaces.iter_mut().flatten() {
        for family in [&mut interface.ipv4, &mut interface.ipv6] {
            let Some(mut ip) = family.take() else {
                continue;
            };
            // A bridge that had carrier once keeps its link-local address.
            ip.method = None;
            ip.addresses.iter_mut().for_each(|list| {
                list.retain(|address| address.is_static());
                list.sort_by_key(|address| address.network());
            });
            ip.routes.iter_mut().for_each(|list| {
                list.retain(|route| route.is_static());
                list.sort_by_key(|route| route.key());
            });
            ip.addresses = ip.addresses.filter(|list| !list.is_empty());
            ip.routes = ip.routes.filter(|list| !list.is_empty());
            *family = Some(ip).filter(|ip| *ip != Default::default());
        }
    }
    serde_json::to_value(section).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_does_what_it_says_and_a_rollback_undoes_it(first in section(), second in section()) {
        machine().enter(|| tried_there_and_back(&first, &second, whole))?;
    }

    #[test]
    fn nothing_separates_a_state_from_itself(first in section()) {
        machine().enter(|| {
            tried(&first)?;
            let current = Net::query(None).expect("everything can be read");
            let plan = Net::diff(&current, &current).expect("there is a plan");
            prop_assert!(plan.is_empty(), "{:?}", plan);
            // The same as a state file: written down and read again.
            let text = serde_json::to_string(&current).expect("JSON");
            let file: Section = serde_json::from_str(&text).expect("the section can be read");
            let problems = Net::validate(&file);
            prop_assert!(problems.is_empty(), "{:?}", problems);
            let mismatches = Net::verify(&file).expect("the system can be read");
            prop_assert!(mismatches.is_empty(), "{:?}", mismatches);
            Ok(())
        })?;
    }
}
