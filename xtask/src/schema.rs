//! `cargo xtask schema`: accepts what the code produces now as what is expected. See what changed
//! with `git diff` before you commit it.

use anyhow::Result;

use crate::command::{self, cargo};
use crate::prerequisites::{Prerequisite, ensure};

/// Tests that compare with a file write the file instead when this variable is set.
const ACCEPT: &str = "UPDATE_SCHEMA";

pub fn run() -> Result<()> {
    ensure(&[Prerequisite::WasmTarget])?;
    // The plugins first: the host embeds what they say of themselves.
    for (package, targets) in [
        ("op-dbus-net", "--tests"),
        ("op-dbus-networkmanager", "--tests"),
        ("op-dbus", "--lib"),
    ] {
        let mut tests = cargo();
        tests.args([
            "test",
            "--quiet",
            "--no-fail-fast",
            "--package",
            package,
            targets,
        ]);
        command::run(tests.env(ACCEPT, "1").env("INSTA_UPDATE", "always"))?;
    }
    command::run(cargo().args(["fmt", "--all"]))?;
    eprintln!("accepted; `git diff` shows what changed");
    Ok(())
}
