//! Builds the plugins that the host embeds.
//!
//! For the library: `OP_DBUS_NET_WASM`, the path of the component `builtin:net`, for
//! `include_bytes!(env!(…))`, and `OP_DBUS_NET_DIGEST`, its SHA-256 in hexadecimal; for the other
//! built-in plugins likewise.
//!
//! `sdk.rs` in `OUT_DIR`, the sources of the SDK, for `include!`.
//!
//! For the binary, only if the variable `OP_DBUS_COMPILED` names a directory with the output of
//! `op-dbus plugin precompile --out DIR`: the cfg `compiled_builtins`, and `OP_DBUS_NET_CWASM`, the
//! path of the compiled code. A binary without it compiles its plugins at their first use.
//! `cargo xtask dist` builds twice for that reason.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use guest_build::{Guest, target_directory};
use sha2::{Digest, Sha256};

/// The crate of a plugin, and the name that the host knows it by.
const BUILTINS: [(&str, &str); 2] = [
    ("op-dbus-net", "net"),
    ("op-dbus-networkmanager", "networkmanager"),
];

/// What the components are made from. Not the plugins' tests: a change there changes no component.
const SOURCES: [&str; 14] = [
    "Cargo.lock",
    "Cargo.toml",
    "plugins/net/Cargo.toml",
    "plugins/net/asks.json",
    "plugins/net/schema.json",
    "plugins/net/src",
    "plugins/networkmanager/Cargo.toml",
    "plugins/networkmanager/asks.json",
    "plugins/networkmanager/schema.json",
    "plugins/networkmanager/src",
    "sdk/Cargo.toml",
    "sdk/src",
    "wit",
    "xtask/guest-build/src",
];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("host/ has a parent")?;
    for source in SOURCES {
        let path = workspace.join(source);
        // One that is missing would run this script at every build.
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    println!("cargo::rerun-if-changed=build.rs");

    let target = target_directory(&out)?;
    for (package, name) in BUILTINS {
        let component = Guest { workspace, package }.build(&target)?;
        let path = out.join(format!("{name}.wasm"));
        let digest: String = Sha256::digest(&component)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        println!("cargo::rustc-env={}={digest}", variable(name, "DIGEST"));
        fs::write(&path, component)?;
        println!(
            "cargo::rustc-env={}={}",
            variable(name, "WASM"),
            path.display()
        );
    }
    fs::write(out.join("sdk.rs"), sdk(workspace)?)?;
    embed_compiled_code()
}

/// The sources of the crate `op-dbus-plugin` as a list of paths and texts, in Rust: `plugin new` puts them into projects, because no registry
/// has the crate.
fn sdk(workspace: &Path) -> Result<String> {
    let mut list = String::from("&[\n");
    let mut folders = vec![workspace.join("sdk/src")];
    while let Some(folder) = folders.pop() {
        let entries: std::io::Result<Vec<_>> = fs::read_dir(&folder)?.collect();
        let mut paths: Vec<PathBuf> = entries?.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(workspace)?;
            list.push_str(&format!("({name:?}, include_str!({path:?})),\n"));
        }
    }
    list.push(']');
    Ok(list)
}

/// Points the binary at compiled code, if somebody made any.
fn embed_compiled_code() -> Result<()> {
    println!("cargo::rustc-check-cfg=cfg(compiled_builtins)");
    println!("cargo::rerun-if-env-changed=OP_DBUS_COMPILED");
    let Some(directory) = env::var_os("OP_DBUS_COMPILED").filter(|value| !value.is_empty()) else {
        return Ok(());
    };
    for (_, name) in BUILTINS {
        let path = Path::new(&directory).join(format!("{name}.cwasm"));
        ensure!(
            path.is_absolute(),
            "OP_DBUS_COMPILED must be an absolute path"
        );
        ensure!(
            path.exists(),
            "{} is missing, OP_DBUS_COMPILED promises it",
            path.display()
        );
        println!("cargo::rerun-if-changed={}", path.display());
        println!(
            "cargo::rustc-env={}={}",
            variable(name, "CWASM"),
            path.display()
        );
    }
    println!("cargo::rustc-cfg=compiled_builtins");
    Ok(())
}

/// `OP_DBUS_NET_WASM` for `net` and `WASM`.
fn variable(name: &str, kind: &str) -> String {
    format!("OP_DBUS_{}_{kind}", name.to_uppercase())
}
