//! `cargo xtask test`: all checks, cheapest first.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{self, cargo};
use crate::prerequisites::{Prerequisite, ensure};
use crate::sandbox;
use crate::vm;

/// How a stage ended, if not with an error.
enum Outcome {
    Passed,
    /// This machine cannot run it, for this reason. In CI that is a failure.
    CannotRun(String),
}

struct Stage {
    name: &'static str,
    run: fn() -> Result<Outcome>,
}

const STAGES: [Stage; 6] = [
    Stage {
        name: "formatting",
        run: || passed(cargo().args(["fmt", "--all", "--check"])),
    },
    Stage {
        name: "lints",
        run: || {
            let mut clippy = cargo();
            clippy.args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-Dwarnings",
            ]);
            passed(&mut clippy)
        },
    },
    Stage {
        name: "documentation",
        run: || {
            let mut doc = cargo();
            doc.args([
                "doc",
                "--no-deps",
                "--workspace",
                "--document-private-items",
                "--quiet",
            ]);
            passed(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
        },
    },
    Stage {
        name: "tests",
        run: tests,
    },
    Stage {
        name: "doctests",
        // Of the SDK: rustdoc's test mode does not see the enumerations that the host's `bindgen!` makes.
        run: || passed(cargo().args(["test", "--doc", "--package", "op-dbus-plugin", "--quiet"])),
    },
    Stage {
        name: "full kernel",
        run: || {
            if let Err(reason) = ensure(&[Prerequisite::VirtualMachine]) {
                return Ok(Outcome::CannotRun(format!("{reason:#}")));
            }
            vm::run(None).map(|()| Outcome::Passed)
        },
    },
];

pub fn run() -> Result<()> {
    ensure(&[
        Prerequisite::WasmTarget,
        Prerequisite::Nextest,
        Prerequisite::Iproute2,
        Prerequisite::Daemons,
    ])?;
    let mut summary = Vec::new();
    let mut trouble = None;
    for Stage { name, run } in &STAGES {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let result = run();
        let line = |word: &str| summary_line(name, word, start.elapsed());
        match result {
            Ok(Outcome::Passed) => summary.push(line("passed")),
            Ok(Outcome::CannotRun(reason)) => {
                let banner = "!".repeat(78);
                eprintln!("{banner}\n!! {name}: NOT RUN: {reason}\n{banner}");
                summary.push(line("NOT RUN"));
                if is_ci() {
                    trouble = Some(format!("{name} did not run, and in CI that is a failure"));
                }
            }
            Err(error) => {
                summary.push(line("FAILED"));
                trouble = Some(format!("{name} failed: {error:#}"));
            }
        }
        eprintln!("{}", summary.last().map_or("", String::as_str));
        if trouble.is_some() {
            break;
        }
    }
    eprintln!("\n== summary\n{}", summary.join("\n"));
    match trouble {
        Some(trouble) => bail!("{trouble}"),
        None => Ok(()),
    }
}

/// Runs the tests, as root of a private network where the user is not root already.
fn tests() -> Result<Outcome> {
    let mut tests = cargo();
    tests.args(["nextest", "run", "--workspace"]);
    if is_ci() {
        tests.args(["--profile", "ci"]);
    }
    if sandbox::is_root() {
        return passed(&mut tests);
    }
    if sandbox::is_allowed() {
        return passed(&mut sandbox::wrapped(&tests));
    }
    Ok(Outcome::CannotRun(
        "only root can change a network, and this machine does not let ordinary users be root of \
         a namespace of their own"
            .into(),
    ))
}

fn passed(command: &mut Command) -> Result<Outcome> {
    command::run(command).map(|()| Outcome::Passed)
}

/// Whether nobody watches, so that what was left out would be overlooked.
pub fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

fn summary_line(name: &str, word: &str, time: Duration) -> String {
    format!("{name:<14} {word:<8} {:>6.1} s", time.as_secs_f64())
}
