//! Undo of what transactions changed, from what the gate noted, on a real server.

use std::sync::Arc;

use async_trait::async_trait;
use op_dbus::backends::ovsdb::{OvsdbError, Results, Schema, Server as Database};
use op_dbus::contract::types::Failure;
use op_dbus::transaction::ovsdb_undo::OvsdbUndo;
use op_dbus::transaction::record::Difference;
use op_dbus::transaction::undoers::BackendUndo;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::stage::{NoKernel, Notes, Stage, assert_same, bridge, with_room};

/// A server without ovs-vswitchd, which nobody waits for; and which may die on us.
struct Quiet {
    inner: Arc<dyn Database>,
    /// After so many more transactions that change something, the answer is lost.
    lose_after: std::sync::atomic::AtomicI64,
}

#[async_trait]
impl Database for Quiet {
    async fn databases(&self) -> Result<Vec<String>, OvsdbError> {
        self.inner.databases().await
    }
    async fn schema(&self, database: &str) -> Result<Arc<Schema>, OvsdbError> {
        self.inner.schema(database).await
    }
    async fn transact(&self, database: &str, operations: &[Value]) -> Result<Results, OvsdbError> {
        let results = self.inner.transact(database, operations).await?;
        let changes = operations
            .iter()
            .any(|operation| operation["op"] == "commit");
        if changes
            && self
                .lose_after
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed)
                == 0
        {
            return Err(OvsdbError::Lost {
                remote: "the test".into(),
                reason: "killed".into(),
            });
        }
        Ok(results)
    }
    async fn settle(&self, _: &str) -> Result<(), OvsdbError> {
        Err(OvsdbError::NoSwitch)
    }
    async fn settled(&self, _: &str, _: i64) -> Result<(), OvsdbError> {
        Err(OvsdbError::NoSwitch)
    }
}

/// Undoes all that was noted; with `lose_after`, as if killed after that many transactions.
async fn undo_within(stage: &Stage, lose_after: i64) -> Result<Vec<Difference>, Failure> {
    let images = stage.notes.images.lock().unwrap().clone();
    let images: Vec<&Value> = images.iter().collect();
    let server = Arc::new(Quiet {
        inner: stage.recording.clone(),
        lose_after: lose_after.into(),
    });
    let undo = OvsdbUndo {
        server,
        kernel: Arc::new(NoKernel),
    };
    undo.restore("net", &images, &Notes::default()).await
}

/// Undoes all that was noted.
pub async fn undo(stage: &Stage) -> Vec<Difference> {
    undo_within(stage, i64::MAX)
        .await
        .expect("the server answers")
}

#[tokio::test]
async fn a_bridge_that_was_made_goes_with_all_that_it_brought() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("other", &["eth1"]))).await;
    let before = stage.everything().await;
    stage
        .transact(json!(bridge("br0", &["eth0"])))
        .await
        .unwrap();
    assert_eq!(undo(&stage).await, []);
    assert_same(&stage.everything().await, &before);
    // Again: nothing is left to do.
    stage.recording.changes.lock().unwrap().clear();
    assert_eq!(undo(&stage).await, []);
    assert!(stage.recording.changes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_bridge_that_went_comes_back_with_the_uuids_of_all_that_hung_from_it() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage
        .directly(json!(bridge("br0", &["eth0", "eth1"])))
        .await;
    stage.server.vsctl(&[
        "--no-wait",
        "set-controller",
        "br0",
        "tcp:192.0.2.1:6653",
        "--",
        "set",
        "port",
        "eth0",
        "tag=7",
        "--",
        "--id=@p",
        "get",
        "port",
        "eth0",
        "--",
        "--id=@m",
        "create",
        "mirror",
        "name=m",
        "select-src-port=@p",
        "output-port=@p",
        "--",
        "set",
        "bridge",
        "br0",
        "mirrors=@m",
        "--",
        "--id=@q",
        "create",
        "qos",
        "type=linux-htb",
        "--",
        "set",
        "port",
        "eth1",
        "qos=@q",
        "--",
        "set",
        "interface",
        "eth1",
        "ofport_request=9",
        "external_ids:owner=neutron",
    ]);
    let before = stage.everything().await;
    stage
        .transact(json!([
            {"op": "update", "table": "Port", "where": [["name", "==", "eth0"]], "row": {"tag": 8}},
            {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}},
        ]))
        .await
        .unwrap();
    assert!(
        !stage
            .everything()
            .await
            .keys()
            .any(|(table, _)| table == "Bridge" || table == "Mirror" || table == "Controller")
    );
    assert_eq!(undo(&stage).await, []);
    assert_same(&stage.everything().await, &before);
}

