//! `op-dbus doctor`: what it finds, and that it mends what a dead process left.

use serde_json::Value;

use crate::namespace::{CONFIGURATION, Namespace, Run};

fn status<'a>(report: &'a Value, check: &str) -> Vec<&'a str> {
    report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["check"] == check)
        .map(|found| found["status"].as_str().unwrap())
        .collect()
}

fn doctor(namespace: &Namespace) -> Run {
    namespace.op_dbus(&["doctor", "--json"])
}

#[test]
fn a_healthy_host_has_nothing_that_fails() {
    let namespace = Namespace::new();
    let before = namespace.everything();
    let report = doctor(&namespace).success().json();
    assert_eq!(report["healthy"], true);
    for check in [
        "configuration",
        "state directory",
        "transactions",
        "audit log",
        "plugins",
        "kernel",
    ] {
        assert_eq!(status(&report, check), ["ok"], "{check}: {report}");
    }
    let kinds = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["check"] == "link kinds")
        .unwrap();
    assert!(kinds["found"].as_str().unwrap().contains("veth"), "{kinds}");
    assert_eq!(namespace.everything(), before, "it changes nothing");
    let shown = namespace.op_dbus(&["doctor"]).success().stdout;
    assert!(shown.contains("ok   kernel:"), "{shown}");
}

#[test]
fn a_wrong_configuration_is_a_finding_and_not_the_end() {
    let namespace = Namespace::new();
    namespace.file(CONFIGURATION, "[limist]\n");
    let report = doctor(&namespace).code(1).json();
    assert_eq!(report["healthy"], false);
    assert_eq!(status(&report, "configuration"), ["fail"], "{report}");
    assert_eq!(status(&report, "kernel"), ["ok"], "{report}");
}

#[test]
fn a_state_directory_that_others_may_write_to_fails() {
    use std::os::unix::fs::PermissionsExt;
    let namespace = Namespace::new();
    let state = namespace.directory().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let report = doctor(&namespace).code(1).json();
    assert_eq!(status(&report, "state directory"), ["fail"], "{report}");
}

#[test]
fn a_narrowed_grant_and_a_secret_that_others_may_read_are_shown() {
    use std::os::unix::fs::PermissionsExt;
    let namespace = Namespace::new();
    let secrets = namespace.directory().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(secrets.join("wg0"), "key").unwrap();
    std::fs::set_permissions(secrets.join("wg0"), std::fs::Permissions::from_mode(0o644)).unwrap();
    namespace.file(
        CONFIGURATION,
        format!("secrets-dir = {secrets:?}\n[plugins.net.grant.netlink]\nchange = [\"vmbr*\"]\n"),
    );
    let report = doctor(&namespace).success().json();
    assert_eq!(status(&report, "secrets"), ["warn"], "{report}");
    let shown = report["checks"][0]["found"].as_str().unwrap().to_owned();
    assert!(
        shown.contains("vmbr*") && shown.contains("instead of"),
        "{shown}"
    );
}

#[test]
fn what_a_dead_process_left_is_undone_and_said() {
    let namespace = Namespace::new();
    let file = namespace.file(
        "state.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "br0", "type": "bridge"}]}}}"#,
    );
    let before = namespace.everything();
    let killed = namespace
        .op_dbus_command()
        .env("OP_DBUS_FAILPOINT", "journal.finish.before-record=kill")
        .arg("apply")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "it was killed");
    assert!(namespace.link("br0").is_some());
    let report = doctor(&namespace).success().json();
    assert_eq!(status(&report, "transactions"), ["warn"], "{report}");
    crate::namespace::assert_same(&namespace.everything(), &before);
}
