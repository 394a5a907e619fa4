//! JSON that is hard on its reader, wherever a plugin may write some.

use op_dbus::contract::types::FailureCode;
use op_dbus::plugin::failure::PluginError;
use serde_json::{Value, json};

use crate::stage::{Guest, assert_error, in_time};

/// Documents, and what is wrong with each.
fn bombs() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"deep": 100_000}), "recursion limit"),
        (json!({"digits": 10_000}), "out of range"),
        (json!("twice"), "there twice"),
        (json!({"long": 1 << 20}), "larger than the limit"),
        (json!({"wide": 200_000}), "values"),
        (json!({"text": "{\"a\""}), "EOF"),
        (json!({"text": "nothing"}), "expected ident"),
    ]
}

#[tokio::test]
async fn documents_that_the_contract_forbids_are_no_answers() {
    let mut guest = Guest::new(test_guests::HOSTILE);
    // What is too long as a document may cross.
    guest.plugin.limits.crossing = 16 << 20;
    let caller = guest.caller();
    for (bomb, wrong) in bombs() {
        for call in ["diff", "verify", "checkpoint"] {
            let section = json!({"links": ["h0"], "misdeeds": {call: {"bomb": bomb}}}).to_string();
            let current = "{}".to_owned();
            let answer = in_time(async {
                match call {
                    "diff" => caller.diff(&current, &section).await.map(drop),
                    "verify" => caller.verify(&section).await.map(drop),
                    _ => caller.checkpoint(Some(&section)).await.map(drop),
                }
            })
            .await;
            assert_error!(
                answer,
                PluginError::Contract { call: failed, reason, .. } if *failed == call && reason.contains(wrong)
            );
        }
    }
    let honest = caller.checkpoint(Some(&"{}".to_owned())).await;
    assert!(honest.unwrap().state.contains("links"));
}

#[tokio::test]
async fn operations_that_are_bombs_reach_no_database() {
    let mut guest = Guest::new(test_guests::HOSTILE);
    guest.plugin.limits.crossing = 16 << 20;
    let caller = guest.caller();
    for (bomb, wrong) in bombs() {
        // These are bounded by the database's own, larger limit.
        if matches!(wrong, "larger than the limit" | "values") {
            continue;
        }
        let section = json!({"misdeeds": {"query": {"transact": bomb}}}).to_string();
        let answer = in_time(caller.query(Some(&section))).await;
        assert_error!(
            answer,
            PluginError::Answer { failure, .. } if failure.code == FailureCode::Invalid && failure.message.contains(wrong)
        );
    }
}
