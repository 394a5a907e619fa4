//! `op-dbus plugin test`: the program's own plugins keep every law, on a simulated host and on the real kernel.

use std::process::Command;

use crate::namespace::{CONFIGURATION, Namespace, Run, cache};

/// `op-dbus plugin test`, with neither namespace nor state directory: it needs none.
fn kit(namespace: &Namespace, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_op-dbus"));
    command.arg("--cache-dir").arg(cache());
    command
        .arg("--config")
        .arg(namespace.directory().join(CONFIGURATION));
    Run::of(command.args(["plugin", "test"]).args(arguments))
}

fn keeps_every_law(plugin: &str) {
    let namespace = Namespace::new();
    let junit = namespace.directory().join("junit.xml");
    let junit = junit.to_str().unwrap();
    let run = kit(&namespace, &[plugin, "--junit", junit]).success();
    assert!(
        run.stdout.contains("18 laws held, 0 broken"),
        "{}",
        run.stdout
    );
    let report = std::fs::read_to_string(junit).unwrap();
    assert!(report.contains("tests=\"18\" failures=\"0\""), "{report}");
}

#[test]
fn the_plugin_net_keeps_every_law() {
    keeps_every_law("builtin:net");
}

#[test]
fn the_plugin_networkmanager_keeps_every_law() {
    keeps_every_law("builtin:networkmanager");
}

#[test]
fn the_plugin_net_keeps_every_law_on_the_real_kernel() {
    let namespace = Namespace::new();
    let state = namespace.file(
        "state.yaml",
        "version: 1
plugins:
  net:
    interfaces:
      - {name: eth1, mtu: 1400}
",
    );
    let run = kit(
        &namespace,
        &[
            "builtin:net",
            "--live",
            "--state",
            state.to_str().unwrap(),
            "--json",
        ],
    );
    let report = run.success().json();
    assert_eq!(report["clean"], true, "{report}");
    assert!(
        report["host"].as_str().unwrap().contains("real kernel"),
        "{report}"
    );
}

#[test]
fn a_state_file_without_a_section_for_the_plugin_is_refused() {
    let namespace = Namespace::new();
    let state = namespace.file("state.json", r#"{"version": 1, "plugins": {"other": {}}}"#);
    let run = kit(
        &namespace,
        &["builtin:net", "--state", state.to_str().unwrap()],
    )
    .code(1);
    assert!(
        run.stderr.contains("has no section for the plugin net"),
        "{}",
        run.stderr
    );
}