#[tokio::test]
async fn what_others_added_meanwhile_stays() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("br0", &["eth0"]))).await;
    stage.server.vsctl(&[
        "--no-wait",
        "set",
        "bridge",
        "br0",
        "external_ids:a=1",
        "external_ids:b=2",
    ]);
    stage.transact(json!([
        {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "eth1"}},
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "eth1", "interfaces": ["named-uuid", "i"]}},
        {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": [
            ["ports", "insert", ["named-uuid", "p"]], ["external_ids", "delete", ["set", ["a"]]],
            ["external_ids", "insert", ["map", [["a", "9"], ["c", "3"]]]]]},
    ])).await.unwrap();
    stage.server.vsctl(&[
        "--no-wait",
        "add-port",
        "br0",
        "neutron0",
        "--",
        "set",
        "bridge",
        "br0",
        "external_ids:foreign=x",
        "fail_mode=secure",
        "--",
        "add-br",
        "br-int",
    ]);
    assert_eq!(undo(&stage).await, []);
    let ports = stage.server.vsctl(&["--no-wait", "list-ports", "br0"]);
    assert_eq!(ports, "eth0\nneutron0\n");
    let ids = stage.server.vsctl(&[
        "--no-wait",
        "get",
        "bridge",
        "br0",
        "external_ids",
        "fail_mode",
    ]);
    assert_eq!(ids, "{a=\"1\", b=\"2\", foreign=x}\nsecure\n");
    assert_eq!(
        stage.server.vsctl(&["--no-wait", "list-br"]),
        "br-int\nbr0\n"
    );
}

#[tokio::test]
async fn what_cannot_be_restored_is_told_object_by_object_and_the_rest_is_restored() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage
        .directly(json!(bridge("br0", &["eth0", "eth1"])))
        .await;
    stage.transact(json!([
        {"op": "update", "table": "Bridge", "where": [], "row": {"ports": ["set", []], "fail_mode": "secure"}},
    ])).await.unwrap();
    // Somebody has taken the name of a port that is to come back.
    stage.server.vsctl(&[
        "--no-wait",
        "add-br",
        "br1",
        "--",
        "add-port",
        "br1",
        "eth1",
    ]);
    let left = undo(&stage).await;
    let objects: Vec<_> = left.iter().map(|left| left.object.as_str()).collect();
    assert_eq!(
        objects,
        ["Port eth1", "Interface eth1", "Bridge br0, column ports"],
        "{left:?}"
    );
    assert!(
        left[0]
            .because
            .as_deref()
            .unwrap()
            .contains("somebody else has made another one of that name")
    );
    assert_eq!(
        stage.server.vsctl(&["--no-wait", "list-ports", "br0"]),
        "eth0\n"
    );
    assert_eq!(
        stage.server.vsctl(&["--no-wait", "list-ports", "br1"]),
        "eth1\n"
    );
    assert_eq!(
        stage
            .server
            .vsctl(&["--no-wait", "get", "bridge", "br0", "fail_mode"]),
        "[]\n"
    );
}

