//! virtme-ng, from the Python package index, in a virtual environment in the target directory.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::{find_program, run, target};

/// The program `vng`: the one in PATH, else our own.
pub fn vng() -> Option<PathBuf> {
    let own = target().ok()?.join("vm/venv/bin/vng");
    find_program("vng").or_else(|| own.is_file().then_some(own))
}

/// Installs our own `vng` if there is none.
///
/// # Errors
/// Those of `python3 -m venv` and of `pip`.
pub fn install() -> Result<()> {
    if vng().is_some() {
        return Ok(());
    }
    let environment = target()?.join("vm/venv");
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment))?;
    run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "virtme-ng"]))
}
