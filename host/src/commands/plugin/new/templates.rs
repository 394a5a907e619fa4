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

/// A file of a project: its path there, and its text; all but those of [`SDK`] and the contract with places to fill in.
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

/// The crate `op-dbus-plugin`, beside `wit/` as in its own repository. Its manifest stands alone: a project is no part of that workspace.
const SDK: &[File] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
const SDK_MANIFEST: &[File] = files!["rust": "sdk/Cargo.toml"];

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

    /// All files of a project; of Rust with or without the SDK's crate.
    pub fn files(self, with_sdk: bool) -> impl Iterator<Item = File> {
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
        let (manifest, sdk): (&[File], &[File]) = match self {
            Self::Rust if with_sdk => (SDK_MANIFEST, SDK),
            _ => (&[], &[]),
        };
        let parts = [own, COMMON, WIT, manifest, sdk];
        parts.into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use toml::{Table, Value};

    use super::*;

    /// A manifest's dependencies by name, each as a table.
    fn dependencies(manifest: &Table) -> BTreeMap<String, Table> {
        let everywhere = manifest["dependencies"].as_table();
        let natively =
            manifest["target"]["cfg(not(target_family = \"wasm\"))"]["dependencies"].as_table();
        let all = everywhere.into_iter().chain(natively).flatten();
        all.map(|(name, value)| (name.clone(), table(value)))
            .collect()
    }

    fn table(dependency: &Value) -> Table {
        match dependency {
            Value::Table(table) => table.clone(),
            version => Table::from_iter([("version".to_owned(), version.clone())]),
        }
    }

    #[test]
    fn the_sdk_in_a_project_needs_what_it_needs_here() {
        let manifest = |text: &str| text.parse::<Table>().unwrap();
        let workspace = manifest(include_str!("../../../../../Cargo.toml"));
        let mut ours = dependencies(&manifest(include_str!("../../../../../sdk/Cargo.toml")));
        for (name, dependency) in &mut ours {
            if dependency.remove("workspace").is_some() {
                dependency.extend(table(&workspace["workspace"]["dependencies"][name]));
            }
        }
        let alone = manifest(SDK_MANIFEST[0].1);
        assert_eq!(dependencies(&alone), ours);
        for key in ["version", "edition", "rust-version", "license"] {
            assert_eq!(
                alone["package"][key], workspace["workspace"]["package"][key],
                "{key}"
            );
        }
    }
}
