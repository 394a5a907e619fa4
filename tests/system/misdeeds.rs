//! A plugin that misbehaves in the middle of a transaction: all of it is undone on the real kernel, what other plugins did included.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;

use op_dbus::digest::Digest;
use serde_json::{Value, json};

use crate::namespace::{CONFIGURATION, Namespace, Run, assert_same};
use crate::rollback::inhabited;

/// What the plugin `hostile` is granted: links whose names begin with `h`.
const GRANT: &str = r#"
grant.netlink = {see = ["*"], change = ["h*"], kinds = ["bridge"]}
grant.ovsdb = {databases = ["Open_vSwitch"], tables = {"*" = ["select"]}}
"#;

/// Enough for an honest call on a slow machine, and soon over.
const LIMITS: &str =
    "limits = {memory = \"64 MiB\", deadline = \"3s\", log-lines = 20, log-line-length = 100}\n";

/// A namespace with links, addresses, routes and a rule, where the plugin `hostile` is configured.
struct Stage {
    namespace: Namespace,
    before: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        Self::with("", LIMITS)
    }

    /// With settings for all plugins, and with limits for this one.
    fn with(settings: &str, limits: &str) -> Self {
        let namespace = inhabited();
        let component = namespace.file("hostile.wasm", test_guests::HOSTILE);
        let digest = Digest::of(test_guests::HOSTILE);
        let configuration = format!(
            "{settings}\n[plugins.hostile]\ncomponent = {component:?}\ndigest = \"{digest}\"\n{GRANT}{limits}"
        );
        namespace.file(CONFIGURATION, configuration);
        let before = namespace.everything();
        Self { namespace, before }
    }

    /// A state file: first `net` changes much, then the plugin makes three links and misbehaves.
    fn file(&self, misdeeds: &Value) -> PathBuf {
        let hostile = json!({"links": ["h0", "h1", "h2"], "misdeeds": misdeeds});
        let state = format!(
            r#"{{"version": 1, "plugins": {{"net": {{"interfaces": [
                {{"name": "eth0", "mtu": 1300, "ipv4": {{"method": "disabled"}}}},
                {{"name": "vx", "state": "absent"}},
                {{"name": "br0", "type": "bridge", "ports": ["eth0"]}}]}},
                "hostile": {hostile}}}}}"#
        );
        self.namespace.file("state.json", state)
    }

    fn apply(&self, misdeeds: &Value) -> Run {
        let file = self.file(misdeeds);
        self.namespace
            .op_dbus(&["apply".as_ref(), file.as_os_str()])
    }

    /// Asserts that the misdeed undoes everything, for this reason, and that the audit log says so.
    fn is_undone(&self, misdeeds: &Value, reason: &str) {
        let run = self.apply(misdeeds).code(3);
        assert!(run.stderr.contains(reason), "{reason}: {}", run.stderr);
        assert!(run.stderr.contains("rolled back"), "{}", run.stderr);
        assert_same(&self.namespace.everything(), &self.before);
        let audit = self.audit("transaction");
        let last = audit.last().expect("a record");
        let summary = last["summary"].as_str().unwrap();
        assert!(summary.contains("rolled back"), "{summary}");
        self.namespace.op_dbus(&["audit", "verify"]).success();
    }

    /// Records of the audit log.
    fn audit(&self, kind: &str) -> Vec<Value> {
        let shown = self
            .namespace
            .op_dbus(&["audit", "show", "--json", "--kind", kind]);
        let lines = shown.success().stdout;
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asserts that both plugins still do what they are for.
    fn works(&self) {
        self.apply(&json!({})).success();
        assert!(self.namespace.link("h2").is_some() && self.namespace.link("br0").is_some());
        self.namespace.op_dbus(&["rollback"]).success();
        assert_same(&self.namespace.everything(), &self.before);
    }
}

#[test]
fn a_plugin_that_traps_or_says_that_it_failed_half_way_is_undone_across_plugins() {
    let stage = Stage::new();
    for (misdeed, reason) in [
        ("trap", "failed in apply"),
        ("fail", "it failed on purpose"),
        ("forget", "broke the contract in apply"),
    ] {
        stage.is_undone(&json!({"apply": misdeed}), reason);
    }
    stage.works();
}

#[test]
fn a_plugin_that_takes_all_time_or_memory_half_way_is_undone_across_plugins() {
    let stage = Stage::new();
    for (misdeed, reason) in [
        ("loop", "did not finish apply within 3 s"),
        ("grow", "`memory`"),
        ("recurse", "call stack exhausted"),
    ] {
        stage.is_undone(&json!({"apply": misdeed}), reason);
    }
    stage.works();
}

