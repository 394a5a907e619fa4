//! Probes: whether the host is healthy after a change, in the operator's own terms.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::namespace::{CONFIGURATION, Namespace, assert_same};

/// Two hosts on one wire: ours with `eth0`, 192.0.2.5, and a gateway, 192.0.2.254, in a namespace of its own.
fn neighbours() -> (Namespace, Namespace) {
    let (ours, gateway) = (Namespace::new(), Namespace::new());
    ours.ip(&[
        "link",
        "add",
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        gateway.name(),
    ]);
    for (namespace, addresses) in [
        (&ours, ["192.0.2.5/24", "2001:db8::5/64"]),
        (&gateway, ["192.0.2.254/24", "2001:db8::fe/64"]),
    ] {
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace.ip(&["link", "set", "eth0", "up"]);
        for address in addresses {
            let nodad: &[&str] = if address.contains(':') {
                &["nodad"]
            } else {
                &[]
            };
            namespace.ip(&[&["address", "add", address, "dev", "eth0"], nodad].concat());
        }
    }
    ours.ip(&["route", "add", "default", "via", "192.0.2.254"]);
    ours.ip(&["-6", "route", "add", "default", "via", "2001:db8::fe"]);
    (ours, gateway)
}

/// A state file after which no way leads out any more, with these probes.
fn strand(namespace: &Namespace, probes: Value) -> PathBuf {
    let state = json!({"version": 1, "probes": probes, "plugins": {"net": {"rules": [
        {"family": "ipv4", "priority": 1, "action": "unreachable"},
        {"family": "ipv6", "priority": 1, "action": "unreachable"},
    ]}}});
    namespace.file("strand.json", state.to_string())
}

/// One that changes nothing that a probe could miss.
fn harmless(namespace: &Namespace, probes: Value) -> PathBuf {
    let state = json!({"version": 1, "probes": probes, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "description": "uplink"},
    ]}}});
    namespace.file("harmless.json", state.to_string())
}

/// Applies what would strand the host; the probe rolls it back. Applies what is harmless; it holds.
#[track_caller]
fn saves(namespace: &Namespace, probe: Value, words: &str) {
    let before = namespace.everything();
    let file = strand(namespace, json!({"lifeline": probe}));
    let run = namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(3);
    assert!(run.stderr.contains("lifeline"), "{}", run.stderr);
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_same(&namespace.everything(), &before);
    let file = harmless(namespace, json!({"lifeline": probe}));
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
}

#[test]
fn a_gateway_that_no_longer_answers_rolls_back() {
    let (ours, _gateway) = neighbours();
    for family in ["ipv4", "ipv6", "any"] {
        saves(
            &ours,
            json!({"gateway": family, "timeout": "3s", "within": "1s"}),
            "default",
        );
        ours.op_dbus(&["rollback"]).success();
    }
}

#[test]
fn a_server_that_no_longer_accepts_rolls_back() {
    let (ours, gateway) = neighbours();
    let _server = gateway.listen(7777);
    for address in ["192.0.2.254", "[2001:db8::fe]"] {
        let probe = json!({"tcp": format!("{address}:7777"), "timeout": "3s", "within": "1s"});
        saves(&ours, probe, "accepts TCP connections");
        ours.op_dbus(&["rollback"]).success();
    }
}

#[test]
fn a_probe_that_failed_before_does_not_count_after() {
    let (ours, _gateway) = neighbours();
    let probes = json!({"closed": {"tcp": "192.0.2.254:7", "timeout": "3s", "within": "1s"}});
    let file = harmless(&ours, probes);
    let run = ours
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(run.stderr.contains("closed"), "{}", run.stderr);
    assert!(run.stderr.contains("does not count"), "{}", run.stderr);
}

#[test]
fn names_are_resolved_as_programs_do() {
    let (ours, _gateway) = neighbours();
    let file = harmless(&ours, json!({"hosts": {"resolve": "localhost"}}));
    let run = ours
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(!run.stderr.contains("does not count"), "{}", run.stderr);
    ours.op_dbus(&["rollback"]).success();
    // Reserved never to exist (RFC 6761 section 6.4).
    let file = harmless(
        &ours,
        json!({"none": {"resolve": "none.invalid", "timeout": "20s"}}),
    );
    let run = ours
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(run.stderr.contains("does not count"), "{}", run.stderr);
}

#[test]
fn a_command_of_the_configuration_is_run_in_the_namespace_and_its_words_are_told() {
    let (ours, _gateway) = neighbours();
    ours.file(
        CONFIGURATION,
        "[probes.own]\ncommand = [\"/bin/sh\", \"-c\", \"ip -4 route get 192.0.2.254 >/dev/null 2>&1 || { echo lost; exit 7; }\"]\nwithin = \"1s\"\n",
    );
    let before = ours.everything();
    let file = strand(&ours, json!({}));
    let run = ours.op_dbus(&["apply".as_ref(), file.as_os_str()]).code(3);
    assert!(run.stderr.contains("own"), "{}", run.stderr);
    assert!(run.stderr.contains("exit status: 7"), "{}", run.stderr);
    assert!(run.stderr.contains("lost"), "{}", run.stderr);
    assert_same(&ours.everything(), &before);
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let (ours, _gateway) = neighbours();
    let written = ours.directory().join("children");
    // The shell starts another program and then hangs; both say who they are.
    ours.file(
        CONFIGURATION,
        format!(
            "[probes.hangs]\ncommand = [\"/bin/sh\", \"-c\", \"sleep 3000 & echo $! $$ > {}; wait\"]\ntimeout = \"2s\"\n",
            written.display()
        ),
    );
    let file = harmless(&ours, json!({}));
    let run = ours
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(run.stderr.contains("no answer within 2s"), "{}", run.stderr);
    let pids = std::fs::read_to_string(written).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
    for pid in pids.split_whitespace() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let gone = stat.is_empty() || stat.contains(") Z ");
        assert!(gone, "{pid} lives: {stat}");
    }
}

#[test]
fn what_is_wrong_with_a_probe_is_underlined() {
    let (ours, _gateway) = neighbours();
    ours.file(CONFIGURATION, "[probes.uplink]\ngateway = \"any\"\n");
    for (probes, words) in [
        (
            json!({"p": {"command": ["/bin/true"]}}),
            "cannot name a command",
        ),
        (json!({"p": {"tpc": "a:1"}}), "tpc"),
        (json!({"p": {"tcp": "nowhere"}}), "HOST:PORT"),
        (
            json!({"uplink": {"resolve": "a"}}),
            "the configuration has a probe",
        ),
    ] {
        let file = harmless(&ours, probes);
        let run = ours.op_dbus(&["apply".as_ref(), file.as_os_str()]).code(1);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(run.stderr.contains("harmless.json:1:"), "{}", run.stderr);
    }
}
