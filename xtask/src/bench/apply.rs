//! Cases that change something.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Programs;
use super::case::{Case, Contender, Goal, Measure, OURS};
use super::query::words;
use super::scenario::{BIRD, STATIC, Scenario, address, route_destination};
use crate::command::succeeds;

/// A command of op-dbus with the directories of the bench: a new one for state, a lasting one for
/// compiled plugins.
pub fn op_dbus(programs: &Programs, directory: &Path, arguments: &str) -> Vec<String> {
    let cache = directory.join("cache").display().to_string();
    let own = [
        &programs.op_dbus,
        "--netns",
        "@",
        "--state-dir",
        "%",
        "--cache-dir",
        &cache,
    ];
    let own = own.into_iter().map(str::to_owned);
    own.chain(words(arguments)).collect()
}

/// All cases.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for count in [10, 100, 1000, 4000] {
        let mut case = ports(programs, directory, count)?;
        if (100..=1000).contains(&count) {
            case.goals = vec![
                Goal::at_most(Measure::Wall, 1.5, "raw"),
                Goal::at_most(Measure::Wall, 1.0, "ip -batch"),
            ];
        }
        if count == 100 {
            case.goals.extend([
                Goal::faster(Measure::Wall, 8.0, "ip once each"),
                Goal::faster(Measure::Wall, 25.0, "nmstatectl"),
            ]);
        }
        cases.push(case);
    }
    for count in [1000, 10_000, 100_000] {
        let mut case = routes(programs, directory, count)?;
        case.goals = match count {
            1000 => vec![Goal::faster(Measure::Wall, 100.0, "ip once each")],
            10_000 => vec![
                Goal::at_most(Measure::Wall, 2.5, "raw"),
                Goal::faster(Measure::Wall, 1.2, "ip -batch"),
                Goal::faster(Measure::Wall, 5.0, "nmstatectl"),
            ],
            _ => vec![Goal::absolute(Measure::Wall, 5000.0)],
        };
        cases.push(case);
    }
    cases.push(nothing_to_do(programs, directory, 1000)?);
    cases.push(one_of_many(programs, directory)?);
    cases.push(bridges_over_vlans(programs, directory, 1000)?);
    Ok(cases)
}

/// As many ports as a bridge gets here; the kernel takes 1023 (`BR_MAX_PORTS`).
const PORTS: u32 = 1000;

/// Bridges with `count` ports in all, each an end of a veth pair.
fn ports(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let bridges = count.div_ceil(PORTS);
    let mut batch = String::new();
    let mut names = vec![Vec::new(); bridges as usize];
    let mut ports = Vec::new();
    for number in 0..bridges {
        _ = writeln!(batch, "link add br{number} up type bridge");
    }
    for number in 0..count {
        let (port, peer, bridge) = (format!("p{number}"), format!("q{number}"), number / PORTS);
        _ = writeln!(
            batch,
            "link add {port} master br{bridge} up type veth peer name {peer}"
        );
        ports.push(json!({"name": port, "type": "veth", "veth": {"peer": peer}}));
        names[bridge as usize].push(port);
    }
    let mut interfaces: Vec<Value> = (0..bridges)
        .zip(names)
        .map(|(number, names)| json!({"name": format!("br{number}"), "type": "bridge", "ports": names}))
        .collect();
    interfaces.append(&mut ports);
    let nmstate = nmstate_bridge(count);
    Ok(Case {
        name: match bridges {
            1 => format!("apply, a bridge with {count} ports"),
            _ => format!("apply, {bridges} bridges with {count} ports"),
        },
        scenario: Scenario::Empty,
        changes: true,
        after: None,
        mentions: None,
        timings: count >= 1000,
        contenders: contenders(
            programs,
            directory,
            &format!("ports-{count}"),
            &format!("ports {count}"),
            &batch,
            &json!({"interfaces": interfaces}),
            &nmstate,
        )?,
        goals: Vec::new(),
    })
}

