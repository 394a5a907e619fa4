//! Servers that break the protocol, by accident or on purpose: a typed error, bounded memory, and no hang.

use std::time::Duration;

use op_dbus::backends::ovsdb::{Client, Event, MonitorRequest, Options, OvsdbError, TableRequest};
use serde_json::{Value, json};

use crate::fake::{Fake, MEMORY, Peer, peak_memory};

/// A fake that answers the first request of each connection with these bytes, as they are, and then waits.
fn saying(bytes: impl Into<Vec<u8>>) -> Fake {
    let bytes = bytes.into();
    Fake::start(move |mut peer: Peer| {
        let bytes = bytes.clone();
        async move {
            if peer.request().await.is_some() && peer.send(&bytes).await {
                peer.wait_for_end().await;
            }
        }
    })
}

async fn answer_to(bytes: impl Into<Vec<u8>>) -> Result<Vec<String>, OvsdbError> {
    saying(bytes).client().await.list_dbs().await
}

#[tokio::test]
async fn nonsense_is_a_breach_of_the_protocol() {
    for bytes in [
        &b"HTTP/1.1 400 Bad Request\r\n"[..],
        b"[]",
        b"{\"id\":0,\"result\":[}]}",
        b"{\"id\":0,\"result\":[\"\xff\xfe\"],\"error\":null}",
        b"{\"id\":0,\"id\":0,\"result\":[],\"error\":null}",
        b"{\"id\":7,\"result\":[],\"error\":null}",
        b"{\"id\":\"0\",\"result\":[],\"error\":null}",
        b"{\"id\":-1,\"result\":[],\"error\":null}",
        b"{\"id\":0,\"result\":{\"no\":\"list\"},\"error\":null}",
        b"{\"id\":0,\"result\":null,\"error\":null}",
        b"{}",
    ] {
        let error = answer_to(bytes).await.unwrap_err();
        assert!(matches!(error, OvsdbError::Protocol { .. }), "{error}");
    }
}

#[tokio::test]
async fn deep_nesting_is_a_breach_of_the_protocol() {
    let bytes = format!("{{\"id\":0,\"result\":{}", "[".repeat(1 << 19));
    let error = answer_to(bytes).await.unwrap_err();
    assert!(matches!(error, OvsdbError::Protocol { reason, .. } if reason.contains("128 levels")));
}

