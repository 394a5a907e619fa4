//! Recording an apply on a real kernel, and playing it back without one.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::namespace::{CONFIGURATION, Namespace, Run, cache};

const STATE: &str = r#"{"version": 1, "plugins": {"net": {"interfaces": [
    {"name": "br0", "type": "bridge", "ports": ["p0"], "mtu": 1400,
     "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.1", "prefix": 24}]}},
    {"name": "p0", "type": "veth", "veth": {"peer": "p1"}, "description": "the key is correct horse battery staple"},
    {"name": "p1", "type": "veth"}
]}}}"#;
/// A secret that somebody has put into the state file as well, where no secret belongs.
const SECRET: &str = "correct horse battery staple";

/// `op-dbus` outside of any namespace of the test's, as an ordinary machine would run it.
fn outside(namespace: &Namespace, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_op-dbus"));
    command.arg("--cache-dir").arg(cache());
    command
        .arg("--config")
        .arg(namespace.directory().join(CONFIGURATION));
    Run::of(command.args(arguments))
}

#[test]
fn an_apply_is_recorded_without_secrets_and_plays_back_the_same() {
    let namespace = Namespace::new();
    let secrets = namespace.directory().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    let key = namespace.file("secrets/key", SECRET);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let state = namespace.file("state.json", STATE);
    let trace = namespace.directory().join("trace");
    let arguments = [
        "apply".as_ref(),
        state.as_os_str(),
        "--secrets-dir".as_ref(),
        secrets.as_os_str(),
        "--record".as_ref(),
        trace.as_os_str(),
    ];
    namespace.op_dbus(&arguments).success();

    let text = std::fs::read_to_string(&trace).unwrap();
    assert_eq!(
        std::fs::metadata(&trace).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(text.contains("netlink.execute"), "{text}");
    assert!(text.contains("the key is …"), "{text}");
    assert!(!text.contains("horse"), "{text}");
    assert_eq!(
        namespace.link("p0").unwrap()["ifalias"],
        format!("the key is {SECRET}")
    );

    let trace = trace.to_str().unwrap();
    let replay = ["plugin", "replay", "builtin:net", trace];
    let run = outside(&namespace, &replay).success();
    assert!(run.stdout.contains("net: the same in "), "{}", run.stdout);

    // What another build would do otherwise is shown: here the trace is what differs.
    let other = namespace.file("other", text.replace("1400", "1300"));
    let run = outside(
        &namespace,
        &["plugin", "replay", "builtin:net", other.to_str().unwrap()],
    );
    let run = run.success();
    assert!(
        run.stdout.contains("the same"),
        "consistently another MTU is the same story"
    );
    let lines: Vec<String> = text
        .lines()
        .map(
            |line| match line.contains("\"import\":\"netlink.execute\"") {
                true => line.replace("1400", "1300"),
                false => line.to_owned(),
            },
        )
        .collect();
    let other = namespace.file("other", lines.join("\n"));
    let arguments = [
        "plugin",
        "replay",
        "builtin:net",
        other.to_str().unwrap(),
        "--json",
    ];
    let run = outside(&namespace, &arguments).code(2);
    let difference = &run.json()["difference"];
    assert_eq!(
        difference["what"], "apply asks netlink.execute",
        "{difference}"
    );
    assert_eq!(difference["expected"], 1300, "{difference}");
    assert_eq!(difference["got"], 1400, "{difference}");

    // A trace is never written over.
    let run = namespace.op_dbus(&arguments_with(&state, trace)).code(1);
    assert!(run.stderr.contains("the trace"), "{}", run.stderr);
}

fn arguments_with<'a>(state: &'a std::path::Path, trace: &'a str) -> [&'a std::ffi::OsStr; 4] {
    [
        "apply".as_ref(),
        state.as_os_str(),
        "--record".as_ref(),
        trace.as_ref(),
    ]
}
