//! Calls, properties, names and signals on a real dbus-daemon.

use super::fixture::{PrivateBus, method, plain};
use super::service::{NAME, PATH, Service, ask};
use crate::backends::dbus::value::NoSecrets;
use crate::backends::dbus::{Bus, BusAddress, Limits, Subscription, Terms};
use crate::contract::dbus::{Property, SignalMatch};
use crate::contract::types::FailureCode;

fn from(sender: &str) -> SignalMatch {
    SignalMatch {
        sender: sender.into(),
        path: None,
        interface: None,
        member: None,
    }
}

async fn numbers(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(subscription.next(&NoSecrets).await.unwrap().arguments);
    }
    numbers
}

#[tokio::test]
async fn without_a_bus_the_failure_names_the_address_and_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("unix:path={}/nobody", directory.path().display());
    let bus = Bus::connect(BusAddress::Explicit(address.clone()));
    let failure = bus.has_owner("org.example.Any").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable);
    assert!(
        failure.message.contains(&address) && failure.message.contains("--dbus-address"),
        "{failure:?}"
    );

    let bus = Bus::connect(BusAddress::Explicit("no address".into()));
    let failure = bus.has_owner("org.example.Any").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Invalid, "{failure:?}");
}

#[tokio::test]
async fn the_first_address_of_a_list_that_answers_is_taken() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let list = format!("unix:path=/nowhere/at/all;{}", private.address);
    let bus = Bus::connect(BusAddress::Explicit(list));
    assert!(bus.has_owner("org.freedesktop.DBus").await.unwrap());
}

#[tokio::test]
async fn five_hundred_calls_are_answered_in_order_past_the_limit_of_the_system_bus() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let mut calls: Vec<_> = (0..500)
        .map(|number| ask("Echo", "u", format!("[{number}]")))
        .collect();
    calls[7] = ask("Echo", "u", r#"["seven"]"#);
    calls[9] = ask("Fail", "", "[]");
    let answers = private.bus().call_all(&plain(&calls)).await;
    assert_eq!(answers.len(), 500);
    for (number, answer) in answers.into_iter().enumerate() {
        match number {
            7 => assert_eq!(answer.unwrap_err().code, FailureCode::Invalid),
            9 => assert_eq!(answer.unwrap_err().code, FailureCode::Refused),
            _ => assert_eq!(answer.unwrap().values, format!("[{number}]")),
        }
    }
}

#[tokio::test]
async fn a_reply_in_the_other_byte_order_reads_the_same() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let values = r#"[{"k":{"type":"(xd)","data":[-2,0.25]}},[1,2]]"#;
    let arguments = serde_json::to_string(&["a{sv}aq", values]).unwrap();
    let reply = private
        .bus()
        .call(&ask("BigEndian", "ss", arguments), Terms::PLAIN)
        .await
        .unwrap();
    assert_eq!(
        (reply.signature.as_str(), reply.values.as_str()),
        ("a{sv}aq", values)
    );
}

#[tokio::test]
async fn errors_keep_the_name_and_the_text_of_the_service() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let _echo = Service::start(&private.address, NAME).await;
    let _locked = Service::start(&private.address, "org.example.Locked").await;
    let bus = private.bus();
    let failure = bus
        .call(&ask("Fail", "", "[]"), Terms::PLAIN)
        .await
        .unwrap_err();
    let backend = failure.backend.unwrap();
    assert_eq!(backend.name, "org.example.Error.Odd");
    assert_eq!(backend.text.as_deref(), Some("the moon is \"wrong\""));

    let failure = bus
        .call(&ask("FailSilently", "", "[]"), Terms::PLAIN)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::NotFound);
    assert_eq!(failure.backend.unwrap().text, None);

    let nobody = method(
        "org.example.Nobody",
        "/",
        "org.example.Nobody",
        "Any",
        "",
        "[]",
    );
    let failure = bus.call(&nobody, Terms::PLAIN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable, "{failure:?}");

    // The policy of the bus denies it.
    let open = method(
        "org.example.Locked",
        PATH,
        "org.example.Locked",
        "Open",
        "",
        "[]",
    );
    let failure = bus.call(&open, Terms::PLAIN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
    assert_eq!(
        failure.backend.unwrap().name,
        "org.freedesktop.DBus.Error.AccessDenied"
    );

    for (destination, path, interface, member) in [
        ("", PATH, NAME, "Echo"),
        (NAME, "no/path", NAME, "Echo"),
        (NAME, PATH, "no-dots", "Echo"),
        (NAME, PATH, NAME, "no.member"),
    ] {
        let call = method(destination, path, interface, member, "", "[]");
        let failure = bus.call(&call, Terms::PLAIN).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Invalid, "{failure:?}");
    }
}

