//! What an apply brings up, and what it leaves up.

use serde_json::json;

use super::{Host, wired};

#[test]
fn an_ethernet_profile_is_up_with_its_address_and_the_kernel_shows_it() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let profile = json!([wired("office", "eth0", "192.0.2.7")]);
    host.connections("apply", &profile).success();
    assert_eq!(host.addresses("eth0"), ["192.0.2.7/24"]);
    assert_eq!(host.active(), ["office"]);
    host.connections("verify", &profile).success();
    let again = host.connections("apply", &profile).success();
    assert!(again.stdout.contains("in sync"), "{}", again.stdout);
}

#[test]
fn a_bridge_comes_up_with_its_ports_and_a_list_that_changes_moves_them() {
    let Some(host) = Host::start(&["eth1", "eth2", "eth3"]) else {
        return;
    };
    let bridge = |ports: &[&str]| {
        json!([{
            "id": "br0", "type": "bridge", "interface": "br0", "autoconnect": true, "stp": false, "ports": ports,
            "ipv4": {"method": "manual", "addresses": [{"address": "10.0.0.1", "prefix": 24}]},
            "ipv6": {"method": "disabled"}
        }])
    };
    let ports = || {
        let links = host.namespace.ip_json(&["link", "show", "master", "br0"]);
        let links = links.as_array().expect("a list").clone();
        let names = links
            .iter()
            .map(|it| it["ifname"].as_str().unwrap_or_default().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    host.connections("apply", &bridge(&["eth1", "eth2"]))
        .success();
    assert_eq!(host.addresses("br0"), ["10.0.0.1/24"]);
    assert_eq!(ports(), ["eth1", "eth2"]);
    host.connections("apply", &bridge(&["eth2", "eth3"]))
        .success();
    assert_eq!(ports(), ["eth2", "eth3"]);
    host.connections("verify", &bridge(&["eth2", "eth3"]))
        .success();
    host.connections("apply", &json!([{"id": "br0", "state": "absent"}]))
        .success();
    assert_eq!(
        host.query()["connections"].as_array().map(Vec::len),
        Some(0),
        "{}",
        host.query()
    );
}

#[test]
fn a_change_of_addresses_reaches_the_device_without_taking_it_down() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    host.connections("apply", &json!([wired("office", "eth0", "192.0.2.7")]))
        .success();
    let active = host.manager.nmcli(&[
        "--get-values",
        "GENERAL.DBUS-PATH",
        "connection",
        "show",
        "office",
    ]);
    host.connections("apply", &json!([wired("office", "eth0", "192.0.2.8")]))
        .success();
    assert_eq!(host.addresses("eth0"), ["192.0.2.8/24"]);
    // The same activation as before.
    let after = host.manager.nmcli(&[
        "--get-values",
        "GENERAL.DBUS-PATH",
        "connection",
        "show",
        "office",
    ]);
    assert_eq!(active, after);
}

#[test]
fn a_profile_without_a_device_is_stored_and_one_that_must_be_up_says_why_it_cannot() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    host.connections("apply", &json!([wired("later", "eth9", "192.0.2.9")]))
        .success();
    assert!(host.connection("later").is_some());
    let mut now = wired("now", "eth9", "192.0.2.10");
    now["state"] = "up".into();
    let failed = host.connections("apply", &json!([now])).code(3);
    assert!(
        failed.stderr.contains("No suitable device found"),
        "{}",
        failed.stderr
    );
    assert!(host.connection("now").is_none());
}

#[test]
fn a_failed_activation_is_rolled_back_with_network_managers_reason() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    host.connections("apply", &json!([wired("office", "eth0", "192.0.2.7")]))
        .success();
    // Nobody answers DHCP on the other end of the pair.
    let dhcp = json!([{
        "id": "dhcp", "type": "ethernet", "interface": "eth0", "state": "up",
        "ipv4": {"method": "auto", "may_fail": false}, "ipv6": {"method": "disabled"},
        "settings": {"ipv4": {"dhcp-timeout": 2}}
    }]);
    let failed = host.connections("apply", &dhcp).code(3);
    assert!(
        failed.stderr.contains("ip-config-unavailable"),
        "{}",
        failed.stderr
    );
    assert!(host.connection("dhcp").is_none());
    assert_eq!(host.active(), ["office"]);
    assert_eq!(host.addresses("eth0"), ["192.0.2.7/24"]);
}

#[test]
fn a_device_is_handed_over_and_taken_back() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    host.connections("apply", &json!([wired("office", "eth0", "192.0.2.7")]))
        .success();
    host.on(
        "apply",
        &json!({"devices": [{"interface": "eth0", "managed": false}]}),
    )
    .success();
    assert!(host.manager.device_state("eth0").contains("unmanaged"));
    host.on(
        "apply",
        &json!({"devices": [{"interface": "eth0", "managed": true}]}),
    )
    .success();
    assert!(!host.manager.device_state("eth0").contains("unmanaged"));
}

#[test]
fn a_profile_is_deactivated_and_activated_by_its_state() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    host.connections("apply", &json!([wired("office", "eth0", "192.0.2.7")]))
        .success();
    host.connections(
        "apply",
        &json!([{"id": "office", "autoconnect": false, "state": "down"}]),
    )
    .success();
    assert!(host.active().is_empty());
    host.connections("apply", &json!([{"id": "office", "state": "up"}]))
        .success();
    assert_eq!(host.active(), ["office"]);
}
