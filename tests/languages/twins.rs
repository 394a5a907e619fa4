//! The Rust twins of plugins in other languages, members of this workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_build::{TARGET, Toolchain};

use crate::namespace::Run;
use crate::tools::sdk;

/// Builds a twin and returns the component's path.
pub fn build(package: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("host/ has a parent");
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Beside the built-in plugins, whose crates it shares.
    let target = own.with_file_name("guests");
    let toolchain = Toolchain::find().expect("a toolchain for guests");
    let mut cargo = toolchain.cargo();
    cargo.current_dir(workspace);
    cargo.args(["build", "--quiet", "--locked", "--profile", "guest"]);
    cargo.args(["--target", TARGET, "--package", package, "--target-dir"]);
    Run::of(cargo.arg(&target).args(toolchain.arguments())).success();
    let module = format!("{}.wasm", package.replace('-', "_"));
    let module = target.join(TARGET).join("guest").join(module);
    let directory = own.join("twins");
    fs::create_dir_all(&directory).expect("a directory");
    // Tests may build the same twin at the same time: each moves a whole file to its place.
    let draft = tempfile::NamedTempFile::new_in(&directory).expect("a file");
    let mut componentize = Command::new(sdk());
    componentize.arg("componentize").arg(module).arg("--out");
    Run::of(componentize.arg(draft.path())).success();
    let path = directory.join(format!("{package}.wasm"));
    draft.persist(&path).expect("a file");
    path
}
