//! No sequence of operations gets past a grant: random ones are sent through the gate to a real server, and what belongs to others is
//! compared.

use std::collections::BTreeMap;

use op_dbus::contract::types::FailureCode;
use op_dbus::gate::Mode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::gate::tenant;
use crate::server::DATABASE;
use crate::stage::{Stage, assert_same, bridge, with_room};

const CASES: u32 = 300;

/// What an operation may be about. UUIDs stand as `@TABLE:NAME` until the rows are there.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("ten1-br"), 3 => Just("ten1-p"), 3 => Just("br-ex"), 3 => Just("ex-p"), 1 => Just("TEN1-br"), 1 => Just("ten1-new"),
        1 => Just("ten1-br\u{0}"), 1 => Just("new"), 1 => Just(""), 1 => Just("ten1-foreign"),
    ]
    .prop_map(str::to_owned)
}

fn tables() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("Bridge"),
        Just("Port"),
        Just("Interface"),
        Just("Mirror"),
        Just("QoS"),
        Just("Queue"),
        Just("Open_vSwitch")
    ]
}

fn rows() -> impl Strategy<Value = Value> {
    let existing =
        (tables(), names()).prop_map(|(table, name)| json!(["uuid", format!("@{table}:{name}")]));
    prop_oneof![4 => existing, 1 => Just(json!(["named-uuid", "a"])), 1 => Just(json!(["named-uuid", "b"]))]
}

fn conditions() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => names().prop_map(|name| json!([["name", "==", name]])),
        1 => names().prop_map(|name| json!([["name", "!=", name]])),
        1 => names().prop_map(|name| json!([["name", "includes", name], ["_uuid", "!=", ["uuid", "00000000-0000-4000-8000-000000000000"]]])),
        3 => rows().prop_map(|row| json!([["_uuid", "==", row]])),
        1 => rows().prop_map(|row| json!([["_uuid", "!=", row]])),
        1 => rows().prop_map(|row| json!([["ports", "includes", row]])),
        1 => Just(json!([["external_ids", "includes", ["map", [["mark", "x"]]]]])),
        1 => Just(json!([])),
    ]
}

fn contents() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (names(), rows()).prop_map(|(name, row)| json!({"name": name, "interfaces": row})),
        2 => (names(), rows()).prop_map(|(name, row)| json!({"name": name, "ports": row})),
        2 => names().prop_map(|name| json!({"name": name})),
        1 => rows().prop_map(|row| json!({"ports": row})),
        1 => rows().prop_map(|row| json!({"bridges": row})),
        1 => rows().prop_map(|row| json!({"qos": row})),
        1 => rows().prop_map(|row| json!({"select_src_port": row})),
        1 => Just(json!({"external_ids": ["map", [["mark", "x"]]]})),
        1 => Just(json!({"bridges": ["set", []]})),
    ]
}

fn mutations() -> impl Strategy<Value = Value> {
    let column = prop_oneof![
        Just("ports"),
        Just("bridges"),
        Just("interfaces"),
        Just("mirrors")
    ];
    let references = (column, prop_oneof![Just("insert"), Just("delete")], rows())
        .prop_map(|(column, mutator, row)| json!([[column, mutator, row]]));
    prop_oneof![
        4 => references,
        1 => Just(json!([["external_ids", "insert", ["map", [["mark", "x"]]]]])),
        1 => Just(json!([["external_ids", "delete", ["set", ["owner"]]]])),
    ]
}

fn operation() -> impl Strategy<Value = Value> {
    prop_oneof![
        (tables(), prop_oneof![Just("a"), Just("b"), Just("c")], contents())
            .prop_map(|(table, name, row)| json!({"op": "insert", "table": table, "uuid-name": name, "row": row})),
        (tables(), conditions(), contents())
            .prop_map(|(table, at, row)| json!({"op": "update", "table": table, "where": at, "row": row})),
        (tables(), conditions(), mutations())
            .prop_map(|(table, at, mutations)| json!({"op": "mutate", "table": table, "where": at, "mutations": mutations})),
        (tables(), conditions()).prop_map(|(table, at)| json!({"op": "delete", "table": table, "where": at})),
        (tables(), conditions()).prop_map(|(table, at)| json!({"op": "select", "table": table, "where": at})),
    ]
}

/// Puts the UUIDs of rows in place; those of a name that nobody has become one that nobody has.
fn resolved(value: Value, uuids: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) if text.starts_with('@') => {
            let nobody = "00000000-0000-4000-8000-00000000dead".to_owned();
            uuids.get(&text).cloned().unwrap_or(nobody).into()
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| resolved(item, uuids))
            .collect(),
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(key, value)| (key, resolved(value, uuids)));
            Value::Object(members.collect())
        }
        other => other,
    }
}

type Rows = BTreeMap<(String, String), Value>;

/// The rows that are not the tenant's, and of the root what is not.
fn foreign(rows: &Rows) -> Rows {
    let text = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
    let own: Vec<&String> = rows
        .iter()
        .filter(|((table, _), row)| {
            let scoped = ["Bridge", "Port", "Interface"].contains(&table.as_str());
            scoped && text(row).starts_with("ten1-") && text(row) != "ten1-foreign"
        })
        .map(|((_, uuid), _)| uuid)
        .collect();
    let mut foreign = Rows::new();
    for ((table, uuid), row) in rows {
        // Mirrors, queues and so on: those from the beginning are another's.
        let is_foreign = match table.as_str() {
            "Bridge" | "Port" | "Interface" => !own.contains(&uuid),
            "Open_vSwitch" => true,
            _ => row["external_ids"].to_string().contains("owner"),
        };
        if !is_foreign {
            continue;
        }
        let mut row = row.clone();
        if table == "Open_vSwitch" {
            let text = row["bridges"].to_string();
            let bridges: Vec<&(String, String)> = rows
                .keys()
                .filter(|(table, uuid)| table == "Bridge" && text.contains(uuid.as_str()))
                .collect();
            row["bridges"] = bridges
                .iter()
                .map(|(_, uuid)| uuid.as_str())
                .filter(|uuid| !own.iter().any(|own| own == uuid))
                .collect();
        }
        foreign.insert((table.clone(), uuid.clone()), row);
    }
    foreign
}

