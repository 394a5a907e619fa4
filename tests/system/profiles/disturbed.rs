//! NetworkManager that dies, refuses, or gets what it cannot take.

use serde_json::{Value, json};

use super::{Host, wired};

#[test]
fn a_network_manager_that_starts_anew_in_mid_apply_ends_in_the_old_state() {
    let Some(mut host) = Host::start(&["eth0", "eth1"]) else {
        return;
    };
    host.connections("apply", &json!([wired("one", "eth0", "192.0.2.1")]))
        .success();
    // Nobody answers DHCP: the apply waits, until NetworkManager is killed under it.
    let mut waiting = wired("one", "eth0", "192.0.2.66");
    waiting["zone"] = "work".into();
    let dhcp = json!({
        "id": "dhcp", "type": "ethernet", "interface": "eth1", "state": "up",
        "ipv4": {"method": "auto", "may_fail": false}, "ipv6": {"method": "disabled"}
    });
    let state =
        json!({"version": 1, "plugins": {"networkmanager": {"connections": [waiting, dhcp]}}});
    let file = host.namespace.file("waiting.json", state.to_string());
    let mut command = host.namespace.op_dbus_command();
    command
        .arg("--dbus-address")
        .arg(host.manager.address())
        .arg("apply")
        .arg(file);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let child = child.expect("op-dbus starts");
    host.manager.wait_for("eth1", "getting IP configuration");
    host.manager.restart();
    let output = child.wait_with_output().expect("op-dbus ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(host.connection("dhcp").is_none(), "{stderr}");
    assert_eq!(host.property("one", "connection.zone"), "");
    assert_eq!(host.addresses("eth0"), ["192.0.2.1/24"], "{stderr}");
}

#[test]
fn a_profile_that_network_manager_refuses_undoes_the_others_with_its_words() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let wrong = json!({
        "id": "wrong", "type": "ethernet", "interface": "eth0",
        "settings": {"802-3-ethernet": {"duplex": "sideways"}}
    });
    let failed = host
        .connections(
            "apply",
            &json!([wired("right", "eth0", "192.0.2.1"), wrong]),
        )
        .code(3);
    assert!(
        failed.stderr.contains("802-3-ethernet.duplex"),
        "{}",
        failed.stderr
    );
    assert!(host.connection("right").is_none());
    assert!(host.active().is_empty());
}

#[test]
fn a_value_of_the_wrong_type_is_refused_at_its_place_before_anything_is_touched() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let wrong = json!([{"id": "wrong", "type": "ethernet", "settings": {"802-3-ethernet": {"mtu": "big"}}}]);
    let refused = host.connections("apply", &wrong).code(1);
    assert!(
        refused
            .stderr
            .contains("802-3-ethernet.mtu has the D-Bus type u"),
        "{}",
        refused.stderr
    );
    // Typed by hand, it is NetworkManager that refuses.
    let typed: Value = json!({"type": "s", "data": "big"});
    let wrong = json!([{"id": "wrong", "type": "ethernet", "settings": {"802-3-ethernet": {"mtu": typed}}}]);
    let refused = host.connections("apply", &wrong).code(3);
    assert!(refused.stderr.contains("mtu"), "{}", refused.stderr);
    assert!(host.connection("wrong").is_none());
}

#[test]
fn without_network_manager_nothing_is_touched_and_the_failure_says_so() {
    let Some(mut host) = Host::start(&["eth0"]) else {
        return;
    };
    host.manager.kill();
    let failed = host
        .connections("apply", &json!([wired("one", "eth0", "192.0.2.1")]))
        .code(1);
    assert!(
        failed.stderr.contains("org.freedesktop.NetworkManager"),
        "{}",
        failed.stderr
    );
}
