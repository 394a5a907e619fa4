//! The gate before a real dbus-daemon, with witnesses that note every call that reaches them.

mod properties;
mod secrets;
mod witness;

use std::time::Duration;

use super::*;
use crate::backends::dbus::tests::fixture::{PrivateBus, method};
use witness::{Book, NAME, PATH, Witness, gate};

const GRANT: &str = r#"
    [dbus]
    buses = ["*"]
    [[dbus.rules]]
    names = ["org.example.Witness"]
    paths = ["/org/example/*"]
    interfaces = ["org.example.Witness"]
    read = ["Look"]
    keep = ["Keep"]
    change = ["Change"]
    properties = ["Seen"]
    set = ["Seen"]
    signals = ["Ticked", "PropertiesChanged"]
    [[dbus.rules]]
    names = ["org.freedesktop.DBus"]
    paths = ["*"]
    interfaces = ["*"]
    read = ["*"]
    change = ["*"]
    signals = ["*"]
"#;

fn look(member: &str) -> MethodCall {
    method(NAME, PATH, NAME, member, "", "[]")
}

fn code<T>(answer: &Result<T, Failure>) -> Option<FailureCode> {
    answer.as_ref().err().map(|failure| failure.code)
}

#[tokio::test]
async fn each_mode_lets_through_what_it_may_do() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, NAME).await;
    let calls = ["Look", "Keep", "Change", "Hide"].map(look).to_vec();
    for (mode, through) in [
        (Mode::Pure, &[][..]),
        (Mode::Read, &["Look"][..]),
        (Mode::Checkpoint, &["Look", "Keep"][..]),
        (Mode::Change, &["Look", "Keep", "Change"][..]),
        (Mode::Rehearse, &["Look"][..]),
    ] {
        let book = Book::default();
        let gate = gate(&private, GRANT, mode, &book);
        let answers = gate.call_all(calls.clone()).await;
        assert_eq!(witness.take(), through, "{mode:?}");
        let answered = through.len() + if mode == Mode::Rehearse { 2 } else { 0 };
        for (at, answer) in answers.iter().enumerate() {
            let expected = (at >= answered).then_some(FailureCode::Denied);
            assert_eq!(code(answer), expected, "{mode:?} {answer:?}");
        }
        let (changes, rehearsed) = book.members();
        match mode {
            Mode::Change => assert_eq!(changes, ["Change"]),
            _ => assert!(changes.is_empty()),
        }
        match mode {
            Mode::Rehearse => {
                assert_eq!(rehearsed, ["Keep", "Change"]);
                let empty = answers[2].as_ref().unwrap();
                assert_eq!(
                    (empty.signature.as_str(), empty.values.as_str()),
                    ("", "[]")
                );
            }
            _ => assert!(rehearsed.is_empty()),
        }
    }
}

#[tokio::test]
async fn what_the_journal_refuses_is_not_sent() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, NAME).await;
    let book = Book::closed();
    let gate = gate(&private, GRANT, Mode::Change, &book);
    let answers = gate.call_all(["Look", "Change"].map(look).to_vec()).await;
    assert!(
        answers
            .iter()
            .all(|answer| code(answer) == Some(FailureCode::Cancelled))
    );
    assert!(witness.take().is_empty());
    assert!(gate.call(look("Look")).await.is_ok());
    assert_eq!(witness.take(), ["Look"]);
}

