//! Guests that take memory, their own and the host's.

use op_dbus::plugin::failure::PluginError;

use crate::stage::{Guest, MEMORY, assert_error, in_time, limits, peak_memory};

/// Asserts that a limit stopped the guest, which one, and that the host's own memory has grown no further than by what the guest may have
/// and a margin for what it does besides.
macro_rules! stopped_by {
    ($name:literal, $call:expr) => {{
        let _alone = MEMORY.lock().await;
        let before = peak_memory();
        let result = $call;
        assert_error!(result, PluginError::Limit { reason, .. } if reason.contains(concat!("`", $name, "`")));
        let grown = peak_memory().saturating_sub(before);
        let allowed = limits().memory + (64 << 20);
        assert!(grown <= allowed, "the host took {} MiB", grown >> 20);
    }};
}

#[tokio::test]
async fn memory_that_grows_without_end_is_stopped_by_its_limit() {
    let guest = Guest::new(test_guests::HOSTILE);
    let section = r#"{"misdeeds": {"validate": "grow"}}"#;
    stopped_by!("memory", guest.validate(section).await);
    assert!(guest.validate("{}").await.unwrap().is_empty());
}

#[tokio::test]
async fn many_memories_share_one_limit() {
    let guest = Guest::new(test_guests::MANY_MEMORIES);
    stopped_by!("memory", guest.validate("{}").await);
}

#[tokio::test]
async fn more_memories_than_a_component_may_have_are_not_made() {
    let guest = Guest::new(test_guests::TOO_MANY_MEMORIES);
    let caller = guest.caller();
    stopped_by!("parts", in_time(caller.describe()).await);
}

#[tokio::test]
async fn tables_share_a_limit_when_they_are_made_and_when_they_grow() {
    let guest = Guest::new(test_guests::LARGE_TABLE);
    let caller = guest.caller();
    stopped_by!("table-elements", in_time(caller.describe()).await);
    let guest = Guest::new(test_guests::GROWING_TABLE);
    stopped_by!("table-elements", guest.validate("{}").await);
}

#[tokio::test]
async fn a_long_string_is_not_taken_in() {
    let guest = Guest::new(test_guests::ARGUMENTS);
    stopped_by!("crossing", guest.validate("b").await);
    // 1 GiB that the guest does not even have.
    assert_error!(guest.validate("a").await, PluginError::Trap { .. });
    assert!(guest.validate("-").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_whose_items_are_all_the_same_counts_as_often_as_it_names_them() {
    let guest = Guest::new(test_guests::ARGUMENTS);
    stopped_by!("crossing", guest.validate("c").await);
    assert!(guest.validate("-").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_long_answer_is_not_taken_in() {
    let guest = Guest::new(test_guests::ANSWERS);
    let caller = guest.caller();
    stopped_by!(
        "crossing",
        in_time(caller.query(Some(&"b".to_owned()))).await
    );
    let answer = in_time(caller.query(Some(&"a".to_owned()))).await;
    assert_error!(answer, PluginError::Trap { .. });
}

#[tokio::test]
async fn random_bytes_are_given_in_small_numbers_only() {
    let _alone = MEMORY.lock().await;
    let guest = Guest::new(test_guests::WASI);
    let before = peak_memory();
    assert_error!(guest.validate("c").await, PluginError::Trap { .. });
    assert!(peak_memory() - before < 64 << 20);
}
