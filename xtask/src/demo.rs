//! `cargo xtask demo`: changes a network and takes it back, with every command shown as a user
//! would type it. All of it happens in a network namespace that the demo makes and removes.

use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

use crate::command::{build_op_dbus, find_program, output, target_subdirectory, workspace};
use crate::prerequisites::{self, Prerequisite};
use crate::sandbox;

/// Exit code of `diff` and `verify` for differences.
const DIFFERENCES: i32 = 2;

pub fn run() -> Result<()> {
    prerequisites::ensure(&[Prerequisite::WasmTarget, Prerequisite::Iproute2])?;
    let binary = build_op_dbus("dev")?;
    sandbox::become_root()?;
    sandbox::outlive_interrupts();
    let stage = Stage::set(binary)?;
    play(&stage)
}

fn play(stage: &Stage) -> Result<()> {
    let file = "xtask/demo/bridge.yaml";
    say(&format!(
        "A new network namespace, {}. Nothing outside of it is touched.\nThe state file is {file}.",
        stage.namespace
    ));
    let before = stage.network()?;

    say("What is there? A namespace begins with a loopback interface and nothing else.");
    stage.op_dbus(&["query"], 0)?;
    say("What would the state file change? (Exit code 2 says: something.)");
    stage.op_dbus(&["diff", file], DIFFERENCES)?;
    say("Do it. Applied is printed only after the kernel was asked whether it is so.");
    stage.op_dbus(&["apply", file], 0)?;
    say("A second look, with the kernel's own tool and with op-dbus.");
    stage.ip(&["-brief", "address"])?;
    stage.op_dbus(&["verify", file], 0)?;
    say("Somebody changes the network behind its back…");
    stage.ip(&["link", "set", "port0", "mtu", "1300"])?;
    stage.ip(&["address", "del", "192.0.2.1/24", "dev", "br0"])?;
    say("…and that does not go unnoticed.");
    stage.op_dbus(&["verify", file], DIFFERENCES)?;
    stage.op_dbus(&["diff", file], DIFFERENCES)?;
    say("Put it right again, then list the checkpoints: every apply left one of before.");
    stage.op_dbus(&["apply", file], 0)?;
    stage.op_dbus(&["checkpoint", "list"], 0)?;
    say("Take back both: a rollback goes to the newest checkpoint and uses it up.");
    stage.op_dbus(&["rollback"], 0)?;
    stage.op_dbus(&["rollback"], 0)?;

    say("Links, addresses, routes and rules are compared with those of the beginning.");
    let after = stage.network()?;
    ensure!(
        before == after,
        "the rollback left differences:\n{before}\nbecame\n{after}"
    );
    println!("They are the same. The namespace is removed now.");
    Ok(())
}

/// A namespace and private directories, removed when the demo ends, however it ends.
struct Stage {
    namespace: String,
    binary: PathBuf,
    directory: PathBuf,
    cache: PathBuf,
}

impl Stage {
    fn set(binary: PathBuf) -> Result<Self> {
        let namespace = format!("opdbus-demo-{}", process::id());
        let directory = std::env::temp_dir().join(&namespace);
        std::fs::create_dir(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        // Compiled plugins are worth keeping: the next demo starts at once.
        let cache = target_subdirectory("demo-cache")?;
        let stage = Self {
            namespace,
            binary,
            directory,
            cache,
        };
        output(ip().args(["netns", "add", &stage.namespace]))?;
        Ok(stage)
    }

    /// Shows and runs `op-dbus`, which must end with the exit code `expected`.
    fn op_dbus(&self, arguments: &[&str], expected: i32) -> Result<()> {
        show("op-dbus", arguments);
        let status = Command::new(&self.binary)
            .arg("--netns")
            .arg(&self.namespace)
            .arg("--state-dir")
            .arg(self.directory.join("state"))
            .arg("--cache-dir")
            .arg(&self.cache)
            .args(arguments)
            .current_dir(workspace())
            .status()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        ensure!(
            status.code() == Some(expected),
            "`op-dbus {}` ended with {status}; exit code {expected} was due",
            arguments.join(" ")
        );
        Ok(())
    }

    /// Shows and runs `ip` in the namespace.
    fn ip(&self, arguments: &[&str]) -> Result<()> {
        show("ip", arguments);
        print!(
            "{}",
            output(ip().args(["-netns", &self.namespace]).args(arguments))?
        );
        Ok(())
    }

    /// The namespace's network in the words of `ip`.
    fn network(&self) -> Result<String> {
        const PARTS: [&[&str]; 6] = [
            &["-j", "-d", "link"],
            &["-j", "address"],
            &["-j", "route", "show", "table", "all"],
            &["-j", "-6", "route", "show", "table", "all"],
            &["-j", "rule"],
            &["-j", "-6", "rule"],
        ];
        let parts = PARTS
            .iter()
            .map(|part| output(ip().args(["-netns", &self.namespace]).args(*part)));
        parts.collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = output(ip().args(["netns", "delete", &self.namespace])) {
            eprintln!("xtask: {error:#}");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("xtask: cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn ip() -> Command {
    let program = find_program("ip");
    Command::new(program.as_deref().unwrap_or(Path::new("ip")))
}

/// An explanation, set apart from commands and their output.
fn say(text: &str) {
    println!();
    for line in text.lines() {
        println!("# {line}");
    }
}

/// A command as a user would type it in the namespace.
fn show(program: &str, arguments: &[&str]) {
    println!("$ {program} {}", arguments.join(" "));
}
