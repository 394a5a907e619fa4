//! The book, `README.md`, by its commands: each block fenced as `sh` is run as it stands there.
//!
//! The tutorial has a directory and a namespace of its own, and so have the how-tos together, one after the other. What a reader has already lies
//! there: the tutorial's state file and a plugin of somebody else's. Paths and names of the machine are the test's own, in place of those in the
//! book; nothing else is changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::namespace::{CONFIGURATION, Namespace, Run, cache};
use crate::plugin_files::NET;

const BOOK: &str = include_str!("../../README.md");

/// Commands that are run elsewhere. One that is in no block any more must go from here as well.
const ELSEWHERE: [&str; 7] = [
    // The first is for people, the second runs this.
    "cargo xtask demo",
    "cargo xtask test",
    // A build for release, and what is done with it as root on a machine of one's own: its host is `doctor`'s.
    "cargo xtask dist",
    "sudo install target/dist/op-dbus /usr/local/sbin/op-dbus",
    "op-dbus doctor",
    // Each needs a tenant with a namespace of its own: `tenants`.
    "op-dbus --tenant blue apply blue.yaml",
    "op-dbus tenant list",
];

/// A command, and the exit code that the comment beside it speaks of.
struct Step {
    command: String,
    code: i32,
}

/// The blocks of a kind.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let parts = text.split(fence.as_str()).skip(1);
    parts
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

fn steps(block: &str) -> Vec<Step> {
    let lines = block.lines().filter(|line| !line.trim().is_empty());
    let each = lines.map(|line| {
        let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
        let code = comment.split("exit code ").nth(1);
        let code = code.and_then(|rest| rest.chars().next()?.to_digit(10));
        Step {
            command: command.trim_end().to_owned(),
            code: code.unwrap_or(0) as i32,
        }
    });
    each.filter(|step| !ELSEWHERE.contains(&step.command.as_str()))
        .collect()
}

/// A program that a shell finds before any other.
fn shim(namespace: &Namespace, name: &str, script: &str) {
    let place = namespace.directory().join("bin");
    fs::create_dir_all(&place).unwrap();
    let path = place.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs commands in one shell, in the test's directory. `op-dbus` is the program, kept to the namespace and to the test's configuration.
fn follow(namespace: &Namespace, steps: &[Step]) -> String {
    let directory = namespace.directory();
    let program = env!("CARGO_BIN_EXE_op-dbus");
    let configuration = directory.join(CONFIGURATION);
    let to_configuration = format!("exec {program} --config {}", configuration.display());
    shim(
        namespace,
        "op-dbus",
        &format!(
            "{to_configuration} --netns {} --state-dir {} --cache-dir {} \"$@\"",
            namespace.name(),
            directory.join("state").display(),
            cache().display()
        ),
    );
    shim(namespace, "sudo", "exec \"$@\"");
    shim(
        namespace,
        "cargo",
        "test \"$*\" = 'build --package op-dbus' -o \"$*\" = 'xtask setup'",
    );
    // Of WireGuard's tools nothing but a key is needed.
    shim(
        namespace,
        "wg",
        "test \"$*\" = genkey && head -c 32 /dev/urandom | base64",
    );
    // What the build has made.
    let built = directory.join("target/debug");
    fs::create_dir_all(&built).unwrap();
    let own = "op-dbus-of-the-build";
    shim(namespace, own, &format!("{to_configuration} \"$@\""));
    symlink(directory.join("bin").join(own), built.join("op-dbus")).unwrap();

    let script: String = steps
        .iter()
        .map(|Step { command, code }| {
            let shown = command.replace('\'', "");
            format!(
                "{command}\ncode=$?\ntest $code -eq {code} || {{ echo 'exit code' $code 'of: {shown}' >&2; exit 99; }}\n"
            )
        })
        .collect();
    let script = script
        .replace("/etc/op-dbus", &directory.display().to_string())
        .replace("/tmp/play", &directory.join("play").display().to_string())
        .replace(
            "--netns play",
            &format!("--netns {}-play", namespace.name()),
        )
        .replace(
            "netns add play",
            &format!("netns add {}-play", namespace.name()),
        )
        .replace(
            "netns delete play",
            &format!("netns delete {}-play", namespace.name()),
        );
    let path = format!(
        "{}:{}",
        directory.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let file = namespace.file("script", script);
    let mut shell = Command::new("sh");
    shell.current_dir(directory).env("PATH", path).arg(file);
    let run = Run::of(&mut shell).success();
    run.stdout
}

/// The book's tutorial, and what comes after it.
fn parts() -> (&'static str, &'static str) {
    let (_, rest) = BOOK.split_once("## Tutorial").expect("a tutorial");
    rest.split_once("## How to").expect("how-tos")
}

#[test]
fn the_tutorial_works_as_it_is_written() {
    let (tutorial, _) = parts();
    let namespace = Namespace::new();
    namespace.file("bridge.yaml", blocks(tutorial, "yaml")[0]);
    let steps: Vec<Step> = blocks(tutorial, "sh").into_iter().flat_map(steps).collect();
    let shown = follow(&namespace, &steps);
    assert!(shown.contains("198.51.100.0"), "{shown}");
    let left = Path::new("/run/netns").join(format!("{}-play", namespace.name()));
    assert!(!left.exists(), "the tutorial tidies up");
}

#[test]
fn the_how_tos_work_as_they_are_written() {
    let (tutorial, rest) = parts();
    let namespace = Namespace::new();
    namespace.file("bridge.yaml", blocks(tutorial, "yaml")[0]);
    namespace.file("edge.wasm", NET);
    namespace.file("edge-grant.toml", "[netlink]\nsee = [\"*\"]\n");
    let steps: Vec<Step> = blocks(rest, "sh").into_iter().flat_map(steps).collect();
    assert!(steps.len() > 20, "{}", steps.len());
    follow(&namespace, &steps);
    let directory = namespace.directory();
    assert!(directory.join("edge.wasm.minisig").is_file());
    let key = fs::metadata(directory.join("secrets/wg0")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let schema = fs::read_to_string(directory.join("op-dbus.schema.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&schema).unwrap();
    // The last of them left the bridge there.
    assert!(namespace.link("br0").is_some());
}

#[test]
fn every_command_is_run_here_or_known_to_be_run_elsewhere() {
    let all: String = blocks(BOOK, "sh").concat();
    for command in ELSEWHERE {
        let there = all
            .lines()
            .any(|line| line.split(" # ").next().unwrap().trim_end() == command);
        assert!(there, "{command:?} is in the book no more");
    }
    // What stands before the tutorial is run elsewhere, all of it.
    let (before, _) = BOOK.split_once("## Tutorial").unwrap();
    let left: Vec<String> = blocks(before, "sh")
        .into_iter()
        .flat_map(steps)
        .map(|step| step.command)
        .collect();
    assert_eq!(left, [""; 0], "run it, or say where it is run");
    // A fence of another spelling would hide commands.
    for fence in ["```bash", "```shell", "```console"] {
        assert!(!BOOK.contains(fence), "{fence}");
    }
}
