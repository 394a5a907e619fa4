//! The kernel alone.

use op_dbus_net::Net;
use op_dbus_plugin::Plugin;
use op_dbus_plugin::mock::Host;
use serde_json::{Value, json};

use crate::support;

/// What the whole of the kernel looks like, without the rule that the kernel makes for the first VRF and keeps.
fn whole() -> Value {
    let mut section = Net::query(None).expect("everything can be read");
    section
        .rules
        .iter_mut()
        .for_each(|rules| rules.retain(|rule| rule.l3mdev.is_none()));
    serde_json::to_value(section).expect("JSON")
}

fn there_and_back(host: &Host, desired: Value) {
    support::there_and_back(host, desired, whole);
}

fn machine() -> Host {
    let host = Host::new();
    host.kernel()
        .set_up("lo")
        .add_ethernet("eth0")
        .add_ethernet("eth1")
        .set_up("eth0")
        .add_address("eth0", "192.0.2.2/24")
        .add_static_route("0.0.0.0/0", Some("192.0.2.254"), Some("eth0"));
    host
}

#[test]
fn a_bridge_takes_a_port_with_its_address_and_gateway() {
    there_and_back(
        &machine(),
        json!({"interfaces": [
            {"name": "br0", "type": "bridge", "bridge": {"stp": true, "forward_delay": 4.5}, "ports": ["eth0"],
             "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.2", "prefix": 24}],
                      "gateway": "192.0.2.254",
                      "routes": [{"dest": "10.9.0.0", "prefix": 16, "next_hop": "192.0.2.3", "metric": 50}]}},
            {"name": "eth0", "mtu": 1400, "ipv4": {"method": "disabled"}}]}),
    );
}

#[test]
fn links_of_many_kinds_come_and_go() {
    there_and_back(
        &machine(),
        json!({"interfaces": [
            {"name": "veth0", "type": "veth", "veth": {"peer": "veth1"}, "mtu": 1400},
            {"name": "veth1", "controller": "br0", "description": "inner"},
            {"name": "vx100", "type": "vxlan", "vxlan": {"id": 100, "remote": "198.51.100.7", "port": 4789}},
            {"name": "mv0", "type": "macvlan", "macvlan": {"parent": "eth0", "mode": "bridge"}, "controller": "br0"},
            {"name": "eth0.20", "vlan": {"parent": "eth0", "id": 20}, "ipv6": {"addresses": [{"address": "2001:db8::1", "prefix": 64}], "gateway": "2001:db8::ff"}},
            {"name": "d0", "type": "dummy", "state": "down", "alternative_names": ["dummy-zero"]},
            {"name": "bond0", "type": "bond", "bond": {"mode": "802.3ad", "miimon": 100}, "ports": ["eth1"]},
            {"name": "blue", "type": "vrf", "vrf": {"table": 10}, "ports": ["d0"]},
            {"name": "br0", "type": "bridge"}]}),
    );
}

#[test]
fn rules_and_routes_that_lead_nowhere() {
    there_and_back(
        &machine(),
        json!({
            "routes": [{"dest": "10.66.0.0", "prefix": 16, "type": "blackhole"},
                       {"dest": "2001:db8:66::", "prefix": 48, "type": "unreachable", "table": 100}],
            "rules": [{"priority": 100, "from": "10.0.0.0/8", "table": 100},
                      {"priority": 101, "family": "ipv6", "iif": "eth0", "action": "prohibit"}]}),
    );
}

#[test]
fn a_gateway_that_moves_away_takes_nothing_else_along() {
    let host = machine();
    host.kernel().set_up("eth1");
    there_and_back(
        &host,
        json!({"interfaces": [
            {"name": "eth0", "mtu": 1400, "ipv4": {}},
            {"name": "eth1", "ipv4": {"addresses": [{"address": "198.51.100.2", "prefix": 24}], "gateway": "198.51.100.1"}}]}),
    );
}

#[test]
fn an_address_that_is_put_back_keeps_its_scope() {
    let host = machine();
    host.enter(|| {
        support::apply(&support::section(json!({"interfaces": [
            {"name": "eth1", "state": "up", "ipv4": {"addresses": [{"address": "198.51.100.2", "prefix": 24, "scope": 253}]}}]})));
    });
    // The kernel cannot take the flag in place: the address goes and comes back.
    there_and_back(
        &host,
        json!({"interfaces": [{"name": "eth1", "ipv4": {"addresses":
            [{"address": "198.51.100.2", "prefix": 24, "no_prefix_route": true}]}}]}),
    );
    host.enter(|| {
        support::apply(&support::section(
            json!({"interfaces": [{"name": "eth1", "ipv4": {"addresses":
            [{"address": "198.51.100.2", "prefix": 24, "no_prefix_route": true}]}}]}),
        ));
    });
    let addresses = host.kernel().addresses(&["eth1".to_owned()]);
    assert_eq!(addresses[0].scope, Some(253));
}