#[test]
fn a_host_call_that_is_never_answered_half_way_is_undone() {
    let stage = Stage::new();
    let socket = stage.namespace.directory().join("db.sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    // Without `net`, which would ask that server too.
    let hostile = json!({"links": ["h0", "h1"], "misdeeds": {"apply": "hang"}});
    let state = json!({"version": 1, "plugins": {"hostile": hostile}});
    let file = stage.namespace.file("state.json", state.to_string());
    let mut command = stage.namespace.op_dbus_command();
    command
        .arg("--ovsdb")
        .arg(format!("unix:{}", socket.display()));
    let run = Run::of(command.arg("apply").arg(file)).code(3);
    let reason = "did not finish apply within 3 s";
    assert!(run.stderr.contains(reason), "{}", run.stderr);
    assert_same(&stage.namespace.everything(), &stage.before);
}

#[test]
fn a_plugin_that_misbehaves_when_it_reads_back_is_undone_across_plugins() {
    let stage = Stage::new();
    for (misdeed, reason) in [
        ("trap", "failed in verify"),
        ("loop", "did not finish verify within 3 s"),
    ] {
        stage.is_undone(&json!({"verify": misdeed}), reason);
    }
    stage.works();
}

#[test]
fn a_plugin_that_claims_what_is_not_so_is_found_out_by_its_own_comparison() {
    let stage = Stage::new();
    stage.is_undone(&json!({"apply": "lie"}), "read back and differs");
    stage.is_undone(
        &json!({"apply": "lie", "verify": "lie"}),
        "its own comparison still finds steps to take: link h0, link h1, link h2",
    );
}

#[test]
fn what_is_a_plugin_s_word_alone_is_said_to_be_that() {
    let stage = Stage::new();
    // The plugin does nothing, and another does it.
    let state = r#"{"version": 1, "plugins": {
        "hostile": {"links": ["h0"], "misdeeds": {"apply": "lie"}},
        "net": {"interfaces": [{"name": "h0", "type": "bridge"}]}}}"#;
    let file = stage.namespace.file("word.json", state);
    let run = stage
        .namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(run.stderr.contains("its word alone"), "{}", run.stderr);
}

#[test]
fn many_calls_that_are_each_in_time_are_undone_when_the_transaction_is_late() {
    let settings = "transaction-deadline = \"2s\"";
    let stage = Stage::with(settings, "limits = {deadline = \"1h\"}\n");
    stage.is_undone(&json!({"apply": "loop"}), "`transaction-deadline`");
}

#[test]
fn a_plugin_that_fails_before_anything_was_touched_is_an_error_and_no_more() {
    let stage = Stage::new();
    for (call, reason) in [
        ("validate", "failed in validate"),
        ("query", "failed in query"),
        ("diff", "failed in diff"),
        ("checkpoint", "failed in checkpoint"),
    ] {
        let run = stage.apply(&json!({call: "trap"})).code(1);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
        assert_same(&stage.namespace.everything(), &stage.before);
    }
    assert!(stage.audit("call").is_empty());
    stage.works();
}

#[test]
fn a_plugin_that_never_starts_fails_each_command_that_needs_it_and_no_other() {
    let stage = Stage::new();
    let component = stage.namespace.file("stuck.wasm", test_guests::START);
    let digest = Digest::of(test_guests::START);
    stage.namespace.file(
        CONFIGURATION,
        format!(
            "[plugins.stuck]\ncomponent = {component:?}\ndigest = \"{digest}\"\nlimits.deadline = \"1s\"\n"
        ),
    );
    let state = |plugins: Value| json!({"version": 1, "plugins": plugins}).to_string();
    let net = json!({"interfaces": [{"name": "eth0", "mtu": 1300}]});
    let both = state(json!({"net": net, "stuck": {}}));
    let both = stage.namespace.file("both.json", both);
    for _ in 0..2 {
        let run = stage
            .namespace
            .op_dbus(&["apply".as_ref(), both.as_os_str()])
            .code(1);
        assert!(run.stderr.contains("did not finish"), "{}", run.stderr);
        assert_same(&stage.namespace.everything(), &stage.before);
    }
    let alone = stage.namespace.file("net.json", state(json!({"net": net})));
    stage
        .namespace
        .op_dbus(&["apply".as_ref(), alone.as_os_str()])
        .success();
    stage.namespace.op_dbus(&["rollback"]).success();
    assert_same(&stage.namespace.everything(), &stage.before);
}

