use serde_json::json;

use super::*;
use crate::backends::ovsdb::datum::canonical_uuid;
use crate::backends::ovsdb::operation::RandomUuids;

const SCHEMA: &str = r#"{"name": "db", "version": "1.0.0", "tables": {
    "Bridge": {"columns": {
        "name": {"type": "string", "mutable": false},
        "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
        "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
        "vlan": {"type": {"key": "integer", "min": 0}}}},
    "Port": {"columns": {"name": {"type": "string"}}}}}"#;

struct Counted(u32);

impl NewUuids for Counted {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("00000000-0000-4000-8000-{:012}", self.0)
    }
}

fn read(operations: Value) -> Result<Vec<Operation>, OvsdbError> {
    parse(
        &Schema::parse(SCHEMA).unwrap(),
        &operations,
        &mut Counted(0),
    )
}

/// What is wrong with one operation.
fn wrong(operation: Value) -> String {
    read(json!([operation])).unwrap_err().to_string()
}

#[test]
fn what_is_sent_means_what_was_written() {
    let operations = json!([
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "eth0"}},
        {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]],
         "mutations": [["ports", "insert", ["named-uuid", "p"]], ["external_ids", "delete", ["set", ["a", "b"]]]]},
        {"op": "update", "table": "Bridge", "where": [["_uuid", "==", ["uuid", "36BEF046-7da7-43a5-905a-c17899216fcb"]]],
         "row": {"vlan": ["set", [7]], "external_ids": ["map", [["k", "v"]]]}},
        {"op": "delete", "table": "Port", "where": []},
        {"op": "wait", "table": "Port", "where": [], "columns": ["name"], "until": "!=", "rows": [{"name": "x"}]},
        {"op": "select", "table": "Port", "where": [["name", "!=", "x"]], "columns": ["name", "_uuid"]},
        {"op": "commit", "durable": true}, {"op": "comment", "comment": "why"}, {"op": "abort"},
    ]);
    let sent: Vec<Value> = read(operations)
        .unwrap()
        .iter()
        .map(Operation::to_json)
        .collect();
    let made = "00000000-0000-4000-8000-000000000001";
    assert_eq!(
        Value::Array(sent),
        json!([
            {"op": "insert", "table": "Port", "uuid": made, "row": {"name": "eth0"}},
            {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]],
             "mutations": [["ports", "insert", ["uuid", made]], ["external_ids", "delete", ["set", ["a", "b"]]]]},
            {"op": "update", "table": "Bridge", "where": [["_uuid", "==", ["uuid", "36bef046-7da7-43a5-905a-c17899216fcb"]]],
             "row": {"vlan": 7, "external_ids": ["map", [["k", "v"]]]}},
            {"op": "delete", "table": "Port", "where": []},
            {"op": "wait", "table": "Port", "where": [], "columns": ["name"], "until": "!=", "rows": [{"name": "x"}], "timeout": 0},
            {"op": "select", "table": "Port", "where": [["name", "!=", "x"]], "columns": ["name", "_uuid"]},
            {"op": "commit", "durable": true}, {"op": "comment", "comment": "why"}, {"op": "abort"},
        ])
    );
}

#[test]
fn a_row_may_be_referred_to_before_the_operation_that_makes_it() {
    let operations = read(json!([
        {"op": "insert", "table": "Bridge", "row": {"name": "br0", "ports": ["named-uuid", "p"]}},
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "eth0"}},
    ]));
    let operations = operations.unwrap();
    let (Operation::Insert { row, .. }, Operation::Insert { uuid, .. }) =
        (&operations[0], &operations[1])
    else {
        panic!("two inserts: {operations:?}");
    };
    assert_eq!(row["ports"].uuids().collect::<Vec<_>>(), [uuid]);
}

