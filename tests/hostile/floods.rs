//! Guests that ask for a lot, each time for little.

use op_dbus::contract::exports::op_dbus::plugin::state::{Action, Operation};
use op_dbus::contract::types::FailureCode;
use op_dbus::gate::Mode;
use op_dbus::plugin::failure::PluginError;
use serde_json::{Value, json};

use crate::stage::{Guest, MEMORY, assert_error, in_time, limits, peak_memory};

/// Two steps: the guest does what is wrong in the second.
fn steps(misdeed: &Value) -> Vec<Action> {
    let steps = ["h0", "h1"].map(|name| Action {
        operation: Operation::Create,
        target: format!("link {name}"),
        before: None,
        after: Some(json!({"links": [name], "misdeeds": {"apply": misdeed}}).to_string()),
        summary: String::new(),
        disruptive: false,
    });
    steps.into()
}

async fn apply(guest: &Guest, misdeed: &Value) -> Result<(), PluginError> {
    let caller = guest.caller();
    let applied = in_time(caller.apply(Mode::Change, &steps(misdeed))).await;
    applied.map(drop)
}

#[tokio::test]
async fn a_flood_of_denied_requests_fills_neither_memory_nor_the_log() {
    let _alone = MEMORY.lock().await;
    let mut guest = Guest::new(test_guests::HOSTILE);
    guest.plugin.limits.requests = 2 << 20;
    let before = peak_memory();
    let asked = apply(
        &guest,
        &json!({"ask": {"batches": 20, "requests": 1000, "link": "lo"}}),
    )
    .await;
    assert_error!(asked, PluginError::Answer { failure, .. } if failure.code == FailureCode::Limit);
    assert!(peak_memory() - before < limits().memory + (64 << 20));
    let denied = guest.witness.denied.lock().unwrap();
    assert_eq!(denied.len(), 100);
    assert!(denied[0].contains("\"lo\""), "{}", denied[0]);
    assert!(denied[99].contains("not recorded"), "{}", denied[99]);
    // The first step's link, and nothing that was denied.
    assert_eq!(guest.witness.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_denied_is_recorded_in_short() {
    let guest = Guest::new(test_guests::HOSTILE);
    let name = "x".repeat(100_000);
    let asked = apply(
        &guest,
        &json!({"ask": {"batches": 1, "requests": 1, "link": name}}),
    )
    .await;
    assert_error!(asked, PluginError::Answer { failure, .. } if failure.code == FailureCode::Denied);
    let denied = guest.witness.denied.lock().unwrap();
    assert!(denied.iter().all(|message| message.len() < 2000));
}

#[tokio::test]
async fn changes_that_are_granted_are_counted_too() {
    let mut guest = Guest::new(test_guests::HOSTILE);
    guest.plugin.limits.requests = 1 << 20;
    let asked = apply(
        &guest,
        &json!({"ask": {"batches": 100, "requests": 100, "link": "h9"}}),
    )
    .await;
    assert_error!(asked, PluginError::Answer { failure, .. } if failure.code == FailureCode::Limit);
    // 256 bytes and a few more for each.
    let reached = guest.witness.requests.lock().unwrap().len();
    assert!((3000..4096).contains(&reached), "{reached}");
}

#[tokio::test]
async fn calls_are_counted() {
    let mut guest = Guest::new(test_guests::HOSTILE);
    guest.plugin.limits.host_calls = 50;
    let asked = apply(
        &guest,
        &json!({"ask": {"batches": 1000, "requests": 1, "link": "h9"}}),
    )
    .await;
    assert_error!(asked, PluginError::Answer { failure, .. } if failure.code == FailureCode::Limit);
    assert_eq!(guest.witness.requests.lock().unwrap().len(), 50);
}

#[tokio::test]
async fn progress_is_told_a_hundred_times_at_most() {
    let guest = Guest::new(test_guests::HOSTILE);
    let told = guest
        .validate(r#"{"misdeeds": {"validate": {"progress": 100000}}}"#)
        .await;
    assert!(told.unwrap().is_empty());
    assert!(*guest.witness.progress.lock().unwrap() <= 101);
}

#[tokio::test]
async fn output_by_way_of_wasi_goes_nowhere_until_the_deadline() {
    let _alone = MEMORY.lock().await;
    let guest = Guest::new(test_guests::WASI).hurried();
    let before = peak_memory();
    assert_error!(guest.validate("a").await, PluginError::Deadline { .. });
    assert!(peak_memory() - before < 64 << 20);
}

#[tokio::test]
async fn a_call_outside_the_grant_reaches_nobody_in_any_version_of_the_contract() {
    // One version so far; a guest of an older one joins this list when there is a newer one.
    for guest in [test_guests::HOSTILE] {
        let guest = Guest::granted(guest, Default::default());
        let asked = apply(
            &guest,
            &json!({"ask": {"batches": 1, "requests": 1, "link": "lo"}}),
        )
        .await;
        assert_error!(asked, PluginError::Answer { failure, .. } if failure.code == FailureCode::Denied);
        assert!(guest.witness.requests.lock().unwrap().is_empty());
        assert!(!guest.witness.denied.lock().unwrap().is_empty());
    }
}
