//! What the gate lets through, on a real server.

use op_dbus::contract::types::FailureCode;
use op_dbus::gate::grant::OvsdbGrant;
use op_dbus::gate::{Mode, Rehearsed};
use serde_json::{Value, json};

use crate::server::DATABASE;
use crate::stage::{Lost, Stage, assert_same, bridge};

/// The grant of a tenant: bridges and ports whose names begin with `ten1-`.
pub fn tenant() -> OvsdbGrant {
    toml::from_str(
        r#"
        databases = ["Open_vSwitch"]
        bridges = ["ten1-*"]
        ports = ["ten1-*"]
        root_columns = ["bridges"]
        [tables]
        "*" = ["select", "wait", "insert", "update", "mutate", "delete"]
        "#,
    )
    .expect("a grant")
}

#[tokio::test]
async fn a_bridge_goes_through_and_its_rows_are_noted_as_absent() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let results = stage
        .transact(json!(bridge("br0", &["eth0"])))
        .await
        .unwrap();
    assert_eq!(results.as_array().unwrap().len(), 6);
    let uuid = results[4]["uuid"][1].as_str().unwrap();
    let now = stage.everything().await;
    assert_eq!(now[&("Bridge".to_owned(), uuid.to_owned())]["name"], "br0");
    let images = stage.notes.images.lock().unwrap();
    let rows = images[0]["rows"].as_array().unwrap();
    let made = rows.iter().filter(|row| row["absent"] == true).count();
    assert_eq!((images.len(), rows.len(), made), (1, 6, 5), "{rows:?}");
    assert_eq!(*stage.notes.links.lock().unwrap(), ["br0", "eth0"]);
    // The transaction is signed.
    let changes = stage.recording.changes.lock().unwrap();
    assert!(changes[0].iter().any(|operation| {
        operation["comment"]
            .as_str()
            .is_some_and(|comment| comment.starts_with("op-dbus"))
    }));
}

#[tokio::test]
async fn a_rehearsal_sends_nothing_and_answers_as_if() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("br0", &[]))).await;
    let before = stage.everything().await;
    let gate = stage.gate(OvsdbGrant::of_net(), Mode::Rehearse);
    let operations = json!([
        {"op": "select", "table": "Bridge", "where": [["name", "==", "br0"]], "columns": ["name"]},
        {"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"fail_mode": "secure"}},
        {"op": "insert", "table": "Interface", "row": {"name": "x"}},
        {"op": "delete", "table": "Port", "where": [["name", "==", "nothing"]]},
    ]);
    let results = gate
        .transact(DATABASE, &operations.to_string())
        .await
        .unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results[0]["rows"], json!([{"name": "br0"}]));
    assert_eq!(
        (&results[1], &results[3]),
        (&json!({"count": 1}), &json!({"count": 0}))
    );
    assert!(results[2]["uuid"].is_array());
    gate.settle(DATABASE).await.unwrap();
    assert_same(&stage.everything().await, &before);
    assert!(stage.recording.changes.lock().unwrap().is_empty());
    let rehearsed = stage.notes.rehearsed.lock().unwrap();
    assert_eq!(
        *rehearsed,
        [Rehearsed::Ovsdb {
            database: DATABASE.to_owned(),
            operations
        }]
    );
}