#[tokio::test]
async fn a_name_has_an_owner_while_somebody_owns_it() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let bus = private.bus();
    assert!(!bus.has_owner(NAME).await.unwrap());
    let echo = Service::start(&private.address, NAME).await;
    assert!(bus.has_owner(NAME).await.unwrap());
    assert!(bus.has_owner(&echo.unique_name()).await.unwrap());
    echo.connection.release_name(NAME).await.unwrap();
    assert!(!bus.has_owner(NAME).await.unwrap());
    assert_eq!(
        bus.has_owner("no name").await.unwrap_err().code,
        FailureCode::Invalid
    );
}

#[tokio::test]
async fn properties_are_variants() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let of = Property {
        destination: "org.freedesktop.DBus".into(),
        path: "/org/freedesktop/DBus".into(),
        interface: "org.freedesktop.DBus".into(),
        name: "Features".into(),
    };
    let bus = private.bus();
    let value: serde_json::Value =
        serde_json::from_str(&bus.get_property(&of, Terms::PLAIN).await.unwrap()).unwrap();
    assert_eq!(value["type"], "as");
    assert!(value["data"].is_array());
    let missing = Property {
        name: "Nonsense".into(),
        ..of
    };
    let failure = bus.get_property(&missing, Terms::PLAIN).await.unwrap_err();
    assert!(failure.backend.is_some(), "{failure:?}");
}

#[tokio::test]
async fn only_signals_of_the_sender_that_match_come_in() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let echo = Service::start(&private.address, NAME).await;
    let stranger = Service::start(&private.address, "org.example.Stranger").await;
    let bus = private.bus();
    let question = method(
        "org.freedesktop.DBus",
        "/",
        "org.freedesktop.DBus",
        "GetNameOwner",
        "s",
        format!("[\"{NAME}\"]"),
    );
    let owner = bus.call(&question, Terms::PLAIN).await.unwrap();
    assert_eq!(owner.values, format!("[\"{}\"]", echo.unique_name()));

    let mut all = bus.subscribe(from(NAME)).await.unwrap();
    let mut some = bus
        .subscribe(SignalMatch {
            path: Some(PATH.into()),
            interface: Some(NAME.into()),
            member: Some("Ticked".into()),
            ..from(NAME)
        })
        .await
        .unwrap();
    let mut of_stranger = bus.subscribe(from("org.example.Stranger")).await.unwrap();
    // A stranger may send to our connection directly, and pretend all but its sender. He sends first, so that what he sent has passed by
    // when the rest comes.
    let here = all_connections(&bus).await;
    for connection in &here {
        stranger.emit("Ticked", 666, Some(connection)).await;
    }
    stranger.emit("Ticked", 667, None).await;
    assert_eq!(numbers(&mut of_stranger, 1).await.len(), 1);
    echo.emit("Ticked", 1, None).await;
    echo.emit("Tocked", 2, None).await;
    echo.emit("Ticked", 3, None).await;
    assert_eq!(numbers(&mut all, 3).await, ["[1]", "[2]", "[3]"]);
    assert_eq!(numbers(&mut some, 2).await, ["[1]", "[3]"]);
}

