//! The Rust twins of plugins in other languages, members of this workspace.

use std::fs;
use std::path::{Path, PathBuf};

use guest_build::{Guest, target_directory};

/// Builds a twin and returns the component's path.
pub fn build(package: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("host/ has a parent");
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = target_directory(own).expect("cargo's own directory");
    let component = Guest { workspace, package }
        .build(&target)
        .expect("the twin compiles");
    let directory = own.join("twins");
    fs::create_dir_all(&directory).expect("a directory");
    // Tests may build the same twin at the same time: each moves a whole file to its place.
    let draft = tempfile::NamedTempFile::new_in(&directory).expect("a file");
    fs::write(draft.path(), component).expect("a file");
    let path = directory.join(format!("{package}.wasm"));
    draft.persist(&path).expect("a file");
    path
}
