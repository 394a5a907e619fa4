//! What a state file must not say: a clear error that names the place, and nothing changes.

use serde_json::json;

use crate::namespace::{Namespace, assert_same};

/// A broken file, its name, and what the error says.
const BROKEN: [(&str, &str, &[&str]); 19] = [
    ("empty.json", "", &["empty"]),
    (
        "truncated.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": ["#,
        &["truncated.json:1"],
    ),
    (
        "version.json",
        r#"{"version": 2, "plugins": {}}"#,
        &["version"],
    ),
    (
        "plugin.json",
        r#"{"version": 1, "plugins": {"nett": {}}}"#,
        &["nett", "net"],
    ),
    (
        "key.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "a", "mut": 1500}]}}}"#,
        &["mut", "mtu", "key.json:1:"],
    ),
    (
        "twice.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "a", "name": "b"}]}}}"#,
        &["name"],
    ),
    (
        "type.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "a", "mtu": "big"}]}}}"#,
        &["mtu"],
    ),
    (
        "kind.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "a", "type": "brigde"}]}}}"#,
        &["bridge"],
    ),
    (
        "dhcp.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, ipv4: {method: auto}}]}}",
        &["DHCP"],
    ),
    (
        "bridges.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, type: bridge, ports: [p]}, {name: b, type: bridge, ports: [p]}]}}",
        &["p"],
    ),
    (
        "gateway.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, ipv4: {method: manual, addresses: [{address: 192.0.2.1, prefix: 24}], gateway: 203.0.113.1}}]}}",
        &["203.0.113.1"],
    ),
    (
        "address.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, ipv4: {method: manual, addresses: [{address: 192.0.2.1, prefix: 24}, {address: 192.0.2.1, prefix: 24}]}}]}}",
        &["192.0.2.1"],
    ),
    (
        "prefix.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, ipv4: {method: manual, addresses: [{address: 192.0.2.1, prefix: 33}]}}]}}",
        &["33"],
    ),
    (
        "octet.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, ipv4: {addresses: [{address: 192.0.02.1, prefix: 24}]}}]}}",
        &["192.0.02.1", "octet.yaml:2:69"],
    ),
    (
        "mac.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: a, type: bridge, mac: '02:00:00:00:01'}]}}",
        &["5 bytes", "mac.yaml:2:"],
    ),
    (
        "described.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: lo, bridge: {stp: true}}]}}",
        &["/interfaces/0/bridge", "loopback"],
    ),
    (
        "percent.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: v%d, type: bridge}]}}",
        &["v%d", "%"],
    ),
    (
        "name.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: far-too-long-a-name, type: bridge}]}}",
        &["name"],
    ),
    (
        "secret.yaml",
        "version: 1\nplugins: {net: {interfaces: [{name: wg0, type: wireguard, wireguard: {private_key: {secret: missing}}}]}}",
        &["missing", "secret"],
    ),
];

#[test]
fn every_broken_file_gets_a_clear_error_and_nothing_changes() {
    let namespace = Namespace::new();
    let before = namespace.everything();
    for (name, text, words) in BROKEN {
        let file = namespace.file(name, text);
        for verb in ["diff", "apply", "verify"] {
            let run = namespace
                .op_dbus(&[verb.as_ref(), file.as_os_str()])
                .code(1);
            for word in words {
                assert!(
                    run.stderr.contains(word),
                    "{name}: {word:?} is not in\n{}",
                    run.stderr
                );
            }
            assert!(
                !run.stderr.contains('\u{1b}'),
                "{name}: colours without a terminal"
            );
        }
    }
    assert_same(&namespace.everything(), &before);
}

#[test]
fn huge_deep_and_foreign_files_are_refused() {
    let namespace = Namespace::new();
    let before = namespace.everything();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let files = [
        namespace.file("huge.json", vec![b' '; (64 << 20) + 1]),
        namespace.file("deep.json", deep),
        namespace.file(
            "latin1.json",
            b"{\"version\": 1, \"plugins\": {\"\xe4\": {}}}",
        ),
        namespace.directory().to_owned(),
        "/dev/zero".into(),
    ];
    for file in files {
        namespace
            .op_dbus(&["apply".as_ref(), file.as_os_str()])
            .code(1);
    }
    assert_same(&namespace.everything(), &before);
}

#[test]
fn usage_errors_exit_with_64() {
    let namespace = Namespace::new();
    namespace.op_dbus(&["aply"]).code(64);
    namespace.op_dbus(&["apply"]).code(64);
    namespace.op_dbus(&["--help"]).success();
    namespace.op_dbus(&["--version"]).success();
}

#[test]
fn the_schema_of_a_section_is_printed() {
    let namespace = Namespace::new();
    let schema = namespace.op_dbus(&["schema", "net"]).success().json();
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_schema_of_a_whole_file_takes_what_op_dbus_takes_and_refuses_what_it_refuses() {
    let namespace = Namespace::new();
    let schema = namespace.op_dbus(&["schema"]).success().json();
    let validator = jsonschema::draft202012::new(&schema).expect("every reference leads somewhere");
    let server = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth0"],
         "ipv4": {"method": "manual", "addresses": [{"address": "10.0.0.1", "prefix": 24}], "gateway": "10.0.0.254",
                  "routes": [{"dest": "10.9.0.0", "prefix": 16, "next_hop": "10.0.0.2", "metric": 50}]}}]}},
        "probes": {"uplink": {"gateway": "any"}}});
    let mut files = vec![server];
    for text in [
        include_str!("../../plugins/networkmanager/tests/examples/desktop-nm.json"),
        include_str!("../../plugins/networkmanager/tests/examples/laptop-nm.json"),
    ] {
        files.push(serde_json::from_str(text).expect("JSON"));
    }
    for file in &files {
        let wrong: Vec<_> = validator
            .iter_errors(file)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    for (pointer, wrong) in [
        ("/version", json!(2)),
        ("/plugins/net/interfaces/0/prots", json!([])),
        (
            "/plugins/net/interfaces/0/ipv4/addresses/0/prefix",
            json!(200),
        ),
        ("/plugins/net/interfaces/0/ipv4/routes/0/metrik", json!(5)),
        ("/probes/uplink/gateway", json!("some")),
        ("/plugins/ner", json!({})),
    ] {
        let mut bad = files[0].clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[key] = wrong;
        assert!(!validator.is_valid(&bad), "{pointer}");
        let file = namespace.file("bad.json", bad.to_string());
        let run = namespace.op_dbus(&["diff".as_ref(), file.as_os_str()]);
        run.code(1);
    }
}