#[tokio::test]
async fn reading_calls_may_read_only() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let gate = stage.gate(OvsdbGrant::of_net(), Mode::Read);
    assert_eq!(gate.databases().await.unwrap(), [DATABASE]);
    let schema = gate.schema(DATABASE).await.unwrap();
    assert!(schema.contains("\"Bridge\""));
    let select = json!([{"op": "select", "table": "Open_vSwitch", "where": []}]);
    let results = gate.transact(DATABASE, &select.to_string()).await.unwrap();
    assert!(results.contains("next_cfg"));
    let changing = json!(bridge("br0", &[]));
    let refused = gate
        .transact(DATABASE, &changing.to_string())
        .await
        .unwrap_err();
    assert_eq!(refused.code, FailureCode::Denied);
    assert_eq!(
        gate.settle(DATABASE).await.unwrap_err().code,
        FailureCode::Denied
    );
    let pure = stage.gate(OvsdbGrant::of_net(), Mode::Pure);
    assert_eq!(
        pure.databases().await.unwrap_err().code,
        FailureCode::Denied
    );
    assert!(stage.recording.changes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bombs_are_refused_before_anything_is_sent() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let gate = stage.gate(OvsdbGrant::of_net(), Mode::Change);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let twice = r#"[{"op": "delete", "table": "Bridge", "where": [], "table": "Port"}]"#;
    for (operations, code) in [
        ("[{]", FailureCode::Invalid),
        (deep.as_str(), FailureCode::Invalid),
        (twice, FailureCode::Invalid),
        ("{}", FailureCode::Invalid),
        (
            r#"[{"op": "delete", "table": "Bridge\u0000", "where": []}]"#,
            FailureCode::Invalid,
        ),
        (
            r#"[{"op": "delete", "table": "Nothing", "where": []}]"#,
            FailureCode::NotFound,
        ),
        (
            r#"[{"op": "assert", "lock": "ovs_vswitchd"}]"#,
            FailureCode::Invalid,
        ),
        (&" ".repeat((64 << 20) + 1), FailureCode::Limit),
    ] {
        let failure = gate.transact(DATABASE, operations).await.unwrap_err();
        assert_eq!(
            failure.code,
            code,
            "{}: {}",
            &operations[..operations.len().min(60)],
            failure.message
        );
    }
    let failure = gate.transact("Other", "[]").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Denied);
    assert!(
        failure.message.contains("ovsdb.databases"),
        "{}",
        failure.message
    );
    assert!(stage.recording.changes.lock().unwrap().is_empty());
    assert_eq!(gate.transact(DATABASE, "[]").await.unwrap(), "[]");
}

#[tokio::test]
async fn an_abort_and_a_wait_that_fails_are_told_by_the_plugins_own_numbers() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("br0", &[]))).await;
    let before = stage.everything().await;
    let change = json!({"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"fail_mode": "secure"}});
    let failure = stage
        .transact(json!([change, {"op": "abort"}]))
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert!(
        failure.message.contains("operation 1"),
        "{}",
        failure.message
    );
    let wait = json!({"op": "wait", "table": "Bridge", "where": [["name", "==", "br0"]], "columns": ["fail_mode"],
                      "until": "==", "rows": [{"fail_mode": "standalone"}]});
    let failure = stage.transact(json!([change, wait])).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert!(
        failure.message.contains("operation 1 (wait Bridge)"),
        "{}",
        failure.message
    );
    let wrong =
        json!({"op": "update", "table": "Bridge", "where": [], "row": {"fail_mode": "sometimes"}});
    let failure = stage.transact(json!([wrong])).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
    let backend = failure.backend.unwrap();
    assert_eq!(backend.name, "constraint violation");
    assert!(
        failure.message.contains("operation 0 (update Bridge)"),
        "{}",
        failure.message
    );
    assert_same(&stage.everything().await, &before);
    let durable =
        json!([change, {"op": "comment", "comment": "mine"}, {"op": "commit", "durable": true}]);
    assert_eq!(
        stage.transact(durable).await.unwrap(),
        json!([{"count": 1}, {}, {}])
    );
}

#[tokio::test]
async fn the_root_row_changes_only_in_granted_columns() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    for operation in [
        json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"next_cfg": 7}}),
        json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["manager_options", "delete", ["set", []]]]}),
        json!({"op": "delete", "table": "Open_vSwitch", "where": []}),
        json!({"op": "insert", "table": "QoS", "row": {"type": "linux-htb"}}),
    ] {
        let failure = stage.transact(json!([operation])).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Denied, "{}", failure.message);
    }
    assert!(stage.recording.changes.lock().unwrap().is_empty());
    let ids = json!([{"op": "mutate", "table": "Open_vSwitch", "where": [],
                      "mutations": [["external_ids", "insert", ["map", [["system-id", "x"]]]]]}]);
    assert_eq!(stage.transact(ids).await.unwrap(), json!([{"count": 1}]));
}

#[tokio::test]
async fn a_tenant_sees_its_own_bridges_and_what_hangs_from_them() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("ten1-br", &["ten1-p"]))).await;
    stage
        .directly(json!(bridge("br-ex", &["ten1-elsewhere"])))
        .await;
    stage
        .server
        .vsctl(&["--no-wait", "set-manager", "ptcp:6640"]);
    let gate = stage.gate(tenant(), Mode::Read);
    let selects = json!([
        {"op": "select", "table": "Bridge", "where": [], "columns": ["name"]},
        {"op": "select", "table": "Port", "where": [], "columns": ["name"]},
        {"op": "select", "table": "Interface", "where": [["name", "==", "ten1-elsewhere"]]},
        {"op": "select", "table": "Open_vSwitch", "where": []},
        {"op": "select", "table": "Manager", "where": []},
    ]);
    let results = gate.transact(DATABASE, &selects.to_string()).await.unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results[0]["rows"], json!([{"name": "ten1-br"}]));
    let mut ports: Vec<_> = results[1]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, ["ten1-br", "ten1-p"]);
    assert_eq!(
        (&results[2]["rows"], &results[4]["rows"]),
        (&json!([]), &json!([]))
    );
    let root = results[3]["rows"][0].as_object().unwrap();
    assert!(
        root.contains_key("cur_cfg")
            && !root.contains_key("manager_options")
            && !root.contains_key("external_ids")
    );
    assert_eq!(root["bridges"][0], "uuid", "its own bridge alone: {root:?}");
}

