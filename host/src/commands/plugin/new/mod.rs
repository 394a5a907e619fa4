//! `op-dbus plugin new`: a small plugin that works, to begin from.

mod templates;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::commands::print;
use crate::config::component::{LONGEST_NAME, is_name};
use crate::plugin::builtin::Builtin;
use templates::Language;

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct New {
    /// Name of the plugin, and of its section in state files
    name: String,
    /// Language to write it in
    #[arg(long, value_enum)]
    lang: Language,
    /// Directory to make, NAME unless said otherwise
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Rust: a directory with the crate op-dbus-plugin, instead of a copy of it in the project
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(super) fn run(&self, builtins: &[Builtin]) -> anyhow::Result<()> {
        check_name(&self.name)?;
        let taken = builtins.iter().any(|builtin| builtin.name == self.name);
        ensure!(
            !taken,
            "the plugin {:?} is built in: take another name",
            self.name
        );
        ensure!(
            self.sdk.is_none() || self.lang == Language::Rust,
            "--sdk is for Rust; in other languages a plugin needs no crate"
        );
        let directory = self.dir.clone().unwrap_or_else(|| self.name.clone().into());
        ensure!(
            fs::symlink_metadata(&directory).is_err(),
            "{} is there already: name another directory with --dir",
            directory.display()
        );
        let parent = match directory.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // A whole project or none: it is moved to its place when all of it is there.
        let draft = tempfile::Builder::new()
            .prefix(".op-dbus-plugin-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let sdk = sdk(self.sdk.as_deref())?;
        for (path, text) in self.lang.files(self.sdk.is_none()) {
            let text = match path.starts_with("sdk/src/") {
                // Rust's own doubled braces are none to fill in.
                true => text.to_owned(),
                false => self.filled(text, &sdk),
            };
            write(&draft.path().join(path), &text)?;
        }
        fs::set_permissions(draft.path(), fs::Permissions::from_mode(0o755))?;
        let draft = draft.keep();
        fs::rename(&draft, &directory)
            .inspect_err(|_| {
                // What cannot be moved is not left lying about; the error says enough.
                let _ = fs::remove_dir_all(&draft);
            })
            .with_context(|| format!("cannot make {}", directory.display()))?;
        print(&format!(
            "{}: a plugin in {}, see README.md\n",
            directory.display(),
            self.lang.title()
        ))
    }

    /// A template with its places filled in.
    fn filled(&self, text: &str, sdk: &str) -> String {
        text.replace("{{name}}", &self.name)
            .replace("{{language}}", self.lang.title())
            .replace("{{needs}}", self.lang.needs().trim_end())
            .replace("{{sdk}}", sdk)
    }
}

/// Where a Rust plugin finds the SDK, as a dependency in `Cargo.toml`.
fn sdk(directory: Option<&Path>) -> anyhow::Result<String> {
    let Some(directory) = directory else {
        return Ok(r#"{ path = "sdk" }"#.to_owned());
    };
    let place = fs::canonicalize(directory)
        .ok()
        .filter(|place| place.join("Cargo.toml").is_file());
    let place = place
        .with_context(|| format!("{} is no directory with a crate in it", directory.display()))?;
    let place = place.to_str().context("--sdk is not UTF-8")?;
    Ok(format!("{{ path = {place:?} }}"))
}

/// Writes a file, with the directories that it lies in.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a plugin may be called so; else why not, and how to call it.
fn check_name(name: &str) -> anyhow::Result<()> {
    ensure!(
        name.len() <= LONGEST_NAME,
        "the name has {} letters; {LONGEST_NAME} are the most",
        name.len()
    );
    let better: String = name
        .chars()
        .map(|sign| match sign.to_ascii_lowercase() {
            sign @ ('a'..='z' | '0'..='9') => sign,
            _ => '-',
        })
        .collect();
    let better = better.trim_start_matches(|sign: char| !sign.is_ascii_lowercase());
    let better = better.trim_end_matches('-');
    let hint = if better.is_empty() {
        String::new()
    } else {
        format!(", for instance {better:?}")
    };
    ensure!(
        is_name(name),
        "{name:?} is no name for a plugin: begin it with one of a-z, and go on with a-z, 0-9 and -{hint}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, lang: Language, dir: &Path) -> New {
        New {
            name: name.into(),
            lang,
            dir: Some(dir.into()),
            sdk: None,
        }
    }

    #[test]
    fn a_name_that_is_none_gets_a_better_one() {
        for (name, hint) in [
            ("My_Plugin", "\"my-plugin\""),
            ("7up", "\"up\""),
            ("größe", "\"gr--e\""),
            ("a/../b", "\"a----b\""),
            ("", "a-z"),
            ("-x", "\"x\""),
        ] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
        let long = check_name(&"a".repeat(65)).unwrap_err().to_string();
        assert!(long.contains("64"), "{long}");
        check_name("static-neighbours2").unwrap();
    }

    #[test]
    fn what_is_there_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("there");
        fs::write(&place, "mine").unwrap();
        let error = new("it", Language::C, &place).run(&[]).unwrap_err();
        assert!(error.to_string().contains("--dir"), "{error}");
        assert_eq!(fs::read_to_string(&place).unwrap(), "mine");
        // A link that leads nowhere is something as well.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        new("it", Language::C, &link).run(&[]).unwrap_err();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_project_has_no_place_left_to_fill_in() {
        use clap::ValueEnum;
        for lang in Language::value_variants() {
            let directory = tempfile::tempdir().unwrap();
            let place = directory.path().join("project");
            new("some-thing", *lang, &place).run(&[]).unwrap();
            for (path, _) in lang.files(false) {
                let text = fs::read_to_string(place.join(path)).unwrap();
                // Python's own doubled braces hold no word.
                let open = text.split("{{").skip(1);
                let mut left =
                    open.filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
                assert_eq!(left.next(), None, "{path}");
            }
            let readme = fs::read_to_string(place.join("README.md")).unwrap();
            assert!(readme.contains("some-thing"), "{readme}");
        }
    }

    #[test]
    fn a_rust_project_brings_the_sdk_unless_it_is_said_where_one_is() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("project");
        new("it", Language::Rust, &place).run(&[]).unwrap();
        let manifest = |place: &Path| fs::read_to_string(place.join("Cargo.toml")).unwrap();
        let text = manifest(&place);
        assert!(
            text.contains(r#"op-dbus-plugin = { path = "sdk" }"#),
            "{text}"
        );
        for file in [
            "sdk/Cargo.toml",
            "sdk/src/lib.rs",
            "sdk/src/mock/ovsdb/vswitch.json",
            "wit/state.wit",
        ] {
            assert!(place.join(file).is_file(), "{file}");
        }
        let other = directory.path().join("other");
        let mut elsewhere = new("it", Language::Rust, &other);
        elsewhere.sdk = Some(place.join("sdk"));
        elsewhere.run(&[]).unwrap();
        let sdk = fs::canonicalize(place.join("sdk")).unwrap();
        assert!(manifest(&other).contains(sdk.to_str().unwrap()));
        assert!(!other.join("sdk").exists());
    }

    #[test]
    fn what_the_sdk_and_its_templates_ask_for_are_grants() {
        let documentation = include_str!("../../../../../sdk/src/lib.rs");
        let (_, rest) = documentation.split_once("asks: r#\"").unwrap();
        let (example, _) = rest.split_once("\"#").unwrap();
        for asks in [
            example,
            include_str!("../../../../../sdk/templates/rust/asks.json"),
            include_str!("../../../../../sdk/templates/go/export_op_dbus_plugin_state/asks.json"),
        ] {
            let grant: crate::gate::grant::Grant = serde_json::from_str(asks).unwrap();
            assert!(grant.netlink.is_some(), "{asks}");
        }
    }
}
