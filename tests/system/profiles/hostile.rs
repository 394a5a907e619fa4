//! A service that owns NetworkManager's name and means harm, with the plugin `networkmanager` in the sandbox between it and op-dbus.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread::JoinHandle;

use futures_core::Stream;
use op_dbus::backends::dbus::value::{NoSecrets, Order, Signature, from_json};
use serde_json::{Value, json};
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Message, MessageStream};

use crate::namespace::{Namespace, Run, assert_same};
use crate::network_manager::{Bus, installed};

const NAME: &str = "org.freedesktop.NetworkManager";
const MANAGER: &str = "/org/freedesktop/NetworkManager";

/// How it does harm.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// A list of more profiles than any host has, each of them an error.
    ManyProfiles,
    /// A profile that the bus lets through, and whose text takes six times as much in JSON.
    HugeProfile,
    /// Lists that are no lists.
    WrongTypes,
    /// Variants in variants, as deep as a message may have them, and deeper than JSON may.
    DeepVariants,
    /// Settings that are none: wrong types in every place that a plugin looks at.
    WrongProfile,
    /// An error whose text is an attack on the terminal.
    EvilWords,
    /// What was added is never there, and with each answer come signals that say to look again.
    Flood,
}

/// The service, until it is dropped.
struct Service {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Service {
    fn start(bus: &Bus, harm: Harm) -> Self {
        let address = bus.address();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(&address, harm, ready) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().expect("it owns the name");
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

async fn serve(address: &str, harm: Harm, ready: mpsc::Sender<()>) {
    let connection = Builder::address(address).build().await;
    let connection = connection.expect("the bus is there");
    let mut incoming = MessageStream::from(&connection);
    connection.request_name(NAME).await.expect("nobody has it");
    ready.send(()).expect("the test waits");
    while let Some(Ok(message)) =
        poll_fn(|context| Pin::new(&mut incoming).poll_next(context)).await
    {
        if message.message_type() != Type::MethodCall {
            continue;
        }
        if matches!(harm, Harm::Flood) {
            for number in 0..100_u32 {
                let signal = Message::signal(MANAGER, NAME, "StateChanged");
                let signal = signal.build(&number).expect("a number");
                let _ = connection.send(&signal).await;
            }
        }
        if let Some(reply) = answer(&message, harm) {
            // Whoever asked may have gone.
            let _ = connection.send(&reply).await;
        }
    }
}

/// A reply with these values, in the form that busctl prints.
fn reply(call: &Message, signature: &str, values: &Value) -> Message {
    let parsed = Signature::parse(signature.as_bytes()).expect("a signature");
    let body = from_json(parsed, &values.to_string(), Order::Little, &NoSecrets).expect("values");
    let signature = zbus::Signature::from_bytes(signature.as_bytes()).expect("a signature");
    let builder = Message::method_return(&call.header()).endian(zbus::wire::Endian::Little);
    // SAFETY: the body was laid out along this signature, and holds no descriptors.
    unsafe { builder.build_raw_body(&body, signature, Vec::new()) }.expect("it is small enough")
}

fn answer(call: &Message, harm: Harm) -> Option<Message> {
    let header = call.header();
    let paths = |count: usize| -> Value {
        let path = |at| json!(format!("{MANAGER}/Settings/{at}"));
        json!([(1..=count).map(path).collect::<Vec<_>>()])
    };
    let profile = |settings: Value| reply(call, "a{sa{sv}}", &json!([settings]));
    Some(match (header.member()?.as_str(), harm) {
        ("ListConnections", Harm::ManyProfiles) => reply(call, "ao", &paths(20_000)),
        ("ListConnections", Harm::WrongTypes) => reply(call, "s", &json!(["no list"])),
        ("GetSettings", Harm::ManyProfiles) | ("ListConnections", Harm::EvilWords) => {
            Message::error(&header, "org.example.Error.Evil")
                .build(&"\x1b]0;owned\x07\x1b[2J")
                .expect("a text")
        }
        ("ListConnections", Harm::Flood) => reply(call, "ao", &paths(0)),
        ("ListConnections", _) => reply(call, "ao", &paths(1)),
        ("GetAll", Harm::WrongTypes) => reply(
            call,
            "a{sv}",
            &json!([{"Devices": {"type": "u", "data": 7}}]),
        ),
        ("GetAll", _) => reply(call, "a{sv}", &json!([{}])),
        ("GetSettings", Harm::HugeProfile) => {
            // Not by way of JSON, which would take the test far longer than all else.
            let id = zbus::Variant::new("\u{1}".repeat(12 << 20));
            let profile = HashMap::from([("connection", HashMap::from([("id", id)]))]);
            let builder = Message::method_return(&header);
            builder.build(&profile).expect("it is small enough")
        }
        ("GetSettings", Harm::DeepVariants) => {
            let mut value = json!({"type": "y", "data": 7});
            for _ in 0..50 {
                value = json!({"type": "v", "data": value});
            }
            profile(json!({"connection": {"id": value}}))
        }
        ("GetSettings", _) => {
            let wrong = json!({"type": "ay", "data": [1, 2]});
            let keys = [
                "id",
                "uuid",
                "type",
                "interface-name",
                "master",
                "autoconnect",
            ];
            let connection: serde_json::Map<_, _> = keys
                .map(|key| (key.to_owned(), wrong.clone()))
                .into_iter()
                .collect();
            profile(json!({"connection": connection,
                "ipv4": {"method": wrong, "address-data": wrong, "dns": wrong}}))
        }
        ("AddConnection2", _) => reply(
            call,
            "oa{sv}",
            &json!([format!("{MANAGER}/Settings/1"), {}]),
        ),
        _ => Message::error(&header, "org.freedesktop.DBus.Error.UnknownMethod")
            .build(&"no")
            .expect("a text"),
    })
}

/// The most memory that any program of this test has taken, in KiB.
fn peak_of_children() -> i64 {
    // SAFETY: an all-zero rusage is a valid one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it is written to while it lives.
    assert_eq!(
        unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) },
        0
    );
    usage.ru_maxrss
}

/// Runs op-dbus against the service.
fn against(namespace: &Namespace, bus: &Bus, arguments: &[&str]) -> Run {
    let address = bus.address();
    namespace.op_dbus(&[&["--dbus-address", &address], arguments].concat())
}

#[test]
fn whatever_a_service_answers_is_an_error_with_a_reason_and_memory_is_bounded() {
    if !installed(&["dbus-daemon"]) {
        return;
    }
    let namespace = Namespace::new();
    let before = namespace.everything();
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": [
        {"id": "office", "type": "ethernet", "interface": "eth0", "autoconnect": false}]}}});
    let file = namespace.file("state.json", state.to_string());
    let file = file.to_str().expect("a path in UTF-8");
    let bus = Bus::start(&namespace, "");
    for (harm, words) in [
        (Harm::ManyProfiles, "org.example.Error.Evil"),
        (Harm::HugeProfile, "limit"),
        (Harm::WrongTypes, "networkmanager"),
        (Harm::EvilWords, "org.example.Error.Evil"),
    ] {
        let _service = Service::start(&bus, harm);
        let run = against(&namespace, &bus, &["apply", file]).code(1);
        assert!(run.stderr.contains(words), "{harm:?}: {}", run.stderr);
        assert!(run.stderr.len() < 100_000, "{harm:?}: {}", run.stderr.len());
        assert!(
            !run.stderr.contains('\x1b') && !run.stderr.contains('\x07'),
            "{harm:?}"
        );
    }
    assert_same(&namespace.everything(), &before);
    let peak = peak_of_children();
    assert!(peak < 2 << 20, "{peak} KiB");
}

