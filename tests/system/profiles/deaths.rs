//! SIGKILL while NetworkManager is at work for op-dbus: what the next command leaves is the old state or the new one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Host, wired};
use crate::namespace::Run;

/// A host with a profile that is active, and two state files: one that changes it and adds another, and one that does so and then fails.
struct Mortal {
    host: Host,
    before: Option<Value>,
    change: PathBuf,
    refused: PathBuf,
}

impl Mortal {
    fn new() -> Option<Self> {
        let host = Host::start(&["eth0", "eth1"])?;
        host.connections("apply", &json!([wired("one", "eth0", "192.0.2.1")]))
            .success();
        let file = |name: &str, connections: Value| {
            let state =
                json!({"version": 1, "plugins": {"networkmanager": {"connections": connections}}});
            host.namespace.file(name, state.to_string())
        };
        let mut one = wired("one", "eth0", "192.0.2.66");
        one["zone"] = "work".into();
        let two = wired("two", "eth1", "192.0.2.2");
        let wrong = json!({"id": "wrong", "type": "ethernet", "interface": "eth9",
            "settings": {"802-3-ethernet": {"duplex": "sideways"}}});
        Some(Self {
            before: host.connection("one"),
            change: file("change.json", json!([one, two])),
            refused: file("refused.json", json!([one, two, wrong])),
            host,
        })
    }

    /// Runs a command that dies when it passes a point for so many times. Whether it did.
    fn dies(&self, arguments: &[&str], point: &str, turn: u32) -> bool {
        let mut command = self.host.namespace.op_dbus_command();
        command
            .args(["--dbus-address", &self.host.manager.address()])
            .args(arguments)
            .env("OP_DBUS_FAILPOINT", format!("{point}:{turn}=kill"));
        let output = command.output().expect("op-dbus starts");
        output.status.code().is_none()
    }

    fn apply(&self, file: &Path, point: &str, turn: u32) -> bool {
        self.dies(
            &["apply", file.to_str().expect("a path in UTF-8")],
            point,
            turn,
        )
    }

    /// The next command recovers: another process, with the plugin's own rollback.
    #[track_caller]
    fn recovers(&self, what: &str) {
        let next = self.host.op_dbus(&["query"]).success();
        assert!(next.stderr.contains("recovery:"), "{what}: {}", next.stderr);
        self.is_as_before(what);
        self.host.op_dbus(&["audit", "verify"]).success();
    }

    #[track_caller]
    fn is_as_before(&self, what: &str) {
        assert_eq!(self.host.connection("one"), self.before, "{what}");
        assert!(self.host.connection("two").is_none(), "{what}");
        assert_eq!(self.host.active(), ["one"], "{what}");
        assert_eq!(self.host.addresses("eth0"), ["192.0.2.1/24"], "{what}");
    }
}

#[test]
fn an_apply_that_dies_is_undone_by_another_process_through_the_plugins_rollback() {
    let Some(mortal) = Mortal::new() else { return };
    let mut killed = 0;
    for point in [
        "apply.after-plugin",
        "verify.after",
        "journal.finish.before-record",
    ] {
        assert!(mortal.apply(&mortal.change, point, 1), "{point}");
        assert_eq!(mortal.host.property("one", "connection.zone"), "work");
        mortal.recovers(point);
        killed += 1;
    }
    println!("killed {killed} applies on NetworkManager");
}

#[test]
fn a_plugins_undo_killed_at_any_point_is_taken_up_by_the_next_process_and_that_one_may_die_too() {
    let Some(mortal) = Mortal::new() else { return };
    let mut killed = 0;
    for point in ["undo.plugin.before-rollback", "undo.plugin.after-rollback"] {
        // The undo that an apply does itself.
        assert!(mortal.apply(&mortal.refused, point, 1), "{point}");
        // A recovery, by another process.
        assert!(mortal.dies(&["query"], point, 1), "{point}");
        assert!(mortal.dies(&["doctor"], point, 1), "{point}");
        mortal.recovers(point);
        killed += 3;
    }
    println!("killed {killed} undos on NetworkManager");
}

#[test]
fn a_rollback_that_dies_ends_in_the_state_that_it_began_with() {
    let Some(mortal) = Mortal::new() else { return };
    let change = mortal.change.to_str().expect("a path in UTF-8");
    mortal.host.op_dbus(&["apply", change]).success();
    let applied = mortal.host.connection("one");
    assert!(mortal.dies(&["rollback"], "undo.plugin.after-rollback", 1));
    let next = mortal.host.op_dbus(&["query"]).success();
    assert!(next.stderr.contains("recovery:"), "{}", next.stderr);
    assert_eq!(mortal.host.connection("one"), applied);
    assert_eq!(mortal.host.active(), ["one", "two"]);
    mortal.host.op_dbus(&["verify", change]).success();
    mortal.host.op_dbus(&["rollback"]).success();
    mortal.is_as_before("rolled back");
}

#[test]
fn a_checkpoint_of_network_managers_whose_maker_died_before_its_journal_began_is_forgotten_and_others_stay()
 {
    let Some(mortal) = Mortal::new() else { return };
    let checkpoints = || -> Vec<String> {
        let address = mortal.host.manager.address();
        let words = [
            "get-property",
            "org.freedesktop.NetworkManager",
            "/org/freedesktop/NetworkManager",
            "org.freedesktop.NetworkManager",
            "Checkpoints",
        ];
        let run = Run::of(
            Command::new("busctl")
                .arg(format!("--address={address}"))
                .args(words),
        )
        .success();
        let mut paths: Vec<_> = run
            .stdout
            .split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        paths.sort();
        paths
    };
    // That of the apply that made the profile is kept, to go back to.
    let before = checkpoints();
    assert!(mortal.apply(&mortal.change, "noted", 1));
    assert_eq!(checkpoints().len(), before.len() + 1);
    let next = mortal.host.op_dbus(&["checkpoint", "list"]).success();
    assert!(!next.stderr.contains("recovery:"), "{}", next.stderr);
    assert_eq!(checkpoints(), before);
    mortal.is_as_before("noted");
    let audit = mortal
        .host
        .op_dbus(&["audit", "show", "--kind", "recovery"])
        .success();
    assert!(
        audit.stdout.contains("NetworkManager forgot"),
        "{}",
        audit.stdout
    );
}
