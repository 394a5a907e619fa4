use serde_json::{Value, json};

use super::*;
use crate::backends::ovsdb::image::Image;
use crate::backends::ovsdb::operation::columns_of;

const BRIDGE: &str = "00000000-0000-4000-8000-00000000000b";
const PORT: &str = "00000000-0000-4000-8000-000000000001";
const FOREIGN: &str = "00000000-0000-4000-8000-00000000000f";
const MADE: &str = "00000000-0000-4000-8000-00000000000a";

fn schema() -> Schema {
    let map = json!({"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}});
    let schema = json!({"name": "db", "version": "1.0.0", "tables": {
        "Bridge": {"isRoot": true, "columns": {
            "name": {"type": "string"}, "external_ids": map, "fail_mode": {"type": {"key": "string", "min": 0}},
            "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}}}},
        "Port": {"columns": {"name": {"type": "string"}, "tag": {"type": {"key": "integer", "min": 0}}}}}});
    Schema::parse(&schema.to_string()).unwrap()
}

fn images(rows: Value) -> Vec<RowImage> {
    let image: Image = serde_json::from_value(json!({"database": "db", "rows": rows})).unwrap();
    image.rows
}

fn now(rows: &[(&str, &str, Value)]) -> Now {
    let schema = schema();
    let rows: BTreeMap<RowKey, Columns> = rows
        .iter()
        .map(|(table, uuid, row)| {
            let columns = columns_of(&schema, table, row.as_object().unwrap()).unwrap();
            (((*table).to_owned(), (*uuid).to_owned()), columns)
        })
        .collect();
    Now {
        referred: rows.keys().cloned().collect(),
        rows,
        by_name: BTreeMap::new(),
    }
}

fn planned(images: Value, now: &Now) -> (Vec<Value>, Vec<String>) {
    let plan = plan(&schema(), &self::images(images), now, &BTreeMap::new());
    let operations = plan.operations().iter().map(Operation::to_json).collect();
    let stuck = plan.stuck.iter().map(ToString::to_string).collect();
    (operations, stuck)
}

fn uuids(uuids: &[&str]) -> Value {
    json!([
        "set",
        uuids
            .iter()
            .map(|uuid| json!(["uuid", uuid]))
            .collect::<Vec<_>>()
    ])
}

#[test]
fn a_port_that_went_comes_back_and_a_foreign_one_stays() {
    let images = json!([
        {"table": "Bridge", "uuid": BRIDGE, "name": "br0",
         "touched": {"ports": {"elements": {"present": [["uuid", PORT]], "absent": [["uuid", MADE]]}}}},
        {"table": "Port", "uuid": PORT, "name": "eth0", "whole": {"name": "eth0", "tag": 7}},
        {"table": "Port", "uuid": MADE, "name": "eth1", "absent": true},
    ]);
    let bridge = json!({"name": "br0", "ports": uuids(&[FOREIGN, MADE])});
    let now = now(&[
        ("Bridge", BRIDGE, bridge),
        ("Port", MADE, json!({"name": "eth1", "tag": ["set", []]})),
    ]);
    let (operations, stuck) = planned(images, &now);
    assert_eq!(
        operations,
        [
            json!({"op": "insert", "table": "Port", "uuid": PORT, "row": {"name": "eth0", "tag": 7}}),
            json!({"op": "mutate", "table": "Bridge", "where": [["_uuid", "==", ["uuid", BRIDGE]]], "mutations": [
                ["ports", "insert", ["uuid", PORT]], ["ports", "delete", ["uuid", MADE]]]}),
        ]
    );
    // It goes when nothing refers to it any more, so that it is no trouble yet.
    assert_eq!(
        stuck,
        ["Port eth1: is present, should be absent (something else refers to it)"]
    );
}

#[test]
fn keys_and_values_of_others_stay() {
    let images = json!([{"table": "Bridge", "uuid": BRIDGE, "name": "br0", "touched": {
        "external_ids": {"keys": {"present": [["a", "1"], ["b", "2"]], "absent": ["c"]}},
        "fail_mode": {"value": ["set", []]}}}]);
    let ids = json!(["map", [["a", "9"], ["c", "3"], ["foreign", "x"]]]);
    let bridge = json!({"name": "br0", "external_ids": ids, "fail_mode": "secure"});
    let (operations, stuck) = planned(images.clone(), &now(&[("Bridge", BRIDGE, bridge)]));
    let this = json!([["_uuid", "==", ["uuid", BRIDGE]]]);
    assert_eq!(
        operations,
        [
            json!({"op": "mutate", "table": "Bridge", "where": this, "mutations": [
                ["external_ids", "delete", ["set", ["a", "c"]]],
                ["external_ids", "insert", ["map", [["a", "1"], ["b", "2"]]]]]}),
            json!({"op": "update", "table": "Bridge", "where": this, "row": {"fail_mode": ["set", []]}}),
        ]
    );
    assert!(stuck.is_empty(), "{stuck:?}");
    // As it was: nothing is done, however often.
    let ids = json!(["map", [["a", "1"], ["b", "2"], ["foreign", "x"]]]);
    let bridge = json!({"name": "br0", "external_ids": ids, "fail_mode": ["set", []]});
    let (operations, stuck) = planned(images, &now(&[("Bridge", BRIDGE, bridge)]));
    assert!(
        operations.is_empty() && stuck.is_empty(),
        "{operations:?} {stuck:?}"
    );
}

#[test]
fn what_cannot_come_back_is_told_with_the_reason() {
    let images = json!([
        {"table": "Bridge", "uuid": BRIDGE, "name": "br0", "touched": {
            "ports": {"elements": {"present": [["uuid", PORT]], "absent": []}}}},
        {"table": "Port", "uuid": PORT, "name": "eth0", "whole": {"name": "eth0"}},
    ]);
    let bridge = json!({"name": "br0", "ports": ["set", []]});
    let mut now = now(&[("Bridge", BRIDGE, bridge)]);
    now.by_name
        .insert(("Port".into(), "eth0".into()), FOREIGN.into());
    let (operations, stuck) = planned(images, &now);
    assert_eq!(operations, [json!(null); 0]);
    assert_eq!(stuck.len(), 2, "{stuck:?}");
    assert!(
        stuck[0].starts_with(
            "Port eth0: is absent, should be present (somebody else has made another one"
        ),
        "{stuck:?}"
    );
    assert!(
        stuck[1].contains("column ports") && stuck[1].contains("cannot be made anew"),
        "{stuck:?}"
    );
}

#[test]
fn the_holder_of_a_name_that_the_transaction_made_is_no_obstacle() {
    let images = json!([
        {"table": "Bridge", "uuid": BRIDGE, "name": "br0", "whole": {"name": "br0"}},
        {"table": "Bridge", "uuid": MADE, "name": "br0", "absent": true},
    ]);
    let mut now = now(&[("Bridge", MADE, json!({"name": "br0"}))]);
    now.by_name
        .insert(("Bridge".into(), "br0".into()), MADE.into());
    let (operations, stuck) = planned(images, &now);
    assert_eq!(
        operations,
        [
            json!({"op": "insert", "table": "Bridge", "uuid": BRIDGE, "row": {"name": "br0"}}),
            json!({"op": "delete", "table": "Bridge", "where": [["_uuid", "==", ["uuid", MADE]]]}),
        ]
    );
    assert!(stuck.is_empty(), "{stuck:?}");
}

#[test]
fn a_row_that_others_deleted_and_a_column_that_the_schema_lost_are_told() {
    let images = json!([
        {"table": "Port", "uuid": PORT, "name": "eth0", "touched": {"tag": {"value": 7}}},
        {"table": "Bridge", "uuid": BRIDGE, "touched": {"protected": {"value": true}}},
    ]);
    let (operations, stuck) = planned(images, &now(&[("Bridge", BRIDGE, json!({"name": "br0"}))]));
    assert_eq!(operations, [json!(null); 0]);
    assert!(
        stuck[0].contains("somebody else has deleted it"),
        "{stuck:?}"
    );
    assert!(stuck[1].contains("column protected"), "{stuck:?}");
}
