//! `cargo xtask dist`: the release binary with its plugins compiled ahead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::{self, build_op_dbus, op_dbus_build, target_subdirectory};
use crate::prerequisites::{self, Prerequisite};

pub fn run() -> Result<()> {
    prerequisites::ensure(&[Prerequisite::WasmTarget])?;
    let binary = build()?;
    let size = fs::metadata(&binary)?.len();
    println!("{}: {:.1} MB", binary.display(), size as f64 / 1e6);
    Ok(())
}

/// Builds in two steps, because only the host itself can compile a plugin into code that it
/// accepts: the binary first, then its plugins with it, then the binary that embeds them. Where
/// the plugins are as they were the last time, the first binary is that already.
pub fn build() -> Result<PathBuf> {
    let compiled = target_subdirectory("compiled-builtins")?;
    let fresh = target_subdirectory("compiled-builtins.new")?;
    let with_plugins = || command::run(op_dbus_build("release").env("OP_DBUS_COMPILED", &compiled));
    let built = fs::read_dir(&compiled)?.next().is_some() && with_plugins().is_ok();
    let plain = match built {
        true => command::target()?.join("release/op-dbus"),
        false => build_op_dbus("release")?,
    };
    command::run(
        Command::new(plain)
            .args(["plugin", "precompile", "--out"])
            .arg(&fresh),
    )?;
    if adopt(&fresh, &compiled)? || !built {
        with_plugins()?;
    }
    let binary = command::target()?.join("release/op-dbus");
    // A name of its own: the next plain release build overwrites cargo's.
    let dist = target_subdirectory("dist")?.join("op-dbus");
    fs::copy(&binary, &dist).with_context(|| format!("cannot write {}", dist.display()))?;
    takes_compiled_code(&dist)?;
    Ok(dist)
}

/// Lets the program load each of its plugins: one whose compiled code it did not take would lie in the cache then, compiled again.
fn takes_compiled_code(binary: &Path) -> Result<()> {
    let place = target_subdirectory("dist.check")?;
    fs::remove_dir_all(&place)?;
    let cache = place.join("cache");
    fs::create_dir_all(&cache)?;
    let configuration = place.join("op-dbus.toml");
    fs::write(&configuration, "")?;
    for plugin in ["net", "networkmanager"] {
        let mut schema = Command::new(binary);
        schema.arg("--config").arg(&configuration);
        schema.arg("--state-dir").arg(place.join("state"));
        schema.arg("--cache-dir").arg(&cache);
        command::run(schema.args(["schema", plugin]).stdout(Stdio::null()))?;
        ensure!(
            fs::read_dir(&cache)?.next().is_none(),
            "{} does not take the code of its plugin {plugin} that was compiled ahead: its warning is above",
            binary.display()
        );
    }
    fs::remove_dir_all(&place).context("cannot remove a directory of ours")
}

/// Moves what differs, so that cargo sees new code only when there is some; says whether there is.
fn adopt(fresh: &Path, compiled: &Path) -> Result<bool> {
    let mut any = false;
    for entry in fs::read_dir(fresh)? {
        let entry = entry?;
        let kept = compiled.join(entry.file_name());
        if fs::read(&kept).ok() != Some(fs::read(entry.path())?) {
            fs::rename(entry.path(), kept)?;
            any = true;
        }
    }
    fs::remove_dir_all(fresh).context("cannot remove a directory of ours")?;
    Ok(any)
}
