//! What a plugin costs in each language: the same one, as `op-dbus plugin new` makes it and `cargo xtask languages` builds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Programs;
use super::apply::op_dbus;
use super::case::{Case, Contender};
use super::scenario::Scenario;
use crate::command::{output, target_subdirectory};

/// The plugin that the components are.
const PLUGIN: &str = "static-neighbours";

/// The languages by the names of their components, the one that the others are compared with first.
const LANGUAGES: [(&str, &str); 5] = [
    ("rust", "Rust"),
    ("c", "C"),
    ("go", "Go"),
    ("javascript", "JavaScript"),
    ("python", "Python"),
];

/// All cases; none without the component in Rust.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    let mut plugins = Vec::new();
    for (name, title) in LANGUAGES {
        let component = target_subdirectory("languages/components")?.join(format!("{name}.wasm"));
        if component.is_file() {
            plugins.push((title, configuration(directory, name, &component)?));
        } else {
            eprintln!(
                "xtask: no component in {title}, its column stays empty (cargo xtask languages)"
            );
        }
    }
    // The others are ratios to the first.
    if plugins
        .first()
        .is_none_or(|(title, _)| *title != LANGUAGES[0].1)
    {
        eprintln!("xtask: nothing to compare with (cargo xtask languages rust)");
        return Ok(Vec::new());
    }
    let case = |name: &str, scenario, contenders| Case {
        name: format!("language: {name}"),
        scenario,
        changes: false,
        after: None,
        mentions: None,
        timings: false,
        contenders,
        goals: Vec::new(),
    };
    let each = |command: &dyn Fn(&str) -> Vec<String>, rounds| -> Vec<Contender> {
        let contender = |(title, file): &(&'static str, PathBuf)| {
            Contender::new(title, vec![command(&file.display().to_string())], rounds)
        };
        plugins.iter().map(contender).collect()
    };
    let schema = |file: &str| {
        let mut command = op_dbus(
            programs,
            directory,
            &format!("--config {file} schema {PLUGIN}"),
        );
        // A cache that is empty each time: the component is compiled.
        if let Some(place) = command.iter().position(|word| word == "--cache-dir") {
            command[place + 1] = "%".into();
        }
        command
    };
    let query = |file: &str| {
        let arguments = format!("--timings --config {file} query --plugin {PLUGIN} --json");
        op_dbus(programs, directory, &arguments)
    };
    let phase = "static-neighbours query";
    let measured = |rounds| -> Vec<Contender> {
        each(&query, rounds)
            .into_iter()
            .map(|it| it.of_phase(phase))
            .collect()
    };
    Ok(vec![
        case("compile and describe", Scenario::Empty, each(&schema, 3)),
        case(
            "instantiate, and query of nothing",
            Scenario::Empty,
            measured(21),
        ),
        case(
            "query of 1000 links",
            Scenario::Neighbours(1000),
            measured(11),
        ),
    ])
}

/// Writes a configuration that pins a component, and returns its path.
fn configuration(directory: &Path, name: &str, component: &Path) -> Result<PathBuf> {
    let sum = output(Command::new("sha256sum").arg(component))?;
    let digest = sum
        .split_whitespace()
        .next()
        .context("sha256sum prints a digest")?;
    let path = directory.join(format!("language-{name}.toml"));
    let table = format!(
        "[plugins.{PLUGIN}]\ncomponent = {component:?}\ndigest = \"sha256:{digest}\"\ngrant.netlink = {{see = [\"*\"]}}\n"
    );
    fs::write(&path, table).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
