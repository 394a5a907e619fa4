//! Rollback: of an apply, of a checkpoint by hand, after NetworkManager has started anew.

use serde_json::json;

use super::{Host, wired};

#[test]
fn created_profiles_go_changed_ones_change_back_and_deleted_ones_come_back() {
    let Some(host) = Host::start(&["eth0", "eth1", "eth2"]) else {
        return;
    };
    host.connections(
        "apply",
        &json!([
            wired("one", "eth0", "192.0.2.1"),
            wired("two", "eth1", "192.0.2.2")
        ]),
    )
    .success();
    let uuids = |host: &Host| {
        [
            host.property("one", "connection.uuid"),
            host.property("two", "connection.uuid"),
        ]
    };
    let before = (host.active(), uuids(&host));
    host.connections(
        "apply",
        &json!([wired("one", "eth0", "192.0.2.101"), {"id": "two", "state": "absent"}, wired("three", "eth2", "192.0.2.3")]),
    )
    .success();
    assert_eq!(host.active(), ["one", "three"]);
    host.op_dbus(&["rollback"]).success();
    assert_eq!((host.active(), uuids(&host)), before);
    assert_eq!(host.addresses("eth0"), ["192.0.2.1/24"]);
    assert_eq!(host.addresses("eth1"), ["192.0.2.2/24"]);
    assert!(host.connection("three").is_none());
}

#[test]
fn a_checkpoint_by_hand_outlives_network_manager() {
    let Some(mut host) = Host::start(&["eth0", "eth1"]) else {
        return;
    };
    host.connections("apply", &json!([wired("one", "eth0", "192.0.2.1")]))
        .success();
    let before = host.connection("one");
    host.op_dbus(&["checkpoint", "create"]).success();
    host.connections(
        "apply",
        &json!([{"id": "one", "state": "absent"}, wired("two", "eth1", "192.0.2.2")]),
    )
    .success();
    host.manager.restart();
    host.op_dbus(&["rollback", "2"]).success();
    assert_eq!(host.connection("one"), before);
    assert!(host.connection("two").is_none());
    assert_eq!(host.addresses("eth0"), ["192.0.2.1/24"]);
}

#[test]
fn what_others_change_meanwhile_stays() {
    let Some(host) = Host::start(&["eth0", "eth1"]) else {
        return;
    };
    host.connections("apply", &json!([wired("one", "eth0", "192.0.2.1")]))
        .success();
    host.connections("apply", &json!([wired("one", "eth0", "192.0.2.9")]))
        .success();
    host.manager.nmcli(&[
        "connection",
        "add",
        "type",
        "ethernet",
        "con-name",
        "theirs",
        "ifname",
        "eth1",
        "autoconnect",
        "no",
    ]);
    host.op_dbus(&["rollback"]).success();
    assert_eq!(host.addresses("eth0"), ["192.0.2.1/24"]);
    assert!(host.connection("theirs").is_some());
}

#[test]
fn a_port_that_network_manager_did_not_manage_before_is_let_go_of_whole() {
    let Some(host) = Host::start(&["eth1", "eth2"]) else {
        return;
    };
    host.manager
        .nmcli(&["device", "set", "eth2", "managed", "no"]);
    host.manager.wait_for("eth2", "unmanaged");
    let bridge = |ports: &[&str]| {
        json!([{
            "id": "br0", "type": "bridge", "interface": "br0", "autoconnect": true, "ports": ports,
            "ipv4": {"method": "disabled"}, "ipv6": {"method": "disabled"}
        }])
    };
    host.connections("apply", &bridge(&["eth1"])).success();
    host.connections("apply", &bridge(&["eth1", "eth2"]))
        .success();
    let controller = || host.namespace.link("eth2").expect("it is there")["master"].clone();
    assert_eq!(controller(), "br0");
    host.op_dbus(&["rollback"]).success();
    assert!(controller().is_null());
    host.manager.wait_for("eth2", "unmanaged");
}

#[test]
fn a_rollback_waits_for_profiles_of_others_that_network_manager_brings_back() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let monitor = host.manager.monitor();
    // It stays on its way up for three seconds (NM_SETTING_CONNECTION_WAIT_ACTIVATION_DELAY, in milliseconds).
    let mut slow = wired("slow", "eth0", "192.0.2.1");
    slow["state"] = json!("up");
    slow["settings"] = json!({"connection": {"wait-activation-delay": 3_000}});
    host.connections("apply", &json!([slow])).success();
    assert_eq!(host.property("slow", "GENERAL.STATE"), "activated");
    // Meanwhile op-dbus has put off the time at which NetworkManager goes back by itself.
    monitor.wait_for(|message| message["member"] == "CheckpointAdjustRollbackTimeout");

    let mut other = wired("other", "eth0", "192.0.2.2");
    other["state"] = json!("up");
    host.connections("apply", &json!([other])).success();
    assert_eq!(host.active(), ["other"]);
    host.op_dbus(&["rollback"]).success();
    assert_eq!(host.property("slow", "GENERAL.STATE"), "activated");
    assert_eq!(host.addresses("eth0"), ["192.0.2.1/24"]);
}
