//! A service that means harm.

use std::time::Duration;

use super::fixture::{PrivateBus, plain};
use super::service::{NAME, PATH, Service, ask};
use crate::backends::dbus::{Limits, Terms};
use crate::contract::dbus::Property;
use crate::contract::types::FailureCode;

#[tokio::test]
async fn an_array_too_large_is_a_limit_and_the_connection_lives_on() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let bus = private.bus_with(Limits {
        reply: 1 << 20,
        ..Limits::default()
    });
    let failure = bus
        .call(&ask("Huge", "", "[]"), Terms::PLAIN)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Limit);
    assert!(failure.message.contains("1048576"), "{failure:?}");
    bus.call(&ask("Echo", "", "[]"), Terms::PLAIN)
        .await
        .unwrap();
}

#[tokio::test]
async fn descriptors_and_replies_of_the_wrong_type_are_refused_with_a_word() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let bus = private.bus();
    let failure = bus
        .call(&ask("Descriptor", "", "[]"), Terms::PLAIN)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
    assert!(
        failure.message.contains("file descriptors do not travel"),
        "{failure:?}"
    );

    let of = Property {
        destination: NAME.into(),
        path: PATH.into(),
        interface: NAME.into(),
        name: "Any".into(),
    };
    let failure = bus.get_property(&of, Terms::PLAIN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
    assert!(
        failure.message.contains("in place of a variant"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_reply_that_breaks_the_rules_leaves_it_open_what_took_effect() {
    for member in ["Deep", "Malformed"] {
        let Some(private) = PrivateBus::start().await else {
            return;
        };
        let _echo = Service::start(&private.address, NAME).await;
        // dbus-daemon throws out whoever sends such a message.
        let failure = private
            .bus()
            .call(&ask(member, "", "[]"), Terms::PLAIN)
            .await
            .unwrap_err();
        assert_eq!(failure.code, FailureCode::Timeout, "{failure:?}");
        assert_eq!(
            failure.backend.unwrap().name,
            "org.freedesktop.DBus.Error.NoReply"
        );
    }
}

#[tokio::test]
async fn calls_that_are_never_answered_do_not_stop_those_that_follow() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let bus = private.bus();
    let silent = vec![ask("Silent", "", "[]"); 100];
    for _ in 0..3 {
        // Given up at once, after they were handed over.
        let calls = plain(&silent);
        let all = bus.call_all(&calls);
        tokio::select! {
            biased;
            _ = all => panic!("nobody answers"),
            answer = bus.has_owner(NAME) => assert!(answer.unwrap()),
        }
    }
    bus.call(&ask("Echo", "", "[]"), Terms::PLAIN)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deadline_of_the_caller_ends_the_wait() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let bus = private.bus();
    let silent = ask("Silent", "", "[]");
    let call = bus.call(&silent, Terms::PLAIN);
    let waited = tokio::time::timeout(Duration::from_millis(50), call).await;
    assert!(waited.is_err());
    bus.call(&ask("Echo", "", "[]"), Terms::PLAIN)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up_and_it_is_left_open_what_took_effect() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let bus = private.bus_with(Limits {
        patience: Duration::from_millis(50),
        ..Limits::default()
    });
    let silent = ask("Silent", "", "[]");
    let failure = bus.call(&silent, Terms::PLAIN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure:?}");
    assert!(failure.message.contains("is unknown"), "{failure:?}");
}

#[tokio::test]
async fn replies_to_calls_made_together_are_bounded_together() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    // One reply is some sixteen million bytes of JSON.
    let bus = private.bus_with(Limits {
        replies: 20 << 20,
        ..Limits::default()
    });
    let calls = vec![
        ask("Huge", "", "[]"),
        ask("Huge", "", "[]"),
        ask("Echo", "", "[]"),
    ];
    let answers = bus.call_all(&plain(&calls)).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    let failure = answers[1].as_ref().unwrap_err();
    assert_eq!(failure.code, FailureCode::Limit, "{failure:?}");
}
