//! Where NetworkManager runs, `net` keeps its hands off what NetworkManager manages.

use serde_json::json;

use super::namespace::{Namespace, Run, assert_same};
use super::network_manager::NetworkManager;

/// Applies a section of `net`.
fn apply(
    namespace: &Namespace,
    bus: &NetworkManager,
    options: &[&str],
    section: serde_json::Value,
) -> Run {
    let state = json!({"version": 1, "plugins": {"net": section}});
    let file = namespace.file("state.json", state.to_string());
    let address = bus.address();
    let mut arguments = vec!["--dbus-address", &address];
    arguments.extend(options);
    arguments.extend(["apply", file.to_str().unwrap()]);
    namespace.op_dbus(&arguments)
}

fn with_address(link: &str, address: &str) -> serde_json::Value {
    json!({"interfaces": [{"name": link, "ipv4": {
        "method": "manual", "addresses": [{"address": address, "prefix": 24}]}}]})
}

/// Two veth pairs; NetworkManager has a profile on `v0` and knows nothing of `u0`.
fn prepare() -> Option<(Namespace, NetworkManager)> {
    let namespace = Namespace::new();
    for (one, other) in [("v0", "v1"), ("u0", "u1")] {
        namespace.ip(&["link", "add", one, "type", "veth", "peer", other]);
        namespace.ip(&["link", "set", other, "up"]);
    }
    namespace.ip(&["link", "set", "u0", "up"]);
    let manager = NetworkManager::start(&namespace)?;
    manager.nmcli(&[
        "connection",
        "add",
        "type",
        "ethernet",
        "con-name",
        "office",
        "ifname",
        "v0",
        "autoconnect",
        "no",
        "ipv4.method",
        "manual",
        "ipv4.addresses",
        "192.0.2.7/24",
        "ipv6.method",
        "disabled",
    ]);
    manager.nmcli(&["--wait", "60", "connection", "up", "office"]);
    Some((namespace, manager))
}

#[test]
fn a_link_that_network_manager_manages_is_refused_by_name_and_nothing_is_touched() {
    let Some((namespace, manager)) = prepare() else {
        return;
    };
    let before = namespace.everything();
    let refused = apply(&namespace, &manager, &[], with_address("v0", "192.0.2.9")).code(1);
    for word in [
        "v0 (activated)",
        "--network-plugin=netlink",
        "\"managed\": false",
    ] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("u0"), "{}", refused.stderr);
    assert_same(&namespace.everything(), &before);
    // A port is changed as well.
    let bridge = json!({"interfaces": [{"name": "br0", "type": "bridge", "ports": ["v0"]}]});
    apply(&namespace, &manager, &[], bridge).code(1);
    assert_same(&namespace.everything(), &before);

    apply(
        &namespace,
        &manager,
        &["--network-plugin=netlink"],
        with_address("v0", "192.0.2.9"),
    )
    .success();
    let addresses = namespace.ip(&["address", "show", "dev", "v0"]);
    assert!(addresses.contains("192.0.2.9/24"), "{addresses}");
}

#[test]
fn what_network_manager_does_not_manage_or_only_shows_is_no_obstacle() {
    let Some((namespace, manager)) = prepare() else {
        return;
    };
    let section = json!({"interfaces": [
        {"name": "br0", "type": "bridge", "ports": ["u0"], "ipv4": {
            "method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}]}}]});
    apply(&namespace, &manager, &[], section).success();
    // NetworkManager has seen the bridge come up and shows it.
    manager.wait_for("br0", "externally");
    let section = json!({"interfaces": [{"name": "br0", "ipv4": {
        "method": "manual", "addresses": [{"address": "198.51.100.2", "prefix": 24}]}}]});
    apply(&namespace, &manager, &[], section).success();
    // Stacked upon, not changed.
    let section = json!({"interfaces": [
        {"name": "mv0", "type": "macvlan", "macvlan": {"parent": "v0", "mode": "bridge"}}]});
    apply(&namespace, &manager, &[], section).success();
}

#[test]
fn a_network_manager_of_another_namespace_is_no_obstacle() {
    let Some((_elsewhere, manager)) = prepare() else {
        return;
    };
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "v0", "type", "veth", "peer", "v1"]);
    apply(&namespace, &manager, &[], with_address("v0", "192.0.2.9")).success();
    // Whoever says that it has the say is held to it.
    apply(
        &namespace,
        &manager,
        &["--network-plugin=nm"],
        with_address("v0", "192.0.2.10"),
    )
    .success();
}

#[test]
fn one_that_is_gone_is_no_obstacle_and_one_that_is_back_is() {
    let Some((namespace, mut manager)) = prepare() else {
        return;
    };
    let section = |address| with_address("v0", address);
    manager.kill();
    apply(&namespace, &manager, &[], section("192.0.2.9")).success();
    manager.restart();
    manager.nmcli(&["--wait", "60", "connection", "up", "office"]);
    apply(&namespace, &manager, &[], section("192.0.2.10")).code(1);
}
