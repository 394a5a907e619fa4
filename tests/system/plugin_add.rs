//! `op-dbus plugin add`, `remove`, `inspect`, `list` and `verify`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use op_dbus::digest::Digest;
use serde_json::Value;

use crate::namespace::{CONFIGURATION, Namespace, assert_same};
use crate::plugin_files::{NET, pair};
use crate::rollback::{change, inhabited};

/// A configuration with the operator's own layout.
const OWN: &str = "# Ours, by hand.\n[limits]   # of all\ndeadline = \"1m\"\n\n[plugins.net.limits]\nmemory = \"256 MiB\" # enough\n";

/// A grant for pairs of links whose names begin with `in`.
const PAIRS: &str = "[netlink]\nsee = [\"*\"]\nchange = [\"in*\"]\nkinds = [\"veth\"]\n";

/// The component of `net` as another version of it.
pub fn version(number: &str) -> Vec<u8> {
    let old = b"0.1.0";
    assert_eq!(number.len(), old.len());
    // Its own version stands in its data; that of the contract follows an @.
    let places = (1..NET.len() - old.len()).filter(|at| NET[*at..].starts_with(old));
    let own: Vec<_> = places.filter(|at| NET[at - 1] != b'@').collect();
    let [at] = own[..] else {
        panic!("net says its version {} times", own.len());
    };
    let mut component = NET.to_vec();
    component[at..at + old.len()].copy_from_slice(number.as_bytes());
    component
}

/// Writes a component and a grant, and adds it under the name `edge`, with further arguments.
fn add(namespace: &Namespace, component: &[u8], more: &[&str]) -> crate::namespace::Run {
    let file = namespace.file("component.wasm", component);
    let file = file.to_str().unwrap();
    namespace.op_dbus(&[&["plugin", "add", file, "--name", "edge", "--yes"], more].concat())
}

fn grant(namespace: &Namespace) -> String {
    let file = namespace.file("grant.toml", PAIRS);
    file.to_str().unwrap().to_owned()
}

fn configuration(namespace: &Namespace) -> String {
    std::fs::read_to_string(namespace.directory().join(CONFIGURATION)).unwrap()
}

/// The files in the plugin directory.
fn stored(namespace: &Namespace) -> Vec<PathBuf> {
    let directory = namespace.directory().join("state/plugins");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

#[test]
fn a_plugin_is_added_applies_and_is_removed_without_a_trace() {
    let namespace = Namespace::new();
    namespace.file(CONFIGURATION, OWN);
    let before = namespace.everything();
    let added = add(&namespace, NET, &["--grant", &grant(&namespace)]).success();
    assert!(
        added.stderr.contains("change = [\"in*\"]"),
        "{}",
        added.stderr
    );
    assert!(
        added.stderr.contains("It asks for more"),
        "{}",
        added.stderr
    );
    let written = configuration(&namespace);
    assert!(written.starts_with(OWN), "{written}");
    assert!(written.contains(&Digest::of(NET).to_string()), "{written}");
    let files = stored(&namespace);
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(std::fs::read(&files[0]).unwrap(), NET);
    let directory = files[0].parent().unwrap().metadata().unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
    // The file that was added is needed no more.
    std::fs::remove_file(namespace.directory().join("component.wasm")).unwrap();

    let file = pair(&namespace, "edge", ["in0", "in1"]);
    let file = file.to_str().unwrap();
    namespace.op_dbus(&["apply", file]).success();
    assert!(namespace.link("in0").is_some());
    let listed = namespace
        .op_dbus(&["plugin", "list", "--json"])
        .success()
        .json();
    let edge = &listed["plugins"][2];
    assert_eq!(edge["name"], "edge");
    assert_eq!(edge["plugin"]["version"], "0.1.0");
    assert!(
        edge["source"]
            .as_str()
            .unwrap()
            .ends_with("/component.wasm"),
        "{edge}"
    );
    namespace.op_dbus(&["plugin", "verify"]).success();
    namespace.op_dbus(&["doctor"]).success();
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);

    namespace.op_dbus(&["plugin", "remove", "edge"]).success();
    assert_eq!(configuration(&namespace), OWN);
    assert_eq!(stored(&namespace), [""; 0].map(PathBuf::from));
    let unknown = namespace.op_dbus(&["apply", file]).code(1);
    assert!(
        unknown.stderr.contains("there is no plugin"),
        "{}",
        unknown.stderr
    );
    let audit = namespace
        .op_dbus(&["audit", "show", "--kind", "configuration"])
        .success()
        .stdout;
    assert!(audit.lines().count() >= 2, "{audit}");
}

