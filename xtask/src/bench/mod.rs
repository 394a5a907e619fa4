//! `cargo xtask bench`: op-dbus against others and against the limit, side by side.
//!
//! Every case has contenders that do the same; they run in turn, so that a slow minute of the
//! machine hits all of them, and the median of each counts. Goals are ratios between contenders
//! of one run. Nothing here fails because something is slow.

mod apply;
mod case;
mod guest;
mod journal;
mod language;
mod networkmanager;
mod ovs;
mod profiles;
mod query;
mod report;
mod sampler;
mod scenario;
mod switch;

use anyhow::{Result, ensure};

use crate::command::{self, cargo, find_program, target, target_subdirectory};
use crate::dist;
use crate::prerequisites::{self, Prerequisite};
use crate::sandbox;

use sampler::Sampler;

/// Runs the cases whose name contains `filter`. One that fails is told of at the end; the others are run.
///
/// # Errors
/// A build fails, or a contender does: a time without a result is worth nothing.
pub fn run(filter: Option<&str>) -> Result<()> {
    prerequisites::ensure(&[
        Prerequisite::WasmTarget,
        Prerequisite::Iproute2,
        Prerequisite::Daemons,
    ])?;
    let op_dbus = dist::build()?;
    command::run(cargo().args(["build", "--release", "--package", "xtask", "--bin", "raw"]))?;
    command::run(cargo().args([
        "build",
        "--release",
        "--package",
        "op-dbus-net",
        "--example",
        "native-diff",
    ]))?;
    sandbox::become_root()?;
    sandbox::outlive_interrupts();

    let programs = Programs {
        op_dbus: text(&op_dbus)?,
        raw: text(&target()?.join("release/raw"))?,
        native_diff: text(&target()?.join("release/examples/native-diff"))?,
        nmstatectl: find_program("nmstatectl")
            .map(|path| text(&path))
            .transpose()?,
    };
    if programs.nmstatectl.is_none() {
        eprintln!(
            "xtask: no nmstatectl in PATH, its columns stay empty (cargo install nmstatectl)"
        );
    }
    let directory = target_subdirectory("bench")?;
    let mut cases = query::cases(&programs, &directory)?;
    cases.extend(apply::cases(&programs, &directory)?);
    cases.extend(guest::cases(&programs, &directory)?);
    cases.extend(language::cases(&programs, &directory)?);
    cases.extend(networkmanager::cases(&programs, &directory)?);
    cases.extend(journal::cases(&programs, &directory)?);
    if switch::Switch::is_installed() {
        cases.extend(ovs::cases(&programs, &directory)?);
    } else {
        eprintln!("xtask: no Open vSwitch, its cases are left out (Debian: openvswitch-switch)");
    }
    cases.retain(|case| filter.is_none_or(|filter| case.name.contains(filter)));
    ensure!(
        !cases.is_empty(),
        "no case matches {:?}",
        filter.unwrap_or_default()
    );

    let sampler = Sampler::new(&programs, &directory)?;
    let mut results = Vec::new();
    let mut failed = Vec::new();
    for case in &cases {
        eprintln!("{}…", case.name);
        let result = match case.run(&sampler) {
            Ok(result) => result,
            Err(error) => {
                eprintln!("{}: {error:#}", case.name);
                failed.push(case.name.as_str());
                continue;
            }
        };
        print!("{}", report::table(&result));
        results.push(result);
        // After each case: a long run that is interrupted leaves what it has.
        report::save(&results, &op_dbus, &directory.join("bench.json"))?;
    }
    println!("\n{}", report::summary(&results, &op_dbus)?);
    println!("{}", directory.join("bench.json").display());
    ensure!(failed.is_empty(), "without figures: {}", failed.join("; "));
    Ok(())
}

/// Paths of what is measured.
pub struct Programs {
    /// The release binary with compiled plugins.
    pub op_dbus: String,
    /// The limit, and the measuring tool.
    pub raw: String,
    /// The plugin's `diff` as native code.
    pub native_diff: String,
    /// A peer, where it is installed.
    pub nmstatectl: Option<String>,
}

fn text(path: &std::path::Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| anyhow::anyhow!("{} is not UTF-8", path.display()))
}
