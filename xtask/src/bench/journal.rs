//! What it costs that an apply can be undone after any death: journal, checkpoint and audit log, on disk.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::Programs;
use super::apply::{op_dbus, state_file};
use super::case::{Case, Contender, Goal, Measure, OURS};
use super::scenario::{STATIC, Scenario};

/// All cases.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    let mut one = share(programs, directory, 1)?;
    one.goals = vec![Goal::absolute(Measure::Wall, 10.0)];
    let mut many = share(programs, directory, 1000)?;
    many.goals = vec![Goal::at_most(Measure::Wall, 0.1, "the whole apply")];
    Ok(vec![one, many])
}

/// An apply that changes `count` interfaces: the time that it writes to disk, and its whole time.
fn share(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let interfaces: Vec<_> = (0..count)
        .map(|number| json!({"name": format!("v{number}"), "mtu": 1400}))
        .collect();
    let name = format!("journal-{count}");
    let file = state_file(directory, &name, &json!({"interfaces": interfaces}))?;
    let apply = op_dbus(
        programs,
        directory,
        &format!("--timings apply {}", file.display()),
    );
    let contender = |name, phase| Contender::new(name, vec![apply.clone()], 7).of_phase(phase);
    Ok(Case {
        name: format!("what an apply of {count} interfaces writes to disk"),
        scenario: Scenario::Host {
            interfaces: count.max(2),
            routes: 0,
            protocol: STATIC,
        },
        changes: true,
        after: None,
        mentions: None,
        timings: false,
        contenders: vec![
            contender(OURS, "journal"),
            contender("the whole apply", "total"),
        ],
        goals: Vec::new(),
    })
}
