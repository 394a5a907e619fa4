//! The state files of the documentation, as they are.

use serde_json::Value;

use super::Host;

fn example(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).expect("JSON");
    document["plugins"]["networkmanager"].clone()
}

#[test]
fn the_desktop_comes_up_and_goes_away_again_with_a_rollback() {
    let Some(host) = Host::start(&["eth0", "eth1", "eth2"]) else {
        return;
    };
    let section = example(include_str!(
        "../../../plugins/networkmanager/tests/examples/desktop-nm.json"
    ));
    host.on("apply", &section).success();
    assert_eq!(host.addresses("eth0"), ["192.168.1.100/24"]);
    assert_eq!(host.addresses("br0"), ["10.0.0.1/24"]);
    assert_eq!(
        host.active(),
        ["br0", "br0-port-eth1", "br0-port-eth2", "eth0-static"]
    );
    host.on("verify", &section).success();
    host.op_dbus(&["rollback"]).success();
    assert!(host.active().is_empty(), "{:?}", host.active());
    assert_eq!(
        host.query()["connections"].as_array().map(Vec::len),
        Some(0)
    );
    assert!(host.namespace.link("br0").is_none());
}

#[test]
fn the_laptops_profiles_are_stored_although_there_is_no_hardware_for_them() {
    let Some(host) = Host::start(&["eth0", "eth3", "eth4"]) else {
        return;
    };
    let section = example(include_str!(
        "../../../plugins/networkmanager/tests/examples/laptop-nm.json"
    ));
    host.on("apply", &section).success();
    assert_eq!(
        host.property("wifi-home", "802-11-wireless.ssid"),
        "HomeNet"
    );
    assert_eq!(
        host.property("vpn-work", "vpn.data"),
        "remote = vpn.company.com"
    );
    assert_eq!(host.property("bond0", "bond.options"), "mode=active-backup");
    assert_eq!(host.property("vlan20", "vlan.id"), "20");
    assert_eq!(
        host.property("vlan20", "ipv4.routes"),
        "10.30.0.0/16 10.20.0.1 100"
    );
    assert_eq!(
        host.property("bond0-port-eth3", "connection.slave-type"),
        "bond"
    );
    host.on("verify", &section).success();
}
