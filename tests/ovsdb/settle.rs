//! Waiting for a real ovs-vswitchd.

use std::time::Duration;

use op_dbus::backends::ovsdb::{Client, Options, OvsdbError};
use op_dbus::contract::types::{Failure, FailureCode};
use serde_json::json;

use crate::server::{DATABASE, Server, add_bridge};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn after_settling_the_bridge_has_its_port_number() {
    let Some(mut server) = Server::start() else {
        return;
    };
    server.start_switch();
    let client = server.client().await;
    client.settle(DATABASE, LONG).await.unwrap();
    client.transact(DATABASE, &add_bridge("br0")).await.unwrap();
    client.settle(DATABASE, LONG).await.unwrap();
    let select = json!({"op": "select", "table": "Interface", "where": [["name", "==", "br0"]], "columns": ["ofport"]});
    let results = client.transact(DATABASE, &[select]).await.unwrap();
    assert_eq!(results.rows(0).next().unwrap()["ofport"], 65534);
}

#[tokio::test]
async fn without_ovs_vswitchd_settling_says_so() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let options = Options {
        switch_restart: Duration::from_millis(50),
        ..Options::new(server.remote())
    };
    let client = Client::connect(options).await.unwrap();
    let error = client.settle(DATABASE, LONG).await.unwrap_err();
    assert!(matches!(error, OvsdbError::NoSwitch), "{error}");
    assert_eq!(Failure::from(error).code, FailureCode::Unavailable);
    // The question did not leave us with the lock: one that starts now can have it.
    server.start_switch();
    let client = server.client().await;
    loop {
        match client.settle(DATABASE, LONG).await {
            Err(OvsdbError::NoSwitch) => {}
            settled => break settled.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_switch_that_is_busy_is_told_from_one_that_does_not_run() {
    let Some(mut server) = Server::start() else {
        return;
    };
    server.start_switch();
    let client = server.client().await;
    client.settle(DATABASE, LONG).await.unwrap();
    server.freeze_switch();
    let error = client
        .settle(DATABASE, Duration::from_secs(3))
        .await
        .unwrap_err();
    assert!(
        matches!(error, OvsdbError::Unsettled { wanted, reached, .. } if wanted == reached + 1),
        "{error}"
    );
    assert_eq!(Failure::from(error).code, FailureCode::Timeout);
}

#[tokio::test]
async fn settling_outlives_a_restart_of_the_server_and_of_the_switch() {
    let Some(mut server) = Server::start() else {
        return;
    };
    server.start_switch();
    let client = server.client().await;
    client.settle(DATABASE, LONG).await.unwrap();
    server.kill_switch();
    let settling = tokio::spawn({
        let client = client.clone();
        async move { client.settle(DATABASE, LONG).await }
    });
    tokio::task::yield_now().await;
    server.kill_server();
    server.start_server();
    server.start_switch();
    settling.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_database_that_was_never_initialised_is_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = server.client().await;
    let delete = json!({"op": "delete", "table": "Open_vSwitch", "where": []});
    client.transact(DATABASE, &[delete]).await.unwrap();
    let error = client.settle(DATABASE, LONG).await.unwrap_err();
    assert!(matches!(&error, OvsdbError::NotFound { .. }), "{error}");
}
