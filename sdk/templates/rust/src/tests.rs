//! The plugin on a simulated host: no Wasm, no root, no network.

use op_dbus_plugin::{Plugin, mock};
use serde_json::json;

use crate::{Section, StaticNeighbours};

fn section(links: serde_json::Value) -> Section {
    serde_json::from_value(json!({"links": links})).expect("a section")
}

/// A host with a link and an entry on it.
fn host() -> mock::Host {
    let host = mock::Host::new();
    host.kernel().add_ethernet("eth0").set_up("eth0");
    host.enter(|| {
        apply(&section(
            json!({"eth0": {"192.0.2.8": "02:00:5e:00:53:08"}}),
        ))
    });
    host
}

fn apply(desired: &Section) {
    let current = StaticNeighbours::query(Some(desired)).expect("an answer");
    let actions = StaticNeighbours::diff(&current, desired).expect("a plan");
    let outcomes = StaticNeighbours::apply(actions).expect("outcomes");
    assert!(
        outcomes.iter().all(|outcome| outcome.failed.is_none()),
        "{outcomes:?}"
    );
}

#[test]
fn what_was_applied_is_there_and_rollback_takes_it_back() {
    let desired = section(json!({"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null}}));
    host().enter(|| {
        let before = StaticNeighbours::query(None).unwrap();
        let checkpoint = StaticNeighbours::checkpoint(Some(&desired)).unwrap();
        assert_eq!(StaticNeighbours::verify(&desired).unwrap().len(), 2);
        apply(&desired);
        assert!(StaticNeighbours::verify(&desired).unwrap().is_empty());
        StaticNeighbours::rollback(checkpoint).unwrap();
        assert_eq!(StaticNeighbours::query(None).unwrap(), before);
    });
}

#[test]
fn what_is_there_already_needs_no_step() {
    host().enter(|| {
        let current = StaticNeighbours::query(None).unwrap();
        assert!(
            StaticNeighbours::diff(&current, &current)
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn an_address_of_a_group_is_refused() {
    let groups = section(json!({"eth0": {"224.0.0.1": null, "192.0.2.9": "01:00:5e:00:53:09"}}));
    let places: Vec<_> = StaticNeighbours::validate(&groups)
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert_eq!(places, ["/links/eth0/192.0.2.9", "/links/eth0/224.0.0.1"]);
}
