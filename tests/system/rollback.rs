//! Checkpoints, rollback, and what becomes of a transaction that fails or dies.

use serde_json::json;

use crate::namespace::{Namespace, assert_same};

/// Links, addresses, routes and a rule that stand before a test begins.
pub fn inhabited() -> Namespace {
    let namespace = Namespace::new();
    for command in [
        "link add eth0 type veth peer name far",
        "link set eth0 mtu 1400 alias uplink address 02:00:00:00:00:10",
        "link set far up",
        "link set eth0 up",
        "address add 192.0.2.5/24 dev eth0",
        "address add 192.0.2.6/24 dev eth0",
        "address add 2001:db8::5/64 dev eth0 nodad",
        "route add default via 192.0.2.254",
        "route add 198.51.100.0/24 via 192.0.2.253 metric 30 proto bird",
        "route add blackhole 203.0.113.0/24",
        "rule add from 192.0.2.6 lookup 100 priority 500",
        "link add vx type vxlan id 9 remote 192.0.2.77 dstport 4789",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    namespace
}

/// A change that takes a link away, makes others, and moves an address.
pub fn change(namespace: &Namespace) -> std::path::PathBuf {
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "mtu": 1300, "ipv4": {"method": "disabled"}},
        {"name": "vx", "state": "absent"},
        {"name": "br0", "type": "bridge", "ports": ["eth0"],
         "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.5", "prefix": 24}], "gateway": "192.0.2.254"}},
    ]}}});
    namespace.file("change.json", state.to_string())
}

#[test]
fn rollback_brings_back_exactly_what_was() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = change(&namespace);
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert_ne!(namespace.everything(), before);
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn rollback_walks_back_apply_by_apply_and_then_says_that_there_is_no_more() {
    let namespace = inhabited();
    let mut states = vec![namespace.everything()];
    for mtu in [1390, 1380, 1370] {
        let state = json!({"version": 1, "plugins": {"net": {"interfaces": [{"name": "eth0", "mtu": mtu}]}}});
        let file = namespace.file("mtu.json", state.to_string());
        namespace
            .op_dbus(&["apply".as_ref(), file.as_os_str()])
            .success();
        states.push(namespace.everything());
    }
    states.pop();
    while let Some(state) = states.pop() {
        namespace.op_dbus(&["rollback"]).success();
        assert_same(&namespace.everything(), &state);
    }
    let run = namespace.op_dbus(&["rollback"]).code(1);
    assert!(run.stderr.contains("no checkpoint"), "{}", run.stderr);
}

#[test]
fn a_checkpoint_made_by_hand_restores_what_others_changed_too() {
    let namespace = inhabited();
    let before = namespace.everything();
    namespace
        .op_dbus(&["checkpoint", "create", "--comment", "before the storm"])
        .success();
    let file = change(&namespace);
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    namespace.ip(&["link", "set", "eth0", "mtu", "1281"]);
    namespace.ip(&["route", "del", "blackhole", "203.0.113.0/24"]);
    namespace.ip(&["rule", "del", "priority", "500"]);
    let list = namespace
        .op_dbus(&["checkpoint", "list", "--json"])
        .success()
        .json();
    let by_hand = list["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .find(|checkpoint| checkpoint["reason"] == "manual: before the storm")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    namespace.op_dbus(&["rollback", &by_hand]).success();
    assert_same(&namespace.everything(), &before);
    namespace
        .op_dbus(&["checkpoint", "show", &by_hand])
        .success();
    namespace
        .op_dbus(&["checkpoint", "delete", &by_hand])
        .success();
    namespace.op_dbus(&["rollback", &by_hand]).code(1);
}

/// A state file whose second half the kernel refuses: the parent is in nobody's sight.
pub fn refused(namespace: &Namespace) -> std::path::PathBuf {
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "mtu": 1300, "ipv4": {"method": "disabled"}},
        {"name": "br0", "type": "bridge", "ports": ["eth0"]},
        {"name": "mv0", "type": "macvlan", "macvlan": {"parent": "nowhere"}},
    ]}}});
    namespace.file("refused.json", state.to_string())
}

#[test]
fn a_failed_apply_leaves_everything_as_it_was_and_exits_with_3() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = refused(&namespace);
    let run = namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(3);
    assert!(run.stderr.contains("mv0"), "{}", run.stderr);
    assert!(run.stderr.contains("rolled back"), "{}", run.stderr);
    assert_same(&namespace.everything(), &before);
    let list = namespace
        .op_dbus(&["checkpoint", "list", "--json"])
        .success()
        .json();
    assert_eq!(
        list["checkpoints"],
        json!([]),
        "there is nothing to go back to"
    );
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_apply_before_anything_changes() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = change(&namespace);
    let mut apply = namespace
        .op_dbus_command()
        .arg("apply")
        .arg(&file)
        .env("OP_DBUS_FAILPOINT", "journal.append.before-write=error")
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = apply.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    assert_same(&namespace.everything(), &before);
}

#[test]
fn the_audit_log_tells_who_did_what_and_shows_tampering() {
    let namespace = inhabited();
    let file = change(&namespace);
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let file = refused(&namespace);
    namespace.op_dbus(&["rollback"]).success();
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(3);
    let shown = namespace
        .op_dbus(&["audit", "show", "--kind", "transaction"])
        .success();
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", shown.stdout);
    assert!(lines[0].contains("done: op-dbus"), "{}", lines[0]);
    assert!(lines[2].contains("rolled back"), "{}", lines[2]);
    namespace.op_dbus(&["audit", "verify"]).success();

    let log = namespace.directory().join("state/audit/audit.log");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("done: op-dbus", "done: op-dvus", 1)).unwrap();
    let run = namespace.op_dbus(&["audit", "verify"]).code(1);
    assert!(run.stderr.contains("audit.log"), "{}", run.stderr);
}

/// What is there, what a file asks for, and that a rollback restores the first.
fn is_restored(setup: &[&str], interface: serde_json::Value) {
    let namespace = inhabited();
    for command in setup {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    let before = namespace.everything();
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [interface.clone()]}}});
    let file = namespace.file("one.json", state.to_string());
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
    // The same with a second half that fails, so that the apply undoes it by itself.
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [interface,
        {"name": "mv0", "type": "macvlan", "macvlan": {"parent": "nowhere"}}]}}});
    let file = namespace.file("two.json", state.to_string());
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(3);
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_deleted_bridge_comes_back_with_its_port() {
    let setup = [
        "link add br9 type bridge",
        "link set far master br9",
        "link set br9 up",
        "address add 198.18.0.1/24 dev br9",
    ];
    is_restored(&setup, json!({"name": "br9", "state": "absent"}));
}

#[test]
fn an_mtu_below_that_of_ipv6_is_undone_with_the_addresses() {
    is_restored(&[], json!({"name": "eth0", "mtu": 1200}));
}

#[test]
fn settings_that_only_a_new_link_takes_are_undone() {
    is_restored(&[], json!({"name": "vx", "vxlan": {"port": 4790}}));
    is_restored(&[], json!({"name": "vx", "vxlan": {"limit": 50}}));
    is_restored(
        &["tuntap add tap0 mode tap"],
        json!({"name": "tap0", "tap": {"vnet_header": true}}),
    );
    is_restored(
        &["link add link eth0 name mv1 type macvlan mode bridge"],
        json!({"name": "mv1", "macvlan": {"mode": "passthru"}}),
    );
}