/// `count` routes through one router.
fn routes(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let mut batch = String::new();
    let mut routes = Vec::new();
    let mut nmstate = Vec::new();
    for number in 0..count {
        let dest = route_destination(number);
        _ = writeln!(
            batch,
            "route add {dest}/32 via 192.0.2.2 dev up0 proto static"
        );
        routes.push(json!({"dest": dest, "prefix": 32, "next_hop": "192.0.2.2"}));
        nmstate.push(json!({"destination": format!("{dest}/32"),
            "next-hop-address": "192.0.2.2", "next-hop-interface": "up0"}));
    }
    Ok(Case {
        name: format!("apply, {count} routes"),
        scenario: Scenario::Host {
            interfaces: 0,
            routes: 0,
            protocol: STATIC,
        },
        changes: true,
        after: None,
        mentions: None,
        timings: count >= 1000,
        contenders: contenders(
            programs,
            directory,
            &format!("routes-{count}"),
            &format!("routes {count}"),
            &batch,
            &json!({"interfaces": [{"name": "up0", "ipv4": {"routes": routes}}]}),
            &json!({"routes": {"config": nmstate}}),
        )?,
        goals: Vec::new(),
    })
}

/// A state file that says what is there already, and a query for comparison.
fn nothing_to_do(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let interfaces: Vec<Value> = (0..count)
        .map(|number| {
            let address = address(number);
            json!({"name": format!("v{number}"), "state": "up", "ipv4": {"method": "manual",
                "addresses": [{"address": address, "prefix": 24}]}})
        })
        .collect();
    let file = state_file(directory, "nothing", &json!({"interfaces": interfaces}))?;
    let rounds = 7;
    let contender = |name, arguments: &str| {
        Contender::new(name, vec![op_dbus(programs, directory, arguments)], rounds)
    };
    Ok(Case {
        name: format!("apply, nothing to do, {count} interfaces"),
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
            contender("op-dbus", &format!("apply {}", file.display())),
            contender("op-dbus query", "query --json"),
        ],
        goals: vec![Goal::at_most(Measure::Wall, 1.2, "op-dbus query")],
    })
}

/// One interface of a host with 4000 and a full routing table, which are none of its business.
fn one_of_many(programs: &Programs, directory: &Path) -> Result<Case> {
    let mtu = |mtu| json!({"interfaces": [{"name": "v500", "mtu": mtu}]});
    let file = state_file(directory, "one", &mtu(1400))?;
    let back = state_file(directory, "one-back", &mtu(1500))?;
    let command = |verb: &str, file: &Path| {
        op_dbus(programs, directory, &format!("{verb} {}", file.display()))
    };
    Ok(Case {
        name: "diff, apply and verify of one interface, beside 4000 and 1000000 routes".into(),
        scenario: Scenario::Host {
            interfaces: 4000,
            routes: 1_000_000,
            protocol: BIRD,
        },
        changes: false,
        after: Some(command("apply", &back)),
        mentions: None,
        timings: false,
        contenders: vec![Contender::new(
            OURS,
            ["diff", "apply", "verify"]
                .map(|verb| command(verb, &file))
                .into(),
            7,
        )],
        goals: vec![
            Goal::absolute(Measure::Wall, 50.0),
            Goal::absolute(Measure::Peak, 50.0),
        ],
    })
}

/// nmstate's published case: a bridge over each of `count` VLANs of one link. Where the kernel has no VLANs, MACVLANs stand in for them:
/// links stacked on a parent as well, and the name of the case says so.
fn bridges_over_vlans(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let vlans = kernel_has_vlans();
    let mut interfaces = vec![json!({"name": "up0", "state": "up"})];
    for number in 0..count {
        let (bridge, upper) = (format!("b{number}"), format!("u{number}"));
        interfaces.push(if vlans {
            json!({"name": upper, "type": "vlan", "vlan": {"parent": "up0", "id": number + 1}})
        } else {
            json!({"name": upper, "type": "macvlan", "macvlan": {"parent": "up0"}})
        });
        interfaces.push(json!({"name": bridge, "type": "bridge", "ports": [upper]}));
    }
    let file = state_file(
        directory,
        "bridges-over-vlans",
        &json!({"interfaces": interfaces}),
    )?;
    let kind = if vlans {
        "VLANs"
    } else {
        "MACVLANs (this kernel has no VLANs)"
    };
    Ok(Case {
        name: format!("apply, {count} bridges over {count} {kind}"),
        scenario: Scenario::Host {
            interfaces: 0,
            routes: 0,
            protocol: STATIC,
        },
        changes: true,
        after: None,
        mentions: None,
        timings: true,
        contenders: vec![Contender::new(
            OURS,
            vec![op_dbus(
                programs,
                directory,
                &format!("apply {}", file.display()),
            )],
            3,
        )],
        goals: vec![Goal::absolute(Measure::Wall, 10_000.0)],
    })
}