#[test]
fn a_profile_that_is_none_is_shown_as_far_as_it_goes_and_does_no_harm() {
    if !installed(&["dbus-daemon"]) {
        return;
    }
    let namespace = Namespace::new();
    let bus = Bus::start(&namespace, "");
    for harm in [Harm::WrongProfile, Harm::DeepVariants] {
        let _service = Service::start(&bus, harm);
        let query = ["query", "--plugin", "networkmanager", "--json"];
        let run = against(&namespace, &bus, &query);
        let trapped = run.stderr.contains("panicked") || run.stderr.contains("wasm");
        assert!(!trapped, "{harm:?}: {}", run.stderr);
    }
}

#[test]
fn a_flood_of_signals_neither_keeps_verification_from_its_end_nor_takes_memory() {
    if !installed(&["dbus-daemon"]) {
        return;
    }
    let namespace = Namespace::new();
    let bus = Bus::start(&namespace, "");
    let _service = Service::start(&bus, Harm::Flood);
    let state = json!({"version": 1, "plugins": {"networkmanager": {"connections": [
        {"id": "office", "type": "ethernet", "interface": "eth0", "autoconnect": false}]}}});
    let file = namespace.file("state.json", state.to_string());
    let run = against(
        &namespace,
        &bus,
        &["apply", file.to_str().expect("a path in UTF-8")],
    );
    let run = run.code(3);
    assert!(run.stderr.contains("differs"), "{}", run.stderr);
    let peak = peak_of_children();
    assert!(peak < 2 << 20, "{peak} KiB");
}
