//! NetworkManager that dies, refuses, or gets what it cannot take.

use serde_json::{Value, json};

use super::{Host, wired};
use crate::paused::Paused;

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

#[test]
fn what_the_policy_of_the_bus_denies_is_rolled_back_with_its_words_and_the_way_out() {
    let rule = r#"<deny send_destination="org.freedesktop.NetworkManager" send_interface="org.freedesktop.NetworkManager.Settings" send_member="AddConnection2"/>"#;
    let Some(host) = Host::start_denying(&["eth0"], rule) else {
        return;
    };
    let refused = host
        .connections("apply", &json!([wired("one", "eth0", "192.0.2.1")]))
        .code(3);
    for word in [
        "org.freedesktop.DBus.Error.AccessDenied",
        "AddConnection2",
        "run op-dbus as root",
    ] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    assert!(host.connection("one").is_none());
    // What is read is not denied.
    host.on("verify", &json!({"connections": []})).success();
}

#[test]
fn verification_waits_for_network_managers_signals_and_not_for_its_deadline() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let mut office = wired("office", "eth0", "192.0.2.1");
    office["zone"] = "home".into();
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": [office]}}});
    let file = host.namespace.file("office.json", state.to_string());
    let address = host.manager.address();
    let zone = |zone: &str| {
        let words = ["connection", "modify", "office", "connection.zone", zone];
        host.manager.nmcli(&words);
    };
    let apply = Paused::at(
        &host.namespace,
        "verify.before=pause,settle.waiting=pause",
        &[
            "--dbus-address",
            &address,
            "apply",
            file.to_str().expect("a path in UTF-8"),
        ],
    );
    // Applied and not read back yet: somebody changes what only NetworkManager knows, so that no event of the kernel's comes.
    zone("work");
    apply.go_on_to_the_next();
    // Read back, and found to be different.
    zone("home");
    let (code, said) = apply.go_on();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_interface_is_handed_over_to_net_and_configured_in_one_file() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    host.connections("apply", &json!([wired("office", "eth0", "192.0.2.7")]))
        .success();
    let net = json!({"interfaces": [{"name": "eth0", "state": "up", "ipv4": {
        "method": "manual", "addresses": [{"address": "192.0.2.9", "prefix": 24}]}}]});
    let state = json!({"version": 1, "plugins": {"net": net}});
    let file = host.namespace.file("net.json", state.to_string());
    let refused = host
        .op_dbus(&["apply", file.to_str().expect("a path in UTF-8")])
        .code(1);
    assert!(
        refused.stderr.contains("\"managed\": false"),
        "{}",
        refused.stderr
    );
    assert_eq!(host.addresses("eth0"), ["192.0.2.7/24"]);

    // In the file's order: the one lets go before the other takes hold.
    let text = format!(
        r#"{{"version": 1, "plugins": {{
            "networkmanager": {{"devices": [{{"interface": "eth0", "managed": false}}]}}, "net": {net}}}}}"#
    );
    let file = host.namespace.file("both.json", text);
    let file = file.to_str().expect("a path in UTF-8");
    host.op_dbus(&["apply", file]).success();
    host.op_dbus(&["verify", file]).success();
    assert!(host.manager.device_state("eth0").contains("unmanaged"));
    assert_eq!(host.addresses("eth0"), ["192.0.2.9/24"]);

    host.op_dbus(&["rollback"]).success();
    host.manager.wait_for("eth0", "connected");
    assert_eq!(host.active(), ["office"]);
    assert_eq!(host.addresses("eth0"), ["192.0.2.7/24"]);
}
