//! Open vSwitch with the kernel's datapath, which only the full Debian kernel has: `cargo xtask vm-test`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::namespace::{Namespace, Run, assert_same};
use crate::switch::Switch;

/// A namespace with Open vSwitch and the card `eth0`, whose other end `far` is in the second one.
fn two_machines() -> Option<(Switch, Namespace)> {
    if std::env::var_os("OP_DBUS_VM").is_none() && !Path::new("/sys/module/openvswitch").exists() {
        eprintln!("!! SKIPPED: this kernel has no openvswitch; `cargo xtask vm-test` tests it");
        return None;
    }
    let switch = Switch::start()?;
    let far = Namespace::new();
    let pair = ["link", "add", "eth0", "type", "veth", "peer", "name", "far"];
    switch.namespace.ip(&pair);
    switch
        .namespace
        .ip(&["link", "set", "far", "netns", far.name()]);
    switch.namespace.ip(&["link", "set", "eth0", "up"]);
    far.ip(&["link", "set", "far", "up"]);
    far.ip(&["address", "add", "192.0.2.2/24", "dev", "far"]);
    Some((switch, far))
}

/// Whether an address answers, asked up to `tries` times, a second each.
fn answers(from: &Namespace, address: &str, tries: u32) -> bool {
    (0..tries).any(|_| {
        let ping = ["busybox", "ping", "-c", "1", "-W", "1", address];
        Run::of(
            Command::new("ip")
                .args(["netns", "exec", from.name()])
                .args(ping),
        )
        .is_success()
    })
}

fn section(vlan: u16) -> Value {
    json!({"interfaces": [
        {"name": "vmbr0", "type": "ovs-bridge", "ports": [
            {"name": "eth0", "vlans": {"access": 10}},
            {"name": "mgmt0", "type": "internal", "vlans": {"access": vlan}},
            {"name": "vx0", "type": "vxlan", "remote": "198.51.100.7", "key": "42"}]},
        {"name": "mgmt0", "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.1", "prefix": 24}]}}]})
}

#[test]
fn a_bridge_on_the_kernels_datapath_switches_by_vlan_and_goes_without_a_trace() {
    let Some((switch, far)) = two_machines() else {
        return;
    };
    let before = (switch.namespace.everything(), switch.database());
    switch.apply(&section(10));
    assert_eq!(switch.get("Bridge", "vmbr0", "datapath_type"), "");
    let link = switch
        .namespace
        .link("vmbr0")
        .expect("the datapath made it");
    assert_eq!(link["linkinfo"]["info_kind"], "openvswitch", "{link}");
    let card = switch.namespace.link("eth0").expect("it is there");
    assert_eq!(card["master"], "ovs-system", "{card}");
    let number: i64 = switch
        .get("Interface", "vx0", "ofport")
        .parse()
        .expect("a number");
    assert!(number > 0, "the tunnel has the port {number}");
    assert!(answers(&far, "192.0.2.1", 30), "within its VLAN");

    // In another VLAN nobody hears it.
    switch.apply(&section(20));
    assert!(!answers(&far, "192.0.2.1", 2), "across VLANs");
    switch.op_dbus(&["rollback"]).success();
    assert!(answers(&far, "192.0.2.1", 30), "back in its VLAN");

    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.database(), before.1);
    assert!(switch.namespace.link("vmbr0").is_none());
    let card = switch.namespace.link("eth0").expect("it is there");
    assert!(card["master"].is_null(), "{card}");
}

#[test]
fn what_the_kernels_datapath_cannot_have_undoes_the_whole_with_its_words() {
    let Some((switch, _far)) = two_machines() else {
        return;
    };
    let before = (switch.namespace.everything(), switch.database());
    let mut refused = section(10);
    let ports = refused["interfaces"][0]["ports"]
        .as_array_mut()
        .expect("a list");
    ports.push(json!("missing0"));
    let run = switch.run("apply", &refused).code(3);
    assert!(run.stderr.contains("missing0"), "{}", run.stderr);
    assert_eq!(switch.database(), before.1);
    // The datapath itself stays as long as ovs-vswitchd runs.
    let without = |lines: &[String]| -> Vec<String> {
        let lines = lines
            .iter()
            .filter(|line| !line.contains("ovs-system") && !line.contains("vxlan_sys"));
        lines.cloned().collect()
    };
    assert_same(
        &without(&switch.namespace.everything()),
        &without(&before.0),
    );
}

#[test]
fn the_example_of_a_server_works_as_it_stands() {
    let Some((switch, _far)) = two_machines() else {
        return;
    };
    switch.card("nm-network");
    let before = switch.database();
    let example = include_str!("../../plugins/net/tests/examples/server-ovs.json");
    let file = switch.namespace.file("server-ovs.json", example);
    switch
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    switch
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
    assert_eq!(switch.server.vsctl(&["list-ports", "vmbr0"]), "eth0\n");
    assert_eq!(switch.server.vsctl(&["list-ports", "mesh"]), "nm-network\n");
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.database(), before);
}
