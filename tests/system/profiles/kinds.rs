//! Profiles whose devices few kernels have: on the local one as far as it has them, on a full Debian kernel without exception.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::Host;

/// A host with these links on a kernel that has this kind; `None`, and loudly so, if the kernel lacks it.
fn host_with(kind: &str, probe: &[&str], links: &[&str]) -> Option<Host> {
    let host = Host::start(links)?;
    let run = host
        .namespace
        .try_ip(&[&["link", "add", "probe"], probe].concat());
    if run.is_success() {
        host.namespace.ip(&["link", "delete", "probe"]);
        return Some(host);
    }
    let in_virtual_machine = std::env::var_os("OP_DBUS_VM").is_some();
    assert!(
        !in_virtual_machine,
        "the full kernel lacks {kind}: {}",
        run.stderr
    );
    eprintln!("!! SKIPPED: this kernel has no {kind}; `cargo xtask vm-test` tests it");
    None
}

fn comes_up_and_goes(host: &Host, link: &str, kind: &str, address: &str, connections: &Value) {
    host.connections("apply", connections).success();
    let shown = host.namespace.link(link).expect("the link is there");
    assert_eq!(shown["linkinfo"]["info_kind"], kind, "{shown}");
    assert_eq!(host.addresses(link), [address]);
    host.connections("verify", connections).success();
    host.op_dbus(&["rollback"]).success();
    assert!(host.namespace.link(link).is_none());
    assert_eq!(
        host.query()["connections"].as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn a_bond_comes_up_with_its_ports() {
    let Some(host) = host_with("bond", &["type", "bond"], &["eth1", "eth2"]) else {
        return;
    };
    let connections = json!([{
        "id": "bond7", "type": "bond", "interface": "bond7", "autoconnect": true, "mode": "active-backup",
        "options": {"miimon": 100}, "slaves": ["eth1", "eth2"],
        "ipv4": {"method": "manual", "addresses": [{"address": "10.7.0.1", "prefix": 24}]}, "ipv6": {"method": "disabled"}
    }]);
    comes_up_and_goes(&host, "bond7", "bond", "10.7.0.1/24", &connections);
}

#[test]
fn a_vlan_comes_up_on_its_parent() {
    let Some(host) = host_with(
        "vlan",
        &["link", "eth0", "type", "vlan", "id", "7"],
        &["eth0"],
    ) else {
        return;
    };
    host.namespace.ip(&["link", "set", "eth0", "up"]);
    let connections = json!([{
        "id": "vlan20", "type": "vlan", "interface": "eth0.20", "parent": "eth0", "vlan_id": 20, "autoconnect": true,
        "ipv4": {"method": "manual", "addresses": [{"address": "10.20.0.2", "prefix": 24}]}, "ipv6": {"method": "disabled"}
    }]);
    comes_up_and_goes(&host, "eth0.20", "vlan", "10.20.0.2/24", &connections);
}

#[test]
fn a_wireguard_profile_comes_up_with_its_key() {
    let Some(host) = host_with("wireguard", &["type", "wireguard"], &[]) else {
        return;
    };
    let secrets = host.namespace.directory().join("secrets");
    fs::create_dir(&secrets).expect("a directory");
    let key = secrets.join("wg");
    fs::write(&key, "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=").expect("a file");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its owner's alone");
    let connections = json!([{
        "id": "wg7", "type": "wireguard", "interface": "wg7", "autoconnect": true, "listen_port": 51820,
        "private_key": {"secret": "wg"},
        "peers": [{"public_key": "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", "allowed_ips": ["10.9.0.0/16"]}],
        "ipv4": {"method": "manual", "addresses": [{"address": "10.7.0.2", "prefix": 24}]}, "ipv6": {"method": "disabled"}
    }]);
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": connections}}});
    let file = host.namespace.file("wireguard.json", state.to_string());
    let secrets = secrets.to_str().expect("a path in UTF-8").to_owned();
    host.op_dbus(&[
        "--secrets-dir",
        &secrets,
        "apply",
        file.to_str().expect("a path in UTF-8"),
    ])
    .success();
    let shown = host.namespace.link("wg7").expect("the link is there");
    assert_eq!(shown["linkinfo"]["info_kind"], "wireguard", "{shown}");
    assert_eq!(host.addresses("wg7"), ["10.7.0.2/24"]);
    let route = host.namespace.ip(&["route", "show", "dev", "wg7"]);
    assert!(route.contains("10.9.0.0/16"), "{route}");
}