#[test]
fn changes_outside_the_grant_do_not_happen_under_any_name() {
    let stage = Stage::new();
    // The kernel takes an alternative name for the link's own.
    stage.namespace.ip(&[
        "link", "property", "add", "dev", "eth0", "altname", "h-uplink",
    ]);
    let stage = Stage {
        before: stage.namespace.everything(),
        ..stage
    };
    let index = stage.namespace.link("eth0").unwrap()["ifindex"].to_string();
    for link in [
        "eth0",
        "ETH0",
        "h-uplink",
        &index,
        "eth0\0",
        "h\0eth0",
        "h/../eth0",
        "*",
        "",
    ] {
        let ask = json!({"apply": {"ask": {"batches": 1, "requests": 1, "link": link}}});
        let run = stage.apply(&ask).code(3);
        assert_same(&stage.namespace.everything(), &stage.before);
        if !link.starts_with('h') || link == "h-uplink" {
            assert!(
                run.stderr.contains("the grant does not cover"),
                "{link:?}: {}",
                run.stderr
            );
        }
    }
    let denials = stage.audit("denial");
    assert_eq!(denials.len(), 7, "{denials:?}");
    assert_eq!(denials[0]["plugin"]["plugin"], "hostile");
}

#[test]
fn what_a_plugin_is_denied_where_nothing_is_to_change_is_audited_too() {
    let stage = Stage::new();
    let ask = json!({"batches": 1, "requests": 1, "link": "eth0"});
    for (count, verb) in ["validate", "query", "diff"].into_iter().enumerate() {
        let file = stage.file(&json!({ verb: { "ask": ask } }));
        stage
            .namespace
            .op_dbus(&["diff".as_ref(), file.as_os_str()]);
        let denials = stage.audit("denial");
        assert_eq!(denials.len(), count + 1, "{verb}: {denials:?}");
        assert_eq!(denials[count]["plugin"]["plugin"], "hostile");
        assert!(denials[count].get("transaction").is_none());
    }
}

