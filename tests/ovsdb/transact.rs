//! Calls and transactions on a real ovsdb-server.

use std::time::Duration;

use op_dbus::backends::ovsdb::{Client, Options, OvsdbError, value};
use op_dbus::contract::types::{Failure, FailureCode};
use serde_json::{Value, json};

use crate::server::{DATABASE, Server, add_bridge};

#[tokio::test]
async fn lists_databases_and_reads_a_schema_once_per_connection() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    assert!(
        client
            .list_dbs()
            .await
            .unwrap()
            .contains(&DATABASE.to_owned())
    );
    let schema = client.schema(DATABASE).await.unwrap();
    assert!(schema.column("Bridge", "other_config").is_some());
    assert!(schema.column("Bridge", "no_such_column").is_none());
    assert!(schema.tables["Open_vSwitch"].is_root);
    let again = client.schema(DATABASE).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&schema, &again));
    let error = client.schema("no_such_database").await.unwrap_err();
    assert!(
        matches!(&error, OvsdbError::Refused { error, details: Some(_), .. } if error == "unknown database"),
        "{error}"
    );
    assert_eq!(Failure::from(error).code, FailureCode::NotFound);
}

#[tokio::test]
async fn results_are_those_of_each_operation_and_integers_keep_every_digit() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let mut operations = add_bridge("br0");
    operations.push(json!({"op": "comment", "comment": "op-dbus test"}));
    let results = client.transact(DATABASE, &operations).await.unwrap();
    let bridge = results.inserted(2).unwrap().to_owned();
    assert_eq!(results.count(3), Some(1));
    let operations = [
        json!({"op": "update", "table": "Interface", "where": [["name", "==", "br0"]],
               "row": {"ofport_request": 7, "external_ids": value::map([("k".into(), "v".into())])}}),
        json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"next_cfg": i64::MAX}}),
        json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg", "bridges"]}),
    ];
    let results = client.transact(DATABASE, &operations).await.unwrap();
    let row = results.rows(2).next().unwrap();
    assert_eq!(row["next_cfg"].as_i64(), Some(i64::MAX));
    assert_eq!(
        value::elements(&row["bridges"]),
        Some(&[value::uuid(&bridge)][..])
    );
    let listed = server.vsctl(&["--no-wait", "get", "Interface", "br0", "external_ids:k"]);
    assert_eq!(listed.trim(), "v");
}

#[tokio::test]
async fn each_refusal_has_a_type_and_the_words_of_the_server() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let refused = async |operations: &[Value]| {
        let error = client.transact(DATABASE, operations).await.unwrap_err();
        assert!(server.vsctl(&["list-br"]).is_empty());
        error
    };
    let good = json!({"op": "insert", "table": "QoS", "row": {}});
    let unknown = json!({"op": "insert", "table": "Bridge", "row": {"no_such_column": 1}});
    let error = refused(&[good.clone(), unknown]).await;
    assert!(
        matches!(&error, OvsdbError::Operation { number: 1, operation, error, .. }
            if operation == "insert Bridge" && error == "unknown column"),
        "{error}"
    );
    let failure = Failure::from(error);
    assert_eq!(failure.code, FailureCode::Refused);
    assert!(
        failure
            .backend
            .unwrap()
            .text
            .unwrap()
            .contains("no_such_column")
    );
    // A port without interfaces and a bridge that refers to nothing: found at the commit alone.
    let dangling = value::uuid("11111111-2222-3333-4444-555555555555");
    let dangling = json!({"op": "mutate", "table": "Open_vSwitch", "where": [],
        "mutations": [["bridges", "insert", dangling]]});
    let error = refused(&[good.clone(), dangling]).await;
    assert!(
        matches!(&error, OvsdbError::Commit { error, .. } if error == "referential integrity violation"),
        "{error}"
    );
    let wait = json!({"op": "wait", "timeout": 0, "table": "Open_vSwitch", "where": [],
        "columns": ["next_cfg"], "until": "==", "rows": [{"next_cfg": 4711}]});
    let error = refused(&[wait, add_bridge("br0").remove(0)]).await;
    assert!(
        matches!(&error, OvsdbError::Conflict { number: 0, .. }),
        "{error}"
    );
    assert_eq!(Failure::from(error).code, FailureCode::Conflict);
    let mut operations = add_bridge("br0");
    operations.push(json!({"op": "abort"}));
    let error = refused(&operations).await;
    assert!(
        matches!(&error, OvsdbError::Aborted { number: 4 }),
        "{error}"
    );
    let error = client
        .transact("no_such_database", &[good])
        .await
        .unwrap_err();
    assert!(matches!(error, OvsdbError::Refused { .. }), "{error}");
    let error = refused(&[json!(7)]).await;
    assert!(matches!(error, OvsdbError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_dies_during_a_transaction_leaves_its_effect_unknown_and_is_found_again() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    client.list_dbs().await.unwrap();
    // Frozen, so that the transaction lies in the socket when the server dies.
    server.freeze_server();
    let sending = tokio::spawn({
        let client = client.clone();
        async move { client.transact(DATABASE, &add_bridge("br0")).await }
    });
    // Time for the connection's task to write it: nothing else tells, since the server cannot.
    let impatient = tokio::time::timeout(Duration::from_millis(200), client.list_dbs());
    assert!(impatient.await.is_err());
    server.kill_server();
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(error, OvsdbError::EffectUnknown { .. }), "{error}");
    assert_eq!(Failure::from(error).code, FailureCode::Timeout);
    server.start_server();
    assert!(server.vsctl(&["list-br"]).is_empty());
    client.transact(DATABASE, &add_bridge("br1")).await.unwrap();
    assert_eq!(server.vsctl(&["list-br"]).trim(), "br1");
}

#[tokio::test]
async fn a_transaction_after_a_restart_goes_over_a_new_connection() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    for name in ["br0", "br1", "br2"] {
        server.kill_server();
        server.start_server();
        // A read notices that the old connection has ended, and is sent again.
        client.list_dbs().await.unwrap();
        client.transact(DATABASE, &add_bridge(name)).await.unwrap();
    }
    assert_eq!(server.vsctl(&["list-br"]).lines().count(), 3);
}

#[tokio::test]
async fn where_no_server_listens_the_client_says_so_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sock");
    let remote = format!("unix:{}", path.display());
    let error = Client::connect(Options::new(remote.parse().unwrap()))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OvsdbError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&remote) && error.to_string().contains("ovsdb-server"));
    assert_eq!(Failure::from(error).code, FailureCode::Unavailable);
}

#[tokio::test]
async fn hundreds_of_calls_at_once_share_one_connection() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let calls: Vec<_> = (0..500)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let operations = [
                    json!({"op": "insert", "table": "QoS", "row": {"type": number.to_string()}}),
                    json!({"op": "select", "table": "QoS", "where": [["type", "==", number.to_string()]]}),
                    json!({"op": "abort"}),
                ];
                let read = [json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["_uuid"]})];
                let error = client.transact(DATABASE, &operations).await.unwrap_err();
                assert!(matches!(error, OvsdbError::Aborted { number: 2 }));
                assert_eq!(client.transact(DATABASE, &read).await.unwrap().rows(0).count(), 1);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}
