//! Bridges of Open vSwitch, each run on a private server with an ovs-vswitchd of its own in the userspace datapath.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::Programs;
use super::apply::{op_dbus, state_file};
use super::case::{Case, Contender, Goal, Measure, OURS};
use super::query::words;
use super::scenario::Scenario;

/// All cases. Open vSwitch must be installed.
pub fn cases(programs: &Programs, directory: &Path) -> Result<Vec<Case>> {
    [10, 100, 500]
        .into_iter()
        .map(|count| ports(programs, directory, count))
        .collect()
}

/// A bridge with `count` ports, ends of veth pairs that are there.
fn ports(programs: &Programs, directory: &Path, count: u32) -> Result<Case> {
    let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
    let section = json!({"interfaces": [{"name": "br0", "type": "ovs-bridge", "ports": names, "ovs-bridge": {"datapath_type": "netdev"}}]});
    let file = state_file(directory, &format!("ovs-{count}"), &section)?;
    let raw = |wait: &str| {
        [
            vec![programs.raw.clone()],
            words(&format!("ovs %ovs {count} {wait}")),
        ]
        .concat()
    };
    let vsctl =
        |wait: &str, arguments: &str| words(&format!("ovs-vsctl --db %ovs {wait} {arguments}"));
    let add_bridge = "add-br br0 -- set bridge br0 datapath_type=netdev";
    let each = |wait: &str| {
        let ports = names
            .iter()
            .map(|name| vsctl(wait, &format!("add-port br0 {name}")));
        std::iter::once(vsctl(wait, add_bridge))
            .chain(ports)
            .collect()
    };
    let mut all = add_bridge.to_owned();
    for name in &names {
        all.push_str(&format!(" -- add-port br0 {name}"));
    }
    let rounds = 7;
    let slow = if count > 100 { 1 } else { 3 };
    let contenders = vec![
        Contender::new("raw", vec![raw("")], rounds),
        Contender::new("raw, wait", vec![raw("wait")], rounds),
        Contender::new(
            OURS,
            vec![op_dbus(
                programs,
                directory,
                &format!("--ovsdb %ovs apply {}", file.display()),
            )],
            rounds,
        ),
        Contender::new(
            "one ovs-vsctl, no wait",
            vec![vsctl("--no-wait", &all)],
            rounds,
        ),
        Contender::new("one ovs-vsctl", vec![vsctl("", &all)], rounds),
        Contender::new("ovs-vsctl each, no wait", each("--no-wait"), slow),
        Contender::new("ovs-vsctl each", each(""), slow),
    ];
    let goals = match count {
        100 => vec![
            Goal::faster(Measure::Wall, 3.0, "one ovs-vsctl, no wait"),
            Goal::faster(Measure::Wall, 1.1, "one ovs-vsctl"),
            Goal::faster(Measure::Wall, 25.0, "ovs-vsctl each"),
        ],
        _ => Vec::new(),
    };
    Ok(Case {
        name: format!("apply, an Open vSwitch bridge with {count} ports"),
        scenario: Scenario::OpenVswitch { ports: count },
        changes: true,
        after: None,
        mentions: None,
        timings: count >= 100,
        contenders,
        goals,
    })
}
