//! What the sandbox costs.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::Programs;
use super::apply::{op_dbus, state_file};
use super::case::{Case, Contender, Goal, Measure, OURS};
use super::scenario::{STATIC, Scenario};

/// All cases.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    Ok(vec![
        first_call(programs, directory),
        diff(programs, directory, 1000)?,
    ])
}

/// From the start of the program until the first call into a plugin.
fn first_call(programs: &Programs, directory: &Path) -> Case {
    let command = op_dbus(programs, directory, "--timings query --json");
    Case {
        name: "until the first call of a plugin".into(),
        scenario: Scenario::Empty,
        changes: false,
        after: None,
        mentions: None,
        timings: false,
        contenders: vec![Contender::new(OURS, vec![command], 21).of_phase("start")],
        goals: vec![Goal::absolute(Measure::Wall, 2.0).missed_because(
            "the Wasm engine starts with its compiler, and the program's pages are read",
        )],
    }
}

/// The plugin's own work for a state file that changes every one of `count` interfaces, as a component and as native code. The text of the
/// present state goes in, steps come out; the kernel has no part in it.
fn diff(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let interfaces: Vec<_> = (0..count)
        .map(|number| json!({"name": format!("v{number}"), "mtu": 1400}))
        .collect();
    let file = state_file(directory, "guest", &json!({"interfaces": interfaces}))?;
    let file = file.display().to_string();
    let current = directory.join("current.json").display().to_string();
    // The shell only for `>`: what it runs is not measured.
    let mut query = vec![
        "sh".into(),
        "-c".into(),
        "out=$1; shift; exec \"$@\" > $out".into(),
    ];
    query.extend(["sh".into(), current.clone()]);
    query.extend(op_dbus(programs, directory, "query --json"));
    let native = vec![programs.native_diff.clone(), current, file.clone()];
    let rounds = 11;
    let ours = op_dbus(programs, directory, &format!("--timings diff {file}"));
    Ok(Case {
        name: format!("the plugin's diff of {count} interfaces"),
        scenario: Scenario::Host {
            interfaces: count,
            routes: 0,
            protocol: STATIC,
        },
        changes: false,
        after: None,
        mentions: None,
        timings: false,
        contenders: vec![
            Contender::new(OURS, vec![ours], rounds).of_phase("net diff"),
            Contender::new("native", vec![query, native], rounds).of_phase("net diff"),
        ],
        goals: vec![Goal::at_most(Measure::Wall, 2.0, "native")],
    })
}
