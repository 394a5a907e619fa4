//! The plugin on a simulated kernel.

use op_dbus_plugin::{Plugin, mock};
use serde_json::json;

use crate::{IpamCheck, Section};

fn plan(networks: serde_json::Value) -> Section {
    serde_json::from_value(json!({"networks": networks})).expect("a section")
}

fn host() -> mock::Host {
    let host = mock::Host::new();
    host.kernel()
        .add_ethernet("eth0")
        .set_up("eth0")
        .add_address("eth0", "192.0.2.7/24")
        .add_ethernet("eth1")
        .set_up("eth1")
        .add_address("eth1", "198.51.100.7/24");
    host
}

#[test]
fn addresses_within_the_plan_are_no_mismatch() {
    host().enter(|| {
        let fits = plan(json!({"192.0.2.0/24": ["eth0"], "198.51.100.0/24": []}));
        assert!(IpamCheck::verify(&fits).unwrap().is_empty());
        let present = IpamCheck::query(None).unwrap();
        assert!(IpamCheck::verify(&present).unwrap().is_empty());
    });
}

#[test]
fn an_address_elsewhere_or_on_another_link_is_one() {
    host().enter(|| {
        let other = plan(json!({"192.0.2.0/24": ["vmbr0"]}));
        let mismatches = IpamCheck::verify(&other).unwrap();
        let shown: Vec<_> = mismatches
            .iter()
            .map(|it| {
                (
                    it.path.as_str(),
                    it.want.as_str(),
                    it.have.as_deref().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "/networks/192.0.2.0~124",
                    "[\"vmbr0\"]",
                    "\"192.0.2.7/24 on eth0\""
                ),
                (
                    "/networks",
                    "[\"192.0.2.0/24\"]",
                    "\"198.51.100.7/24 on eth1\""
                ),
            ]
        );
    });
}

#[test]
fn a_plan_that_is_none_is_refused() {
    let bad = plan(json!({"192.0.2.1/24": [], "198.51.100.0/24": [], "198.51.0.0/16": []}));
    let places: Vec<_> = IpamCheck::validate(&bad)
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert_eq!(
        places,
        ["/networks/192.0.2.1~124", "/networks/198.51.100.0~124"]
    );
}
