//! The example of the documentation, and a database of ten thousand ports.

use serde_json::{Value, json};

use crate::switch::{Switch, bridge};

#[test]
fn the_example_of_a_server_puts_its_cards_into_bridges_that_are_there() {
    let Some(switch) = Switch::start() else {
        return;
    };
    for card in ["eth0", "nm-network"] {
        switch.card(card);
    }
    // The file leaves the datapath open, and this kernel may have none: bridges that switch in user space keep it.
    for name in ["vmbr0", "mesh"] {
        let datapath = ["set", "Bridge", name, "datapath_type=netdev"];
        switch
            .server
            .vsctl(&[&["add-br", name, "--"], &datapath[..]].concat());
    }
    let before = switch.database();
    let example = include_str!("../../plugins/net/tests/examples/server-ovs.json");
    let file = switch.namespace.file("server-ovs.json", example);
    let run = |verb: &str| switch.op_dbus(&[verb.as_ref(), file.as_os_str()]);
    run("diff").code(2);
    run("apply").success();
    run("verify").success();
    assert_eq!(switch.server.vsctl(&["list-ports", "vmbr0"]), "eth0\n");
    assert_eq!(switch.server.vsctl(&["list-ports", "mesh"]), "nm-network\n");
    assert!(run("apply").success().stdout.contains("in sync"));
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.database(), before);
}

#[test]
fn among_ten_thousand_ports_of_others_a_bridge_is_made_shown_and_taken_back() {
    const PORTS: usize = 10_000;
    let Some(mut switch) = Switch::start() else {
        return;
    };
    // While nobody carries them out, ports are made fast. Patch ports without a peer cost ovs-vswitchd little afterwards.
    switch.server.kill_switch();
    let bridge_of_others = "add-br big -- set Bridge big datapath_type=netdev".to_owned();
    let port =
        |at| format!("add-port big p{at} -- set Interface p{at} type=patch options:peer=q{at}");
    let commands: Vec<String> = std::iter::once(bridge_of_others)
        .chain((0..PORTS).map(port))
        .collect();
    for some in commands.chunks(500) {
        let words = format!("--no-wait {}", some.join(" -- "));
        switch.server.vsctl(&words.split(' ').collect::<Vec<_>>());
    }
    switch.server.start_switch();
    switch.card("eth0");

    let section = json!({"interfaces": [bridge("vmbr0", json!(["eth0"]))]});
    switch.apply(&section);
    let shown = switch
        .op_dbus(&["query", "--json", "--interface", "vmbr0"])
        .success()
        .json();
    assert!(shown.to_string().contains("\"eth0\""), "{shown}");
    let all = switch.op_dbus(&["query", "--json"]).success().json();
    let names = |of: &Value| -> usize {
        let interfaces = of["plugins"]["net"]["interfaces"].as_array();
        let ports = interfaces.into_iter().flatten().filter(|it| {
            it["name"]
                .as_str()
                .is_some_and(|name| name.starts_with('p'))
        });
        ports.count()
    };
    let listed = all["plugins"]["net"]["interfaces"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|it| it["name"] == "big")
        .and_then(|it| it["ports"].as_array())
        .map_or(0, Vec::len);
    assert!(
        names(&all) >= PORTS || listed >= PORTS,
        "{} and {listed}",
        names(&all)
    );
    switch.op_dbus(&["rollback"]).success();
    assert_eq!(switch.server.vsctl(&["list-br"]), "big\n");
}
