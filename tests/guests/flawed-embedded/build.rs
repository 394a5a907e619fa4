//! Builds the plugin with flaws, and components of nearly the right shape.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use guest_build::hollow::{hollow, hollow_of};
use guest_build::{Guest, target_directory};

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)
        .context("tests/guests/flawed-embedded lies in the workspace")?;
    for source in [
        "Cargo.lock",
        "sdk/src",
        "tests/guests/flawed",
        "wit",
        "xtask/guest-build/src",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    println!("cargo::rerun-if-changed=build.rs");
    let guest = Guest {
        workspace,
        package: "op-dbus-flawed",
    };
    fs::write(
        out.join("flawed.wasm"),
        guest.build(&target_directory(&out)?)?,
    )?;
    shapes(workspace, &out)?;
    released(workspace, &out)
}

/// A component of every world of every released version of the contract, and a list of them.
fn released(workspace: &Path, out: &Path) -> Result<()> {
    let mut versions: Vec<PathBuf> = fs::read_dir(workspace.join("wit/released"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    versions.retain(|path| path.is_dir());
    versions.sort();
    let mut list = String::from("[\n");
    for folder in versions {
        let version = folder.file_name().and_then(|name| name.to_str());
        let version = version.context("a version is text")?;
        list.push_str(&format!("({version:?}, &[\n"));
        for world in worlds(&folder)? {
            let path = out.join(format!("released-{version}-{world}.wasm"));
            fs::write(&path, hollow(&folder, &world)?)?;
            list.push_str(&format!(
                "({world:?}, include_bytes!({path:?}) as &[u8]),\n"
            ));
        }
        list.push_str("] as &[(&str, &[u8])]),\n");
    }
    list.push(']');
    Ok(fs::write(out.join("released.rs"), list)?)
}

/// The names of a package's worlds.
fn worlds(folder: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(folder.join("worlds.wit"))?;
    let named = text.lines().filter_map(|line| line.strip_prefix("world "));
    let named = named.filter_map(|rest| rest.split_whitespace().next());
    Ok(named.map(str::to_owned).collect())
}

/// Shapes of the contract as it is, and as it is not.
fn shapes(workspace: &Path, out: &Path) -> Result<()> {
    let now = package(&workspace.join("wit"))?;
    let write = |name: &str, wit: &str, world: &str| -> Result<()> {
        let component = hollow_of(wit, world).with_context(|| name.to_owned())?;
        Ok(fs::write(out.join(format!("{name}.wasm")), component)?)
    };
    write("sound-shape", &now, "state-plugin")?;
    let later = now.replace("op-dbus:plugin@0.1.0", "op-dbus:plugin@0.9.0");
    write("later-version", &later, "netlink-plugin")?;
    let release = "    release: func(checkpoint: checkpoint-data) -> result<_, failure>;\n";
    let watches = "    watches: func() -> list<watch>;\n";
    let lacking = now.replace(release, "").replace(watches, "");
    write("lacking-exports", &lacking, "pure-plugin")?;
    let grown = now.replace(
        "enum operation { create, modify, delete }",
        "enum operation { create, modify, delete, rename }",
    );
    write("another-shape", &grown, "pure-plugin")?;
    let foreign = now.clone()
        + "interface clock { now: func() -> u64; }\nworld odd { include pure-plugin; import clock; }\n";
    write("foreign-import", &foreign, "odd")?;
    let other = "package some:thing@1.0.0;\ninterface i { run: func(); }\nworld w { export i; }\n";
    write("no-plugin", other, "w")
}

/// All of a package as one text.
fn package(directory: &Path) -> Result<String> {
    let mut text = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "wit"));
    files.sort();
    for path in files {
        let file = fs::read_to_string(path)?;
        let head = "package op-dbus:plugin@0.1.0;";
        // A text has one head.
        if text.is_empty() {
            text = format!("{head}\n");
        }
        let body = file
            .split_once(head)
            .map_or(file.as_str(), |(_, body)| body);
        text.push_str(body);
    }
    Ok(text)
}