#[tokio::test]
async fn a_property_is_held_against_its_own_interface() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, NAME).await;
    let book = Book::default();
    let gate = gate(&private, GRANT, Mode::Change, &book);
    let call = |member: &str, signature: &str, arguments: &str| {
        method(NAME, PATH, PROPERTIES, member, signature, arguments)
    };
    for (sound, wanted) in [
        (
            call("Get", "ss", r#"["org.example.Witness","Seen"]"#),
            "Get",
        ),
        (
            call(
                "Set",
                "ssv",
                r#"["org.example.Witness", "Seen", {"type":"u","data":7}]"#,
            ),
            "Set",
        ),
    ] {
        gate.call(sound).await.unwrap();
        assert_eq!(witness.take(), [wanted]);
    }
    assert_eq!(book.members().0, ["Set"]);
    for denied in [
        call("Get", "ss", r#"["org.example.Witness","Hidden"]"#),
        call("Get", "ss", r#"["","Seen"]"#),
        call("Get", "ss", r#"["org.example.Other","Seen"]"#),
        call("GetAll", "s", r#"["org.example.Witness"]"#),
        call(
            "Set",
            "ssv",
            r#"["org.example.Witness","Hidden",{"type":"u","data":7}]"#,
        ),
    ] {
        let answer = gate.call(denied).await;
        assert_eq!(code(&answer), Some(FailureCode::Denied), "{answer:?}");
    }
    for invalid in [
        call("Get", "ss", r#"["org.example.Witness",{"secret":"x"}]"#),
        call("Get", "ss", r#"["org.example.Witness"]"#),
        call("Get", "sss", r#"["org.example.Witness","Seen","x"]"#),
        call("Look", "", "[]"),
    ] {
        let answer = gate.call(invalid).await;
        assert_eq!(code(&answer), Some(FailureCode::Invalid), "{answer:?}");
    }
    assert!(witness.take().is_empty());
}

#[tokio::test]
async fn a_unique_name_is_what_it_owns() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, NAME).await;
    let stranger = Witness::start(&private, "org.example.Stranger").await;
    let book = Book::default();
    let gate = gate(&private, GRANT, Mode::Read, &book);
    let to = |unique: &str| method(unique, PATH, NAME, "Look", "", "[]");
    gate.call(to(&witness.unique_name())).await.unwrap();
    assert_eq!(witness.take(), ["Look"]);
    assert!(gate.has_owner(&witness.unique_name()).await.unwrap());
    for name in [stranger.unique_name(), ":1.4711".into(), ":".into()] {
        let answer = gate.call(to(&name)).await;
        assert_eq!(code(&answer), Some(FailureCode::Denied), "{answer:?}");
        let answer = gate.has_owner(&name).await;
        assert_eq!(code(&answer), Some(FailureCode::Denied), "{answer:?}");
    }
    // The same connection, without the name.
    witness.release(NAME).await;
    let answer = gate.call(to(&witness.unique_name())).await;
    assert_eq!(code(&answer), Some(FailureCode::Denied), "{answer:?}");
    // The name, at another connection.
    stranger.take_name(NAME).await;
    gate.call(look("Look")).await.unwrap();
    gate.call(to(&stranger.unique_name())).await.unwrap();
    assert_eq!(stranger.take(), ["Look", "Look"]);
    assert!(witness.take().is_empty());
}

#[tokio::test]
async fn the_bus_itself_answers_questions_and_does_nothing_else() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let book = Book::default();
    let gate = gate(&private, GRANT, Mode::Change, &book);
    let ask = |member: &str, signature: &str, arguments: &str| {
        method(
            BUS,
            "/org/freedesktop/DBus",
            BUS,
            member,
            signature,
            arguments,
        )
    };
    gate.call(ask("ListNames", "", "[]")).await.unwrap();
    for (member, signature, arguments) in [
        ("RequestName", "su", r#"["org.example.Mine",0]"#),
        ("AddMatch", "s", r#"["type='signal'"]"#),
        ("StartServiceByName", "su", r#"["org.example.Any",0]"#),
        (
            "UpdateActivationEnvironment",
            "a{ss}",
            r#"[{"LD_PRELOAD":"x"}]"#,
        ),
    ] {
        let answer = gate.call(ask(member, signature, arguments)).await;
        assert_eq!(code(&answer), Some(FailureCode::Denied), "{member}");
    }
    let monitor = method(
        BUS,
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus.Monitoring",
        "BecomeMonitor",
        "asu",
        "[[],0]",
    );
    assert_eq!(code(&gate.call(monitor).await), Some(FailureCode::Denied));
    assert_eq!(book.denials(), 5);
}

#[tokio::test]
async fn without_a_bus_or_a_grant_for_it_the_failure_says_so() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let book = Book::default();
    let none = gate(&private, "", Mode::Read, &book);
    let answer = none.has_owner(NAME).await;
    assert_eq!(code(&answer), Some(FailureCode::Denied));
    assert!(answer.unwrap_err().message.contains("grant.dbus"));
    let other = gate(&private, "[dbus]\nbuses = [\"system\"]", Mode::Read, &book);
    let answer = other.has_owner(NAME).await;
    assert_eq!(code(&answer), Some(FailureCode::Denied));
    assert!(answer.unwrap_err().message.contains("dbus.buses"));

    let address = "unix:path=/nowhere/at/all".to_owned();
    let nowhere = witness::gate_at(address, GRANT, Mode::Read, &book);
    let answers = nowhere.call_all(vec![look("Look"), look("Hide")]).await;
    assert_eq!(
        code(&answers[0]),
        Some(FailureCode::Unavailable),
        "{answers:?}"
    );
    assert_eq!(code(&answers[1]), Some(FailureCode::Denied), "{answers:?}");
}

fn signals(sender: &str) -> SignalMatch {
    SignalMatch {
        sender: sender.into(),
        path: None,
        interface: None,
        member: None,
    }
}

#[tokio::test]
async fn only_signals_that_the_grant_covers_come_in() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, NAME).await;
    let book = Book::default();
    let gate = gate(&private, GRANT, Mode::Read, &book);
    let mut heard = gate.subscribe(signals(NAME)).await.unwrap();
    let changed = |interface: &'static str, name: &'static str| {
        let changed = std::collections::HashMap::from([(name, zbus::Variant::U32(7))]);
        (interface, changed, Vec::<String>::new())
    };
    witness.emit(PATH, NAME, "Ticked", &1_u32).await;
    witness.emit(PATH, NAME, "Tocked", &2_u32).await;
    witness.emit("/elsewhere", NAME, "Ticked", &3_u32).await;
    witness
        .emit(PATH, "org.example.Other", "Ticked", &4_u32)
        .await;
    let of = PROPERTIES_CHANGED;
    witness
        .emit(PATH, PROPERTIES, of, &changed(NAME, "Seen"))
        .await;
    witness
        .emit(PATH, PROPERTIES, of, &changed(NAME, "Hidden"))
        .await;
    witness
        .emit(PATH, PROPERTIES, of, &changed("org.example.Other", "Seen"))
        .await;
    witness.emit(PATH, PROPERTIES, of, &5_u32).await;
    witness.emit(PATH, NAME, "Ticked", &6_u32).await;
    let mut found = Vec::new();
    while found.len() < 3 {
        let signal = gate.next(&mut heard, Duration::from_secs(60)).await;
        found.push(signal.unwrap().expect("it was sent").arguments);
    }
    assert_eq!(
        found,
        [
            "[1]",
            r#"["org.example.Witness",{"Seen":{"type":"u","data":7}},[]]"#,
            "[6]"
        ]
    );
    assert!(
        gate.next(&mut heard, Duration::ZERO)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn subscriptions_outside_the_grant_are_denied_and_those_inside_are_counted() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _witness = Witness::start(&private, NAME).await;
    let book = Book::default();
    let gate = gate(&private, GRANT, Mode::Rehearse, &book);
    let with = |path: Option<&str>, interface: Option<&str>, member: Option<&str>| SignalMatch {
        path: path.map(str::to_owned),
        interface: interface.map(str::to_owned),
        member: member.map(str::to_owned),
        ..signals(NAME)
    };
    for denied in [
        signals("org.example.Stranger"),
        signals(":1.4711"),
        with(Some("/elsewhere"), None, None),
        with(None, Some("org.example.Other"), None),
        with(None, Some(NAME), Some("Tocked")),
        with(None, Some(PROPERTIES), Some("Ticked2")),
    ] {
        let answer = gate.subscribe(denied.clone()).await;
        assert_eq!(code(&answer), Some(FailureCode::Denied), "{denied:?}");
    }
    let mut held = Vec::new();
    let full = loop {
        match gate.subscribe(signals(NAME)).await {
            Ok(subscription) => held.push(subscription),
            Err(failure) => break failure,
        }
    };
    assert_eq!((held.len(), full.code), (16, FailureCode::Limit));
    // Nothing will happen in a rehearsal: it does not wait.
    let hour = Duration::from_secs(3600);
    assert!(gate.next(&mut held[0], hour).await.unwrap().is_none());
    held.pop();
    gate.unsubscribe();
    gate.subscribe(with(None, Some(PROPERTIES), None))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_message_of_a_batch_counts_against_the_limit_of_calls() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let witness = Witness::start(&private, NAME).await;
    let book = Book::default();
    let mut gate = gate(&private, GRANT, Mode::Read, &book);
    gate.budget.calls = 3.into();
    let answers = gate.call_all(vec![look("Look"); 5]).await;
    let codes: Vec<_> = answers.iter().map(code).collect();
    let limit = Some(FailureCode::Limit);
    assert_eq!(codes, [None, None, None, limit, limit]);
    assert_eq!(witness.take().len(), 3);
}