#[test]
fn nothing_is_added_unless_somebody_says_yes() {
    let namespace = Namespace::new();
    let file = namespace.file("component.wasm", NET);
    let file = file.to_str().unwrap();
    let run = namespace
        .op_dbus(&["plugin", "add", file, "--name", "edge"])
        .code(1);
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    // Nor does one take the place of a built-in plugin by its own word.
    let run = namespace.op_dbus(&["plugin", "add", file, "--yes"]).code(1);
    assert!(run.stderr.contains("built-in"), "{}", run.stderr);
    assert_eq!(configuration(&namespace), "");
    assert!(stored(&namespace).is_empty());
}

#[test]
fn an_update_keeps_the_grant_and_says_what_becomes_wider() {
    let namespace = Namespace::new();
    add(&namespace, NET, &["--grant", &grant(&namespace)]).success();
    let newer = version("0.2.0");
    let run = add(&namespace, &newer, &[]).success();
    assert!(run.stderr.contains("before: 0.1.0"), "{}", run.stderr);
    assert!(!run.stderr.contains("Wider"), "{}", run.stderr);
    let written = configuration(&namespace);
    assert!(
        written.contains(&Digest::of(&newer).to_string()),
        "{written}"
    );
    assert!(written.contains("change = [\"in*\"]"), "{written}");
    assert_eq!(stored(&namespace).len(), 2, "the old file went");

    let run = add(&namespace, NET, &[]).code(1);
    assert!(run.stderr.contains("--allow-downgrade"), "{}", run.stderr);
    assert_eq!(configuration(&namespace), written);

    let run = add(&namespace, NET, &["--allow-downgrade", "--grant", "asked"]).success();
    let (_, wider) = run
        .stderr
        .split_once("Wider than before:")
        .expect("it says so");
    for entry in [
        "netlink.change \"*\"",
        "netlink.rules",
        "ovsdb",
        "secrets \"*\"",
    ] {
        assert!(wider.contains(entry), "{entry}: {wider}");
    }
    let run = add(&namespace, NET, &["--grant", "none"]).success();
    assert!(run.stderr.contains("No longer granted:"), "{}", run.stderr);
    let run = namespace.op_dbus(&["query", "--plugin", "edge"]).code(1);
    assert!(run.stderr.contains("no grant"), "{}", run.stderr);
}

#[test]
fn a_grant_that_was_widened_by_hand_is_shown() {
    let namespace = Namespace::new();
    add(&namespace, NET, &["--grant", &grant(&namespace)]).success();
    let widened = configuration(&namespace).replace("\"in*\"", "\"in*\", \"eth*\"");
    namespace.file(CONFIGURATION, widened);
    let report = namespace.op_dbus(&["doctor", "--json"]).success().json();
    let checks = report["checks"].as_array().unwrap();
    let grants: Vec<&Value> = checks.iter().filter(|it| it["check"] == "grants").collect();
    assert_eq!(grants.len(), 1, "{report}");
    assert_eq!(grants[0]["status"], "warn");
    let found = grants[0]["found"].as_str().unwrap();
    assert!(found.contains("netlink.change \"eth*\""), "{found}");
    let run = namespace.op_dbus(&["checkpoint", "create"]).success();
    assert!(
        !run.stderr.contains("eth*"),
        "doctor has said it: {}",
        run.stderr
    );
}

#[test]
fn a_widened_configuration_is_said_by_the_next_command_that_takes_the_lock() {
    let namespace = Namespace::new();
    let narrow = "[plugins.net.grant.netlink]\nsee = [\"*\"]\nchange = [\"in*\"]\n";
    namespace.file(CONFIGURATION, narrow);
    namespace.op_dbus(&["checkpoint", "create"]).success();
    namespace.file(CONFIGURATION, narrow.replace("in*", "*"));
    let run = namespace.op_dbus(&["checkpoint", "create"]).success();
    assert!(
        run.stderr.contains("netlink.change \"*\""),
        "{}",
        run.stderr
    );
    let run = namespace.op_dbus(&["checkpoint", "create"]).success();
    assert!(!run.stderr.contains("netlink.change"), "{}", run.stderr);
    // Without a configuration the built-in grant holds, which is wider.
    namespace.file(CONFIGURATION, "");
    let run = namespace.op_dbus(&["checkpoint", "create"]).success();
    assert!(run.stderr.contains("netlink.rules"), "{}", run.stderr);
}

