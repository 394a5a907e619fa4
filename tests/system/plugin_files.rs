//! Plugins whose components are files: what the configuration pins is loaded, and nothing else.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use op_dbus::digest::Digest;
use serde_json::{Value, json};

use crate::namespace::{CONFIGURATION, Namespace, assert_same};
use crate::profiles::{Host, wired};

/// The component of the built-in plugin `net`, as somebody else could have built it.
pub const NET: &[u8] = include_bytes!(env!("OP_DBUS_NET_WASM"));
/// That of `networkmanager`.
const NETWORK_MANAGER: &[u8] = include_bytes!(env!("OP_DBUS_NETWORKMANAGER_WASM"));

/// A grant for pairs of links whose names begin with `in`.
const PAIRS: &str = "grant.netlink = {see = [\"*\"], change = [\"in*\"], kinds = [\"veth\"]}\n";

/// Puts a component into the test's directory and pins it in the configuration, with what else the table says.
fn pin(namespace: &Namespace, name: &str, component: &[u8], rest: &str) -> PathBuf {
    let path = namespace.file(&format!("{name}.wasm"), component);
    let digest = Digest::of(component);
    let table = format!("[plugins.{name}]\ncomponent = {path:?}\ndigest = \"{digest}\"\n{rest}");
    namespace.file(CONFIGURATION, table);
    path
}

/// A state file of the plugin `name` with a pair of links.
pub fn pair(namespace: &Namespace, name: &str, links: [&str; 2]) -> PathBuf {
    let state = json!({"version": 1, "plugins": {name: {"interfaces": [
        {"name": links[0], "type": "veth", "veth": {"peer": links[1]}},
        {"name": links[1], "type": "veth"},
    ]}}});
    namespace.file(&format!("{name}.json"), state.to_string())
}

