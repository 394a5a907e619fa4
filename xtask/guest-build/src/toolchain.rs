//! The Rust compiler that guests are compiled with.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// The target of guests. Not a WASI one: a guest has no files, no clock and no environment.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A way to compile for [`TARGET`] that works on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler in use brings the target's standard library (`rustup target add`).
    Installed {
        /// The `cargo` that belongs to it.
        cargo: PathBuf,
    },
    /// Debian's compiler in `/usr/bin` (packages `rustc-web`, `cargo-web`, `rust-web-src`), which
    /// compiles the target's standard library from source.
    FromSource {
        /// The linker, `wasm-ld-NN` of the package `lld-NN`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Looks for a toolchain: the one in use first, Debian's after that.
    ///
    /// # Errors
    /// Neither is there. The message names both ways out.
    pub fn find() -> Result<Self> {
        if target_is_installed() {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
            return Ok(Self::Installed {
                cargo: cargo.into(),
            });
        }
        let (sources, linker) = (debian_sources(), debian_linker());
        match (sources, linker) {
            (true, Some(linker)) => Ok(Self::FromSource { linker }),
            _ => bail!(
                "this machine cannot compile for {TARGET}: run `rustup target add {TARGET}`, or \
                 `cargo xtask setup`, which falls back to Debian's packages"
            ),
        }
    }

    /// A `cargo` command without arguments that compiles for [`TARGET`] once `build` and the rest
    /// are added. It inherits none of the settings of a surrounding cargo.
    pub fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Installed { cargo } => Command::new(cargo),
            Self::FromSource { .. } => Command::new(DEBIAN_CARGO),
        };
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_setting_of_outer_build) {
                command.env_remove(name);
            }
        }
        if let Self::FromSource { linker } = self {
            let mut flags = OsString::from("-Clinker=");
            flags.push(linker);
            command
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", DEBIAN_RUSTC)
                .env("CARGO_ENCODED_RUSTFLAGS", flags);
        }
        command
    }

    /// The arguments of `cargo build` that this toolchain needs beside `--target`.
    pub fn arguments(&self) -> &'static [&'static str] {
        match self {
            Self::Installed { .. } => &[],
            Self::FromSource { .. } => &["-Zbuild-std=std,panic_abort"],
        }
    }
}

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Whether the compiler in use has the target's standard library. `--print target-libdir` names
/// the directory whether it exists or not.
fn target_is_installed() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    output.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

/// Whether Debian's compiler is there together with the source of its standard library.
fn debian_sources() -> bool {
    [
        DEBIAN_CARGO,
        DEBIAN_RUSTC,
        "/usr/lib/rustlib/src/rust/library/std",
    ]
    .iter()
    .all(|path| Path::new(path).exists())
}

/// The newest of Debian's WebAssembly linkers, whose names carry LLVM's major version.
fn debian_linker() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/bin").ok()?;
    let versioned = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let version: u32 = name.to_str()?.strip_prefix("wasm-ld-")?.parse().ok()?;
        Some((version, entry.path()))
    });
    versioned.max().map(|(_, path)| path)
}

/// Whether an environment variable belongs to the build that this one is nested in, as opposed to
/// the machine's way of reaching its registry (proxies, mirrors, offline).
fn is_setting_of_outer_build(name: &str) -> bool {
    const OF_THE_MACHINE: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    let of_cargo = name == "CARGO" || name.starts_with("CARGO_");
    // RUSTUP_* stays: it names the toolchain that runs now.
    let of_rustc = name.starts_with("RUSTC") || name.starts_with("RUSTDOC") || name == "RUSTFLAGS";
    let of_build_scripts = matches!(
        name,
        "TARGET" | "HOST" | "OUT_DIR" | "PROFILE" | "OPT_LEVEL"
    ) || matches!(name, "DEBUG" | "NUM_JOBS" | "LD_LIBRARY_PATH");
    (of_cargo && !OF_THE_MACHINE.iter().any(|prefix| name.starts_with(prefix)))
        || of_rustc
        || of_build_scripts
}

#[cfg(test)]
mod tests {
    use super::is_setting_of_outer_build;

    #[test]
    fn a_nested_build_ignores_the_outer_build_and_keeps_the_registry() {
        for name in [
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
        ] {
            assert!(is_setting_of_outer_build(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_X_INDEX",
            "PATH",
        ] {
            assert!(!is_setting_of_outer_build(name), "{name}");
        }
    }
}
