//! What holds for every plan on Open vSwitch, tried on the simulated host with sections made up at random.

use op_dbus_net::Net;
use op_dbus_net::section::Section;
use op_dbus_plugin::Plugin;
use op_dbus_plugin::mock::Host;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::support::{self, tried, tried_there_and_back};

/// A machine with cards, and a bridge with a port of somebody else's.
fn machine() -> Host {
    let host = Host::new();
    host.with_ovs();
    host.kernel().set_link_local_addresses(false).set_up("lo");
    for name in ["eth0", "eth1", "eth2", "eth3"] {
        host.kernel().add_ethernet(name).set_up(name);
    }
    host.kernel().add_address("eth0", "192.0.2.2/24");
    host.ovs().add_bridge("br0").add_port(
        "br0",
        "tap0",
        json!({"type": "internal"}),
        json!({"external_ids": ["map", [["vm", "7"]]]}),
    );
    host.settle();
    host
}

fn vlans() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"vlans": {"access": 10}}),
        json!({"vlans": {"trunk": [10, "20-22"]}}),
        json!({"vlans": {"trunk": [], "native": 1}}),
        json!({"vlans": {"trunk": [5], "native": 1, "native_tagged": true}, "external_ids": {"a": "1"}}),
        json!({"vlans": {"trunk": []}, "other_config": {"priority-tags": "always"}}),
    ])
}

/// A port: one of the kinds, with VLANs.
fn port() -> impl Strategy<Value = Value> {
    let kinds = select(vec![
        json!({"name": "eth0"}),
        json!({"name": "eth1"}),
        json!({"name": "int0", "type": "internal"}),
        json!({"name": "vx0", "type": "vxlan", "remote": "198.51.100.7", "key": "1"}),
        json!({"name": "vx0", "type": "vxlan", "remote": "198.51.100.8", "options": {"csum": "true"}}),
        json!({"name": "pa", "type": "patch", "peer": "pb"}),
        json!({"name": "bond0", "bond": {"ports": ["eth2", "eth3"]}}),
        json!({"name": "bond0", "bond": {"ports": ["eth1", "eth3"], "mode": "balance-slb", "lacp": "active"}}),
        json!({"name": "bond0", "bond": {"ports": ["eth2", "eth3"], "primary": "eth2", "updelay": 5}}),
    ]);
    (kinds, vlans()).prop_map(|(mut port, vlans)| {
        for (key, value) in vlans.as_object().cloned().unwrap_or_default() {
            port[key] = value;
        }
        port
    })
}

fn bridge(name: &'static str, net: u8) -> impl Strategy<Value = Value> {
    let settings = select(vec![
        json!({}),
        json!({"fail_mode": "secure", "stp": true}),
        json!({"external_ids": {"a": "1"}, "other_config": {"x": "y"}}),
        json!({"external_ids": {"a": null, "b": "2"}, "protocols": ["OpenFlow13", "OpenFlow10"]}),
        json!({"controllers": ["tcp:192.0.2.9:6653"], "mcast_snooping": true}),
        json!({"controllers": [], "rstp": true}),
        json!({"datapath_type": "netdev"}),
        json!({"datapath_type": "system"}),
    ]);
    let link = select(vec![
        json!({}),
        json!({"mtu": 1400}),
        json!({"mac": "02:00:00:00:00:07", "description": "uplink"}),
        json!({"state": "down"}),
    ]);
    let ports = proptest::option::of(proptest::collection::vec(port(), 0..4));
    (settings, link, ports, any::<bool>()).prop_map(move |(settings, link, ports, has_address)| {
        let mut bridge = json!({"name": name, "type": "ovs-bridge", "ovs-bridge": settings});
        for (key, value) in link.as_object().cloned().unwrap_or_default() {
            bridge[key] = value;
        }
        if let Some(ports) = ports {
            let mut seen = Vec::new();
            let once = ports.into_iter().filter(|port| {
                let is_new = !seen.contains(&port["name"]);
                seen.push(port["name"].clone());
                is_new
            });
            bridge["ports"] = once.collect();
        }
        if has_address {
            bridge["ipv4"] =
                json!({"addresses": [{"address": format!("10.{net}.0.1"), "prefix": 24}]});
        }
        bridge
    })
}

fn section() -> impl Strategy<Value = Section> {
    let others = subsequence(
        vec![
            json!({"name": "eth0", "ipv4": {"addresses": []}}),
            json!({"name": "tap0", "controller": null}),
            json!({"name": "kbr", "type": "bridge", "ports": ["eth3"]}),
            json!({"name": "pb", "state": "absent"}),
        ],
        0..3,
    );
    let first = prop_oneof![
        4 => bridge("br0", 1),
        1 => Just(json!({"name": "br0", "state": "absent"})),
        1 => Just(json!({"name": "br0", "type": "bridge", "ports": ["eth1"]})),
    ];
    let second = proptest::option::of(bridge("br1", 2));
    (first, second, others).prop_map(|(first, second, others)| {
        let mut all = vec![first];
        all.extend(second);
        all.extend(others);
        support::section(json!({"interfaces": all}))
    })
}

/// Everything but numbers that tell only when something was made, and what ovs-vswitchd and the kernel choose.
fn whole() -> Value {
    let mut section = Net::query(None).expect("everything can be read");
    let interfaces = section.interfaces.get_or_insert_default();
    interfaces.retain(|it| it.name != "ovs-system");
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    for it in interfaces {
        (it.index, it.running) = (None, None);
        // Without a wish of their own, links of Open vSwitch get their addresses from it.
        if it.is_of_switch() {
            it.mac = None;
        }
        it.ports
            .iter_mut()
            .for_each(|ports| ports.sort_by(|a, b| a.name.cmp(&b.name)));
        let port = it.port.get_or_insert_default();
        (port.ofport, port.link_state) = (None, None);
        for member in port
            .bond
            .iter_mut()
            .flat_map(|bond| bond.members.iter_mut().flatten())
        {
            (member.ofport, member.link_state) = (None, None);
        }
        for ip in [&mut it.ipv4, &mut it.ipv6].into_iter().flatten() {
            ip.method = None;
            ip.routes = None;
        }
        for ip in [&mut it.ipv4, &mut it.ipv6] {
            *ip = ip.take().filter(|ip| *ip != Default::default());
        }
    }
    serde_json::to_value(section).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

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
            Ok(())
        })?;
    }
}