#[tokio::test]
async fn a_name_that_moves_between_looking_and_sending_is_looked_at_again() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    stage.directly(json!(bridge("br0", &[]))).await;
    // Somebody changes the very column all the time.
    let client = stage.server.client().await;
    let disturbing = tokio::spawn(async move {
        for number in 0.. {
            let mode = if number % 2 == 0 {
                "secure"
            } else {
                "standalone"
            };
            let change =
                json!({"op": "update", "table": "Bridge", "where": [], "row": {"fail_mode": mode}});
            if client.transact(DATABASE, &[change]).await.is_err() {
                return;
            }
        }
    });
    for _ in 0..20 {
        let change = json!([{"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"fail_mode": ["set", []]}}]);
        match stage.transact(change).await {
            Ok(results) => assert_eq!(results, json!([{"count": 1}])),
            Err(failure) => assert_eq!(failure.code, FailureCode::Conflict, "{}", failure.message),
        }
    }
    disturbing.abort();
    // What was noted is what was there: either of the two words, or nothing after our own change.
    for image in stage.notes.images.lock().unwrap().iter() {
        let was = &image["rows"][0]["touched"]["fail_mode"]["value"];
        assert!(
            *was == "secure" || *was == "standalone" || image["rows"] == json!([]),
            "{image}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_found_out_and_nothing_is_done_twice() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    for (number, lost) in [Lost::After, Lost::Before].into_iter().enumerate() {
        let name = format!("br{number}");
        *stage.recording.lose_next.lock().unwrap() = Some(lost);
        let results = stage
            .transact(json!(bridge(&name, &["eth0"][..number])))
            .await
            .unwrap();
        assert_eq!(results[2 + 2 * number]["uuid"][0], "uuid", "{results}");
        let bridges = stage.server.vsctl(&["--no-wait", "list-br"]);
        assert_eq!(
            bridges.lines().filter(|line| *line == name).count(),
            1,
            "{bridges}"
        );
    }
    let change = json!([{"op": "mutate", "table": "Bridge", "where": [], "mutations": [["external_ids", "insert", ["map", [["k", "v"]]]]]}]);
    *stage.recording.lose_next.lock().unwrap() = Some(Lost::After);
    assert_eq!(stage.transact(change).await.unwrap(), json!([{"count": 2}]));
}

#[tokio::test]
async fn a_change_asks_for_its_own_confirmation_and_an_effect_that_is_unknown_for_another() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    stage.server.start_switch();
    let gate = stage.gate(OvsdbGrant::of_net(), Mode::Change);
    let add = json!(bridge("br0", &[]));
    let results = gate.transact(DATABASE, &add.to_string()).await.unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(
        results.as_array().unwrap().len(),
        add.as_array().unwrap().len(),
        "the plugin gets the results of its own operations"
    );
    gate.settle(DATABASE).await.unwrap();
    let number = stage.server.vsctl(&["get", "Interface", "br0", "ofport"]);
    assert_eq!(number.trim(), "65534", "ovs-vswitchd has carried it out");
    assert_eq!(stage.recording.changes.lock().unwrap().len(), 1);

    *stage.recording.lose_next.lock().unwrap() = Some(Lost::After);
    let change =
        json!([{"op": "update", "table": "Bridge", "where": [], "row": {"fail_mode": "secure"}}]);
    gate.transact(DATABASE, &change.to_string()).await.unwrap();
    gate.settle(DATABASE).await.unwrap();
    assert_eq!(stage.recording.changes.lock().unwrap().len(), 3);
    // A look changes nothing.
    let look = json!([{"op": "select", "table": "Bridge", "where": []}]);
    gate.transact(DATABASE, &look.to_string()).await.unwrap();
    assert_eq!(stage.recording.changes.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn what_ovs_vswitchd_says_of_an_interface_fails_the_settling() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    stage.server.start_switch();
    let gate = stage.gate(OvsdbGrant::of_net(), Mode::Change);
    let good = json!(bridge("br0", &[]));
    gate.transact(DATABASE, &good.to_string()).await.unwrap();
    gate.settle(DATABASE).await.unwrap();
    let port = json!([
        {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "nothing0"}},
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "nothing0", "interfaces": ["named-uuid", "i"]}},
        {"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", ["named-uuid", "p"]]]},
    ]);
    gate.transact(DATABASE, &port.to_string()).await.unwrap();
    let failure = gate.settle(DATABASE).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
    assert!(
        failure.message.contains("interface nothing0"),
        "{}",
        failure.message
    );
    let backend = failure.backend.unwrap();
    assert!(backend.text.unwrap().contains("No such device"));
    // What is wrong with somebody else's interface is not this plugin's failure.
    let other = stage.gate(OvsdbGrant::of_net(), Mode::Change);
    other.settle(DATABASE).await.unwrap();
}

