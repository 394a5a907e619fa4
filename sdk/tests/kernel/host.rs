//! The simulated host around the kernel.

use op_dbus_plugin::mock::{Call, Host};
use op_dbus_plugin::netlink::{self, Kind, LinkSelector, Request};
use op_dbus_plugin::{Failure, FailureCode, dbus, log, ovsdb};

use crate::create;

fn dummy(name: &str) -> Request {
    Request::CreateLink(create(name, Kind::Dummy))
}

#[test]
fn a_batch_goes_on_past_a_failed_request_and_answers_each() {
    let host = Host::new();
    let answers = host.enter(|| netlink::execute(&[dummy("a"), dummy("a"), dummy("b")]));
    let failed: Vec<bool> = answers.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false]);
    assert_eq!(host.kernel().links(&[]).len(), 3);
    assert_eq!(host.requests().len(), 3);
}

#[test]
fn the_nth_request_from_now_on_fails_without_effect() {
    let host = Host::new();
    host.enter(|| netlink::execute(&[dummy("a")]));
    host.fail_request(2, Failure::new(FailureCode::Timeout, "too slow"));
    let answers = host.enter(|| netlink::execute(&[dummy("b"), dummy("c"), dummy("d")]));
    assert_eq!(answers[1].as_ref().unwrap_err().code, FailureCode::Timeout);
    let kernel = host.kernel();
    assert!(kernel.link("b").is_some() && kernel.link("c").is_none() && kernel.link("d").is_some());
}

#[test]
fn every_call_fails_until_the_test_relents() {
    let host = Host::new();
    host.fail_every_call(Failure::new(FailureCode::Cancelled, "undoing"));
    host.enter(|| {
        assert_eq!(
            netlink::links(&[]).unwrap_err().code,
            FailureCode::Cancelled
        );
        assert!(netlink::execute(&[dummy("a")])[0].is_err());
    });
    host.stop_failing();
    assert_eq!(host.enter(|| netlink::links(&[])).unwrap().len(), 1);
}

#[test]
fn calls_are_kept_with_their_arguments() {
    let host = Host::new();
    let selectors = [LinkSelector::Name("lo".into())];
    host.enter(|| netlink::links(&selectors)).unwrap();
    assert!(matches!(&host.calls()[..], [Call::Links(asked)] if asked[..] == selectors));
}

#[test]
fn words_for_the_operator_are_collected() {
    let host = Host::new();
    host.enter(|| {
        log::write(log::Level::Warn, "mind the gap");
        log::progress(1, 2);
    });
    assert_eq!(host.log()[0].message, "mind the gap");
    assert_eq!(host.progress()[0].total, 2);
}

#[test]
fn ovsdb_and_the_bus_are_unavailable_until_a_test_answers_for_them() {
    let host = Host::new();
    host.enter(|| {
        let failure = ovsdb::transact("Open_vSwitch", "[]").unwrap_err();
        assert_eq!(failure.code, FailureCode::Unavailable);
        assert_eq!(
            dbus::has_owner("org.example").unwrap_err().code,
            FailureCode::Unavailable
        );
    });
    host.with_ovs();
    host.on_has_owner(|name| Ok(name == "org.example"));
    host.enter(|| {
        assert_eq!(ovsdb::transact("Open_vSwitch", "[]").unwrap(), "[]");
        ovsdb::settle("Open_vSwitch").unwrap();
        assert!(dbus::has_owner("org.example").unwrap());
    });
}

#[test]
fn the_inner_of_two_hosts_answers_and_the_outer_comes_back_after_a_panic() {
    let (outer, inner) = (Host::new(), Host::new());
    inner.kernel().add_ethernet("eth0");
    outer.enter(|| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            inner.enter(|| {
                assert_eq!(netlink::links(&[]).unwrap().len(), 2);
                panic!("a test that fails");
            })
        }));
        assert!(caught.is_err());
        assert_eq!(netlink::links(&[]).unwrap().len(), 1);
    });
}
