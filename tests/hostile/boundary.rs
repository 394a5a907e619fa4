//! Guests that break the rules of the boundary itself: pointers, texts, handles, and what WASI would give elsewhere.

use op_dbus::plugin::failure::PluginError;

use crate::stage::{Guest, assert_error, in_time};

#[tokio::test]
async fn pointers_and_lengths_out_of_range_trap() {
    let guest = Guest::new(test_guests::ARGUMENTS);
    for case in ["a", "d", "e", "f", "g", "l", "m"] {
        let result = guest.validate(case).await;
        assert_error!(result, PluginError::Trap { .. });
        assert!(guest.validate("-").await.unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn texts_that_are_none_and_cases_that_there_are_not_trap() {
    let guest = Guest::new(test_guests::ARGUMENTS);
    for case in ["h", "i", "j", "k"] {
        let result = guest.validate(case).await;
        assert_error!(result, PluginError::Trap { .. });
        assert!(guest.validate("-").await.unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn utf16_that_is_none_traps() {
    let guest = Guest::new(test_guests::UTF16);
    for case in ["a", "b", "c"] {
        assert_error!(guest.validate(case).await, PluginError::Trap { .. });
        assert!(guest.validate("-").await.unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn answers_that_are_none_trap() {
    let guest = Guest::new(test_guests::ANSWERS);
    let caller = guest.caller();
    for case in ["a", "c", "d", "e", "f", "g"] {
        let result = in_time(caller.query(Some(&case.to_owned()))).await;
        assert_error!(result, PluginError::Trap { .. });
    }
}

#[tokio::test]
async fn handles_that_are_forged_foreign_or_dropped_already_trap() {
    let guest = Guest::new(test_guests::HANDLES);
    for case in ["a", "b", "c", "d", "e"] {
        assert_error!(guest.validate(case).await, PluginError::Trap { .. });
        assert!(guest.validate("g").await.unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn handles_that_are_never_given_back_are_stopped_by_their_limit() {
    let guest = Guest::new(test_guests::HANDLES);
    let leaking = guest.validate("f").await;
    assert_error!(leaking, PluginError::Limit { reason, .. } if reason.contains("`handles`"));
    assert!(guest.validate("g").await.unwrap().is_empty());
}

#[tokio::test]
async fn wasi_has_no_environment_no_directories_and_no_sockets() {
    let guest = Guest::new(test_guests::WASI);
    for case in ["d", "e", "f"] {
        assert!(guest.validate(case).await.unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn nothing_of_one_call_is_there_in_the_next() {
    let guest = Guest::new(test_guests::HOSTILE);
    let other = Guest::new(test_guests::HOSTILE);
    for guest in [&guest, &guest, &other] {
        let calls = guest
            .validate(r#"{"misdeeds": {"validate": "remember"}}"#)
            .await;
        assert_eq!(calls.unwrap(), ["1"]);
    }
}