async fn populate(stage: &Stage) -> BTreeMap<String, String> {
    let mut operations = vec![
        json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []], "external_ids": ["map", [["owner", "x"]]]}}),
        json!({"op": "delete", "table": "QoS", "where": []}),
        json!({"op": "delete", "table": "Queue", "where": []}),
    ];
    operations.extend(bridge("ten1-br", &["ten1-p"]));
    // A port of the tenant's name under another's bridge is another's.
    operations.extend(bridge("br-ex", &["ex-p", "ten1-foreign"]));
    let owner = json!(["map", [["owner", "x"]]]);
    operations.push(json!({"op": "insert", "table": "Mirror", "uuid-name": "m", "row": {"name": "ex-m", "external_ids": owner,
                           "select_src_port": ["named-uuid", "br_ex_p1"]}}));
    operations.push(json!({"op": "mutate", "table": "Bridge", "where": [["name", "==", "br-ex"]], "mutations": [["mirrors", "insert", ["named-uuid", "m"]]]}));
    operations.push(json!({"op": "insert", "table": "QoS", "uuid-name": "q", "row": {"type": "linux-htb", "external_ids": owner}}));
    operations.push(json!({"op": "update", "table": "Port", "where": [["name", "==", "ex-p"]], "row": {"qos": ["named-uuid", "q"]}}));
    stage.directly(Value::Array(operations)).await;
    let rows = stage.everything().await;
    let named = rows.into_iter().map(|((table, uuid), row)| {
        let name = match table.as_str() {
            "QoS" => "ex-p",
            "Mirror" => "ex-p",
            _ => row["name"].as_str().unwrap_or_default(),
        };
        (format!("@{table}:{name}"), uuid)
    });
    named.collect()
}

#[test]
fn no_sequence_of_operations_touches_what_is_not_granted() {
    with_room(try_sequences);
}

fn try_sequences() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Some(stage) = runtime.block_on(Stage::set()) else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let sequences = proptest::collection::vec(proptest::collection::vec(operation(), 1..4), 1..3);
    let result = runner.run(&sequences, |transactions| {
        runtime.block_on(async {
            let uuids = populate(&stage).await;
            let before = foreign(&stage.everything().await);
            stage.recording.changes.lock().unwrap().clear();
            for operations in transactions {
                let operations = resolved(Value::Array(operations), &uuids);
                let sent = stage.recording.changes.lock().unwrap().len();
                let gate = stage.gate(tenant(), Mode::Change);
                let answer = gate.transact(DATABASE, &operations.to_string()).await;
                let refused = answer.as_ref().err().is_some_and(|failure| {
                    matches!(
                        failure.code,
                        FailureCode::Denied | FailureCode::Invalid | FailureCode::NotFound
                    )
                });
                let sent_now = stage.recording.changes.lock().unwrap().len();
                assert!(
                    !refused || sent_now == sent,
                    "sent although refused: {operations}"
                );
                if answer.is_ok() && sent_now > sent {
                    PASSED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                assert_same(&foreign(&stage.everything().await), &before);
            }
        });
        Ok(())
    });
    result.unwrap();
    let passed = PASSED.load(std::sync::atomic::Ordering::Relaxed);
    // Else the test would show nothing.
    assert!(passed > 5, "only {passed} transactions were let through");
}

/// Transactions that were let through.
static PASSED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[tokio::test]
async fn refusals_name_what_would_have_to_be_granted() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let uuids = populate(&stage).await;
    let gate = || stage.gate(tenant(), Mode::Change);
    let port = &uuids["@Port:ex-p"].to_uppercase();
    for (operation, words) in [
        (
            json!({"op": "delete", "table": "Bridge", "where": [["name", "==", "br-ex"]]}),
            "Bridge \"br-ex\"",
        ),
        (
            json!({"op": "update", "table": "Port", "where": [["_uuid", "==", ["uuid", port]]], "row": {"tag": 7}}),
            "Port \"ex-p\"",
        ),
        (
            json!({"op": "update", "table": "Port", "where": [["name", "==", "ten1-foreign"]], "row": {"tag": 7}}),
            "what Port \"ten1-foreign\" hangs from",
        ),
        (
            json!({"op": "mutate", "table": "Bridge", "where": [["name", "==", "ten1-br"]], "mutations": [["ports", "insert", ["uuid", port]]]}),
            "Port \"ex-p\"",
        ),
        (
            json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}),
            "Bridge \"br-ex\"",
        ),
        (
            json!({"op": "insert", "table": "Interface", "row": {"name": "TEN1-x"}}),
            "Interface \"TEN1-x\"",
        ),
        (
            json!({"op": "update", "table": "QoS", "where": [], "row": {"type": "x"}}),
            "of table QoS",
        ),
    ] {
        let failure = gate()
            .transact(DATABASE, &json!([operation]).to_string())
            .await
            .unwrap_err();
        assert_eq!(
            failure.code,
            FailureCode::Denied,
            "{operation}: {}",
            failure.message
        );
        assert!(
            failure.message.contains(words) && failure.message.contains("ovsdb."),
            "{}",
            failure.message
        );
    }
    assert!(stage.recording.changes.lock().unwrap().is_empty());
    assert_eq!(stage.notes.denied.lock().unwrap().len(), 7);
}
