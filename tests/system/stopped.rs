//! Transactions that are asked to stop, or whose surroundings change under them.

use std::path::Path;

use serde_json::json;

use crate::namespace::{Namespace, assert_same};
use crate::paused::Paused;
use crate::rollback::{change, inhabited, refused};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn each_signal_that_asks_to_stop_ends_in_the_old_state_and_exit_code_3() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = change(&namespace);
    for (signal, name) in [("-INT", "SIGINT"), ("-TERM", "SIGTERM"), ("-HUP", "SIGHUP")] {
        let apply = Paused::at(
            &namespace,
            "journal.append.done=pause",
            &["apply", text(&file)],
        );
        apply.signal(signal);
        let (code, said) = apply.go_on();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&format!("{name} came")), "{said}");
        assert_same(&namespace.everything(), &before);
    }
    let list = namespace.op_dbus(&["checkpoint", "list", "--json"]);
    assert_eq!(list.success().json()["checkpoints"], json!([]));
}

#[test]
fn signals_during_an_undo_do_not_keep_the_old_state_from_coming_back() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = refused(&namespace);
    let apply = Paused::at(
        &namespace,
        "undo.before-execute=pause",
        &["apply", text(&file)],
    );
    assert_ne!(namespace.everything(), before);
    for signal in ["-INT", "-INT", "-TERM", "-HUP"] {
        apply.signal(signal);
    }
    let (code, said) = apply.go_on();
    assert_eq!(code, Some(3), "{said}");
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_signal_stops_a_rollback_as_well() {
    let namespace = inhabited();
    let file = change(&namespace);
    namespace.op_dbus(&["apply", text(&file)]).success();
    let applied = namespace.everything();
    let rollback = Paused::at(&namespace, "journal.append.done=pause", &["rollback"]);
    rollback.signal("-TERM");
    let (code, said) = rollback.go_on();
    assert_eq!(code, Some(3), "{said}");
    assert_same(&namespace.everything(), &applied);
    // The checkpoint is still there.
    namespace.op_dbus(&["rollback"]).success();
}

/// What others do to the links of a running transaction: a DHCP client's lease, a routing daemon's route.
fn others_work(namespace: &Namespace) {
    for command in [
        "address add 100.64.0.9/10 dev far valid_lft 600 preferred_lft 300",
        "route add 203.0.113.128/25 via 100.64.0.1 proto bird",
        "address add 100.65.0.9/16 dev eth0 valid_lft 600 preferred_lft 300",
        "route add 203.0.114.0/24 via 100.65.0.1 proto zebra",
        "link add docker0 type bridge",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
}

/// Asserts that all of it is there, and the rest as before.
#[track_caller]
fn others_work_is_kept(namespace: &Namespace, before: &[String]) {
    let routes = namespace.ip(&["route"]);
    for kept in [
        "203.0.113.128/25 via 100.64.0.1 dev far proto bird",
        "203.0.114.0/24 via 100.65.0.1 dev eth0 proto zebra",
    ] {
        assert!(routes.contains(kept), "{kept} is missing in\n{routes}");
    }
    for command in [
        "link del docker0",
        "route del 203.0.113.128/25",
        "route del 203.0.114.0/24",
        "address del 100.64.0.9/10 dev far",
        "address del 100.65.0.9/16 dev eth0",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    assert_same(&namespace.everything(), before);
}

#[test]
fn what_others_added_meanwhile_survives_the_undo() {
    let namespace = inhabited();
    let before = namespace.everything();
    let file = change(&namespace);
    let apply = Paused::at(
        &namespace,
        "journal.finish.before-record=pause",
        &["apply", text(&file)],
    );
    others_work(&namespace);
    apply.signal("-KILL");
    apply.go_on();
    namespace.op_dbus(&["query"]).success();
    others_work_is_kept(&namespace, &before);

    let apply = Paused::at(
        &namespace,
        "undo.before-read=pause",
        &["apply", text(&refused(&namespace))],
    );
    others_work(&namespace);
    let (code, said) = apply.go_on();
    assert_eq!(code, Some(3), "{said}");
    others_work_is_kept(&namespace, &before);
}

#[test]
fn what_cannot_be_restored_is_listed_and_the_exit_code_is_4() {
    let namespace = inhabited();
    for command in [
        "link add base type veth peer name other",
        "link add link base name top type macvlan mode bridge",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "top", "state": "absent"},
        {"name": "eth0", "mtu": 1300},
        {"name": "mv0", "type": "macvlan", "macvlan": {"parent": "nowhere"}},
    ]}}});
    let file = namespace.file("change.json", state.to_string());
    let apply = Paused::at(
        &namespace,
        "undo.before-read=pause",
        &["apply", text(&file)],
    );
    assert!(namespace.link("top").is_none());
    // Somebody takes away what it stood on.
    namespace.ip(&["link", "del", "base"]);
    let (code, said) = apply.go_on();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("ROLLBACK INCOMPLETE"), "{said}");
    assert!(
        said.contains("link top: is absent, should be present"),
        "{said}"
    );
    // The rest is as it was.
    assert_eq!(namespace.link("eth0").unwrap()["mtu"], 1400);
    // It was tried, and the answer is final: the next command has nothing to recover.
    let next = namespace.op_dbus(&["query"]).success();
    assert!(!next.stderr.contains("recovery:"), "{}", next.stderr);
}

#[test]
fn of_two_applies_at_once_the_second_hears_who_is_first_and_since_when() {
    let namespace = inhabited();
    let file = change(&namespace);
    let first = Paused::at(
        &namespace,
        "journal.create.done=pause",
        &["apply", text(&file)],
    );
    let second = namespace.op_dbus(&["apply", text(&file)]).code(1);
    let who = format!("process {} (op-dbus", first.id());
    assert!(second.stderr.contains(&who), "{}", second.stderr);
    let since = second.stderr.split("since 2").nth(1);
    assert!(
        since.is_some_and(|since| since.contains('T')),
        "{}",
        second.stderr
    );
    // Readers need not wait.
    namespace.op_dbus(&["query"]).success();
    let (code, said) = first.go_on();
    assert_eq!(code, Some(0), "{said}");
    namespace.op_dbus(&["verify", text(&file)]).success();
}
