//! Cases that only read.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Contender, Goal, Measure};
use super::scenario::{STATIC, Scenario, address};
use super::{Programs, apply::op_dbus};

/// Why a query takes more processor time than its goals allow.
const GUEST: &str = "half of it is the guest's, which makes records into JSON; the host then checks and prints that text";
/// Why a query takes more memory than its goals allow.
const PAGES: &str =
    "most of it are pages of the program's own file, which is as large as its goal is missed by";

/// Words of a command.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// All cases.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    let mut cases = vec![start(programs, directory)];
    for interfaces in [10, 100, 1000, 4000] {
        let mut case = full(programs, directory, interfaces, 0);
        if interfaces >= 1000 {
            let peak = if interfaces == 1000 { 20.0 } else { 50.0 };
            case.goals.extend([
                Goal::at_most(Measure::Cpu, 2.5, "raw").missed_because(GUEST),
                Goal::faster(Measure::Cpu, 2.5, "ip").missed_because(GUEST),
                Goal::faster(Measure::Cpu, 30.0, "nmstatectl").missed_because(GUEST),
                Goal::absolute(Measure::Peak, peak).missed_because(PAGES),
            ]);
        }
        cases.push(case);
    }
    cases.push(full(programs, directory, 100, 10_000));
    cases.push(full(programs, directory, 100, 100_000));
    cases.push(one_of_many(programs, directory));
    Ok(cases)
}

/// An empty network: what the program itself costs.
fn start(programs: &Programs, directory: &Path) -> Case {
    let mut case = full(programs, directory, 0, 0);
    case.name = "query, empty network (start-up)".into();
    case.scenario = Scenario::Empty;
    case.mentions = Some("lo".into());
    case.goals
        .push(Goal::absolute(Measure::Peak, 12.0).missed_because(PAGES));
    case
}

fn full(programs: &Programs, directory: &Path, interfaces: u32, routes: u32) -> Case {
    let rounds = 7;
    let mut contenders = vec![
        Contender::new(
            "raw",
            vec![vec![programs.raw.clone(), "dump".into()]],
            rounds,
        ),
        Contender::new(
            "op-dbus",
            vec![op_dbus(programs, directory, "query --json")],
            rounds,
        ),
        Contender::new(
            "ip",
            vec![words("ip -j -d address"), words("ip -j route")],
            rounds,
        ),
    ];
    if let Some(nmstatectl) = &programs.nmstatectl {
        contenders.push(Contender::new(
            "nmstatectl",
            vec![words(&format!("{nmstatectl} show -k"))],
            if interfaces > 1000 || routes > 10_000 {
                2
            } else {
                5
            },
        ));
    }
    let and_routes = if routes > 0 {
        format!(", {routes} routes")
    } else {
        String::new()
    };
    Case {
        name: format!("query, {interfaces} interfaces{and_routes}"),
        scenario: Scenario::Host {
            interfaces,
            routes,
            protocol: STATIC,
        },
        changes: false,
        after: None,
        mentions: interfaces.checked_sub(1).map(address),
        timings: routes == 0 && matches!(interfaces, 0 | 1000),
        contenders,
        goals: Vec::new(),
    }
}

fn one_of_many(programs: &Programs, directory: &Path) -> Case {
    let mut case = full(programs, directory, 1000, 0);
    case.name = "query, one interface of 1000".into();
    case.goals = vec![Goal::faster(Measure::Wall, 100.0, "nmstatectl")];
    case.mentions = Some(address(500));
    case.timings = false;
    for contender in &mut case.contenders {
        contender.commands = match contender.name {
            "op-dbus" => vec![op_dbus(
                programs,
                directory,
                "query --interface v500 --json",
            )],
            "ip" => vec![
                words("ip -j -d address show dev v500"),
                words("ip -j route show dev v500"),
            ],
            "nmstatectl" => {
                vec![[contender.commands[0].as_slice(), &["v500".to_owned()]].concat()]
            }
            _ => continue,
        };
    }
    case
}
