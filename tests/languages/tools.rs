//! What the languages' projects are built with.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_build::{TARGET, Toolchain};

use crate::namespace::{Run, cache};

/// The program, and directories before PATH in which a shell finds it and the compilers.
pub fn equip(command: &mut Command) -> &mut Command {
    let program = Path::new(env!("CARGO_BIN_EXE_op-dbus"));
    let mut path: Vec<PathBuf> = vec![program.parent().expect("a directory").into()];
    if let Some(installed) = installed() {
        let venv = installed.join("venv");
        path.extend([venv.join("bin"), installed.join("npm/node_modules/.bin")]);
        command
            .env("VENV", venv)
            .env("GOPATH", installed.join("go"));
        command.env("GOCACHE", installed.join("go-cache"));
        // The toolchain that is installed, and modules as they lie there.
        command
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=mod")
            .env("GOPROXY", "off");
    }
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    command.env("PATH", env::join_paths(path).expect("no colon in a path"));
    command.env("OP_DBUS", program).env("CACHE_DIR", cache());
    command.env("OP_DBUS_SDK", sdk());
    cargo(command)
}

/// The program `op-dbus-sdk`.
pub fn sdk() -> PathBuf {
    let path = env::var_os("OP_DBUS_SDK");
    path.expect("`cargo xtask languages` builds op-dbus-sdk, and says where")
        .into()
}

/// Where `cargo xtask languages` put compilers.
pub fn installed() -> Option<PathBuf> {
    env::var_os("OP_DBUS_LANGUAGES").map(PathBuf::from)
}

/// Keeps a component for the bench, where there is a place for it.
pub fn keep(language: &str, component: &Path) {
    if let Some(installed) = installed() {
        let place = installed.join("components");
        std::fs::create_dir_all(&place).expect("a directory");
        std::fs::copy(component, place.join(format!("{language}.wasm"))).expect("a file");
    }
}

/// Lets a project's Makefile find the Rust compiler that this machine has for guests, and build where the next run finds it.
fn cargo(command: &mut Command) -> &mut Command {
    let toolchain = Toolchain::find().expect("a toolchain for guests");
    let own = toolchain.cargo();
    command.env("CARGO", own.get_program());
    command.env(
        "CARGO_TARGET_DIR",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects"),
    );
    if let Toolchain::FromSource { linker } = &toolchain {
        let variable = format!(
            "CARGO_TARGET_{}_LINKER",
            TARGET.to_uppercase().replace('-', "_")
        );
        command.env(variable, linker).env("RUSTC_BOOTSTRAP", "1");
        let rustc = own.get_envs().find(|(name, _)| *name == "RUSTC");
        command.envs(rustc.and_then(|(name, value)| Some((name, value?))));
        command.env("WASM_FLAGS", toolchain.arguments().join(" "));
    }
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        command.env_remove(name);
    }
    command
}

/// Puts what a project would download into its place: the compilers that are installed already, and the crates' and modules' versions that
/// this workspace has.
pub fn furnish(project: &Path, language: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("host/ has a parent");
    let tools =
        || installed().expect("`cargo xtask languages` installs the compilers, and says where");
    match language {
        "rust" => {
            std::fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock"))
                .expect("a lock file");
        }
        "javascript" => {
            let modules = tools().join("npm").join("node_modules");
            std::os::unix::fs::symlink(modules, project.join("node_modules")).expect("a link");
        }
        "go" => {
            // The module's source is a part of the crate that makes the bindings: they fit each other, and no proxy is asked.
            let module: OsString =
                env::var_os("OP_DBUS_GO_MODULE").expect("`cargo xtask languages` names it");
            let mut replace = OsString::from("-replace=go.bytecodealliance.org/pkg=");
            replace.push(module);
            let mut edit = Command::new("go");
            equip(edit.current_dir(project).args(["mod", "edit"]).arg(replace));
            Run::of(&mut edit).success();
        }
        _ => {}
    }
}