/// Whether the kernel makes VLANs, loading the module if it must.
fn kernel_has_vlans() -> bool {
    let name = format!("opdbus-bench-vlan-{}", std::process::id());
    let ip = |words: &str| succeeds(Command::new("ip").args(words.split_whitespace()));
    let made = ip(&format!("netns add {name}"))
        && ip(&format!("-netns {name} link add a type veth peer name b"))
        && ip(&format!(
            "-netns {name} link add link a name v type vlan id 1"
        ));
    ip(&format!("netns delete {name}"));
    made
}

/// All who can apply a thing, each with the form that it takes.
fn contenders(
    programs: &Programs,
    directory: &Path,
    name: &str,
    raw: &str,
    batch: &str,
    section: &Value,
    nmstate: &Value,
) -> Result<Vec<Contender>> {
    let count = batch.lines().count();
    let big = count > 20_000;
    let rounds = if big { 3 } else { 7 };
    let state = state_file(directory, name, section)?;
    let batch_file = write(directory, &format!("{name}.batch"), batch)?;
    let mut contenders = vec![
        Contender::new(
            "raw",
            vec![[vec![programs.raw.clone()], words(raw)].concat()],
            rounds,
        ),
        Contender::new(
            "op-dbus",
            vec![op_dbus(
                programs,
                directory,
                &format!("apply {}", state.display()),
            )],
            rounds,
        ),
        Contender::new(
            "ip -batch",
            vec![words(&format!("ip -batch {}", batch_file.display()))],
            rounds,
        ),
    ];
    if count <= 1001 {
        let mut script = String::from("set -e\n");
        for line in batch.lines() {
            _ = writeln!(script, "ip {line}");
        }
        let script = write(directory, &format!("{name}.sh"), &script)?;
        contenders.push(Contender::new(
            "ip once each",
            vec![vec!["sh".into(), script.display().to_string()]],
            5,
        ));
    }
    if let Some(nmstatectl) = programs
        .nmstatectl
        .as_ref()
        .filter(|_| !big && count <= 10_000 && name != "ports-4000")
    {
        let file = write(
            directory,
            &format!("{name}.nmstate.json"),
            &nmstate.to_string(),
        )?;
        contenders.push(Contender::new(
            "nmstatectl",
            vec![words(&format!("{nmstatectl} apply -k {}", file.display()))],
            // A bridge with 1000 ports takes it more than half a minute.
            if name == "ports-1000" { 1 } else { 5 },
        ));
    }
    Ok(contenders)
}

fn nmstate_bridge(count: u32) -> Value {
    let names = (0..count).map(|number| format!("p{number}"));
    let ports: Vec<Value> = names.clone().map(|name| json!({"name": name})).collect();
    let mut interfaces = vec![json!({"name": "br0", "type": "linux-bridge", "state": "up",
        "bridge": {"options": {"stp": {"enabled": false}}, "port": ports}})];
    interfaces.extend(names.enumerate().map(|(number, name)| {
        json!({"name": name, "type": "veth", "state": "up", "veth": {"peer": format!("q{number}")}})
    }));
    json!({"interfaces": interfaces})
}

/// Writes a state file with this section of `net`.
pub fn state_file(directory: &Path, name: &str, section: &Value) -> Result<PathBuf> {
    let state = json!({"version": 1, "plugins": {"net": section}});
    write(directory, &format!("{name}.json"), &state.to_string())
}

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