#[test]
fn a_plugin_stays_while_a_transaction_of_its_is_not_over_in_any_namespace() {
    let namespace = inhabited();
    let grant = namespace.file("grant.toml", "[netlink]\nsee = [\"*\"]\nchange = [\"*\"]\nkinds = [\"*\"]\nnetworks = [\"0.0.0.0/0\", \"::/0\"]\ntables = [\"0-4294967295\"]\n");
    add(&namespace, NET, &["--grant", grant.to_str().unwrap()]).success();
    let before = namespace.everything();
    let file = change(&namespace);
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("\"net\"", "\"edge\"");
    std::fs::write(&file, text).unwrap();
    let killed = namespace
        .op_dbus_command()
        .env("OP_DBUS_FAILPOINT", "journal.finish.before-record=kill")
        .arg("apply")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "it was killed");
    let elsewhere = Namespace::new();
    let remove = || {
        let mut command = namespace.op_dbus_on(elsewhere.name());
        crate::namespace::Run::of(command.args(["plugin", "remove", "edge"]))
    };
    let refused = remove().code(1);
    assert!(refused.stderr.contains("not over"), "{}", refused.stderr);
    assert_eq!(stored(&namespace).len(), 2);
    namespace.op_dbus(&["plugin", "verify", "edge"]).success();
    namespace.op_dbus(&["doctor"]).success();
    assert_same(&namespace.everything(), &before);
    remove().success();
    assert!(stored(&namespace).is_empty());
}

#[test]
fn inspect_shows_what_a_component_is_and_asks_for_and_its_grant_can_be_pasted() {
    let namespace = Namespace::new();
    let file = namespace.file("component.wasm", NET);
    let file = file.to_str().unwrap();
    let shown = namespace
        .op_dbus(&["plugin", "inspect", file])
        .success()
        .stdout;
    for words in [
        Digest::of(NET).to_string().as_str(),
        "op-dbus:plugin/netlink@0.1.0",
        "signatures none",
        "[plugins.net.grant.netlink]",
        "root_columns",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let inspected = namespace
        .op_dbus(&["plugin", "inspect", file, "--json", "--schema"])
        .success()
        .json();
    assert_eq!(inspected["plugin"]["name"], "net");
    assert_eq!(inspected["contract"], "0.1.0");
    assert!(inspected["schema"]["properties"].is_object());

    // What it prints is a file for --grant, and gives what was asked for.
    let grant = namespace.file(
        "asked.toml",
        &shown[shown.find("\n# What it asks").unwrap()..],
    );
    add(&namespace, NET, &["--grant", grant.to_str().unwrap()]).success();
    let run = add(&namespace, NET, &["--grant", "asked"]).success();
    assert!(!run.stderr.contains("Wider"), "{}", run.stderr);
    let shown = namespace
        .op_dbus(&["plugin", "inspect", "builtin:networkmanager"])
        .success()
        .stdout;
    assert!(
        shown.contains("[[plugins.networkmanager.grant.dbus.rules]]"),
        "{shown}"
    );
}

#[test]
fn what_is_no_component_is_refused_whole() {
    let namespace = Namespace::new();
    // Built for a contract that nobody offers.
    let mut foreign = NET.to_vec();
    for at in 0..foreign.len() - 6 {
        if &foreign[at..at + 6] == b"@0.1.0" {
            foreign[at + 1] = b'9';
        }
    }
    let module = b"\0asm\x01\0\0\0";
    for bytes in [&module[..], &NET[..NET.len() / 2], b"component", &foreign] {
        let run = add(&namespace, bytes, &[]).code(1);
        assert!(run.stderr.contains("cannot be loaded"), "{}", run.stderr);
    }
    let run = namespace
        .op_dbus(&["plugin", "inspect", "/dev/zero"])
        .code(1);
    assert!(run.stderr.contains("no ordinary file"), "{}", run.stderr);
    assert_eq!(configuration(&namespace), "");
}

#[test]
fn a_removed_replacement_gives_way_to_the_built_in_plugin_with_the_grant_that_is_written() {
    let namespace = Namespace::new();
    let file = namespace.file("component.wasm", version("0.2.0"));
    let grant = grant(&namespace);
    let arguments = ["--name", "net", "--grant", &grant, "--yes"];
    let add = [&["plugin", "add", file.to_str().unwrap()], &arguments[..]].concat();
    namespace.op_dbus(&add).success();
    let listed = namespace
        .op_dbus(&["plugin", "list", "--json"])
        .success()
        .json();
    assert_eq!(listed["plugins"][0]["plugin"]["version"], "0.2.0");
    namespace.op_dbus(&["plugin", "remove", "net"]).success();
    let listed = namespace
        .op_dbus(&["plugin", "list", "--json"])
        .success()
        .json();
    assert_eq!(listed["plugins"][0]["component"], "builtin:net");
    let pair = pair(&namespace, "net", ["in0", "out0"]);
    let run = namespace
        .op_dbus(&["apply", pair.to_str().unwrap()])
        .code(3);
    assert!(run.stderr.contains("netlink.change"), "{}", run.stderr);
    let run = namespace.op_dbus(&["plugin", "remove", "net"]).code(1);
    assert!(run.stderr.contains("part of the program"), "{}", run.stderr);
}
