//! Changes that hold only if somebody says so: `apply --confirm`, `confirm`, `rollback`, and what dies in between.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::namespace::{Namespace, Run, assert_same};

/// Long enough that no test ever waits for it.
pub const LONG: &str = "3000";

/// A namespace with a link, and a state file that changes it and makes another.
pub fn before() -> (Namespace, PathBuf, Vec<String>) {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "far"]);
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "mtu": 1400},
        {"name": "br0", "type": "bridge"},
    ]}}});
    let file = namespace.file("state.json", state.to_string());
    let everything = namespace.everything();
    (namespace, file, everything)
}

/// An apply that awaits confirmation.
struct Awaiting {
    child: Child,
    /// What it has said on standard error.
    said: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Awaiting {
    /// Applies, and returns once all is done and nothing but the word is missing.
    fn start(namespace: &Namespace, file: &std::path::Path, seconds: &str) -> Self {
        let mut child = namespace
            .op_dbus_command()
            .args(["apply", "--confirm", seconds])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("awaits confirmation") {
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        Self {
            child,
            said,
            stderr,
        }
    }

    /// Its exit code, and all that it said.
    fn end(mut self) -> (Option<i32>, String) {
        self.stderr.read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code(), self.said)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The lock of the namespace.
fn lock(namespace: &Namespace) -> PathBuf {
    let places = namespace.directory().join("state/ns");
    let mut places = std::fs::read_dir(places).unwrap();
    places.next().unwrap().unwrap().path().join("lock")
}

/// The process that holds the lock, by its own word.
fn keeper(namespace: &Namespace) -> u32 {
    let text = std::fs::read_to_string(lock(namespace)).unwrap();
    let holder: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(holder["awaits_until"].is_string(), "{holder}");
    u32::try_from(holder["pid"].as_u64().unwrap()).unwrap()
}

fn kill(pid: u32) {
    let killed = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(killed.unwrap().success());
}

/// Waits until nobody holds the lock any more.
pub fn until_unlocked(namespace: &Namespace) {
    File::open(lock(namespace)).unwrap().lock_shared().unwrap();
}

#[test]
fn a_change_that_another_process_confirms_holds() {
    let (namespace, file, before) = before();
    let awaiting = Awaiting::start(&namespace, &file, LONG);
    assert_eq!(namespace.link("eth0").unwrap()["mtu"], 1400);
    let run = namespace.op_dbus(&["confirm"]).success();
    assert!(run.stdout.contains("kept"), "{}", run.stdout);
    let (code, said) = awaiting.end();
    assert_eq!(code, Some(0), "{said}");
    namespace
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
    namespace.op_dbus(&["audit", "verify"]).success();
    let audit = namespace.op_dbus(&["audit", "show", "--kind", "transaction"]);
    assert!(audit.success().stdout.contains("confirmed by uid"));
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_change_that_nobody_confirms_is_undone() {
    let (namespace, file, before) = before();
    let run = Run::of(
        namespace
            .op_dbus_command()
            .args(["apply", "--json", "--confirm", "1"])
            .arg(&file)
            .stdin(Stdio::null()),
    )
    .code(3);
    assert_eq!(run.json()["result"], "rolled-back");
    assert!(
        run.stderr.contains("nobody has confirmed it in time"),
        "{}",
        run.stderr
    );
    assert_same(&namespace.everything(), &before);
    let none = namespace.op_dbus(&["rollback"]).code(1);
    assert!(none.stderr.contains("no checkpoint"), "{}", none.stderr);
}

#[test]
fn rollback_undoes_it_before_its_time() {
    let (namespace, file, before) = before();
    let awaiting = Awaiting::start(&namespace, &file, LONG);
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
    let (code, said) = awaiting.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("before its time was up"), "{said}");
}

#[test]
fn a_signal_to_the_waiting_process_undoes_it() {
    let (namespace, file, before) = before();
    let awaiting = Awaiting::start(&namespace, &file, LONG);
    let pid = awaiting.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let (code, said) = awaiting.end();
    assert_eq!(code, Some(3), "{said}");
    assert_same(&namespace.everything(), &before);
}

#[test]
fn nothing_else_is_applied_meanwhile_and_reading_goes_on() {
    let (namespace, file, _) = before();
    let awaiting = Awaiting::start(&namespace, &file, LONG);
    let other =
        json!({"version": 1, "plugins": {"net": {"interfaces": [{"name": "far", "mtu": 1300}]}}});
    let other = namespace.file("other.json", other.to_string());
    let run = namespace
        .op_dbus(&["apply".as_ref(), other.as_os_str()])
        .code(1);
    assert!(
        run.stderr.contains("awaits confirmation until"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("op-dbus confirm"), "{}", run.stderr);
    namespace.op_dbus(&["query"]).success();
    namespace.op_dbus(&["confirm"]).success();
    assert_eq!(awaiting.end().0, Some(0));
    namespace
        .op_dbus(&["apply".as_ref(), other.as_os_str()])
        .success();
}

#[test]
fn without_waiting_the_word_can_be_given_later() {
    let (namespace, file, _) = before();
    let run = namespace
        .op_dbus(&[
            "apply".as_ref(),
            "--json".as_ref(),
            "--confirm".as_ref(),
            LONG.as_ref(),
            "--no-wait".as_ref(),
            file.as_os_str(),
        ])
        .success();
    assert_eq!(run.json()["result"], "awaits-confirmation");
    let run = namespace.op_dbus(&["confirm", "--json"]).success();
    assert_eq!(run.json()["result"], "applied");
    namespace
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
}

#[test]
fn confirming_nothing_is_an_error() {
    let (namespace, file, _) = before();
    for _ in 0..2 {
        let run = namespace.op_dbus(&["confirm"]).code(1);
        assert!(
            run.stderr.contains("nothing awaits confirmation"),
            "{}",
            run.stderr
        );
        namespace
            .op_dbus(&["apply".as_ref(), file.as_os_str()])
            .success();
    }
}

#[test]
fn what_is_in_sync_or_fails_leaves_no_keeper_behind() {
    let (namespace, _, _) = before();
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "mtu": 1400},
        {"name": "mv0", "type": "macvlan", "macvlan": {"parent": "nowhere"}},
    ]}}});
    let fails = namespace.file("fails.json", state.to_string());
    let before = namespace.everything();
    for _ in 0..3 {
        namespace
            .op_dbus(&[
                "apply".as_ref(),
                "--confirm".as_ref(),
                LONG.as_ref(),
                fails.as_os_str(),
            ])
            .code(3);
        assert_same(&namespace.everything(), &before);
        // The lock is free at once.
        namespace.op_dbus(&["checkpoint", "create"]).success();
    }
}