#[tokio::test]
async fn a_column_that_the_schema_lost_is_told() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("br0", &[]))).await;
    stage.transact(json!([{"op": "update", "table": "Bridge", "where": [], "row": {"fail_mode": "secure"}}])).await.unwrap();
    let renamed = stage.notes.images.lock().unwrap()[0]
        .to_string()
        .replace("fail_mode", "fail_mood");
    *stage.notes.images.lock().unwrap() = vec![serde_json::from_str(&renamed).unwrap()];
    let left = undo(&stage).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].object, "Bridge br0, column fail_mood");
}

/// Transactions that the built-in plugin could make.
fn changes() -> impl Strategy<Value = Vec<Value>> {
    let port = prop_oneof![Just("eth0"), Just("eth1"), Just("eth2")];
    let port2 = prop_oneof![Just("eth0"), Just("eth1"), Just("eth2")];
    let bridge_name = || prop_oneof![Just("br0"), Just("br1"), Just("br2")];
    let one = prop_oneof![
        (bridge_name(), port).prop_map(|(bridge, port)| json!([
            {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": port}},
            {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": port, "interfaces": ["named-uuid", "i"]}},
            {"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]], "mutations": [["ports", "insert", ["named-uuid", "p"]]]},
        ])),
        bridge_name().prop_map(|name| json!([{"op": "update", "table": "Bridge", "where": [["name", "==", name]], "row": {"ports": ["set", []]}}])),
        bridge_name().prop_map(|name| Value::Array(bridge(name, &[]))),
        Just(json!([{"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}])),
        (port2, 1..5u8).prop_map(|(port, tag)| json!([{"op": "update", "table": "Port", "where": [["name", "==", port]], "row": {"tag": tag, "trunks": ["set", [tag, 7]]}}])),
        (bridge_name(), prop_oneof![Just("a"), Just("b")], 1..4u8).prop_map(|(name, key, value)| json!([
            {"op": "mutate", "table": "Bridge", "where": [["name", "==", name]], "mutations": [
                ["external_ids", "delete", ["set", [key]]], ["external_ids", "insert", ["map", [[key, value.to_string()]]]]]},
        ])),
        bridge_name().prop_map(|name| json!([
            {"op": "insert", "table": "Controller", "uuid-name": "c", "row": {"target": "tcp:192.0.2.9"}},
            {"op": "update", "table": "Bridge", "where": [["name", "==", name]], "row": {"controller": ["named-uuid", "c"]}},
        ])),
        bridge_name().prop_map(|name| json!([{"op": "delete", "table": "Bridge", "where": [["name", "==", name]]},
            {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}])),
    ];
    proptest::collection::vec(one, 1..5)
}

#[test]
fn whatever_was_done_is_undone_even_by_an_undo_that_dies() {
    with_room(undo_whatever);
}

fn undo_whatever() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Some(stage) = runtime.block_on(Stage::set()) else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&(changes(), -1..2i64), |(transactions, lose_after)| {
        runtime.block_on(async {
            let mut setup = vec![json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}})];
            setup.extend(bridge("br0", &["eth0"]));
            setup.extend(bridge("br1", &["eth1"]));
            setup.push(json!({"op": "insert", "table": "Mirror", "uuid-name": "m", "row": {"name": "m", "select_src_port": ["named-uuid", "br0_p1"]}}));
            setup.push(json!({"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": [["mirrors", "insert", ["named-uuid", "m"]]]}));
            stage.directly(Value::Array(setup)).await;
            stage.notes.images.lock().unwrap().clear();
            let before = stage.everything().await;
            for operations in transactions {
                // One that the server refuses has no effect, and its image does no harm.
                let _ = stage.transact(operations).await;
            }
            if lose_after >= 0 {
                // It dies with its answer on the way, if it has anything to do at all.
                let _ = undo_within(&stage, lose_after).await;
            }
            let left = undo(&stage).await;
            assert_eq!(left, [], "{left:?}");
            assert_same(&stage.everything().await, &before);
        });
        Ok(())
    });
    result.unwrap();
}
