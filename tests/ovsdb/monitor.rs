//! Monitors on a real ovsdb-server.

use op_dbus::backends::ovsdb::Client;
use op_dbus::backends::ovsdb::{
    Event, Monitor, MonitorRequest, Options, OvsdbError, RowUpdate, TableRequest, value,
};
use serde_json::json;

use crate::proxy::Proxy;
use crate::server::{DATABASE, Server, add_bridge};

fn bridges() -> MonitorRequest {
    let columns = ["name", "ports", "external_ids", "fail_mode"].map(str::to_owned);
    let bridge = TableRequest {
        columns: Some(columns.to_vec()),
        conditions: None,
    };
    MonitorRequest {
        database: DATABASE.to_owned(),
        tables: [("Bridge".to_owned(), bridge)].into(),
    }
}

async fn updates(monitor: &mut Monitor) -> Vec<RowUpdate> {
    match monitor.next().await.unwrap() {
        Event::Updates(updates) => updates,
        Event::Snapshot => panic!("a snapshot where updates are due"),
    }
}

/// Insertion, changes of every kind of column, and deletion, as a monitor shows them.
async fn follow_a_bridge(server: &Server, monitor: &mut Monitor) {
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    assert_eq!(monitor.rows().table("Bridge").count(), 0);
    let client = server.client().await;
    let results = client.transact(DATABASE, &add_bridge("br0")).await.unwrap();
    let (port, bridge) = (results.inserted(1).unwrap(), results.inserted(2).unwrap());
    let seen = updates(monitor).await;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].uuid.as_str(), &seen[0].old), (bridge, &None));
    let row = seen[0].new.as_ref().unwrap();
    assert_eq!(row["name"], "br0");
    assert_eq!(row["ports"], value::uuid(port));
    assert_eq!(row["external_ids"], value::map([]));
    assert_eq!(row["fail_mode"], value::set([]));
    server.vsctl(&[
        "--no-wait",
        "set",
        "Bridge",
        "br0",
        "external_ids:a=1",
        "external_ids:b=2",
    ]);
    updates(monitor).await;
    server.vsctl(&["--no-wait", "remove", "Bridge", "br0", "external_ids", "a"]);
    updates(monitor).await;
    server.vsctl(&[
        "--no-wait",
        "set",
        "Bridge",
        "br0",
        "external_ids:b=3",
        "fail_mode=secure",
    ]);
    let seen = updates(monitor).await;
    let (old, new) = (seen[0].old.as_ref().unwrap(), seen[0].new.as_ref().unwrap());
    assert_eq!(old["external_ids"], value::map([("b".into(), "2".into())]));
    assert_eq!(new["external_ids"], value::map([("b".into(), "3".into())]));
    assert_eq!(new["fail_mode"], "secure");
    server.vsctl(&["--no-wait", "add-port", "br0", "p0"]);
    let seen = updates(monitor).await;
    let ports = value::elements(&seen[0].new.as_ref().unwrap()["ports"]).unwrap();
    assert!(ports.len() == 2 && ports.contains(&value::uuid(port)));
    server.vsctl(&["--no-wait", "del-port", "br0", "p0"]);
    let seen = updates(monitor).await;
    assert_eq!(seen[0].new.as_ref().unwrap()["ports"], value::uuid(port));
    server.vsctl(&["--no-wait", "del-br", "br0"]);
    let seen = updates(monitor).await;
    assert!(seen[0].old.is_some() && seen[0].new.is_none());
    assert_eq!(monitor.rows().table("Bridge").count(), 0);
}

#[tokio::test]
async fn a_monitor_shows_whole_rows_before_and_after() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut monitor = server.client().await.monitor(bridges()).await.unwrap();
    follow_a_bridge(&server, &mut monitor).await;
}

#[tokio::test]
async fn a_monitor_of_an_older_server_shows_the_same() {
    let Some(server) = Server::start() else {
        return;
    };
    for lacking in [
        &["monitor_cond_since"][..],
        &["monitor_cond_since", "monitor_cond"],
    ] {
        let proxy = Proxy::start(server.path("db.sock"), lacking);
        let client = Client::connect(Options::new(proxy.remote())).await.unwrap();
        let mut monitor = client.monitor(bridges()).await.unwrap();
        follow_a_bridge(&server, &mut monitor).await;
        assert_eq!(proxy.refused(), lacking);
    }
}

#[tokio::test]
async fn a_monitor_with_conditions_shows_the_rows_that_fit_and_needs_a_server_that_can() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut request = bridges();
    let table = request.tables.get_mut("Bridge").unwrap();
    table.conditions = Some(vec![json!(["name", "==", "br1"])]);
    let client = server.client().await;
    for name in ["br0", "br1"] {
        client.transact(DATABASE, &add_bridge(name)).await.unwrap();
    }
    let mut monitor = client.monitor(request.clone()).await.unwrap();
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    let names: Vec<_> = monitor
        .rows()
        .table("Bridge")
        .map(|(_, row)| row["name"].clone())
        .collect();
    assert_eq!(names, ["br1"]);
    let proxy = Proxy::start(
        server.path("db.sock"),
        &["monitor_cond_since", "monitor_cond"],
    );
    let client = Client::connect(Options::new(proxy.remote())).await.unwrap();
    let error = client.monitor(request).await.err().unwrap();
    assert!(matches!(error, OvsdbError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_monitor_survives_the_death_of_the_server() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let mut monitor = client.monitor(bridges()).await.unwrap();
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    server.kill_server();
    server.start_server();
    server.vsctl(&["--no-wait", "add-br", "br0"]);
    while monitor.rows().table("Bridge").count() == 0 {
        monitor.next().await.unwrap();
    }
    server.vsctl(&["--no-wait", "del-br", "br0"]);
    let seen = updates(&mut monitor).await;
    assert_eq!(seen[0].old.as_ref().unwrap()["name"], "br0");
}

#[tokio::test]
async fn a_monitor_that_is_cancelled_or_dropped_is_gone_and_the_others_go_on() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let mut kept = client.monitor(bridges()).await.unwrap();
    let cancelled = client.monitor(bridges()).await.unwrap();
    drop(client.monitor(bridges()).await.unwrap());
    cancelled.cancel().await.unwrap();
    assert_eq!(kept.next().await.unwrap(), Event::Snapshot);
    client.transact(DATABASE, &add_bridge("br0")).await.unwrap();
    assert_eq!(updates(&mut kept).await.len(), 1);
    kept.cancel().await.unwrap();
}

#[tokio::test]
async fn a_table_or_column_that_the_server_lacks_is_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let mut request = bridges();
    let table = request.tables.get_mut("Bridge").unwrap();
    table.columns = Some(vec!["no_such_column".to_owned()]);
    let error = client.monitor(request.clone()).await.err().unwrap();
    assert!(
        error
            .to_string()
            .contains("column no_such_column of table Bridge"),
        "{error}"
    );
    request.tables = [("NoSuchTable".to_owned(), TableRequest::default())].into();
    let error = client.monitor(request).await.err().unwrap();
    assert!(matches!(error, OvsdbError::NotFound { .. }), "{error}");
}
