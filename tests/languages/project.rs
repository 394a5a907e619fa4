//! A project that `op-dbus plugin new` made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::namespace::Run;
use crate::readme::commands;
use crate::tools::{equip, furnish};

/// The project of the tutorial in `sdk/README.md`, in a directory of its own, which goes with it.
pub struct Project {
    directory: tempfile::TempDir,
}

/// How the tutorial calls it.
const NAME: &str = "static-neighbours";

impl Project {
    /// Makes one, by the tutorial's own command.
    pub fn new(language: &str) -> Self {
        let project = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        let tutorial = commands(include_str!("../../sdk/README.md"));
        let new = tutorial[0].replace("--lang python", &format!("--lang {language}"));
        assert_eq!(new, format!("op-dbus plugin new {NAME} --lang {language}"));
        run_in(project.directory.path(), &new);
        furnish(&project.path(), language);
        project
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    /// The component that `make` builds.
    pub fn component(&self) -> PathBuf {
        self.path().join(format!("{NAME}.wasm"))
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
