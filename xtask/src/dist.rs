//! `cargo xtask dist`: the release binary with its plugins compiled ahead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{self, build_op_dbus, op_dbus_build, target_subdirectory};
use crate::prerequisites::{Prerequisite, ensure};

pub fn run() -> Result<()> {
    ensure(&[Prerequisite::WasmTarget])?;
    let binary = build()?;
    let size = fs::metadata(&binary)?.len();
    println!("{}: {:.1} MB", binary.display(), size as f64 / 1e6);
    Ok(())
}

/// Builds in two steps, because only the host itself can compile a plugin into code that it
/// accepts: the binary first, then its plugins with it, then the binary that embeds them.
pub fn build() -> Result<PathBuf> {
    let plain = build_op_dbus("release")?;
    let compiled = target_subdirectory("compiled-builtins")?;
    let fresh = target_subdirectory("compiled-builtins.new")?;
    command::run(
        Command::new(plain)
            .args(["plugin", "precompile", "--out"])
            .arg(&fresh),
    )?;
    adopt(&fresh, &compiled)?;
    command::run(op_dbus_build("release").env("OP_DBUS_COMPILED", &compiled))?;
    let binary = command::target()?.join("release/op-dbus");
    // A name of its own: the next plain release build overwrites cargo's.
    let dist = target_subdirectory("dist")?.join("op-dbus");
    fs::copy(&binary, &dist).with_context(|| format!("cannot write {}", dist.display()))?;
    Ok(dist)
}

/// Moves what differs, so that cargo sees new code only when there is some.
fn adopt(fresh: &Path, compiled: &Path) -> Result<()> {
    for entry in fs::read_dir(fresh)? {
        let entry = entry?;
        let kept = compiled.join(entry.file_name());
        if fs::read(&kept).ok() != Some(fs::read(entry.path())?) {
            fs::rename(entry.path(), kept)?;
        }
    }
    fs::remove_dir_all(fresh).context("cannot remove a directory of ours")
}
