//! The plugin against the simulated NetworkManager of the SDK: from any state to any other, and back.

use op_dbus_networkmanager::NetworkManager;
use op_dbus_networkmanager::section::Section;
use op_dbus_plugin::mock::{Call, Host};
use op_dbus_plugin::{Failure, FailureCode, Plugin};
use serde_json::{Value, json};

fn host() -> Host {
    let host = Host::new();
    host.with_network_manager();
    for interface in ["eth0", "eth1", "eth2", "eth3"] {
        host.network_manager().add_ethernet(interface);
    }
    host
}

fn section(value: Value) -> Section {
    let section = serde_json::from_value(value).expect("a section");
    assert_eq!(NetworkManager::validate(&section), []);
    section
}

fn connections(value: Value) -> Section {
    section(json!({ "connections": value }))
}

/// Applies, and demands that every step succeeds and that nothing differs afterwards.
fn apply(desired: &Section) {
    let outcomes = try_apply(desired);
    let failed: Vec<_> = outcomes.iter().filter(|it| it.failed.is_some()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(NetworkManager::verify(desired).unwrap(), []);
}

fn try_apply(desired: &Section) -> Vec<op_dbus_plugin::Outcome> {
    let current = NetworkManager::query(Some(desired)).unwrap();
    let actions = NetworkManager::diff(&current, desired).unwrap();
    NetworkManager::apply(actions).unwrap()
}

/// All profiles and what is active, without the uuids of nothing.
fn picture() -> Value {
    let everything = NetworkManager::query(None).unwrap();
    let mut picture = serde_json::to_value(everything).unwrap();
    // Active devices are compared by profile; software devices have new paths, not new names.
    picture["devices"]
        .as_array_mut()
        .unwrap()
        .retain(|it| it["interface"] != "lo");
    picture
}

/// The calls that change something.
fn changes(host: &Host) -> Vec<String> {
    let is_read = |member: &str| member.starts_with("Get") || member == "ListConnections";
    let calls = host.calls();
    calls
        .iter()
        .filter_map(|call| match call {
            Call::MethodCall(call) if !is_read(&call.member) => Some(call.member.clone()),
            _ => None,
        })
        .collect()
}

fn states() -> Vec<Section> {
    let wifi = |print: &str| json!({"id": "office", "type": "wifi", "ssid": "Office", "security": {"key_mgmt": "sae", "psk": {"secret": "psk", "fingerprint": print}}});
    vec![
        connections(json!([])),
        connections(json!([
            {"id": "wired", "type": "ethernet", "interface": "eth0", "autoconnect": true,
             "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.1", "prefix": 24}], "dns": ["192.0.2.53"]}},
            wifi("aa")
        ])),
        connections(json!([
            {"id": "wired", "type": "ethernet", "interface": "eth0", "state": "down", "zone": "work",
             "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.2", "prefix": 24}], "gateway": "192.0.2.254",
                      "routes": [{"dest": "198.51.100.0", "prefix": 24, "next_hop": "192.0.2.3", "metric": 7, "table": 100}]}},
            wifi("bb")
        ])),
        connections(json!([
            {"id": "br0", "type": "bridge", "interface": "br0", "autoconnect": true, "ports": ["eth1", "eth2"], "stp": false},
            {"id": "wired", "type": "ethernet", "state": "absent"}, {"id": "office", "type": "wifi", "state": "absent"}
        ])),
        connections(json!([
            {"id": "br0", "type": "bridge", "interface": "br0", "state": "up", "bridge_ports": ["eth2", "eth3"]},
            {"id": "bond0", "type": "bond", "interface": "bond0", "mode": "active-backup", "options": {"miimon": 100}, "slaves": ["eth0"]}
        ])),
        connections(json!([
            {"id": "br0", "type": "bridge", "state": "absent"}, {"id": "bond0", "type": "bond", "state": "absent"},
            {"id": "wg0", "type": "wireguard", "interface": "wg0", "private_key": {"secret": "wg", "fingerprint": "cc"},
             "peers": [{"public_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "allowed_ips": ["10.0.0.0/8"]}]},
            {"id": "work", "type": "vpn", "gateway": "vpn.example.org", "secrets": {"password": {"secret": "vpn", "fingerprint": "dd"}}}
        ])),
        section(json!({"devices": [{"interface": "eth3", "managed": false}]})),
    ]
}

#[test]
fn the_examples_are_applied_and_applying_them_again_changes_nothing() {
    for file in ["desktop-nm.json", "laptop-nm.json"] {
        let host = host();
        let text = match file {
            "desktop-nm.json" => include_str!("examples/desktop-nm.json"),
            _ => include_str!("examples/laptop-nm.json"),
        };
        let document: Value = serde_json::from_str(text).unwrap();
        let desired = section(document["plugins"]["networkmanager"].clone());
        host.enter(|| {
            apply(&desired);
            host.forget_calls();
            apply(&desired);
            assert!(changes(&host).is_empty(), "{file}: {:?}", changes(&host));
        });
    }
}

#[test]
fn any_state_leads_to_any_other_and_back() {
    for (from, first) in states().iter().enumerate() {
        for (to, second) in states().iter().enumerate() {
            let host = host();
            host.enter(|| {
                apply(first);
                let before = picture();
                let checkpoint = NetworkManager::checkpoint(Some(second)).unwrap();
                apply(second);
                let outcomes = NetworkManager::rollback(checkpoint.clone()).unwrap();
                assert!(
                    outcomes.iter().all(|it| it.failed.is_none()),
                    "{from} to {to}: {outcomes:?}"
                );
                assert_eq!(picture(), before, "{from} to {to}");
                // Once more: there is nothing left to do.
                host.forget_calls();
                NetworkManager::rollback(checkpoint).unwrap();
                assert!(
                    changes(&host).is_empty(),
                    "{from} to {to}: {:?}",
                    changes(&host)
                );
            });
        }
    }
}

#[test]
fn a_checkpoint_of_everything_outlives_network_manager_and_its_own_checkpoints() {
    let host = host();
    host.enter(|| {
        apply(&states()[1]);
        let before = picture();
        let checkpoint = NetworkManager::checkpoint(None).unwrap();
        assert_eq!(checkpoint.backend, None);
        apply(&states()[3]);
        apply(&states()[4]);
        host.network_manager().restart();
        let outcomes = NetworkManager::rollback(checkpoint).unwrap();
        assert!(
            outcomes.iter().all(|it| it.failed.is_none()),
            "{outcomes:?}"
        );
        assert_eq!(picture(), before);
    });
}

#[test]
fn a_checkpoint_of_an_apply_is_brought_back_although_network_manager_has_forgotten_it() {
    let host = host();
    host.enter(|| {
        apply(&states()[1]);
        let before = picture();
        let checkpoint = NetworkManager::checkpoint(Some(&states()[2])).unwrap();
        assert!(checkpoint.backend.is_some());
        apply(&states()[2]);
        host.network_manager().restart();
        NetworkManager::rollback(checkpoint.clone()).unwrap();
        assert_eq!(picture(), before);
        NetworkManager::release(checkpoint).unwrap();
    });
}

#[test]
fn network_managers_checkpoint_is_released_and_another_of_its_path_is_left_alone() {
    let host = host();
    host.enter(|| {
        apply(&states()[1]);
        let mut checkpoint = NetworkManager::checkpoint(Some(&states()[2])).unwrap();
        assert_eq!(host.network_manager().checkpoint_count(), 1);
        let state = checkpoint.state.clone();
        // As if NetworkManager had started anew and somebody else had made one that came to the same path.
        checkpoint.state = state.replace("\"created\":", "\"created\":9");
        assert_ne!(checkpoint.state, state);
        NetworkManager::release(checkpoint.clone()).unwrap();
        assert_eq!(host.network_manager().checkpoint_count(), 1);
        checkpoint.state = state;
        NetworkManager::release(checkpoint).unwrap();
        assert_eq!(host.network_manager().checkpoint_count(), 0);
    });
}

#[test]
fn a_failed_activation_says_network_managers_reason() {
    let host = host();
    host.network_manager().fail_activation("wired", 7);
    host.enter(|| {
        let outcomes = try_apply(&states()[1]);
        let failure = outcomes[0].failed.as_ref().unwrap();
        assert!(
            failure.message.contains("device eth0: no-secrets"),
            "{failure:?}"
        );
    });
}

#[test]
fn an_update_keeps_what_the_file_does_not_name() {
    let host = host();
    host.enter(|| {
        apply(&connections(json!([
            {"id": "office", "type": "wifi", "ssid": "Office", "zone": "work",
             "security": {"key_mgmt": "wpa-psk", "psk": {"secret": "psk", "fingerprint": "aa"}},
             "settings": {"connection": {"permissions": ["user:joe:"], "future": {"type": "au", "data": [1, 2]}}, "proxy": {}}}
        ])));
        let before = host.network_manager().profile("office").unwrap();
        apply(&connections(json!([{"id": "office", "type": "wifi", "ipv4": {"method": "auto", "dns_search": ["example.org"]}}])));
        let mut after = host.network_manager().profile("office").unwrap();
        assert_eq!(after["ipv4"]["dns-search"]["data"], json!(["example.org"]));
        after.as_object_mut().unwrap().remove("ipv4");
        assert_eq!(after, before);
        // A secret that changes takes no other along.
        apply(&connections(json!([
            {"id": "office", "type": "wifi", "security": {"eap": {"password": {"secret": "p", "fingerprint": "ee"}}}}
        ])));
        let after = host.network_manager().profile("office").unwrap();
        assert_eq!(after["802-11-wireless-security"]["psk"]["data"]["fingerprint"], "aa");
        assert_eq!(after["802-1x"]["password"]["data"]["fingerprint"], "ee");
    });
}

#[test]
fn a_change_that_the_device_can_take_does_not_take_it_down() {
    let host = host();
    host.enter(|| {
        apply(&states()[1]);
        host.forget_calls();
        apply(&connections(
            json!([{"id": "wired", "ipv4": {"dns": ["192.0.2.54"]}}]),
        ));
        assert_eq!(
            changes(&host),
            [
                "CheckpointCreate",
                "Update2",
                "Reapply",
                "CheckpointDestroy"
            ]
        );
        host.network_manager().refuse_reapply("ipv4");
        host.forget_calls();
        apply(&connections(
            json!([{"id": "wired", "ipv4": {"dns": ["192.0.2.55"]}}]),
        ));
        assert_eq!(
            changes(&host),
            [
                "CheckpointCreate",
                "Update2",
                "Reapply",
                "ActivateConnection",
                "CheckpointDestroy"
            ]
        );
    });
}

#[test]
fn a_step_that_fails_keeps_everything_from_being_activated() {
    let host = host();
    host.enter(|| {
        host.fail_when(|call| match call {
            Call::MethodCall(call)
                if call.member == "AddConnection2" && call.arguments.contains(r#""office""#) =>
            {
                Some(Failure::new(FailureCode::Refused, "no"))
            }
            _ => None,
        });
        let outcomes = try_apply(&states()[1]);
        let codes: Vec<_> = outcomes
            .iter()
            .map(|it| it.failed.as_ref().unwrap().code)
            .collect();
        assert_eq!(codes, [FailureCode::Cancelled, FailureCode::Refused]);
        assert!(host.network_manager().active_ids().is_empty());
    });
}

#[test]
fn without_network_manager_the_failure_is_passed_on() {
    let host = Host::new();
    host.enter(|| {
        let failure = NetworkManager::query(None).unwrap_err();
        assert_eq!(failure.code, FailureCode::Unavailable);
    });
}

#[test]
fn five_hundred_profiles_cost_a_few_round_trips() {
    let host = host();
    let many: Vec<Value> = (0..500)
        .map(|at| json!({"id": format!("p{at}"), "type": "ethernet", "autoconnect": false}))
        .collect();
    host.enter(|| {
        let desired = connections(many.into());
        apply(&desired);
        let everything = NetworkManager::query(None).unwrap();
        assert_eq!(everything.connections().len(), 500);
        assert_eq!(everything.connections()[7].autoconnect, Some(false));
    });
}

#[test]
fn an_apply_that_is_cut_short_leaves_network_managers_checkpoint_armed_until_it_is_undone() {
    let host = host();
    host.enter(|| {
        apply(&states()[1]);
        let before = picture();
        let checkpoint = NetworkManager::checkpoint(Some(&states()[2])).unwrap();
        // As if the process had ended before the plugin could tidy up.
        host.fail_when(|call| match call {
            Call::MethodCall(call) if call.member == "CheckpointDestroy" => {
                Some(Failure::new(FailureCode::Timeout, "gone"))
            }
            _ => None,
        });
        apply(&states()[2]);
        assert_eq!(host.network_manager().armed(), [120]);
        host.stop_failing();
        NetworkManager::rollback(checkpoint).unwrap();
        assert_eq!(picture(), before);
        assert!(host.network_manager().armed().is_empty());
        assert_eq!(host.network_manager().checkpoint_count(), 0);
    });
}

#[test]
fn verification_asks_for_secrets_only_when_all_else_is_as_it_is_wanted() {
    let host = host();
    let wish = |print: &str, zone: &str| {
        connections(
            json!([{"id": "office", "type": "wifi", "ssid": "Office", "zone": zone,
            "security": {"key_mgmt": "sae", "psk": {"secret": "psk", "fingerprint": print}}}]),
        )
    };
    let asked = |host: &Host| {
        let calls = host.calls();
        let mut calls = calls.iter();
        calls.any(|it| matches!(it, Call::MethodCall(call) if call.member == "GetSecrets"))
    };
    let differs = |desired: &Section| -> Vec<String> {
        let found = NetworkManager::verify(desired).unwrap();
        found.into_iter().map(|it| it.path).collect()
    };
    host.enter(|| {
        apply(&wish("aa", "work"));
        host.forget_calls();
        assert_eq!(differs(&wish("bb", "home")), ["/connections/0/zone"]);
        assert!(!asked(&host));
        assert_eq!(
            differs(&wish("bb", "work")),
            ["/connections/0/security/psk"]
        );
        assert!(asked(&host));
    });
}

#[test]
fn a_rollback_leaves_secrets_that_the_checkpoint_could_not_read() {
    let host = host();
    let vpn = |gateway: &str, print: &str| {
        connections(json!([{"id": "work", "type": "vpn", "gateway": gateway,
            "secrets": {"password": {"secret": "vpn", "fingerprint": print}}}]))
    };
    host.enter(|| {
        apply(&vpn("one.example.org", "dd"));
        // As when an agent that is there has no answer.
        host.fail_when(|call| match call {
            Call::MethodCall(call) if call.member == "GetSecrets" => Some(Failure {
                backend: Some(op_dbus_plugin::BackendError {
                    name: "org.freedesktop.NetworkManager.AgentManager.NoSecrets".to_owned(),
                    text: None,
                }),
                ..Failure::new(FailureCode::Refused, "no agent has an answer")
            }),
            _ => None,
        });
        let desired = vpn("two.example.org", "dd");
        let checkpoint = NetworkManager::checkpoint(Some(&desired)).unwrap();
        host.stop_failing();
        apply(&desired);
        host.forget_calls();
        NetworkManager::rollback(checkpoint).unwrap();
        assert!(!changes(&host).contains(&"ClearSecrets".to_owned()));
        let profile = host.network_manager().profile("work").unwrap();
        assert_eq!(profile["vpn"]["data"]["data"]["remote"], "one.example.org");
        assert_eq!(
            profile["vpn"]["secrets"]["data"]["password"]["fingerprint"],
            "dd"
        );
        // Another refusal is none of the answers that there is no secret.
        host.fail_when(|call| match call {
            Call::MethodCall(call) if call.member == "GetSecrets" => {
                Some(Failure::new(FailureCode::Refused, "no"))
            }
            _ => None,
        });
        assert!(NetworkManager::checkpoint(Some(&desired)).is_err());
    });
}
