//! The configuration file at work.

use serde_json::json;

use crate::namespace::{CONFIGURATION, Namespace, assert_same};

/// A state file that makes two pairs of veths.
fn two_pairs(namespace: &Namespace) -> std::path::PathBuf {
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "in0", "type": "veth", "veth": {"peer": "in1"}},
        {"name": "in1", "type": "veth"},
        {"name": "out0", "type": "veth", "veth": {"peer": "out1"}},
        {"name": "out1", "type": "veth"},
    ]}}});
    namespace.file("pairs.json", state.to_string())
}

#[test]
fn a_narrowed_grant_holds_for_a_built_in_plugin() {
    let namespace = Namespace::new();
    let file = two_pairs(&namespace);
    namespace.file(
        CONFIGURATION,
        "[plugins.net.grant.netlink]\nsee = [\"*\"]\nchange = [\"in*\"]\nkinds = [\"veth\"]\n",
    );
    let before = namespace.everything();
    let run = namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(3);
    assert!(run.stderr.contains("\"out0\""), "{}", run.stderr);
    assert!(run.stderr.contains("netlink.change"), "{}", run.stderr);
    assert_same(&namespace.everything(), &before);
    let denials = namespace
        .op_dbus(&["audit", "show", "--denied"])
        .success()
        .stdout;
    assert!(denials.contains("out0"), "{denials}");
}

#[test]
fn a_narrowed_limit_holds_for_a_built_in_plugin() {
    let namespace = Namespace::new();
    namespace.file(CONFIGURATION, "[plugins.net.limits]\nmemory = \"64 KiB\"\n");
    let run = namespace.op_dbus(&["query"]).code(1);
    assert!(run.stderr.contains("memory"), "{}", run.stderr);
}

#[test]
fn the_command_line_comes_before_the_file_and_the_file_before_the_default() {
    let namespace = Namespace::new();
    let configured = namespace.directory().join("configured");
    namespace.file(
        CONFIGURATION,
        format!("state-dir = {configured:?}\nsecrets-dir = {configured:?}\n"),
    );
    namespace.op_dbus(&["checkpoint", "create"]).success();
    assert!(
        !configured.exists(),
        "the test's own --state-dir comes first"
    );
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_op-dbus"));
    command
        .arg("--netns")
        .arg(namespace.name())
        .arg("--config")
        .arg(namespace.directory().join(CONFIGURATION))
        .arg("--cache-dir")
        .arg(crate::namespace::cache())
        .args(["checkpoint", "create"]);
    assert!(command.status().unwrap().success());
    assert!(configured.join("ns").is_dir());
}

#[test]
fn a_configuration_that_is_wrong_stops_every_command_and_shows_the_line() {
    let namespace = Namespace::new();
    namespace.file(CONFIGURATION, "[plugins.net.grant.netlink]\nchagne = []\n");
    for command in [
        &["query"][..],
        &["audit", "show"],
        &["checkpoint", "create"],
    ] {
        let run = namespace.op_dbus(command).code(1);
        assert!(run.stderr.contains("op-dbus.toml:2:1"), "{}", run.stderr);
        assert!(
            run.stderr.contains("did you mean \"change\"?"),
            "{}",
            run.stderr
        );
    }
    std::fs::remove_file(namespace.directory().join(CONFIGURATION)).unwrap();
    let run = namespace.op_dbus(&["query"]).code(1);
    assert!(run.stderr.contains("cannot be read"), "{}", run.stderr);
}

#[test]
fn a_changed_configuration_is_in_the_audit_log() {
    let namespace = Namespace::new();
    for text in ["", "[limits]\nparts = 64\n", "[limits]\nparts = 64\n"] {
        namespace.file(CONFIGURATION, text);
        namespace.op_dbus(&["checkpoint", "create"]).success();
    }
    let shown = namespace
        .op_dbus(&["audit", "show", "--kind", "configuration"])
        .success()
        .stdout;
    assert_eq!(shown.lines().count(), 2, "{shown}");
    namespace.op_dbus(&["audit", "verify"]).success();
}
