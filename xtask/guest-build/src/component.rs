//! Compiles a guest crate of the workspace and encodes it as a component.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

use crate::{TARGET, Toolchain};

/// A guest crate, a member of the workspace.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The workspace's root, where its `Cargo.lock` lies.
    pub workspace: &'a Path,
    /// The crate's name, as `cargo build --package` takes it.
    pub package: &'a str,
}

impl Guest<'_> {
    /// Compiles the crate with the profile `guest` and returns the component.
    ///
    /// `target` is a cargo target directory for guests alone, best [`target_directory`]: that of
    /// the surrounding build is locked as long as that build runs.
    ///
    /// # Errors
    /// No toolchain, a compiler error (already printed on stderr), or a module that is no
    /// component: the crate exports nothing of the contract.
    pub fn build(&self, target: &Path) -> Result<Vec<u8>> {
        let toolchain = Toolchain::find()?;
        let status = toolchain
            .cargo()
            .current_dir(self.workspace)
            .args([
                "build",
                "--quiet",
                "--locked",
                "--profile",
                "guest",
                "--target",
                TARGET,
            ])
            .args(["--package", self.package, "--target-dir"])
            .arg(target)
            .args(toolchain.arguments())
            .status()
            .with_context(|| format!("cannot start cargo for the guest {}", self.package))?;
        if !status.success() {
            bail!(
                "cannot compile the guest {} for {TARGET}: {status}",
                self.package
            );
        }
        let module = target
            .join(TARGET)
            .join("guest")
            .join(module_name(self.package));
        let module =
            fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|mut encoder| encoder.encode())
            .with_context(|| format!("cannot make a component of the guest {}", self.package))
    }
}

/// The target directory for guests beside the one that a build script's `OUT_DIR` lies in. All
/// profiles and all dependents share it, so that a guest is compiled once.
///
/// # Errors
/// `out_dir` lies in no cargo target directory.
pub fn target_directory(out_dir: &Path) -> Result<PathBuf> {
    // Cargo marks the top of its target directory for backup programs.
    let top = out_dir
        .ancestors()
        .find(|path| path.join("CACHEDIR.TAG").exists());
    let top = top.with_context(|| format!("{} is in no target directory", out_dir.display()))?;
    Ok(top.join("guests"))
}

/// Cargo names a `cdylib` after the crate, with underscores.
fn module_name(package: &str) -> String {
    format!("{}.wasm", package.replace('-', "_"))
}
