//! Guests that never end: the deadline ends them, whatever they are in.

use op_dbus::plugin::failure::PluginError;
use tokio::net::UnixListener;

use crate::stage::{Guest, assert_error, in_time};

#[tokio::test]
async fn an_endless_loop_in_the_start_function_ends_at_the_deadline() {
    let guest = Guest::new(test_guests::START).hurried();
    let caller = guest.caller();
    for _ in 0..2 {
        assert_error!(
            in_time(caller.describe()).await,
            PluginError::Deadline {
                call: "describe",
                ..
            }
        );
    }
}

#[tokio::test]
async fn an_endless_loop_in_an_export_ends_at_the_deadline_and_the_next_call_works() {
    let guest = Guest::new(test_guests::HOSTILE).hurried();
    let looping = guest
        .validate(r#"{"misdeeds": {"validate": "loop"}}"#)
        .await;
    assert_error!(looping, PluginError::Deadline { .. });
    assert!(guest.patient().validate("{}").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_endless_loop_where_the_host_asks_for_memory_ends_at_the_deadline() {
    let guest = Guest::new(test_guests::REALLOC).hurried();
    assert_error!(guest.validate("{}").await, PluginError::Deadline { .. });
}

#[tokio::test]
async fn an_endless_loop_after_the_answer_ends_at_the_deadline() {
    let guest = Guest::new(test_guests::POST_RETURN).hurried();
    assert_error!(guest.validate("{}").await, PluginError::Deadline { .. });
}

#[tokio::test]
async fn a_guest_that_sleeps_in_wasi_is_woken_by_the_deadline() {
    let guest = Guest::new(test_guests::WASI).hurried();
    assert_error!(guest.validate("b").await, PluginError::Deadline { .. });
    assert!(guest.patient().validate("-").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_host_call_to_a_server_that_never_answers_is_cancelled_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("db.sock");
    // It takes connections, and says nothing.
    let _silent = UnixListener::bind(&socket).unwrap();
    let guest = Guest::new(test_guests::HOSTILE)
        .with_ovsdb(socket)
        .hurried();
    let caller = guest.caller();
    let section = r#"{"misdeeds": {"query": "hang"}}"#.to_owned();
    for _ in 0..2 {
        let hanging = in_time(caller.query(Some(&section))).await;
        assert_error!(hanging, PluginError::Deadline { call: "query", .. });
    }
    let guest = guest.patient();
    let honest = in_time(guest.caller().query(Some(&"{}".to_owned()))).await;
    assert!(honest.unwrap().contains("links"));
}

#[tokio::test]
async fn a_plugin_that_never_ends_does_not_keep_another_from_its_work() {
    let busy = Guest::new(test_guests::HOSTILE).hurried();
    let honest = Guest::new(test_guests::HOSTILE);
    let working = async {
        for _ in 0..5 {
            assert!(honest.validate("{}").await.unwrap().is_empty());
        }
    };
    let (looping, ()) = tokio::join!(
        busy.validate(r#"{"misdeeds": {"validate": "loop"}}"#),
        working
    );
    assert_error!(looping, PluginError::Deadline { .. });
}

#[tokio::test]
async fn deep_recursion_traps_and_the_next_call_works() {
    let guest = Guest::new(test_guests::HOSTILE);
    let deep = guest
        .validate(r#"{"misdeeds": {"validate": "recurse"}}"#)
        .await;
    assert_error!(deep, PluginError::Trap { reason, .. } if reason.contains("call stack exhausted"));
    assert!(guest.validate("{}").await.unwrap().is_empty());
}
