//! Debian's packages.

use std::process::Command;

use anyhow::{Result, bail};
use guest_build::Toolchain;

use super::any_exists;
use crate::command::{find_program, output, run, succeeds};
use crate::sandbox::is_root;
use crate::vm;

/// A package, and how to see that what it is wanted for is there.
pub struct Package {
    /// Its name in Debian.
    pub name: &'static str,
    probe: fn() -> bool,
}

impl Package {
    /// Whether what the package is wanted for is there, whoever brought it.
    pub fn is_met(&self) -> bool {
        (self.probe)()
    }
}

/// Rust's compiler with the sources of its standard library: for machines where rustup cannot
/// fetch the target. All four or none: they fit only each other.
pub const WASM_TARGET: [Package; 4] = [
    Package {
        name: "rustc-web",
        probe: || Toolchain::find().is_ok(),
    },
    Package {
        name: "cargo-web",
        probe: || Toolchain::find().is_ok(),
    },
    Package {
        name: "rust-web-src",
        probe: || Toolchain::find().is_ok(),
    },
    Package {
        name: "lld-19",
        probe: || Toolchain::find().is_ok(),
    },
];

pub const IPROUTE2: [Package; 1] = [Package {
    name: "iproute2",
    probe: || find_program("ip").is_some(),
}];

/// The real daemons that the backends and registries are tested against, and programs whose signatures are.
pub const DAEMONS: [Package; 7] = [
    Package {
        name: "openvswitch-switch",
        probe: || find_program("ovs-vswitchd").is_some() && find_program("ovsdb-server").is_some(),
    },
    Package {
        name: "dbus",
        probe: || find_program("dbus-daemon").is_some(),
    },
    Package {
        name: "systemd",
        probe: || find_program("busctl").is_some(),
    },
    Package {
        name: "network-manager",
        probe: || find_program("NetworkManager").is_some() && find_program("nmcli").is_some(),
    },
    Package {
        name: "openssl",
        probe: || find_program("openssl").is_some(),
    },
    Package {
        name: "minisign",
        probe: || find_program("minisign").is_some(),
    },
    Package {
        name: "docker-registry",
        probe: || find_program("docker-registry").is_some(),
    },
];

/// C for WebAssembly, as the template of plugins in C names it. The library is WASI's; what is used of it asks nothing of WASI.
pub const C_COMPILER: [Package; 4] = [
    Package {
        name: "clang-19",
        probe: || find_program("clang-19").is_some(),
    },
    Package {
        name: "lld-19",
        probe: || find_program("wasm-ld-19").is_some(),
    },
    Package {
        name: "wasi-libc",
        probe: || any_exists(&["/usr/include/wasm32-wasi/stdlib.h"]),
    },
    Package {
        name: "libclang-rt-19-dev-wasm32",
        probe: || {
            any_exists(&[
                "/usr/lib/llvm-19/lib/clang/19/lib/wasi",
                "/usr/lib/clang/19/lib/wasi",
            ])
        },
    },
];

pub const NODE: [Package; 2] = [
    Package {
        name: "nodejs",
        probe: || find_program("node").is_some(),
    },
    Package {
        name: "npm",
        probe: || find_program("npm").is_some(),
    },
];

pub const PYTHON_VENV: [Package; 1] = [Package {
    name: "python3-venv",
    probe: || succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])),
}];

/// For `vng`, which boots a kernel over the machine's own file system.
pub const VIRTUAL_MACHINE: [Package; 11] = [
    Package {
        name: "linux-image-amd64",
        probe: || vm::kernel().is_some(),
    },
    Package {
        name: "qemu-system-x86",
        probe: || find_program("qemu-system-x86_64").is_some(),
    },
    // A wireless network of simulated radios.
    Package {
        name: "hostapd",
        probe: || find_program("hostapd").is_some(),
    },
    Package {
        name: "wpasupplicant",
        probe: || find_program("wpa_supplicant").is_some(),
    },
    Package {
        name: "iw",
        probe: || find_program("iw").is_some(),
    },
    // Until Debian 12 a part of qemu-system-common, a package of its own since.
    Package {
        name: "virtiofsd",
        probe: || {
            find_program("virtiofsd").is_some()
                || any_exists(&["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"])
        },
    },
    Package {
        name: "busybox-static",
        probe: || find_program("busybox").is_some(),
    },
    Package {
        name: "udev",
        probe: || find_program("udevadm").is_some(),
    },
    Package {
        name: "kmod",
        probe: || find_program("modprobe").is_some(),
    },
    Package {
        name: "iproute2",
        probe: || find_program("ip").is_some(),
    },
    Package {
        name: "python3-venv",
        probe: || {
            super::vng().is_some()
                || succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        },
    },
];

/// Installs packages, as root on Debian; elsewhere it does nothing.
///
/// # Errors
/// apt-get's.
pub fn install(packages: &[&Package]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if find_program("apt-get").is_none() {
        bail!("apt-get is missing: this is not Debian, packages are yours to install");
    }
    if !is_root() {
        bail!("only root can install packages");
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt_get().args(["update", "--quiet"]))?;
    let mut names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    names.dedup();
    names.retain(|name| {
        let candidates =
            output(Command::new("apt-cache").args(["policy", name])).unwrap_or_default();
        // Before Debian 13, virtiofsd comes with qemu and has no package.
        candidates.contains("Candidate: ") && !candidates.contains("Candidate: (none)")
    });
    run(apt_get()
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(names))
}