#[test]
fn a_plugin_from_a_file_works_like_one_that_is_built_in() {
    let namespace = Namespace::new();
    pin(&namespace, "edge", NET, PAIRS);
    let before = namespace.everything();
    let file = pair(&namespace, "edge", ["in0", "in1"]);
    let file = file.to_str().unwrap();
    namespace.op_dbus(&["diff", file]).code(2);
    namespace.op_dbus(&["apply", file]).success();
    assert!(namespace.link("in0").is_some() && namespace.link("in1").is_some());
    namespace.op_dbus(&["verify", file]).success();
    let state = namespace
        .op_dbus(&["query", "--json", "--plugin", "edge"])
        .success()
        .json();
    let names: Vec<&Value> = state["plugins"]["edge"]["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| &link["name"])
        .collect();
    assert!(names.contains(&&json!("in0")), "{names:?}");
    let schema = namespace.op_dbus(&["schema"]).success().json();
    assert!(schema["properties"]["plugins"]["properties"]["edge"].is_object());
    let listed = namespace.op_dbus(&["plugin", "list"]).success().stdout;
    assert!(
        listed.lines().any(|line| line.starts_with("edge ")),
        "{listed}"
    );
    let doctor = namespace.op_dbus(&["doctor"]).success().stdout;
    assert!(doctor.contains("edge"), "{doctor}");
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn what_the_grant_of_a_plugin_from_a_file_does_not_cover_is_denied_and_undone() {
    let namespace = Namespace::new();
    pin(&namespace, "edge", NET, PAIRS);
    let before = namespace.everything();
    let file = pair(&namespace, "edge", ["in0", "out0"]);
    let run = namespace
        .op_dbus(&["apply", file.to_str().unwrap()])
        .code(3);
    assert!(run.stderr.contains("netlink.change"), "{}", run.stderr);
    assert_same(&namespace.everything(), &before);
}

#[test]
fn without_a_grant_a_plugin_from_a_file_reaches_nothing() {
    let namespace = Namespace::new();
    for name in ["edge", "net"] {
        // One that takes the place of a built-in plugin does not inherit its grant.
        pin(&namespace, name, NET, "");
        let run = namespace.op_dbus(&["query", "--plugin", name]).code(1);
        let way_out = format!(
            "plugin {name} has no grant for netlink; the operator writes one as grant.netlink"
        );
        assert!(run.stderr.contains(&way_out), "{}", run.stderr);
    }
    namespace.file(
        CONFIGURATION,
        "[plugins.lab]\ncomponent = \"builtin:net\"\n",
    );
    let run = namespace.op_dbus(&["query", "--plugin", "lab"]).code(1);
    assert!(run.stderr.contains("no grant"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_not_loaded() {
    let namespace = Namespace::new();
    let path = pin(&namespace, "edge", NET, PAIRS);
    let file = pair(&namespace, "edge", ["in0", "in1"]);
    let file = file.to_str().unwrap();
    let refused = |words: &[&str]| {
        let run = namespace.op_dbus(&["apply", file]).code(1);
        for word in words {
            assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
        }
        assert!(namespace.link("in0").is_none());
        // Others go on, and doctor says what is wrong.
        let shown = namespace.op_dbus(&["query"]).code(1);
        assert!(shown.stdout.contains("net"), "{}", shown.stdout);
        assert!(shown.stderr.contains("plugin edge"), "{}", shown.stderr);
        let doctor = namespace.op_dbus(&["doctor", "--json"]).code(1).json();
        let failed = doctor["checks"].as_array().unwrap().iter();
        let failed: Vec<_> = failed.filter(|check| check["status"] == "fail").collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0]["found"].as_str().unwrap().contains("plugin edge"));
    };
    // A custom section more: the same code, other bytes.
    let mut other = NET.to_vec();
    other.extend(b"\0\x02\x01x");
    std::fs::write(&path, &other).unwrap();
    let (pinned, found) = (Digest::of(NET), Digest::of(&other));
    refused(&[&pinned.to_string(), &found.to_string(), "plugin add"]);
    std::fs::write(&path, NET).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    refused(&["others", "chmod 644"]);
    std::fs::remove_file(&path).unwrap();
    refused(&["is gone"]);
}

/// What `networkmanager` asks for.
const PROFILES: &str = r#"
[[plugins.desk.grant.dbus.rules]]
names = ["org.freedesktop.NetworkManager"]
paths = ["/org/freedesktop/NetworkManager*"]
interfaces = ["org.freedesktop.NetworkManager*"]
read = ["ListConnections", "GetSettings", "GetSecrets"]
keep = ["CheckpointCreate", "CheckpointDestroy", "CheckpointAdjustRollbackTimeout"]
change = ["AddConnection2", "Update2", "Delete", "ClearSecrets", "ActivateConnection", "DeactivateConnection", "Reapply",
          "CheckpointRollback"]
properties = ["*"]
set = ["Managed"]
signals = ["StateChanged", "NewConnection", "ConnectionRemoved", "Updated"]
secrets = ["psk", "*password*", "secrets", "private-key", "preshared-key"]
[plugins.desk.grant.dbus]
buses = ["*"]
"#;

#[test]
fn what_only_a_plugin_from_a_file_can_undo_waits_for_its_file() {
    let Some(host) = Host::start(&["eth0"]) else {
        return;
    };
    let path = pin(&host.namespace, "desk", NETWORK_MANAGER, PROFILES);
    let state = json!({"version": 1, "plugins": {"desk": {"connections": [
        wired("one", "eth0", "192.0.2.1")]}}});
    let file = host.namespace.file("state.json", state.to_string());
    let killed = host
        .namespace
        .op_dbus_command()
        .env("OP_DBUS_FAILPOINT", "journal.finish.before-record=kill")
        .arg("--dbus-address")
        .arg(host.manager.address())
        .arg("apply")
        .arg(file)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&killed.stderr);
    assert_eq!(killed.status.code(), None, "{stderr}");
    assert_eq!(host.active(), ["one"]);

    std::fs::write(&path, b"another").unwrap();
    let run = host.op_dbus(&["query", "--plugin", "net"]);
    for words in [
        "ROLLBACK INCOMPLETE",
        "desk",
        "is not the one that was pinned",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(host.active(), ["one"], "nothing was touched");

    std::fs::write(&path, NETWORK_MANAGER).unwrap();
    let run = host.op_dbus(&["query", "--plugin", "net"]).success();
    assert!(run.stderr.contains("it was undone"), "{}", run.stderr);
    assert!(host.active().is_empty());
}
