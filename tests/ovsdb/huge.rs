//! A database with ten thousand ports.

use std::time::Instant;

use op_dbus::backends::ovsdb::{
    Client, Event, MonitorRequest, Options, OvsdbError, TableRequest, value,
};
use serde_json::{Value, json};

use crate::fake::MEMORY;
use crate::server::{DATABASE, Server, add_bridge};

const PORTS: usize = 10_000;

/// Operations that add a bridge `br0` with that many ports.
pub fn add_ports() -> Vec<Value> {
    let mut operations = add_bridge("br0");
    let mut ports = vec![value::named_uuid("port")];
    for number in 0..PORTS {
        let (name, port, interface) = (
            format!("p{number}"),
            format!("p{number}"),
            format!("i{number}"),
        );
        operations.push(
            json!({"op": "insert", "table": "Interface", "uuid-name": interface,
            "row": {"name": name, "type": "internal"}}),
        );
        operations.push(json!({"op": "insert", "table": "Port", "uuid-name": port,
            "row": {"name": name, "interfaces": value::named_uuid(&interface)}}));
        ports.push(value::named_uuid(&port));
    }
    operations[2]["row"]["ports"] = value::set(ports);
    operations
}

#[tokio::test]
async fn ten_thousand_ports_are_inserted_selected_and_monitored() {
    let Some(server) = Server::start() else {
        return;
    };
    let _alone = MEMORY.lock().await;
    let client = server.client().await;
    let clock = Instant::now();
    client.transact(DATABASE, &add_ports()).await.unwrap();
    eprintln!("insert of {PORTS} ports: {:?}", clock.elapsed());

    let select = ["Port", "Interface", "Bridge"]
        .map(|table| json!({"op": "select", "table": table, "where": []}));
    let clock = Instant::now();
    let results = client.transact(DATABASE, &select).await.unwrap();
    eprintln!("select of all columns: {:?}", clock.elapsed());
    assert_eq!(results.rows(0).count(), PORTS + 1);
    assert_eq!(results.rows(1).count(), PORTS + 1);
    let bridge = results.rows(2).next().unwrap();
    assert_eq!(value::elements(&bridge["ports"]).unwrap().len(), PORTS + 1);

    let size = serde_json::to_string(&results.into_json()).unwrap().len();
    eprintln!("size of what was selected: {size} bytes");

    let tables =
        ["Port", "Interface", "Bridge"].map(|table| (table.to_owned(), TableRequest::default()));
    let request = MonitorRequest {
        database: DATABASE.to_owned(),
        tables: tables.into(),
    };
    let clock = Instant::now();
    let mut monitor = client.monitor(request).await.unwrap();
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    eprintln!("monitor of all columns, snapshot: {:?}", clock.elapsed());
    assert_eq!(monitor.rows().table("Port").count(), PORTS + 1);

    let clock = Instant::now();
    server.vsctl(&["--no-wait", "del-port", "br0", "p4711"]);
    while monitor.rows().table("Port").count() > PORTS {
        monitor.next().await.unwrap();
    }
    eprintln!(
        "ovs-vsctl del-port, seen by the monitor: {:?}",
        clock.elapsed()
    );
    let (_, bridge) = monitor.rows().table("Bridge").next().unwrap();
    assert_eq!(value::elements(&bridge["ports"]).unwrap().len(), PORTS);

    let narrow = Options {
        max_message: 1 << 20,
        ..server.options()
    };
    let narrow = Client::connect(narrow).await.unwrap();
    let error = narrow.transact(DATABASE, &select).await.unwrap_err();
    assert!(matches!(error, OvsdbError::Limit { .. }), "{error}");
}
