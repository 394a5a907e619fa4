//! What the verbs need on the machine: looked for, installed where that is possible, and otherwise
//! listed with the way to get it.
//!
//! Presence is decided by what a verb will use (a program, a file), not by a package's name, so
//! that machines other than Debian's work as well.

mod debian;
mod virtme;

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use debian::Package;
use guest_build::{TARGET, Toolchain};

use crate::command::{cargo, find_program, run, succeeds};

pub use virtme::vng;

/// Something that a verb needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// Compiling guests, see [`Toolchain`].
    WasmTarget,
    /// The test runner.
    Nextest,
    /// Network namespaces, and a second opinion on what the kernel has.
    Iproute2,
    /// Open vSwitch, a message bus, NetworkManager, a registry, programs that sign.
    Daemons,
    /// C for WebAssembly, for plugins in C.
    CCompiler,
    /// Node.js with npm, which the compiler of plugins in JavaScript runs on.
    Node,
    /// Python with virtual environments, for the compilers of plugins in Python and Go.
    PythonVenv,
    /// A kernel with all kinds of links, and a virtual machine to boot it in.
    VirtualMachine,
}

impl Prerequisite {
    /// In the order of installation.
    pub const ALL: [Self; 8] = [
        Self::WasmTarget,
        Self::Nextest,
        Self::Iproute2,
        Self::Daemons,
        Self::CCompiler,
        Self::Node,
        Self::PythonVenv,
        Self::VirtualMachine,
    ];

    /// Whether it is there.
    fn is_met(self) -> bool {
        match self {
            Self::WasmTarget => Toolchain::find().is_ok(),
            Self::Nextest => succeeds(cargo().args(["nextest", "--version"])),
            Self::Iproute2
            | Self::Daemons
            | Self::CCompiler
            | Self::Node
            | Self::PythonVenv
            | Self::VirtualMachine => {
                self.packages().iter().all(Package::is_met)
                    && (self != Self::VirtualMachine || vng().is_some())
            }
        }
    }

    /// Debian's packages for it.
    fn packages(self) -> &'static [Package] {
        match self {
            Self::WasmTarget => &debian::WASM_TARGET,
            Self::Nextest => &[],
            Self::Iproute2 => &debian::IPROUTE2,
            Self::Daemons => &debian::DAEMONS,
            Self::CCompiler => &debian::C_COMPILER,
            Self::Node => &debian::NODE,
            Self::PythonVenv => &debian::PYTHON_VENV,
            Self::VirtualMachine => &debian::VIRTUAL_MACHINE,
        }
    }

    /// What is left to do by hand.
    fn instructions(self) -> String {
        let packages: Vec<_> = self.packages().iter().map(|package| package.name).collect();
        let packages = packages.join(" ");
        match self {
            Self::WasmTarget => format!(
                "compiling for {TARGET}: rustup target add {TARGET}\n    or as root on Debian: \
                 apt-get install --no-install-recommends {packages}"
            ),
            Self::Nextest => "the test runner: cargo install --locked cargo-nextest".into(),
            Self::Iproute2 => format!("network namespaces: as root, apt-get install {packages}"),
            Self::Daemons => {
                format!("daemons to test against: as root, apt-get install {packages}")
            }
            Self::Node => format!("Node.js 20 or newer: as root, apt-get install {packages}"),
            Self::PythonVenv => {
                format!("Python's virtual environments: as root, apt-get install {packages}")
            }
            Self::CCompiler => format!("C for WebAssembly: as root, apt-get install {packages}"),
            Self::VirtualMachine => format!(
                "a full kernel in a virtual machine: as root, apt-get install \
                 --no-install-recommends {packages}\n    and `vng` in PATH: pip install virtme-ng"
            ),
        }
    }
}

/// Makes sure that all of `wanted` is there, and installs what is not. Touches nothing, and is
/// done in no time, if all is there.
///
/// # Errors
/// Something is missing still; the message lists all of it.
pub fn ensure(wanted: &[Prerequisite]) -> Result<()> {
    let mut missing: Vec<Prerequisite> = wanted
        .iter()
        .copied()
        .filter(|prerequisite| !prerequisite.is_met())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if missing.contains(&Prerequisite::WasmTarget) && add_target_with_rustup() {
        missing.retain(|prerequisite| *prerequisite != Prerequisite::WasmTarget);
    }
    let packages = missing
        .iter()
        .flat_map(|prerequisite| prerequisite.packages());
    let packages: Vec<_> = packages.filter(|package| !package.is_met()).collect();
    let mut troubles = Vec::new();
    let mut attempt = |result: Result<()>| troubles.extend(result.err());
    attempt(debian::install(&packages));
    if missing.contains(&Prerequisite::Nextest) {
        attempt(run(cargo().args(["install", "--locked", "cargo-nextest"])));
    }
    if missing.contains(&Prerequisite::VirtualMachine) {
        attempt(virtme::install());
    }

    missing.retain(|prerequisite| !prerequisite.is_met());
    if missing.is_empty() {
        return Ok(());
    }
    for trouble in troubles {
        eprintln!("xtask: {trouble:#}");
    }
    let list: Vec<_> = missing
        .iter()
        .map(|item| format!("  - {}", item.instructions()))
        .collect();
    bail!("this machine still lacks:\n{}", list.join("\n"))
}

/// Tries the ordinary way. Where rustup is absent, or cannot fetch anything, this fails at once.
fn add_target_with_rustup() -> bool {
    if find_program("rustup").is_none() {
        return false;
    }
    eprintln!("$ rustup target add {TARGET}");
    let output = Command::new("rustup")
        .args(["target", "add", TARGET])
        .output();
    // Rustup may report success for a target that its manifest has and the disk lacks.
    let added = output.is_ok_and(|output| output.status.success())
        && matches!(Toolchain::find(), Ok(Toolchain::Installed { .. }));
    if !added {
        eprintln!("xtask: rustup cannot fetch the target; trying Debian's packages");
    }
    added
}

/// Whether one of these files is there.
fn any_exists(paths: &[&str]) -> bool {
    paths.iter().any(|path| Path::new(path).exists())
}