#[tokio::test]
async fn keys_that_are_there_twice_are_a_breach_of_the_protocol() {
    let fake = saying(r#"{"id":0,"result":[{"rows":[{"name":"a","name":"b"}]}],"error":null}"#);
    let select = json!({"op": "select", "table": "Bridge", "where": []});
    let error = fake
        .client()
        .await
        .transact("db", &[select])
        .await
        .unwrap_err();
    assert!(matches!(error, OvsdbError::Protocol { reason, .. } if reason.contains("twice")));
}

#[tokio::test]
async fn a_reply_in_pieces_of_one_byte_is_a_reply() {
    let fake = Fake::start(async |mut peer: Peer| {
        while let Some(request) = peer.request().await {
            let text = format!(
                r#"  {{"id":{},"result":["a}}\"","ü"],"error":null}}"#,
                request["id"]
            );
            for byte in text.as_bytes() {
                peer.send([*byte]).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let client = fake.client().await;
    for _ in 0..3 {
        assert_eq!(client.list_dbs().await.unwrap(), ["a}\"", "ü"]);
    }
}

#[tokio::test]
async fn many_replies_in_one_piece_and_out_of_order_find_their_requests() {
    const COUNT: u64 = 100;
    let fake = Fake::start(async |mut peer: Peer| {
        let mut text = String::new();
        for _ in 0..COUNT {
            let Some(request) = peer.request().await else {
                return;
            };
            let (id, database) = (&request["id"], &request["params"][0]);
            let reply = format!(r#"{{"id":{id},"result":[{{"rows":[{{"name":{database}}}]}}]}}"#);
            text.insert_str(0, &reply);
        }
        peer.send(text).await;
        peer.wait_for_end().await;
    });
    let client = fake.client().await;
    let calls = (0..COUNT).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let select = json!({"op": "select", "table": "T", "where": []});
            let name = number.to_string();
            let results = client.transact(&name, &[select]).await.unwrap();
            let found = results.rows(0).next().unwrap()["name"].clone();
            assert_eq!(found, name.as_str());
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_reply_beyond_the_cap_is_a_limit_and_takes_no_more_memory_than_the_cap() {
    let fake = Fake::start(async |mut peer: Peer| {
        if peer.request().await.is_some() && peer.send(br#"{"id":0,"result":[""#).await {
            // For ever, until the client has enough.
            while peer.send([b'x'; 1 << 16]).await {}
        }
    });
    let _alone = MEMORY.lock().await;
    let before = peak_memory();
    let error = fake.client().await.list_dbs().await.unwrap_err();
    assert!(matches!(error, OvsdbError::Limit { .. }), "{error}");
    assert!(error.to_string().contains("1048576 bytes"), "{error}");
    assert!(peak_memory() - before < 64 << 10);
}

#[tokio::test]
async fn a_request_beyond_the_cap_is_a_limit_and_is_not_sent() {
    let fake = saying("");
    let comment = json!({"op": "comment", "comment": "x".repeat(2 << 20)});
    let error = fake
        .client()
        .await
        .transact("db", &[comment])
        .await
        .unwrap_err();
    assert!(matches!(error, OvsdbError::Limit { .. }), "{error}");
}

#[tokio::test]
async fn endless_whitespace_is_silence() {
    let fake = Fake::start(async |mut peer: Peer| {
        while peer.send([b' '; 1 << 12]).await {
            tokio::task::yield_now().await;
        }
    });
    let options = Options {
        idle: Duration::from_millis(100),
        ..fake.options()
    };
    let _alone = MEMORY.lock().await;
    let before = peak_memory();
    let error = Client::connect(options)
        .await
        .unwrap()
        .list_dbs()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, OvsdbError::Lost { reason, .. } if reason.contains("silent")),
        "{error}"
    );
    assert!(peak_memory() - before < 64 << 10);
}

#[tokio::test]
async fn a_silent_server_is_asked_for_a_sign_of_life_and_then_taken_for_dead() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let fake = Fake::start(move |mut peer: Peer| {
        let tell = tell.clone();
        async move {
            while let Some(request) = peer.request().await {
                let _ = tell.send(request["method"].clone());
            }
        }
    });
    let options = Options {
        idle: Duration::from_millis(100),
        ..fake.options()
    };
    let error = Client::connect(options)
        .await
        .unwrap()
        .list_dbs()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, OvsdbError::Lost { reason, .. } if reason.contains("silent")),
        "{error}"
    );
    assert_eq!(told.recv().await.unwrap(), "list_dbs");
    assert_eq!(told.recv().await.unwrap(), "echo");
}

#[tokio::test]
async fn the_echo_of_the_server_is_answered_with_its_own_words() {
    let fake = Fake::start(async |mut peer: Peer| {
        let request = peer.request().await.unwrap();
        peer.send(r#"{"id":["any"],"method":"echo","params":[9007199254740993,"x"]}"#)
            .await;
        let echo = peer.request().await.unwrap();
        assert_eq!(echo["id"], json!(["any"]));
        let result = format!("[{}]", Value::from(echo["result"].to_string()));
        peer.answer(&request, &result).await;
        peer.wait_for_end().await;
    });
    let answer = fake.client().await.list_dbs().await.unwrap();
    assert_eq!(answer, [r#"[9007199254740993,"x"]"#]);
}

#[tokio::test]
async fn a_server_that_asks_and_never_reads_is_left() {
    let echo =
        r#"{"id":"e","method":"echo","params":["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]}"#.repeat(500);
    let fake = Fake::start(move |mut peer: Peer| {
        let echo = echo.clone();
        async move { while peer.send(&echo).await {} }
    });
    let _alone = MEMORY.lock().await;
    let before = peak_memory();
    let error = fake.client().await.list_dbs().await.unwrap_err();
    assert!(
        matches!(error, OvsdbError::Protocol { .. } | OvsdbError::Lost { .. }),
        "{error}"
    );
    assert!(peak_memory() - before < 64 << 10);
}

#[tokio::test]
async fn a_server_that_never_answers_meets_the_deadline() {
    let fake = saying("");
    let options = Options {
        answer_within: Duration::from_millis(100),
        ..fake.options()
    };
    let client = Client::connect(options).await.unwrap();
    let error = client.list_dbs().await.unwrap_err();
    assert!(matches!(error, OvsdbError::Deadline { .. }), "{error}");
    let delete = json!({"op": "delete", "table": "T", "where": []});
    let error = client.transact("db", &[delete]).await.unwrap_err();
    assert!(matches!(error, OvsdbError::EffectUnknown { .. }), "{error}");
}

#[tokio::test]
async fn a_read_whose_reply_is_cut_off_is_sent_again_and_a_change_is_not() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let mut connections = 0;
    let fake = Fake::start(move |mut peer: Peer| {
        connections += 1;
        let (tell, is_first) = (tell.clone(), connections % 2 == 1);
        async move {
            let request = peer.request().await.unwrap();
            let _ = tell.send(request["method"].clone());
            if is_first {
                // And dies in the middle of its reply.
                peer.send(format!(r#"{{"id":{},"result":["a"#, request["id"]))
                    .await;
            } else {
                peer.answer(&request, r#"["a"]"#).await;
            }
        }
    });
    let client = fake.client().await;
    assert_eq!(client.list_dbs().await.unwrap(), ["a"]);
    assert_eq!(told.recv().await.unwrap(), "list_dbs");
    assert_eq!(told.recv().await.unwrap(), "list_dbs");
    let client = fake.client().await;
    let delete = json!({"op": "delete", "table": "T", "where": []});
    let error = client.transact("db", &[delete]).await.unwrap_err();
    assert!(
        matches!(&error, OvsdbError::EffectUnknown { cause } if matches!(**cause, OvsdbError::Lost { .. })),
        "{error}"
    );
    assert!(
        error.to_string().contains("in the middle of a message"),
        "{error}"
    );
    assert_eq!(told.recv().await.unwrap(), "transact");
    assert_eq!(client.list_dbs().await.unwrap(), ["a"]);
    assert_eq!(told.recv().await.unwrap(), "list_dbs");
}

#[tokio::test]
async fn an_answer_to_a_change_that_means_nothing_leaves_its_effect_unknown() {
    let fake = saying(r#"{"id":0,"result":[],"error":null}"#);
    let delete = json!({"op": "delete", "table": "T", "where": []});
    let error = fake
        .client()
        .await
        .transact("db", &[delete])
        .await
        .unwrap_err();
    assert!(matches!(error, OvsdbError::EffectUnknown { .. }), "{error}");
}

const SCHEMA: &str =
    r#"{"name":"db","version":"1.0.0","tables":{"T":{"columns":{"n":{"type":"integer"}}}}}"#;

fn everything() -> MonitorRequest {
    MonitorRequest {
        database: "db".to_owned(),
        tables: [("T".to_owned(), TableRequest::default())].into(),
    }
}

/// Answers `get_schema` and returns the request for a monitor.
async fn to_monitor(peer: &mut Peer) -> Value {
    let request = peer.request().await.unwrap();
    if request["method"] != "get_schema" {
        return request;
    }
    peer.answer(&request, SCHEMA).await;
    peer.request().await.unwrap()
}

#[tokio::test]
async fn updates_for_unknown_monitors_are_passed_over() {
    let fake = Fake::start(async |mut peer: Peer| {
        let request = to_monitor(&mut peer).await;
        for strange in ["\"other\"", "null", "7", "[[]]"] {
            let update =
                format!(r#"{{"id":null,"method":"update3","params":[{strange},"t",{{}}]}}"#);
            peer.send(update).await;
        }
        peer.send(r#"{"id":null,"method":"update","params":{}}"#)
            .await;
        peer.send(r#"{"id":null,"method":"stolen"}"#).await;
        peer.answer(&request, r#"[false,"t0",{"T":{"u":{"initial":{}}}}]"#)
            .await;
        let name = &request["params"][1];
        let update = format!(
            r#"{{"id":null,"method":"update3","params":[{name},"t1",{{"T":{{"u":{{"modify":{{"n":9223372036854775807}}}}}}}}]}}"#
        );
        peer.send(update).await;
        peer.wait_for_end().await;
    });
    let mut monitor = fake.client().await.monitor(everything()).await.unwrap();
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    assert_eq!(monitor.rows().row("T", "u").unwrap()["n"], 0);
    let Event::Updates(updates) = monitor.next().await.unwrap() else {
        panic!("no updates");
    };
    assert_eq!(updates[0].new.as_ref().unwrap()["n"], i64::MAX);
}

#[tokio::test]
async fn a_monitor_goes_on_after_the_last_transaction_that_it_saw() {
    let mut connections = 0;
    let fake = Fake::start(move |mut peer: Peer| {
        connections += 1;
        let number = connections;
        async move {
            let request = to_monitor(&mut peer).await;
            let since = request["params"][3].as_str().unwrap().to_owned();
            match number {
                1 => {
                    peer.answer(&request, r#"[false,"t0",{"T":{"u":{"initial":{"n":1}}}}]"#)
                        .await;
                }
                2 => {
                    assert_eq!(since, "t0");
                    let since = r#"[true,"t1",{"T":{"u":{"modify":{"n":2}}}}]"#;
                    peer.answer(&request, since).await;
                }
                _ => {
                    assert_eq!(since, "t1");
                    peer.answer(&request, r#"[false,"t9",{"T":{"v":{"initial":{"n":3}}}}]"#)
                        .await;
                    peer.wait_for_end().await;
                }
            }
        }
    });
    let mut monitor = fake.client().await.monitor(everything()).await.unwrap();
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    let Event::Updates(updates) = monitor.next().await.unwrap() else {
        panic!("no updates");
    };
    assert_eq!(updates[0].old.as_ref().unwrap()["n"], 1);
    assert_eq!(updates[0].new.as_ref().unwrap()["n"], 2);
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    assert_eq!(monitor.rows().row("T", "u"), None);
    assert_eq!(monitor.rows().row("T", "v").unwrap()["n"], 3);
}

#[tokio::test]
async fn a_monitor_that_nobody_reads_takes_bounded_memory_and_starts_anew() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let fake = Fake::start(move |mut peer: Peer| {
        let tell = tell.clone();
        async move {
            let request = to_monitor(&mut peer).await;
            let name = &request["params"][1];
            let snapshot = r#"[false,"t0",{"T":{"u":{"initial":{"n":1}}}}]"#;
            peer.answer(&request, snapshot).await;
            let padding = "x".repeat(1 << 14);
            let update = format!(
                r#"{{"id":null,"method":"update3","params":[{name},"{padding}",{{"T":{{"u":{{"modify":{{"n":2}}}}}}}}]}}"#
            );
            // 3 MiB, where 1 MiB may wait.
            for _ in 0..200 {
                peer.send(&update).await;
            }
            let _ = tell.send(peer.request().await.unwrap()["method"].clone());
            let again = to_monitor(&mut peer).await;
            let snapshot = r#"[false,"t9",{"T":{"u":{"initial":{"n":3}}}}]"#;
            peer.answer(&again, snapshot).await;
            peer.wait_for_end().await;
        }
    });
    let client = fake.client().await;
    let mut monitor = client.monitor(everything()).await.unwrap();
    assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
    assert_eq!(told.recv().await.unwrap(), "monitor_cancel");
    while monitor.next().await.unwrap() != Event::Snapshot {}
    assert_eq!(monitor.rows().row("T", "u").unwrap()["n"], 3);
}

#[tokio::test]
async fn a_malformed_update_is_a_breach_of_the_protocol() {
    for body in [
        r#""t1",{"T":{"u":{"modify":{"n":2}}}}"#,
        r#""t1",{"Other":{}}"#,
        r#"7,{}"#,
        r#""t1",[]"#,
        r#""t1",{"T":{"u":{},"u":{}}}"#,
    ] {
        let fake = Fake::start(move |mut peer: Peer| async move {
            let request = to_monitor(&mut peer).await;
            peer.answer(&request, r#"[false,"t0",{}]"#).await;
            let name = &request["params"][1];
            let update = format!(r#"{{"id":null,"method":"update3","params":[{name},{body}]}}"#);
            peer.send(update).await;
            peer.wait_for_end().await;
        });
        let mut monitor = fake.client().await.monitor(everything()).await.unwrap();
        assert_eq!(monitor.next().await.unwrap(), Event::Snapshot);
        let error = monitor.next().await.unwrap_err();
        assert!(matches!(error, OvsdbError::Protocol { .. }), "{error}");
    }
}
