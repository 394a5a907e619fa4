//! Every kind of link, made, verified, changed back: on the local kernel as far as it has the
//! kind, and on a full Debian kernel without exception.

use crate::namespace::{Namespace, assert_same};

/// How `ip link add` makes a link of each kind, under the name `probe`, on top of the veth `base`.
const KINDS: [(&str, &str); 20] = [
    ("bond", "type bond"),
    ("bridge", "type bridge"),
    ("dummy", "type dummy"),
    ("geneve", "type geneve id 7 remote 192.0.2.7"),
    ("gre", "type gre remote 192.0.2.7"),
    ("gretap", "type gretap remote 192.0.2.7"),
    ("ifb", "type ifb"),
    ("ip6gre", "type ip6gre remote 2001:db8::7"),
    ("ip6tnl", "type ip6tnl remote 2001:db8::7"),
    ("ipip", "type ipip remote 192.0.2.7"),
    ("ipvlan", "link base type ipvlan"),
    ("macvlan", "link base type macvlan"),
    ("macvtap", "link base type macvtap"),
    ("sit", "type sit remote 192.0.2.7"),
    ("team", "type team"),
    ("veth", "type veth peer name probe-peer"),
    ("vlan", "link base type vlan id 7"),
    ("vrf", "type vrf table 7"),
    ("vxlan", "type vxlan id 7 remote 192.0.2.7 dstport 4789"),
    ("wireguard", "type wireguard"),
];

/// A namespace with the veth pair `base` and `base-peer` on a kernel that has `kind`; `None`, and
/// loudly so, if the kernel lacks it.
fn namespace_with(kind: &str) -> Option<Namespace> {
    let (_, probe) = KINDS
        .iter()
        .find(|(name, _)| *name == kind)
        .expect("a kind of the table");
    let namespace = Namespace::new();
    namespace.ip(&[
        "link",
        "add",
        "base",
        "type",
        "veth",
        "peer",
        "name",
        "base-peer",
    ]);
    let words: Vec<&str> = ["link", "add", "name", "probe"]
        .into_iter()
        .chain(probe.split(' '))
        .collect();
    let run = namespace.try_ip(&words);
    if run.is_success() {
        namespace.ip(&["link", "delete", "probe"]);
        return Some(namespace);
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

#[test]
fn the_full_kernel_makes_links_of_every_kind() {
    for (kind, _) in KINDS {
        let Some(namespace) = namespace_with(kind) else {
            continue;
        };
        assert!(namespace.link("probe").is_none());
    }
}

#[test]
fn a_team_is_shown_and_neither_made_nor_lost() {
    let Some(namespace) = namespace_with("team") else {
        return;
    };
    namespace.ip(&["link", "add", "probe", "type", "team"]);
    let state = namespace
        .op_dbus(&["query", "--interface", "probe", "--json"])
        .success()
        .json();
    let shown = &state["plugins"]["net"]["interfaces"][0];
    assert_eq!(shown["name"], "probe");
    assert_eq!(shown["type"], "team");
    let before = namespace.everything();
    let apply = |link: &str| {
        let text = format!(r#"{{"version": 1, "plugins": {{"net": {{"interfaces": [{link}]}}}}}}"#);
        let file = namespace.file("state.json", text);
        namespace.op_dbus(&["apply".as_ref(), file.as_os_str()])
    };
    // What all links have in common can be changed, and comes back.
    apply(r#"{"name": "probe", "description": "two cards"}"#).success();
    let link = namespace.link("probe").expect("it is there");
    assert_eq!(link["ifalias"], "two cards");
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
    // It would have to be made anew, and nobody could make it again.
    let refused = apply(r#"{"name": "probe", "type": "bridge"}"#).code(1);
    assert!(refused.stderr.contains("probe"), "{}", refused.stderr);
    assert_same(&namespace.everything(), &before);
    let refused = apply(r#"{"name": "another", "type": "team"}"#).code(1);
    assert!(refused.stderr.contains("team"), "{}", refused.stderr);
}

/// Applies a state file with one link named `probe`, asks the
/// kernel what came of it, and takes it back.
#[track_caller]
fn makes_and_takes_back(kind: &str, word: &str, settings: &str) {
    let Some(namespace) = namespace_with(kind) else {
        return;
    };
    namespace.ip(&["link", "set", "base", "up"]);
    let before = namespace.everything();
    let text = format!(
        r#"{{"version": 1, "plugins": {{"net": {{"interfaces": [
            {{"name": "probe", "type": "{word}", "mtu": 1400, "state": "up"{settings}}}]}}}}}}"#
    );
    let file = namespace.file("state.json", text);
    let file = file.to_str().expect("a temporary path is text");

    namespace.op_dbus(&["diff", file]).code(2);
    namespace.op_dbus(&["apply", file]).success();
    let link = namespace
        .link("probe")
        .expect("op-dbus said that it made the link");
    assert_eq!(
        link.pointer("/linkinfo/info_kind")
            .and_then(|kind| kind.as_str()),
        Some(kind)
    );
    assert_eq!(link["mtu"], 1400);
    assert!(link["flags"].to_string().contains("\"UP\""), "{link}");
    namespace.op_dbus(&["verify", file]).success();
    namespace.op_dbus(&["diff", file]).success();

    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