#[test]
fn a_flood_of_log_lines_is_cut_short_and_can_forge_nothing() {
    let stage = Stage::new();
    let file = stage.file(&json!({"validate": {"log": {"lines": 5000, "length": 5000}}}));
    let run = stage
        .namespace
        .op_dbus(&["diff".as_ref(), file.as_os_str()])
        .code(2);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines.len() <= 21, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.len() < 300));
    assert!(!run.stderr.contains(['\u{1b}', '\0', '\u{202e}']));
    assert!(!lines.iter().any(|line| line.starts_with("forged")));
    assert!(
        run.stderr.contains("4980 more lines were dropped"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_secret_is_not_told_to_a_plugin_wherever_its_reference_stands() {
    let stage = Stage::new();
    let secrets = stage.namespace.directory().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    let secret = secrets.join("office");
    std::fs::write(&secret, "correct horse").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let state = json!({"version": 1, "plugins": {"hostile": {
        "misdeeds": {"validate": "tell"},
        "note": {"psk": {"secret": "office"}, "list": [{"secret": "office"}], "text": "office"}}}});
    let file = stage.namespace.file("secret.json", state.to_string());
    let mut command = stage.namespace.op_dbus_command();
    command.arg("--secrets-dir").arg(&secrets);
    let run = Run::of(command.arg("diff").arg(file)).code(1);
    assert!(run.stderr.contains("fingerprint"), "{}", run.stderr);
    assert!(!run.stderr.contains("horse"), "{}", run.stderr);
}

#[test]
fn a_component_that_is_replaced_during_a_call_changes_nothing_about_the_undo() {
    let stage = Stage::new();
    let file = stage.file(&json!({"apply": "loop"}));
    let mut command = stage.namespace.op_dbus_command();
    command.arg("apply").arg(file);
    let mut apply = command.stdout(Stdio::null()).spawn().unwrap();
    while stage.namespace.link("h0").is_none() {
        assert!(apply.try_wait().unwrap().is_none(), "it ended");
    }
    stage.namespace.file("hostile.wasm", "gone");
    assert_eq!(apply.wait().unwrap().code(), Some(3));
    assert_same(&stage.namespace.everything(), &stage.before);
}

#[test]
fn what_a_dead_apply_left_is_undone_without_the_component() {
    let stage = Stage::new();
    let file = stage.file(&json!({}));
    let killed = stage
        .namespace
        .op_dbus_command()
        .args(["apply".as_ref(), file.as_os_str()])
        .env("OP_DBUS_FAILPOINT", "journal.finish.before-record=kill")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None);
    assert_ne!(stage.namespace.everything(), stage.before);
    stage.namespace.file("hostile.wasm", "gone");
    stage
        .namespace
        .op_dbus(&["query", "--plugin", "net"])
        .success();
    assert_same(&stage.namespace.everything(), &stage.before);
}

#[test]
fn a_checkpoint_that_is_forged_or_of_another_plugin_changes_nothing() {
    let stage = Stage::new();
    let namespace = &stage.namespace;
    namespace.op_dbus(&["checkpoint", "create"]).success();
    let path = checkpoint(namespace);
    let honest = std::fs::read_to_string(&path).unwrap();
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut checkpoint: Value = serde_json::from_str(&honest).unwrap();
        change(&mut checkpoint["plugins"][0]);
        std::fs::write(&path, checkpoint.to_string()).unwrap();
        let run = namespace.op_dbus(&["rollback"]);
        assert!(!run.is_success(), "{}", run.stderr);
        assert_same(&namespace.everything(), &stage.before);
        run.stderr
    };
    let state = |text: String| {
        move |noted: &mut Value| {
            noted["plugin"] = "hostile".into();
            noted["checkpoint"]["state"] = Value::String(text.clone());
        }
    };
    // What `net` noted, for another plugin.
    let said = forged(&|noted| noted["plugin"] = "hostile".into());
    assert!(said.contains("unknown field"), "{said}");
    let said = forged(&|noted| noted["plugin"] = "nobody".into());
    assert!(said.contains("there is no plugin \"nobody\""), "{said}");
    let said = forged(&state("[".repeat(1_000_000)));
    assert!(said.contains("its checkpoint is no JSON"), "{said}");
    let said = forged(&state(r#"{"links": [], "links": []}"#.to_owned()));
    assert!(said.contains("there twice"), "{said}");
    let said = forged(&state(r#"{"misdeeds": {"rollback": "trap"}}"#.to_owned()));
    assert!(said.contains("failed in rollback"), "{said}");
    std::fs::write(&path, honest).unwrap();
    namespace.op_dbus(&["rollback"]).success();
}

/// The file of the only checkpoint.
fn checkpoint(namespace: &Namespace) -> PathBuf {
    let mut directories = vec![namespace.directory().join("state")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if directory.ends_with("checkpoints") && path.extension().is_some() {
                return path;
            }
        }
    }
    panic!("there is no checkpoint");
}

/// How much memory a command takes at most, in MiB, and its exit code.
fn peak_of(command: &mut std::process::Command) -> (i64, Option<i32>) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let pid = i32::try_from(child.id()).unwrap();
    // SAFETY: the child is ours and nobody else waits for it; the pointers are of this frame, and zeros are a record of usage.
    let usage = unsafe {
        assert_eq!(libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()), pid);
        usage.assume_init()
    };
    // It is gone already; this only says so.
    let _ = child.wait();
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    (usage.ru_maxrss >> 10, code)
}

#[test]
fn a_look_at_very_many_links_ends_and_costs_little() {
    let stage = Stage::new();
    let file = stage.file(&json!({"query": {"look": 200_000}}));
    let mut command = stage.namespace.op_dbus_command();
    let (peak, code) = peak_of(command.arg("diff").arg(file));
    // It is answered or it is late, as the machine has it.
    assert!(matches!(code, Some(1 | 2)), "{code:?}");
    assert!(peak < 400, "{peak} MiB");
    stage.works();
}

#[test]
fn a_plugin_that_takes_all_memory_costs_the_host_no_more_than_its_limit() {
    let stage = Stage::new();
    let peak = |misdeeds: &Value, expected: i32| {
        let file = stage.file(misdeeds);
        let mut command = stage.namespace.op_dbus_command();
        let (peak, code) = peak_of(command.arg("apply").arg(file));
        assert_eq!(code, Some(expected));
        peak
    };
    // Compiled code is in the cache from here on.
    peak(&json!({"apply": "trap"}), 3);
    let quiet = peak(&json!({"apply": "trap"}), 3);
    let greedy = peak(&json!({"apply": "grow"}), 3);
    println!("peak memory: {quiet} MiB with a trap, {greedy} MiB with all memory taken");
    assert!(greedy <= quiet + 64 + 32, "{greedy} MiB after {quiet} MiB");
}
