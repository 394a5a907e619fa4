//! `cargo xtask schema`: accepts what the code produces now as what is expected. See what changed
//! with `git diff` before you commit it.

use anyhow::Result;

use crate::command::{self, cargo};
use crate::prerequisites::{Prerequisite, ensure};

/// Tests that compare with a file write the file instead when this variable is set.
const ACCEPT: &str = "OP_DBUS_BLESS";

pub fn run() -> Result<()> {
    ensure(&[Prerequisite::WasmTarget])?;
    let mut tests = cargo();
    tests.args([
        "test",
        "--workspace",
        "--all-features",
        "--lib",
        "--quiet",
        "--no-fail-fast",
    ]);
    command::run(tests.env(ACCEPT, "1").env("INSTA_UPDATE", "always"))?;
    command::run(cargo().args(["fmt", "--all"]))?;
    eprintln!("accepted; `git diff` shows what changed");
    Ok(())
}