/// One test for each kind, named after it.
macro_rules! round_trips {
    ($($name:ident: $kind:literal, $word:literal, $settings:literal;)*) => {
        $(#[test] fn $name() { makes_and_takes_back($kind, $word, $settings); })*
    };
}

round_trips! {
    a_bond_is_made_and_taken_back: "bond", "bond", r#", "bond": {"mode": "active-backup", "miimon": 100}"#;
    a_bridge_is_made_and_taken_back: "bridge", "bridge", r#", "ports": ["base"], "bridge": {"stp": true}"#;
    a_dummy_is_made_and_taken_back: "dummy", "dummy", "";
    a_geneve_is_made_and_taken_back: "geneve", "geneve", r#", "geneve": {"id": 7, "remote": "192.0.2.7"}"#;
    a_gre_is_made_and_taken_back: "gre", "gre", r#", "gre": {"remote": "192.0.2.7"}"#;
    a_gretap_is_made_and_taken_back: "gretap", "gretap", r#", "gretap": {"remote": "192.0.2.7"}"#;
    an_ifb_is_made_and_taken_back: "ifb", "ifb", "";
    an_ip6gre_is_made_and_taken_back: "ip6gre", "ip6gre", r#", "ip6gre": {"remote": "2001:db8::7"}"#;
    an_ip6tnl_is_made_and_taken_back: "ip6tnl", "ip6tnl", r#", "ip6tnl": {"remote": "2001:db8::7"}"#;
    an_ipip_is_made_and_taken_back: "ipip", "ipip", r#", "ipip": {"remote": "192.0.2.7"}"#;
    an_ipvlan_is_made_and_taken_back: "ipvlan", "ipvlan", r#", "ipvlan": {"parent": "base"}"#;
    a_macvlan_is_made_and_taken_back: "macvlan", "macvlan", r#", "macvlan": {"parent": "base"}"#;
    a_macvtap_is_made_and_taken_back: "macvtap", "macvtap", r#", "macvtap": {"parent": "base"}"#;
    a_sit_is_made_and_taken_back: "sit", "sit", r#", "sit": {"remote": "192.0.2.7"}"#;
    a_veth_is_made_and_taken_back: "veth", "veth", r#", "veth": {"peer": "probe-peer"}"#;
    a_vlan_is_made_and_taken_back: "vlan", "vlan", r#", "vlan": {"parent": "base", "id": 7}"#;
    a_vrf_is_made_and_taken_back: "vrf", "vrf", r#", "vrf": {"table": 7}"#;
    a_vxlan_is_made_and_taken_back: "vxlan", "vxlan", r#", "vxlan": {"id": 7, "remote": "192.0.2.7", "port": 4789}"#;
    a_wireguard_is_made_and_taken_back: "wireguard", "wireguard", r#", "wireguard": {"listen_port": 51820}"#;
}

/// Files below a directory that hold a text. The escrow is left out: keeping texts is what it is for.
fn spilt(directory: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("state/secrets") {
            found.extend(spilt(&path, text));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            if String::from_utf8_lossy(&bytes).contains(text) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_wireguard_key_goes_from_its_file_into_the_kernel_and_nowhere_else() {
    use std::os::unix::fs::PermissionsExt;

    let Some(namespace) = namespace_with("wireguard") else {
        return;
    };
    // Curve25519 keys as wg(8) clamps them, so that the kernel keeps them as they are.
    const KEYS: [&str; 2] = [
        "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
        "eLyLEyVQoZk0LSYgPG3Ls6HcNDgYhJg6Gdz7mQgQvHA=",
    ];
    let names = tempfile::tempdir().expect("a directory");
    let key = names.path().join("wg0");
    let write = |text: &str| {
        std::fs::write(&key, text).expect("a file");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&key, private).expect("it is ours");
    };
    let file = namespace.file(
        "state.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [
            {"name": "probe", "type": "wireguard", "wireguard": {"private_key": {"secret": "wg0"}}}]}}}"#,
    );
    let file = file.to_str().expect("a temporary path is text");
    let directory = names.path().to_str().expect("a temporary path is text");
    let run = |arguments: &[&str]| {
        let run = namespace.op_dbus(&[&["--secrets-dir", directory, "-vv"], arguments].concat());
        for key in KEYS {
            assert!(
                !run.stdout.contains(key) && !run.stderr.contains(key),
                "{arguments:?}"
            );
            assert_eq!(
                spilt(namespace.directory(), key),
                Vec::<std::path::PathBuf>::new()
            );
        }
        run
    };
    let fingerprint = || {
        let state = run(&["query", "--interface", "probe", "--json"])
            .success()
            .json();
        let key = &state["plugins"]["net"]["interfaces"][0]["wireguard"]["private_key"];
        key["fingerprint"]
            .as_str()
            .expect("it has a key")
            .to_owned()
    };

    write(KEYS[0]);
    run(&["apply", "--dry-run", file]).success();
    run(&["apply", file]).success();
    run(&["verify", file]).success();
    let first = fingerprint();
    write(KEYS[1]);
    run(&["diff", "--json", file]).code(2);
    run(&["apply", "--json", file]).success();
    assert_ne!(fingerprint(), first);
    run(&["checkpoint", "list"]).success();
    run(&["audit", "show"]).success();
    // The text of the first key is nowhere but in the escrow by now.
    run(&["rollback"]).success();
    assert_eq!(fingerprint(), first);
}
