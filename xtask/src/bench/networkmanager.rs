//! Cases on a NetworkManager of the bench's own: op-dbus against nmcli, which is started once a change.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::Programs;
use super::apply::op_dbus;
use super::case::{Case, Contender, Goal, Measure};
use super::query::words;
use super::scenario::Scenario;

/// How many profiles.
const COUNTS: [u32; 3] = [10, 100, 500];

/// All cases.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for count in COUNTS {
        cases.push(query(programs, directory, count));
    }
    for count in COUNTS {
        cases.push(add(programs, directory, count)?);
    }
    for count in COUNTS {
        cases.push(update(programs, directory, count)?);
    }
    Ok(cases)
}

/// A run of nmcli for each profile takes its time: few are enough.
fn rounds(count: u32) -> usize {
    match count {
        0..=10 => 5,
        11..=100 => 3,
        _ => 1,
    }
}

fn case(name: String, profiles: u32, contenders: Vec<Contender>) -> Case {
    Case {
        name,
        scenario: Scenario::Profiles(profiles),
        changes: true,
        after: None,
        mentions: None,
        timings: false,
        contenders,
        goals: Vec::new(),
    }
}

fn query(programs: &Programs, directory: &Path, count: u32) -> Case {
    let ours = op_dbus(programs, directory, "query --plugin networkmanager --json");
    let theirs = words("nmcli --terse --fields all connection show");
    let mut contenders = vec![
        Contender::new("op-dbus", vec![ours], 7),
        Contender::new("nmcli", vec![theirs], 7),
    ];
    if let Some(nmstatectl) = &programs.nmstatectl {
        let theirs = words(&format!("{nmstatectl} show"));
        // It reads all profiles, and shows those that are active.
        contenders.push(Contender::new("nmstatectl", vec![theirs], 5).that_shows_less());
    }
    let mut case = case(
        format!("NetworkManager, query of {count} profiles"),
        count,
        contenders,
    );
    case.changes = false;
    case.mentions = Some("p0".into());
    if count == 500 {
        case.goals.push(Goal::faster(Measure::Wall, 2.5, "nmcli"));
        case.goals
            .push(Goal::faster(Measure::Wall, 15.0, "nmstatectl"));
    }
    case
}

fn add(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let file = state_file(directory, count, "192.0.2.1")?;
    let ours = op_dbus(programs, directory, &format!("apply {file}"));
    let theirs = (0..count).map(|number| {
        words(&format!(
            "nmcli connection add type ethernet con-name p{number} ifname e{number} autoconnect no ipv4.method manual \
             ipv4.addresses 192.0.2.1/24"
        ))
    });
    let contenders = vec![
        Contender::new("op-dbus", vec![ours], 5),
        Contender::new("nmcli", theirs.collect(), rounds(count)),
    ];
    let mut case = case(
        format!("NetworkManager, add {count} profiles"),
        0,
        contenders,
    );
    if count == 100 {
        case.goals.push(Goal::faster(Measure::Wall, 30.0, "nmcli"));
    }
    Ok(case)
}

fn update(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let file = state_file(directory, count, "192.0.2.2")?;
    let ours = op_dbus(programs, directory, &format!("apply {file}"));
    let theirs = (0..count).map(|number| {
        words(&format!(
            "nmcli connection modify p{number} ipv4.addresses 192.0.2.2/24"
        ))
    });
    let contenders = vec![
        Contender::new("op-dbus", vec![ours], 5),
        Contender::new("nmcli", theirs.collect(), rounds(count)),
    ];
    Ok(case(
        format!("NetworkManager, update {count} profiles"),
        count,
        contenders,
    ))
}

/// A state file with profiles like those that the scenario lays down.
fn state_file(directory: &Path, count: u32, address: &str) -> Result<String> {
    let connections: Vec<Value> = (0..count)
        .map(|number| {
            json!({
                "id": format!("p{number}"), "type": "ethernet", "interface": format!("e{number}"), "autoconnect": false,
                "ipv4": {"method": "manual", "addresses": [{"address": address, "prefix": 24}]}
            })
        })
        .collect();
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": connections}}});
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("profiles-{count}-{address}.json"));
    fs::write(&path, state.to_string())?;
    Ok(path.display().to_string())
}