/// Unique names on the bus.
async fn all_connections(bus: &Bus) -> Vec<String> {
    let list = method(
        "org.freedesktop.DBus",
        "/",
        "org.freedesktop.DBus",
        "ListNames",
        "",
        "[]",
    );
    let reply = bus.call(&list, Terms::PLAIN).await.unwrap();
    let (names,): (Vec<String>,) = serde_json::from_str(&reply.values).unwrap();
    names
        .into_iter()
        .filter(|name| name.starts_with(':'))
        .collect()
}

#[tokio::test]
async fn a_subscription_follows_the_name_to_its_next_owner() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let bus = private.bus();
    // Nobody owns the name yet.
    let mut ticks = bus.subscribe(from(NAME)).await.unwrap();
    let first = Service::start(&private.address, NAME).await;
    first.emit("Ticked", 1, None).await;
    assert_eq!(numbers(&mut ticks, 1).await, ["[1]"]);
    first.connection.release_name(NAME).await.unwrap();
    first.emit("Ticked", 2, None).await;
    let second = Service::start(&private.address, NAME).await;
    second.emit("Ticked", 3, None).await;
    let signal = ticks.next(&NoSecrets).await.unwrap();
    assert_eq!(
        (signal.arguments.as_str(), signal.sender),
        ("[3]", second.unique_name())
    );
}

#[tokio::test]
async fn a_queue_that_runs_over_says_so_once_and_goes_on() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let echo = Service::start(&private.address, NAME).await;
    let limits = Limits {
        signals: 3,
        ..Limits::default()
    };
    let bus = private.bus_with(limits);
    let mut ticks = bus.subscribe(from(NAME)).await.unwrap();
    for number in 0..4 {
        echo.emit("Ticked", number, None).await;
    }
    // A round trip through the service puts the signals before its reply.
    bus.call(&ask("Echo", "", "[]"), Terms::PLAIN)
        .await
        .unwrap();
    assert_eq!(
        ticks.next(&NoSecrets).await.unwrap_err().code,
        FailureCode::Limit
    );
    echo.emit("Ticked", 5, None).await;
    assert_eq!(numbers(&mut ticks, 1).await, ["[5]"]);
}

#[tokio::test]
async fn dropping_a_subscription_removes_its_match_rules() {
    let Some(private) = PrivateBus::start().await else {
        return;
    };
    let echo = Service::start(&private.address, NAME).await;
    let bus = private.bus();
    // dbus-daemon refuses a connection's 513th match rule on a system bus: a leak would show.
    for _ in 0..400 {
        drop(bus.subscribe(from(NAME)).await.unwrap());
    }
    let mut ticks = bus.subscribe(from(NAME)).await.unwrap();
    echo.emit("Ticked", 1, None).await;
    assert_eq!(numbers(&mut ticks, 1).await, ["[1]"]);
    let bad = SignalMatch {
        member: Some("it's".into()),
        ..from(NAME)
    };
    assert_eq!(
        bus.subscribe(bad).await.err().unwrap().code,
        FailureCode::Invalid
    );
}

#[tokio::test]
async fn a_bus_that_went_away_is_reconnected_on_the_next_use() {
    let Some(mut private) = PrivateBus::start().await else {
        return;
    };
    let echo = Service::start(&private.address, NAME).await;
    let bus = private.bus();
    let mut ticks = bus.subscribe(from(NAME)).await.unwrap();
    let silent = ask("Silent", "", "[]");
    let call = bus.call(&silent, Terms::PLAIN);
    let kill = async {
        // On the same connection, so the call before it has reached the bus.
        bus.has_owner(NAME).await.unwrap();
        private.kill().await;
    };
    let (answer, ()) = tokio::join!(call, kill);
    let failure = answer.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure:?}");
    assert_eq!(
        ticks.next(&NoSecrets).await.unwrap_err().code,
        FailureCode::Unavailable
    );
    assert_eq!(
        bus.has_owner(NAME).await.unwrap_err().code,
        FailureCode::Unavailable
    );

    drop(echo);
    private.restart().await;
    assert!(!bus.has_owner(NAME).await.unwrap());
    let _echo = Service::start(&private.address, NAME).await;
    bus.call(&ask("Echo", "", "[]"), Terms::PLAIN)
        .await
        .unwrap();
}