#[test]
fn when_the_waiting_process_is_killed_its_keeper_waits_on() {
    let (namespace, file, _) = before();
    let mut awaiting = Awaiting::start(&namespace, &file, LONG);
    awaiting.kill();
    namespace.op_dbus(&["confirm"]).success();
    namespace
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
}

#[test]
fn when_the_keeper_is_killed_the_waiting_process_undoes_it() {
    let (namespace, file, before) = before();
    let awaiting = Awaiting::start(&namespace, &file, LONG);
    kill(keeper(&namespace));
    let (code, said) = awaiting.end();
    assert_eq!(code, Some(3), "{said}");
    assert_same(&namespace.everything(), &before);
}

#[test]
fn when_everything_is_killed_the_next_command_undoes_it() {
    for next in [&["query"][..], &["confirm"], &["doctor"]] {
        let (namespace, file, before) = before();
        let mut awaiting = Awaiting::start(&namespace, &file, LONG);
        let keeper = keeper(&namespace);
        // The keeper last: it would undo at once if it saw the other die before it took over.
        awaiting.kill();
        kill(keeper);
        until_unlocked(&namespace);
        assert_eq!(namespace.link("eth0").unwrap()["mtu"], 1400);
        let run = namespace.op_dbus(next);
        assert_same(&namespace.everything(), &before);
        if next == ["confirm"] {
            let run = run.code(3);
            assert!(
                run.stderr.contains("did not come to its end"),
                "{}",
                run.stderr
            );
        }
    }
}

/// `op-dbus apply --confirm` on a terminal of its own, which goes with `script`.
fn on_a_terminal(namespace: &Namespace, file: &std::path::Path, seconds: &str) -> (Child, String) {
    let mut command = namespace.op_dbus_command();
    command.args(["apply", "--confirm", seconds]).arg(file);
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command"])
        .arg(words.join(" "))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux");
    let mut shown = String::new();
    let screen = script.stdout.as_mut().unwrap();
    while !shown.contains("unless you say yes") {
        let mut bytes = [0; 1024];
        let count = screen.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "it ended: {shown}");
        shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    (script, shown)
}

/// Says a word on the terminal and waits for the end.
fn answer(mut script: Child, word: &str) -> (Option<i32>, String) {
    let mut keyboard = script.stdin.take().unwrap();
    writeln!(keyboard, "{word}").unwrap();
    let mut shown = String::new();
    script
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut shown)
        .unwrap();
    drop(keyboard);
    (script.wait().unwrap().code(), shown)
}

#[test]
fn yes_on_the_terminal_keeps_it_and_no_undoes_it() {
    let (namespace, file, before) = before();
    let (script, shown) = on_a_terminal(&namespace, &file, LONG);
    assert!(shown.contains("Does everything work?"), "{shown}");
    let (code, shown) = answer(script, "no");
    assert_eq!(code, Some(3), "{shown}");
    assert_same(&namespace.everything(), &before);
    let (script, _) = on_a_terminal(&namespace, &file, LONG);
    let (code, shown) = answer(script, "yes");
    assert_eq!(code, Some(0), "{shown}");
    namespace
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
}

#[test]
fn a_terminal_that_hangs_up_does_not_keep_it_from_being_undone() {
    let (namespace, file, before) = before();
    let (mut script, _) = on_a_terminal(&namespace, &file, "4");
    // Its end of the terminal closes with it, and the kernel hangs up.
    script.kill().unwrap();
    script.wait().unwrap();
    until_unlocked(&namespace);
    assert_same(&namespace.everything(), &before);
    let audit = namespace.op_dbus(&["audit", "show"]).success().stdout;
    assert!(audit.contains("nobody has confirmed it in time"), "{audit}");
}

#[test]
fn a_terminal_that_hangs_up_does_not_keep_it_from_being_confirmed() {
    let (namespace, file, _) = before();
    let (mut script, _) = on_a_terminal(&namespace, &file, LONG);
    script.kill().unwrap();
    script.wait().unwrap();
    namespace.op_dbus(&["confirm"]).success();
    namespace
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
}
