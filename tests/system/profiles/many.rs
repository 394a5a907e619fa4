//! Five hundred profiles at once.

use serde_json::{Value, json};

use super::Host;

#[test]
fn five_hundred_profiles_are_made_read_changed_and_taken_back() {
    let Some(host) = Host::start(&[]) else {
        return;
    };
    let profiles = |zone: &str| -> Value {
        (0..500)
            .map(|at| {
                json!({
                    "id": format!("p{at}"), "type": "ethernet", "interface": format!("eth{at}"), "autoconnect": false, "zone": zone,
                    "ipv4": {"method": "manual", "addresses": [{"address": format!("10.1.{}.{}", at / 250, at % 250 + 1), "prefix": 16}]}
                })
            })
            .collect()
    };
    host.connections("apply", &profiles("home")).success();
    assert_eq!(
        host.query()["connections"].as_array().map(Vec::len),
        Some(500)
    );
    host.connections("apply", &profiles("work")).success();
    assert_eq!(host.property("p499", "connection.zone"), "work");
    host.op_dbus(&["rollback"]).success();
    assert_eq!(host.property("p499", "connection.zone"), "home");
    host.op_dbus(&["rollback"]).success();
    assert_eq!(
        host.query()["connections"].as_array().map(Vec::len),
        Some(0)
    );
}
