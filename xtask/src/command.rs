//! Running programs, and where things lie.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The workspace's root.
pub fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask/ lies in the workspace")
}

/// Cargo's target directory: the one that this program was built into.
pub fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find the path of xtask itself")?;
    // Cargo marks the top of its target directory for backup programs.
    let top = program
        .ancestors()
        .find(|path| path.join("CACHEDIR.TAG").exists());
    Ok(top
        .context("xtask does not run from a target directory; use `cargo xtask`")?
        .to_owned())
}

/// A directory of xtask's own below the target directory.
pub fn target_subdirectory(name: &str) -> Result<PathBuf> {
    let path = target()?.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

/// The `cargo` that runs this program, started in the workspace and with its target directory.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace());
    if let Ok(target) = target() {
        command.env("CARGO_TARGET_DIR", target);
    }
    // `cargo run` describes the package xtask in these; to the packages built now they are wrong.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// The build of the binary `op-dbus`. `profile` is `dev` or `release`.
pub fn op_dbus_build(profile: &str) -> Command {
    let mut build = cargo();
    // With the features that the whole workspace asks for, as the tests have them: nothing is built twice.
    build.args([
        "build",
        "--workspace",
        "--bin",
        "op-dbus",
        "--profile",
        profile,
    ]);
    build
}

/// Builds the binary `op-dbus` and returns its path. `profile` is `dev` or `release`.
pub fn build_op_dbus(profile: &str) -> Result<PathBuf> {
    run(&mut op_dbus_build(profile))?;
    let directory = if profile == "dev" { "debug" } else { profile };
    Ok(target()?.join(directory).join("op-dbus"))
}

/// Echoes a command on stderr and runs it.
///
/// # Errors
/// It cannot be started, or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{status}: {}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns its stdout. Its stderr goes into the error.
///
/// # Errors
/// It cannot be started, or does not succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", output.status, shown(command), words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command succeeds. It is not echoed and its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Where a program lies: in PATH, or in the directories of root, which a user's PATH may lack.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let of_root = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = env::split_paths(&path).chain(of_root);
    places.find_map(|place| Some(place.join(name)).filter(|path| path.is_file()))
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let mut words = vec![
        Path::new(command.get_program())
            .file_name()
            .unwrap_or_default(),
    ];
    words.extend(command.get_args());
    let words = words.iter().map(|word| word.to_string_lossy());
    words
        .map(|word| {
            if word.contains(' ') {
                format!("'{word}'")
            } else {
                word.into()
            }
        })
        .collect::<Vec<String>>()
        .join(" ")
}
