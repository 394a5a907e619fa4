//! The example of the documentation, and a database of ten thousand ports.

use op_dbus::backends::ovsdb::value;
use serde_json::{Value, json};

use crate::server::{DATABASE, add_bridge};
use crate::switch::{Switch, bridge};

/// Operations that make a bridge with so many ports. Patch ports without a peer cost ovs-vswitchd little.
fn patch_ports(bridge: &str, count: usize) -> Vec<Value> {
    let mut operations = add_bridge(bridge);
    let mut ports = vec![value::named_uuid("port")];
    for at in 0..count {
        let (port, interface) = (format!("p{at}"), format!("i{at}"));
        operations.push(json!({"op": "insert", "table": "Interface", "uuid-name": interface,
            "row": {"name": port, "type": "patch", "options": ["map", [["peer", format!("q{at}")]]]}}));
        operations.push(json!({"op": "insert", "table": "Port", "uuid-name": port,
            "row": {"name": port, "interfaces": value::named_uuid(&interface)}}));
        ports.push(value::named_uuid(&port));
    }
    operations[2]["row"]["ports"] = value::set(ports);
    operations
}

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
    // While nobody carries them out, ports are made fast.
    switch.server.kill_switch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = switch.server.client().await;
        let made = client.transact(DATABASE, &patch_ports("big", PORTS)).await;
        made.expect("it is a transaction");
    });
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
