//! SIGKILL on either side of a change that is made under `--confirm`, at every point that only such a change passes, and in mid-apply.

use std::path::Path;
use std::process::{Child, Stdio};

use op_dbus::transaction::failpoint::NAMES;

use crate::confirm::{LONG, before, until_unlocked};
use crate::namespace::{Namespace, assert_same};

/// Starts an apply whose processes die at a point: the one in front where that is one of an apply, its keeper where it is one of a keeper.
fn start(namespace: &Namespace, file: &Path, point: &str) -> Child {
    namespace
        .op_dbus_command()
        .args(["apply", "--confirm", LONG])
        .arg(file)
        .env("OP_DBUS_FAILPOINT", point)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("op-dbus starts")
}

/// Its exit code, none where it was killed, and what it said.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// Nothing is left to recover, and the log is in order.
#[track_caller]
fn is_tidy(namespace: &Namespace, what: &str) {
    let run = namespace.op_dbus(&["query"]).success();
    assert!(!run.stderr.contains("recovery:"), "{what}: {}", run.stderr);
    namespace.op_dbus(&["audit", "verify"]).success();
}

#[test]
fn when_the_process_in_front_is_killed_in_mid_apply_its_keeper_undoes_it_at_once() {
    let (namespace, file, before) = before();
    let own = ["apply.", "verify.", "probes.", "hold."];
    let points = NAMES
        .iter()
        .filter(|name| own.iter().any(|own| name.starts_with(own)));
    let mut killed = 0;
    for point in points {
        let (code, said) = end(start(&namespace, &file, point));
        assert_eq!(code, None, "{point}: {said}");
        until_unlocked(&namespace);
        assert_same(&namespace.everything(), &before);
        is_tidy(&namespace, point);
        killed += 1;
    }
    println!("killed {killed} processes in front");
    assert!(killed >= 8, "{killed}");
    let audit = namespace
        .op_dbus(&["audit", "show", "--kind", "recovery"])
        .success();
    let undone = audit.stdout.matches("its process died over it").count();
    assert_eq!(undone, killed, "{}", audit.stdout);
}

#[test]
fn when_both_are_killed_in_mid_apply_the_next_command_undoes_it() {
    let (namespace, file, before) = before();
    let mut killed = 0;
    // Points of the journal are passed by both: by the one in front when it applies, by the keeper when it undoes.
    for point in NAMES
        .iter()
        .filter(|name| name.starts_with("journal.append."))
    {
        let (code, said) = end(start(&namespace, &file, point));
        assert_eq!(code, None, "{point}: {said}");
        until_unlocked(&namespace);
        namespace.op_dbus(&["query"]).success();
        assert_same(&namespace.everything(), &before);
        is_tidy(&namespace, point);
        killed += 2;
    }
    println!("killed {killed} processes, two at a time");
}

#[test]
fn a_keeper_killed_at_any_point_leaves_the_old_state_or_what_it_had_written_down() {
    let (namespace, file, before) = before();
    let mut killed = 0;
    for point in NAMES.iter().filter(|name| name.starts_with("keeper.")) {
        let decides = match *point {
            "keeper.before-commit" | "keeper.after-commit" => Some("confirm"),
            "keeper.before-undo" | "keeper.after-undo" => Some("rollback"),
            _ => None,
        };
        let mut front = start(&namespace, &file, point);
        if let Some(verb) = decides {
            let mut said = std::io::BufReader::new(front.stderr.take().expect("it is piped"));
            let mut line = String::new();
            while !line.contains("awaits confirmation") {
                line.clear();
                let read = std::io::BufRead::read_line(&mut said, &mut line);
                assert_ne!(read.expect("text"), 0, "{point}: it ended");
            }
            // Who asked hears that nobody answers any more; what holds is for the one in front to find out.
            namespace.op_dbus(&[verb]);
            front.stderr = Some(said.into_inner());
        }
        let (code, said) = end(front);
        let expected = match *point {
            // Nothing had been touched.
            "keeper.ready" => 1,
            "keeper.after-commit" => 0,
            _ => 3,
        };
        assert_eq!(code, Some(expected), "{point}: {said}");
        until_unlocked(&namespace);
        is_tidy(&namespace, point);
        if expected == 0 {
            namespace
                .op_dbus(&["verify".as_ref(), file.as_os_str()])
                .success();
            namespace.op_dbus(&["rollback"]).success();
        }
        assert_same(&namespace.everything(), &before);
        killed += 1;
    }
    println!("killed {killed} keepers");
    assert!(killed >= 7, "{killed}");
}

#[test]
fn a_rollback_after_a_death_undoes_what_had_died_and_goes_no_further() {
    let (namespace, file, before) = before();
    let earlier = namespace.file(
        "earlier.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "eth0", "mtu": 1450}]}}}"#,
    );
    namespace
        .op_dbus(&["apply".as_ref(), earlier.as_os_str()])
        .success();
    let applied = namespace.everything();
    let mut command = namespace.op_dbus_command();
    command
        .args(["apply".as_ref(), file.as_os_str()])
        .env("OP_DBUS_FAILPOINT", "journal.finish.before-record");
    let died = command.output().expect("op-dbus starts");
    assert_eq!(died.status.code(), None);
    let run = namespace.op_dbus(&["rollback"]).success();
    assert!(run.stdout.contains("undone"), "{}", run.stdout);
    assert_same(&namespace.everything(), &applied);
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}
