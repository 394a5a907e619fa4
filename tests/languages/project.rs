//! A project that `op-dbus plugin new` made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::namespace::Run;
use crate::readme::commands;
use crate::tools::{equip, furnish};

/// A project in a directory of its own, which goes with it.
pub struct Project {
    name: String,
    directory: tempfile::TempDir,
}

impl Project {
    /// Makes one.
    pub fn new(name: &str, language: &str) -> Self {
        let project = Self {
            name: name.into(),
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        let mut new = Command::new(env!("CARGO_BIN_EXE_op-dbus"));
        new.args(["plugin", "new", name, "--lang", language, "--dir"])
            .arg(project.path());
        if language == "rust" {
            new.arg("--sdk")
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk"));
        }
        Run::of(&mut new).success();
        furnish(&project.path(), language);
        project
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    /// The component that `make` builds.
    pub fn component(&self) -> PathBuf {
        self.path().join(format!("{}.wasm", self.name))
    }

    /// Runs the commands of its README, and returns what they print.
    pub fn follow_readme(&self) -> String {
        let readme = fs::read_to_string(self.path().join("README.md")).expect("a README");
        let commands = commands(&readme);
        assert_eq!(commands, ["make", "make test", "make try"]);
        commands.iter().map(|command| self.run(command)).collect()
    }

    /// Runs a command in the project's directory.
    pub fn run(&self, command: &str) -> String {
        run_in(&self.path(), command)
    }
}

/// Runs a command of a shell in a directory, with the program and the compilers in PATH.
pub fn run_in(directory: &Path, command: &str) -> String {
    let mut shell = Command::new("sh");
    equip(shell.current_dir(directory).args(["-euc", command]));
    Run::of(&mut shell).success().stdout
}