#[tokio::test]
async fn without_a_server_calls_say_that_it_cannot_be_reached() {
    use op_dbus::backends::ovsdb::{Lazy, Options, Remote};
    let Some(stage) = Stage::set().await else {
        return;
    };
    let mut gate = stage.gate(OvsdbGrant::of_net(), Mode::Read);
    let nowhere = Remote::Unix(stage.server.path("nowhere.sock"));
    gate.backends.ovsdb = std::sync::Arc::new(Lazy::new(Options::new(nowhere)));
    let failure = gate.databases().await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable);
    assert!(
        failure.message.contains("nowhere.sock")
            && failure.message.contains("is ovsdb-server running?"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_port_beside_ten_thousand_is_noted_and_undone_by_itself() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let _alone = crate::fake::MEMORY.lock().await;
    stage.directly(Value::Array(crate::huge::add_ports())).await;
    let port = json!([
        {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "new0"}},
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "new0", "interfaces": ["named-uuid", "i"]}},
        {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": [["ports", "insert", ["named-uuid", "p"]]]},
        {"op": "update", "table": "Port", "where": [["name", "==", "p77"]], "row": {"tag": 7}},
    ]);
    stage.transact(port).await.unwrap();
    let image = stage.notes.images.lock().unwrap()[0].to_string();
    assert!(
        image.len() < 2_000,
        "an image of {} bytes for two ports",
        image.len()
    );
    // All of them at once: the image holds each, and the undo makes each anew.
    let before = stage.everything().await;
    stage.notes.images.lock().unwrap().clear();
    stage.transact(json!([{"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}])).await.unwrap();
    assert_eq!(crate::undo::undo(&stage).await, []);
    assert_same(&stage.everything().await, &before);
}

#[tokio::test]
async fn a_server_that_sends_rows_outside_its_schema_gets_no_change() {
    use std::sync::{Arc, Mutex};
    let Some(stage) = Stage::set().await else {
        return;
    };
    let schema = stage.client.schema(DATABASE).await.unwrap().text.clone();
    for row in [
        r#"{"_uuid": ["uuid", "nothing"], "name": "br0"}"#,
        r#"{"name": "br0"}"#,
        r#"{"_uuid": ["uuid", "36bef046-7da7-43a5-905a-c17899216fcb"], "name": 7}"#,
        r#"{"_uuid": ["uuid", "36bef046-7da7-43a5-905a-c17899216fcb"], "unheard_of": 7}"#,
    ] {
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (noted, schema) = (seen.clone(), schema.clone());
        let fake = crate::fake::Fake::start(move |mut peer| {
            let (noted, schema) = (noted.clone(), schema.clone());
            async move {
                while let Some(request) = peer.request().await {
                    let answer = if request["method"] == "get_schema" {
                        schema.clone()
                    } else {
                        noted.lock().unwrap().push(request.clone());
                        format!(r#"[{{"rows": [{row}]}}]"#)
                    };
                    peer.answer(&request, &answer).await;
                }
            }
        });
        let mut gate = stage.gate(OvsdbGrant::of_net(), Mode::Change);
        gate.backends.ovsdb = Arc::new(op_dbus::backends::ovsdb::Lazy::new(fake.options()));
        let change = json!([{"op": "delete", "table": "Bridge", "where": [["name", "==", "br0"]]}]);
        let failure = gate
            .transact(DATABASE, &change.to_string())
            .await
            .unwrap_err();
        assert_eq!(
            failure.code,
            FailureCode::Refused,
            "{row}: {}",
            failure.message
        );
        assert_eq!(
            seen.lock().unwrap().len(),
            1,
            "{row}: it was asked, and nothing else"
        );
    }
}
