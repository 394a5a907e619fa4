//! The templates in `sdk/templates/`, and the contract in `wit/`, as parts of the program.

/// A language with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Javascript,
    C,
    Go,
}

/// A file of a project: its path there, and its text with places to fill in.
type File = (&'static str, &'static str);

/// The files of a directory of `sdk/templates/`.
macro_rules! files {
    ($directory:literal: $($path:literal),+ $(,)?) => {
        &[$((
            $path,
            include_str!(concat!("../../../../../sdk/templates/", $directory, "/", $path)),
        )),+]
    };
}

/// What projects in all languages have.
const COMMON: &[File] = files!["common": "README.md", "example.yaml", "try.sh"];

/// The contract, which bindings are made from.
macro_rules! wit {
    ($($name:literal),+ $(,)?) => {
        &[$((
            concat!("wit/", $name, ".wit"),
            include_str!(concat!("../../../../../wit/", $name, ".wit")),
        )),+]
    };
}

const WIT: &[File] = wit![
    "dbus", "log", "netlink", "ovsdb", "state", "types", "worlds",
];

impl Language {
    /// As its people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// What a project needs on the machine, and where its source is: a part of its README.
    pub fn needs(self) -> &'static str {
        match self {
            Self::Rust => include_str!("../../../../../sdk/templates/rust/needs.md"),
            Self::Python => include_str!("../../../../../sdk/templates/python/needs.md"),
            Self::Javascript => include_str!("../../../../../sdk/templates/javascript/needs.md"),
            Self::C => include_str!("../../../../../sdk/templates/c/needs.md"),
            Self::Go => include_str!("../../../../../sdk/templates/go/needs.md"),
        }
    }

    /// All files of a project.
    pub fn files(self) -> impl Iterator<Item = File> {
        let own: &[File] = match self {
            Self::Rust => files![
                "rust": "Cargo.toml", "Makefile", "asks.json", "schema.json", "src/lib.rs", "src/tests.rs",
            ],
            Self::Python => files!["python": "Makefile", "app.py", "requirements.txt"],
            Self::Javascript => files!["javascript": "Makefile", "package.json", "plugin.js"],
            Self::C => files![
                "c": "Makefile", "json.c", "json.h", "plugin.c", "section.c", "section.h",
            ],
            Self::Go => files![
                "go": "Makefile", "export_op_dbus_plugin_state/asks.json", "export_op_dbus_plugin_state/plugin.go",
                "export_op_dbus_plugin_state/schema.json", "export_op_dbus_plugin_state/section.go", "go.mod", "main.go",
            ],
        };
        // The Rust crate brings the contract with it.
        let wit: &[File] = if self == Self::Rust { &[] } else { WIT };
        own.iter().chain(COMMON).chain(wit).copied()
    }
}
