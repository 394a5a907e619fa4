//! `apply --dry-run`: what it shows is what an apply then sends, on each backend, and nothing of it happens.

use serde_json::{Value, json};

use crate::namespace::{Namespace, Run, assert_same};
use crate::profiles::Host;
use crate::switch::{Switch, bridge};

/// What the audit log says that plugins sent to backends, in order.
fn sent(namespace: &Namespace) -> Vec<String> {
    let shown = namespace.op_dbus(&["audit", "show", "--json", "--kind", "call"]);
    let shown = shown.success().stdout;
    let records = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let detail = |record: Value| record["detail"].as_array().unwrap().clone();
    let texts = records.flat_map(detail);
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// The requests of a rehearsal to one backend.
fn rehearsed(run: Run, backend: &str) -> Vec<Value> {
    let all = run.success().json()["requests"].as_array().unwrap().clone();
    all.into_iter()
        .map(|request| request[backend].clone())
        .filter(|request| !request.is_null())
        .collect()
}

#[test]
fn of_the_kernel() {
    let namespace = Namespace::new();
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "br0", "type": "bridge", "ports": ["p0"],
         "ipv4": {"addresses": [{"address": "192.0.2.1", "prefix": 24}]}},
        {"name": "p0", "type": "veth", "veth": {"peer": "p1"}}
    ]}}});
    let file = namespace.file("state.json", state.to_string());
    let file = file.to_str().unwrap();
    let before = namespace.everything();
    let shown = namespace.op_dbus(&["apply", "--dry-run", "--json", file]);
    let shown = rehearsed(shown, "netlink");
    assert_same(&namespace.everything(), &before);
    assert!(sent(&namespace).is_empty());
    namespace.op_dbus(&["apply", file]).success();
    let sent = sent(&namespace);
    assert_eq!(shown.len(), sent.len(), "{shown:#?}\n{sent:#?}");
    for (shown, sent) in shown.iter().zip(&sent) {
        // The log names the object, e.g. `link br0`; its name stands in the request too.
        let name = sent.split(' ').nth(1).unwrap().split('/').next().unwrap();
        assert!(shown.to_string().contains(name), "{shown}: {sent}");
    }
}

#[test]
fn of_an_ovsdb_server() {
    let Some(switch) = Switch::start() else {
        return;
    };
    switch.card("eth0");
    let section = json!({"interfaces": [bridge("vmbr0", json!([{"name": "eth0", "vlans": {"access": 10}}]))]});
    let file = switch.file(&section);
    let file = file.to_str().unwrap();
    let before = switch.database();
    let shown = rehearsed(
        switch.op_dbus(&["apply", "--dry-run", "--json", file]),
        "ovsdb",
    );
    assert_eq!(switch.database(), before);
    let operations = shown
        .iter()
        .flat_map(|transact| transact["operations"].as_array().unwrap().clone());
    // The log has what changes something; the guards beside it have no effect.
    let changes = operations.filter(|operation| operation["op"] != "wait");
    let text = |operation: Value| {
        let [verb, table] = ["op", "table"].map(|key| operation[key].as_str().unwrap().to_owned());
        format!("{verb} {table}")
    };
    let shown: Vec<String> = changes.map(text).collect();
    assert!(shown.contains(&"insert Bridge".to_owned()), "{shown:?}");
    switch.op_dbus(&["apply", file]).success();
    // What goes to the kernel besides is about the link that the switch has made.
    let mut sent = sent(&switch.namespace);
    sent.retain(|line| !line.starts_with("link "));
    assert_eq!(shown.len(), sent.len(), "{shown:#?}\n{sent:#?}");
    for (shown, sent) in shown.iter().zip(&sent) {
        assert!(sent.starts_with(&format!("{shown} ")), "{shown}: {sent}");
    }
}

#[test]
fn of_network_manager() {
    let Some(host) = Host::start(&["eth1"]) else {
        return;
    };
    let connections = json!([{
        "id": "office", "type": "ethernet", "interface": "eth1", "autoconnect": false,
        "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.7", "prefix": 24}]}
    }]);
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": connections}}});
    let file = host.namespace.file("state.json", state.to_string());
    let file = file.to_str().unwrap();
    let shown = rehearsed(
        host.op_dbus(&["apply", "--dry-run", "--json", file]),
        "dbus",
    );
    assert!(host.connection("office").is_none());
    let text = |call: &Value| {
        let [interface, member, path] =
            ["interface", "member", "path"].map(|key| call[key].as_str().unwrap().to_owned());
        format!("{interface}.{member} of {path}")
    };
    let shown: Vec<String> = shown.iter().map(text).collect();
    assert!(shown.iter().any(|it| it.contains("AddConnection")));
    host.op_dbus(&["apply", file]).success();
    let sent = sent(&host.namespace);
    // Beside the change there is the checkpoint that it is undone with if this process dies.
    let sent: Vec<String> = sent
        .into_iter()
        .filter(|call| !call.contains(".Checkpoint"))
        .collect();
    let shown: Vec<String> = shown
        .into_iter()
        .filter(|call| !call.contains(".Checkpoint"))
        .collect();
    assert_eq!(sent, shown);
}
