//! `cargo xtask test`: all checks, cheapest first.

use std::env;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{self, cargo, target_subdirectory};
use crate::prerequisites::{self, Prerequisite};
use crate::sandbox;
use crate::vm;

/// How a stage ended, if not with an error.
pub enum Outcome {
    /// All went well.
    Passed,
    /// This machine cannot run it, for this reason. In CI that is a failure.
    CannotRun(String),
}

struct Stage {
    name: &'static str,
    run: fn() -> Result<Outcome>,
}

const FIRST: [Stage; 3] = [
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
        name: "building tests",
        run: || passed(cargo().args(["test", "--workspace", "--tests", "--no-run", "--quiet"])),
    },
];

/// Licences, sources and the one crypto provider, where cargo-deny is installed (SECURITY.md). It needs no database and no network; known
/// weaknesses do, and are looked for by hand.
const DEPENDENCIES: Stage = Stage {
    name: "dependencies",
    run: || passed(cargo().args(["deny", "check", "licenses", "bans", "sources"])),
};

/// What runs while the full kernel is emulated beside it: that takes one core, and longer than all of these.
const BESIDE: [Stage; 3] = [
    Stage {
        name: "tests",
        run: tests,
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
        name: "doctests",
        // Of the SDK: rustdoc's test mode does not see the enumerations that the host's `bindgen!` makes.
        run: || passed(cargo().args(["test", "--doc", "--package", "op-dbus-plugin", "--quiet"])),
    },
];

pub fn run() -> Result<()> {
    prerequisites::ensure(&[
        Prerequisite::WasmTarget,
        Prerequisite::Nextest,
        Prerequisite::Iproute2,
        Prerequisite::Daemons,
    ])?;
    let mut report = Report::default();
    let result = stages(&mut report);
    eprintln!("\n== summary\n{}", report.lines.join("\n"));
    result
}

fn stages(report: &mut Report) -> Result<()> {
    for stage in &FIRST {
        report.run(stage)?;
    }
    if command::succeeds(cargo().args(["deny", "--version"])) {
        report.run(&DEPENDENCIES)?;
    }
    let kernel = FullKernel::start()?;
    for stage in &BESIDE {
        // An error drops the machine, which stops it.
        report.run(stage)?;
    }
    report.stage("full kernel", || kernel.end())
}

/// How the stages went.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
}

impl Report {
    fn run(&mut self, stage: &Stage) -> Result<()> {
        self.stage(stage.name, stage.run)
    }

    fn stage(&mut self, name: &str, run: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let result = run();
        let word = match &result {
            Ok(Outcome::Passed) => "passed",
            Ok(Outcome::CannotRun(_)) => "NOT RUN",
            Err(_) => "FAILED",
        };
        let line = summary_line(name, word, start.elapsed());
        eprintln!("{line}");
        self.lines.push(line);
        match result {
            Ok(Outcome::Passed) => Ok(()),
            Ok(Outcome::CannotRun(reason)) => {
                let banner = "!".repeat(78);
                eprintln!("{banner}\n!! {name}: NOT RUN: {reason}\n{banner}");
                ensure!(!is_ci(), "{name} did not run, and in CI that is a failure");
                Ok(())
            }
            Err(error) => bail!("{name} failed: {error:#}"),
        }
    }
}

/// The virtual machine, at work on a thread of its own; dropping it stops it.
struct FullKernel {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Outcome>>>,
    output: PathBuf,
}

impl FullKernel {
    fn start() -> Result<Self> {
        let output = target_subdirectory("vm")?.join("output");
        let stop = Arc::new(AtomicBool::new(false));
        let mut file =
            File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
        let stopped = stop.clone();
        let work = move || {
            if let Err(reason) = prerequisites::ensure(&[Prerequisite::VirtualMachine]) {
                return Ok(Outcome::CannotRun(format!("{reason:#}")));
            }
            vm::run(None, &mut file, &stopped).map(|()| Outcome::Passed)
        };
        Ok(Self {
            stop,
            thread: Some(std::thread::spawn(work)),
            output,
        })
    }

    /// Waits for it, and shows what it said.
    fn end(mut self) -> Result<Outcome> {
        let thread = self.thread.take().expect("it ends once");
        let result = thread.join().expect("it does not panic");
        io::copy(&mut File::open(&self.output)?, &mut io::stdout())?;
        result
    }
}

impl Drop for FullKernel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Runs the tests, as root of a private network where the user is not root already.
fn tests() -> Result<Outcome> {
    let mut tests = cargo();
    tests.args(["nextest", "run", "--workspace"]);
    if is_ci() {
        tests.args(["--profile", "ci"]);
    }
    passed_as_root(&mut tests)
}

/// Runs tests that change a network.
pub fn passed_as_root(tests: &mut Command) -> Result<Outcome> {
    if sandbox::is_root() {
        return passed(tests);
    }
    if sandbox::is_allowed() {
        return passed(&mut sandbox::wrapped(tests));
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
