//! Builds the hostile components: the crate `hostile-guest`, and the core modules of [`guests`].
//!
//! A core module is written without its frame: what it leaves out of the exports of `state` is filled in here with functions that trap, so
//! that each shows only what it does wrong.

mod guests;
mod module;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use guest_build::{Guest, target_directory};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use crate::guests::{Contract, GUESTS};
use crate::module::Core;

/// The exports of `state`, with how many parameters they have in a core module (Component Model, "Canonical ABI", flattening): all are of
/// 32 bits, as is the result.
const EXPORTS: [(&str, usize); 10] = [
    ("describe", 0),
    ("watches", 0),
    ("validate", 2),
    ("query", 3),
    ("diff", 4),
    ("apply", 2),
    ("verify", 2),
    ("checkpoint", 3),
    ("rollback", 5),
    ("release", 5),
];

/// A version of the contract that no host offers.
const FALSE_VERSION: &str = "9.9.0";

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guests = here.parent().context("the crate is among the guests")?;
    let workspace = guests.ancestors().nth(2).context("so deep in the tree")?;
    let sources = ["wasi", "hostile/src", "hostile/Cargo.toml"].map(|path| guests.join(path));
    let shared = [
        "Cargo.lock",
        "Cargo.toml",
        "sdk/Cargo.toml",
        "sdk/src",
        "wit",
    ]
    .map(|path| workspace.join(path));
    for path in sources.iter().chain(&shared) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    println!("cargo::rerun-if-changed=build");

    let package = "hostile-guest";
    let hostile = Guest { workspace, package }.build(&target_directory(&out)?)?;
    fs::write(out.join("hostile.wasm"), hostile)?;

    let wit = workspace.join("wit");
    let worlds = Worlds::read(&wit, &guests.join("wasi"))?;
    let false_worlds = Worlds::read(
        &with_version(&wit, &out.join("false-wit"))?,
        &guests.join("wasi"),
    )?;
    for (name, make) in GUESTS {
        let worlds = match name {
            "false-version" => &false_worlds,
            _ => &worlds,
        };
        let component = worlds.component(name, make(&worlds.contract));
        let component = component.with_context(|| name.to_owned())?;
        fs::write(out.join(format!("{name}.wasm")), component)?;
    }
    Ok(())
}

/// The contract with another version number.
fn with_version(wit: &Path, out: &Path) -> Result<PathBuf> {
    fs::create_dir_all(out)?;
    for entry in fs::read_dir(wit)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            let text = fs::read_to_string(&path)?;
            fs::write(
                out.join(name),
                text.replace(&version_of(wit)?, FALSE_VERSION),
            )?;
        }
    }
    Ok(out.to_owned())
}

/// The version that the contract's package has.
fn version_of(wit: &Path) -> Result<String> {
    let text = fs::read_to_string(wit.join("state.wit"))?;
    let line = text.lines().find(|line| line.starts_with("package "));
    let version = line.and_then(|line| line.split('@').nth(1));
    Ok(version
        .context("a version")?
        .trim_end_matches(';')
        .to_owned())
}

/// The worlds that hostile modules are written for.
struct Worlds {
    resolve: Resolve,
    world: WorldId,
    contract: Contract,
}

impl Worlds {
    fn read(wit: &Path, wasi: &Path) -> Result<Self> {
        let version = version_of(wit)?;
        let mut resolve = Resolve::default();
        resolve.push_dir(wit)?;
        resolve.push_file(wasi.join("io.wit"))?;
        let text = fs::read_to_string(wasi.join("others.wit"))?;
        let text = text.replace("@VERSION", &format!("@{version}"));
        let package = resolve.push_str("others.wit", &text)?;
        let world = resolve.select_world(&[package], Some("with-wasi"))?;
        Ok(Self {
            resolve,
            world,
            contract: Contract { version },
        })
    }

    /// The component of a module, of which `core` has what is unusual.
    fn component(&self, name: &str, mut core: Core) -> Result<Vec<u8>> {
        if !core.has_memory() {
            core.memory(4);
        }
        if !core.exports("cabi_realloc") {
            // None of these keeps what it is given: all of it may go to the same place.
            core.function(Some("cabi_realloc"), 4, true, |code| {
                code.i32_const(65536);
            });
        }
        for (export, parameters) in EXPORTS {
            let export = self.contract.export(export);
            if !core.exports(&export) {
                core.function(Some(&export), parameters, true, |code| {
                    code.unreachable();
                });
            }
        }
        let mut module = core.finish();
        let encoding = match name {
            "utf16" => StringEncoding::UTF16,
            _ => StringEncoding::UTF8,
        };
        embed_component_metadata(&mut module, &self.resolve, self.world, encoding)?;
        let mut encoder = ComponentEncoder::default().validate(true).module(&module)?;
        encoder.encode()
    }
}
