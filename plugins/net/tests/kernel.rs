//! The plugin against the simulated kernel, from query to rollback.

use op_dbus_net::Net;
use op_dbus_net::section::Section;
use op_dbus_plugin::mock::Host;
use op_dbus_plugin::{Action, Plugin};
use serde_json::{Value, json};

fn section(value: Value) -> Section {
    serde_json::from_value(value).expect("the test's section can be read")
}

/// What the whole of the kernel looks like, without the rule that the kernel makes for the first VRF and keeps.
fn whole() -> Value {
    let mut section = Net::query(None).expect("everything can be read");
    section
        .rules
        .iter_mut()
        .for_each(|rules| rules.retain(|rule| rule.l3mdev.is_none()));
    serde_json::to_value(section).expect("JSON")
}

fn plan(desired: &Section) -> Vec<Action> {
    let current = Net::query(Some(desired)).expect("what concerns the section can be read");
    Net::diff(&current, desired).expect("there is a plan")
}

fn apply(desired: &Section) {
    let plan = plan(desired);
    assert!(!plan.is_empty(), "there is something to do");
    for outcome in Net::apply(plan).expect("the actions are sound") {
        assert_eq!(
            outcome.failed, None,
            "{}: {}",
            outcome.target, outcome.summary
        );
    }
    let mismatches = Net::verify(desired).expect("the system can be read back");
    assert!(mismatches.is_empty(), "{mismatches:#?}");
    let again = self::plan(desired);
    assert!(again.is_empty(), "nothing is left to do: {again:#?}");
}

/// Applies a section and goes back to a checkpoint within it and to one of everything.
fn there_and_back(host: &Host, desired: Value) {
    let desired = section(desired);
    host.enter(|| {
        let before = whole();
        let within = Net::checkpoint(Some(&desired)).expect("a checkpoint can be taken");
        let everything = Net::checkpoint(None).expect("a checkpoint can be taken");
        apply(&desired);
        for (checkpoint, name) in [(within, "within"), (everything, "everything")] {
            for outcome in Net::rollback(checkpoint.clone()).expect("there is a way back") {
                assert_eq!(
                    outcome.failed, None,
                    "{name}: {}: {}",
                    outcome.target, outcome.summary
                );
            }
            pretty_assert(&before, &whole(), name);
            let again = Net::rollback(checkpoint).expect("going back again does nothing");
            assert!(again.is_empty(), "{name}: {again:#?}");
            apply(&desired);
        }
    });
}

fn pretty_assert(before: &Value, after: &Value, name: &str) {
    let text = |value| serde_json::to_string_pretty(value).expect("JSON");
    assert_eq!(text(before), text(after), "{name}");
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