#[test]
fn what_the_server_might_read_otherwise_is_refused_with_its_place() {
    for (operation, reason) in [
        (json!(7), "is no object"),
        (
            json!({"op": "drop", "table": "Port"}),
            "no operation \"drop\"",
        ),
        (
            json!({"op": "assert", "lock": "l"}),
            "a plugin can have none",
        ),
        (
            json!({"op": "insert", "table": "Port", "row": {}, "uuid": "36bef046-7da7-43a5-905a-c17899216fcb"}),
            "no member \"uuid\"",
        ),
        (
            json!({"op": "insert", "table": "Port", "row": {"_uuid": ["uuid", "36bef046-7da7-43a5-905a-c17899216fcb"]}}),
            "_uuid cannot be set",
        ),
        (
            json!({"op": "insert", "table": "Port", "row": {"name": "a\u{0}b"}}),
            "does not fit column name",
        ),
        (
            json!({"op": "insert", "table": "Port\u{0}", "row": {}}),
            "`table` is missing or no string",
        ),
        (
            json!({"op": "insert", "table": "Bridge", "row": {"ports": ["named-uuid", "x"]}}),
            "no operation makes a row with the uuid-name \"x\"",
        ),
        (
            json!({"op": "delete", "table": "Port"}),
            "`where` is an array",
        ),
        (
            json!({"op": "delete", "table": "Port", "where": [["name", "=", "x"]]}),
            "no function \"=\"",
        ),
        (
            json!({"op": "mutate", "table": "Port", "where": [], "mutations": [["name", "append", "x"]]}),
            "no mutator \"append\"",
        ),
        (
            json!({"op": "mutate", "table": "Port", "where": [], "mutations": [["_version", "insert", ["uuid", "36bef046-7da7-43a5-905a-c17899216fcb"]]]}),
            "_version cannot be set",
        ),
        (
            json!({"op": "update", "table": "Bridge", "where": [], "row": {"vlan": "7"}}),
            "does not fit column vlan",
        ),
        (
            json!({"op": "wait", "table": "Port", "where": [], "until": "<", "rows": []}),
            "`until` is",
        ),
        (
            json!({"op": "wait", "table": "Port", "where": [], "until": "==", "rows": [], "timeout": -1}),
            "number of milliseconds",
        ),
        (json!({"op": "commit"}), "`durable`"),
    ] {
        let error = wrong(operation.clone());
        assert!(
            error.contains(reason) && error.contains("operation 0"),
            "{operation}: {error}"
        );
    }
    let twice = json!([
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {}},
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {}},
    ]);
    assert!(read(twice).unwrap_err().to_string().contains("operation 1"));
}

#[test]
fn a_table_or_column_that_this_server_lacks_is_named() {
    for (operation, missing) in [
        (
            json!({"op": "select", "table": "port", "where": []}),
            "table port",
        ),
        (
            json!({"op": "select", "table": "Port", "where": [], "columns": ["tag"]}),
            "column tag of table Port",
        ),
        (
            json!({"op": "insert", "table": "Port", "row": {"tag": 1}}),
            "column tag of table Port",
        ),
    ] {
        let error = read(json!([operation])).unwrap_err();
        assert!(
            matches!(&error, OvsdbError::NotFound { what, .. } if what == missing),
            "{error}"
        );
    }
}

#[test]
fn a_wait_never_waits_for_long() {
    let operations = read(json!([
        {"op": "wait", "table": "Port", "where": [], "until": "==", "rows": [], "timeout": 1_000_000_000}
    ]));
    assert!(matches!(
        operations.unwrap()[0],
        Operation::Wait {
            timeout: LONGEST_WAIT,
            ..
        }
    ));
}

#[test]
fn random_uuids_are_uuids_and_differ() {
    let mut uuids = RandomUuids::open().unwrap();
    let (one, other) = (uuids.next(), uuids.next());
    assert_ne!(one, other);
    assert_eq!(canonical_uuid(&one).as_deref(), Some(one.as_str()));
    assert_eq!(one.as_bytes()[14], b'4');
}
