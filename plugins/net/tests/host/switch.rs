//! Open vSwitch.

use op_dbus_net::Net;
use op_dbus_plugin::mock::{Call, Host};
use op_dbus_plugin::netlink::{Kind, Request};
use op_dbus_plugin::{FailureCode, Plugin};
use serde_json::{Value, json};

use crate::support::{self, apply, plan, section};

/// A machine with three cards and Open vSwitch, which has nothing yet.
fn machine() -> Host {
    let host = Host::new();
    host.with_ovs();
    host.kernel().set_link_local_addresses(false).set_up("lo");
    for name in ["eth0", "eth1", "eth2"] {
        host.kernel().add_ethernet(name).set_up(name);
    }
    host.kernel()
        .add_address("eth0", "192.0.2.2/24")
        .add_static_route("0.0.0.0/0", Some("192.0.2.254"), Some("eth0"));
    host
}

/// What is, in an order that tells nothing of when it was made.
fn whole() -> Value {
    let mut section = Net::query(None).expect("everything can be read");
    // The kernel's datapath stays when the last bridge goes.
    section
        .interfaces
        .iter_mut()
        .for_each(|list| list.retain(|it| it.name != "ovs-system"));
    for it in section.interfaces.iter_mut().flatten() {
        it.index = None;
        // Where nothing is asked of them, links of Open vSwitch get their addresses from it.
        it.mac = it.mac.take().filter(|_| !it.is_of_switch());
        for port in it.port.iter_mut() {
            port.ofport = None;
        }
    }
    section
        .interfaces
        .iter_mut()
        .for_each(|list| list.sort_by(|a, b| a.name.cmp(&b.name)));
    serde_json::to_value(section).expect("JSON")
}

fn there_and_back(host: &Host, desired: Value) {
    support::there_and_back(host, desired, whole);
}

fn transactions(host: &Host) -> Vec<Value> {
    let calls = host.calls();
    let sent = calls.iter().filter_map(|call| match call {
        Call::Transact { operations, .. } => serde_json::from_str::<Value>(operations).ok(),
        _ => None,
    });
    sent.collect()
}

fn is_change(operations: &Value) -> bool {
    let operations = operations.as_array().into_iter().flatten();
    operations.into_iter().any(|it| it["op"] != "select")
}

#[test]
fn the_short_form_makes_a_bridge_and_goes_away_again() {
    let host = machine();
    let short = json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1"]}]});
    there_and_back(&host, short.clone());
    host.enter(|| apply(&section(short)));
    let kernel = host.kernel().clone();
    let bridge = kernel.link("vmbr0").expect("ovs-vswitchd made it");
    assert!(bridge.up);
    let port = kernel.link("eth1").expect("it is hardware");
    assert_eq!(port.controller.as_deref(), Some("ovs-system"));
    let ports = host.ovs().rows("Port");
    let port = ports
        .iter()
        .find(|row| row["name"] == "eth1")
        .expect("it is a port");
    assert_eq!(
        port["external_ids"],
        json!(["map", [["op-dbus-owner", "net"]]])
    );
}

#[test]
fn all_of_a_bridge_is_one_transaction_that_is_guarded() {
    let host = machine();
    let wish = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge",
        "ports": ["eth0", "eth1", {"name": "p0", "type": "patch", "peer": "p1"}]}]}),
    );
    host.enter(|| apply(&wish));
    let changes: Vec<Value> = transactions(&host).into_iter().filter(is_change).collect();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0][0]["op"], "wait");
    let settled = host
        .calls()
        .iter()
        .filter(|call| matches!(call, Call::Settle(_)))
        .count();
    assert_eq!(settled, 1);
}

#[test]
fn every_kind_of_port_comes_and_goes() {
    let host = machine();
    let full = json!({"interfaces": [
        {"name": "vmbr0", "type": "ovs-bridge", "mtu": 1400, "mac": "02:00:00:00:00:01",
         "ovs-bridge": {"fail_mode": "secure", "rstp": true, "mcast_snooping": true, "protocols": ["OpenFlow13"],
            "controllers": ["tcp:192.0.2.9:6653"], "other_config": {"mac-aging-time": "60"}},
         "ports": [
            {"name": "eth0", "vlans": {"trunk": [10, "20-22"]}},
            {"name": "mgmt0", "type": "internal", "vlans": {"access": 10}},
            {"name": "vx0", "type": "vxlan", "remote": "198.51.100.7", "key": "42", "options": {"df_default": "false"}},
            {"name": "gn0", "type": "geneve", "remote": "flow", "key": "flow"},
            {"name": "gr0", "type": "gre", "remote": "198.51.100.8"},
            {"name": "pa", "type": "patch", "peer": "pb"},
            {"name": "bond0", "bond": {"mode": "balance-slb", "lacp": "passive", "ports": ["eth1", "eth2"], "updelay": 100},
             "vlans": {"native": 1, "trunk": [5]}}]},
        {"name": "vmbr1", "type": "ovs-bridge", "ports": [{"name": "pb", "type": "patch", "peer": "pa"}]},
        {"name": "mgmt0", "mtu": 1300, "mac": "02:00:00:00:00:02",
         "ipv4": {"method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}]}}],
      "ovs-db": {"external_ids": {"rack": "7"}}});
    there_and_back(&host, full);
}

#[test]
fn what_a_bridge_has_changes_in_place() {
    let host = machine();
    let first = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge",
        "ovs-bridge": {"external_ids": {"a": "1", "b": "2"}},
        "ports": [{"name": "eth1", "vlans": {"access": 10}}, {"name": "vx0", "type": "vxlan", "remote": "198.51.100.7", "key": "1"},
            {"name": "int0", "type": "internal"}]}]}),
    );
    host.enter(|| apply(&first));
    there_and_back(
        &host,
        json!({"interfaces": [{"name": "vmbr0", "mtu": 1450, "mac": "02:00:00:00:00:07",
            "ovs-bridge": {"fail_mode": "secure", "stp": true, "external_ids": {"a": "3", "b": null, "c": "4"}},
            "ports": [{"name": "eth1", "vlans": {"trunk": [1, 2]}},
                {"name": "vx0", "type": "vxlan", "remote": "198.51.100.9", "key": "1", "options": {"csum": "true"}}, "eth2"]}]}),
    );
}

#[test]
fn an_address_moves_to_the_bridge_that_takes_its_link() {
    let host = machine();
    there_and_back(
        &host,
        json!({"interfaces": [
            {"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth0"],
             "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.2", "prefix": 24}], "gateway": "192.0.2.254"}},
            {"name": "eth0", "ipv4": {"addresses": []}}]}),
    );
}

#[test]
fn ports_change_between_the_kernels_bridges_and_open_vswitchs() {
    let host = machine();
    let bridge = section(
        json!({"interfaces": [{"name": "br0", "type": "bridge", "ports": ["eth1", "eth2"]}]}),
    );
    host.enter(|| apply(&bridge));
    let switch = json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge",
        "ports": [{"name": "bond0", "bond": {"ports": ["eth1", "eth2"]}}]}]});
    there_and_back(&host, switch);
    let switch =
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1", "eth2"]}]});
    there_and_back(&host, switch.clone());
    host.enter(|| apply(&section(switch)));
    there_and_back(
        &host,
        json!({"interfaces": [{"name": "br0", "ports": ["eth1"]}]}),
    );
}

#[test]
fn a_bridge_of_the_kernel_becomes_one_of_open_vswitch_with_its_addresses() {
    let host = machine();
    let bridge = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "bridge", "ports": ["eth1"],
        "ipv4": {"method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}],
            "routes": [{"dest": "203.0.113.0", "prefix": 24, "next_hop": "198.51.100.2"}]}}]}),
    );
    host.enter(|| apply(&bridge));
    let switch = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1"]}]}),
    );
    host.enter(|| apply(&switch));
    let kernel = host.kernel().clone();
    assert_eq!(
        kernel.link("vmbr0").unwrap().kind,
        Kind::Other("openvswitch".to_owned())
    );
    assert_eq!(kernel.addresses(&["vmbr0".to_owned()]).len(), 1);
    let routes = kernel.routes(&Default::default());
    assert!(
        routes
            .iter()
            .any(|route| route.destination.address == "203.0.113.0")
    );
}

#[test]
fn a_bridge_that_switches_elsewhere_keeps_its_addresses() {
    let host = machine();
    let switch = section(json!({"interfaces": [
        {"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1", {"name": "int0", "type": "internal"}],
         "ipv4": {"method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}]}},
        {"name": "int0", "description": "inside", "ipv4": {"method": "manual", "addresses": [{"address": "203.0.113.1", "prefix": 24}]}}]}));
    host.enter(|| apply(&switch));
    there_and_back(
        &host,
        json!({"interfaces": [{"name": "vmbr0", "ovs-bridge": {"datapath_type": "netdev"}}]}),
    );
}

#[test]
fn ports_bridges_and_keys_of_others_are_kept() {
    let host = machine();
    host.ovs().add_bridge("vmbr0").add_port(
        "vmbr0",
        "tap0",
        json!({"type": "internal"}),
        json!({"external_ids": ["map", [["vm", "100"]]]}),
    );
    host.ovs().add_bridge("other");
    host.settle();
    let wish = json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge",
        "ovs-bridge": {"external_ids": {"site": "a"}}, "ports": ["eth1"]}]});
    there_and_back(&host, wish.clone());
    host.enter(|| apply(&section(wish)));
    host.enter(|| {
        apply(&section(json!({"interfaces": [{"name": "vmbr0", "ports": []}]})));
        let names: Vec<Value> = host.ovs().rows("Port").iter().map(|row| row["name"].clone()).collect();
        assert_eq!(names, ["vmbr0", "tap0", "other"]);
        let gone = section(json!({"interfaces": [{"name": "vmbr0", "state": "absent"}]}));
        let current = Net::query(Some(&gone)).expect("it can be read");
        let failure = Net::diff(&current, &gone).expect_err("tap0 is somebody's");
        assert_eq!(failure.code, FailureCode::Conflict);
        assert!(failure.message.contains("tap0"), "{}", failure.message);
        apply(&section(json!({"interfaces": [{"name": "vmbr0", "state": "absent"}, {"name": "tap0", "controller": null}]})));
    });
    assert_eq!(host.kernel().link("vmbr0"), None);
    assert_eq!(host.ovs().rows("Bridge").len(), 1);
}

#[test]
fn what_ovs_vswitchd_cannot_do_fails_the_apply_with_its_words() {
    let host = machine();
    let wish = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth9"],
        "ipv4": {"method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}]}}]}),
    );
    host.enter(|| {
        let outcomes = Net::apply(plan(&wish)).expect("the actions are sound");
        let failure = outcomes[0].failed.clone().expect("there is no eth9");
        assert_eq!(failure.code, FailureCode::Refused);
        let words = failure.backend.expect("ovs-vswitchd's own");
        assert_eq!(words.name, "Interface.error");
        assert!(
            words
                .text
                .unwrap()
                .contains("could not open network device eth9")
        );
        assert!(
            outcomes.iter().all(|outcome| outcome.failed.is_some()),
            "nothing else is tried"
        );
    });
    assert!(host.requests().is_empty(), "no address was put anywhere");
}

#[test]
fn what_changed_since_the_plan_was_made_is_a_conflict() {
    let host = machine();
    let first = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1"]}]}),
    );
    host.enter(|| apply(&first));
    let second =
        section(json!({"interfaces": [{"name": "vmbr0", "ovs-bridge": {"fail_mode": "secure"}}]}));
    host.enter(|| {
        let stale = plan(&second);
        host.ovs().must(&[json!({"op": "delete", "table": "Bridge", "where": []}),
            json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}})]);
        let outcomes = Net::apply(stale).expect("the actions are sound");
        assert_eq!(outcomes[0].failed.as_ref().unwrap().code, FailureCode::Conflict);
    });
}

#[test]
fn one_bridge_of_many_costs_what_it_concerns() {
    let host = machine();
    for at in 0..200 {
        host.ovs().add_bridge(&format!("br{at}"));
    }
    host.settle();
    let wish = section(json!({"interfaces": [{"name": "br7", "ports": ["eth1"]}]}));
    host.enter(|| {
        host.forget_calls();
        let current = Net::query(Some(&wish)).expect("it can be read");
        assert_eq!(current.interfaces().len(), 2);
    });
    let asked = transactions(&host);
    let selects = asked
        .iter()
        .flat_map(|it| it.as_array().cloned().unwrap_or_default());
    for select in selects {
        let conditions = select["where"].as_array().map_or(0, Vec::len);
        assert_eq!(conditions, 1, "no table is read whole: {select}");
    }
}

#[test]
fn without_open_vswitch_the_kernel_is_looked_after_and_a_bridge_is_refused_with_the_reason() {
    let host = machine();
    host.without_ovs();
    there_and_back(
        &host,
        json!({"interfaces": [{"name": "br0", "type": "bridge", "ports": ["eth1"]}]}),
    );
    host.enter(|| {
        Net::query(None).expect("everything else can be read");
        let wish = section(
            json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1"]}]}),
        );
        let current = Net::query(Some(&wish)).expect("it can be read");
        let failure = Net::diff(&current, &wish).expect_err("there is no Open vSwitch");
        assert_eq!(failure.code, FailureCode::Unavailable);
        assert!(
            failure.message.contains("/interfaces/0"),
            "{}",
            failure.message
        );
    });
}

#[test]
fn links_that_have_nothing_to_do_with_it_are_read_without_asking() {
    let host = machine();
    let wish = section(json!({"interfaces": [{"name": "eth0", "mtu": 1400}]}));
    host.enter(|| apply(&wish));
    assert_eq!(transactions(&host), Vec::<Value>::new());
}

#[test]
fn without_ovs_vswitchd_the_apply_fails() {
    let host = machine();
    host.ovs().run_switch(false);
    let wish = section(json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge"}]}));
    host.enter(|| {
        let outcomes = Net::apply(plan(&wish)).expect("the actions are sound");
        assert_eq!(
            outcomes[0].failed.as_ref().unwrap().code,
            FailureCode::Unavailable
        );
    });
    let created = |request: &Request| matches!(request, Request::CreateLink(_));
    assert!(!host.requests().iter().any(created));
}

#[test]
fn a_schema_without_a_column_is_one_in_which_the_rest_works() {
    let host = machine();
    host.ovs()
        .without_column("Bridge", "mcast_snooping_enable")
        .add_bridge("old0");
    host.settle();
    host.enter(|| {
        let shown = Net::query(None).expect("everything can be read");
        let old = shown.interfaces().iter().find(|it| it.name == "old0");
        let settings = old.and_then(|it| it.ovs_bridge.as_ref());
        let settings = settings.expect("the bridge is shown");
        assert_eq!((settings.stp, settings.mcast_snooping), (Some(false), None));
    });
    there_and_back(
        &host,
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1"]},
            {"name": "old0", "ovs-bridge": {"stp": true}}]}),
    );
    // What the schema has no column for is refused by its name.
    let wish =
        section(json!({"interfaces": [{"name": "old0", "ovs-bridge": {"mcast_snooping": true}}]}));
    host.enter(|| {
        let outcomes = Net::apply(plan(&wish)).expect("the actions are sound");
        let failure = outcomes[0].failed.clone().expect("there is no such column");
        assert_eq!(failure.code, FailureCode::NotFound);
        assert!(
            failure.message.contains("mcast_snooping_enable"),
            "{}",
            failure.message
        );
    });
}

#[test]
fn a_port_that_came_since_the_plan_was_made_does_not_go_with_its_bridge() {
    let host = machine();
    let made = json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "ports": ["eth1"]}]});
    let gone = section(json!({"interfaces": [{"name": "vmbr0", "state": "absent"}]}));
    host.enter(|| {
        apply(&section(made));
        let stale = plan(&gone);
        host.ovs()
            .add_port("vmbr0", "tap0", json!({"type": "internal"}), json!({}));
        let outcomes = Net::apply(stale).expect("the actions are sound");
        let failure = outcomes[0].failed.clone().expect("tap0 is somebody's");
        assert_eq!(failure.code, FailureCode::Conflict);
        assert!(
            failure.message.contains("a new port tap0"),
            "{}",
            failure.message
        );
        let names: Vec<Value> = host
            .ovs()
            .rows("Port")
            .iter()
            .map(|row| row["name"].clone())
            .collect();
        assert_eq!(names, ["eth1", "vmbr0", "tap0"]);
    });
}

#[test]
fn keys_of_the_database_that_changed_since_the_plan_was_made_are_a_conflict() {
    let host = machine();
    let set = |rack: &str| {
        host.ovs().must(
            &[json!({"op": "update", "table": "Open_vSwitch", "where": [],
            "row": {"external_ids": ["map", [["rack", rack]]]}})],
        );
    };
    set("7");
    let wish = section(json!({"ovs-db": {"external_ids": {"rack": "8"}}}));
    host.enter(|| {
        let stale = plan(&wish);
        set("9");
        let outcomes = Net::apply(stale).expect("the actions are sound");
        let failure = outcomes[0].failed.clone().expect("somebody wrote 9");
        assert_eq!(failure.code, FailureCode::Conflict);
        assert!(
            failure.message.contains("external_ids:rack"),
            "{}",
            failure.message
        );
        let ids = host.ovs().rows("Open_vSwitch")[0]["external_ids"].clone();
        assert_eq!(ids, json!(["map", [["rack", "9"]]]));
        apply(&wish);
    });
}

#[test]
fn an_interface_that_was_in_error_before_fails_nothing_and_a_new_error_does() {
    let host = machine();
    host.ovs()
        .add_bridge("vmbr0")
        .add_port("vmbr0", "eth9", json!({}), json!({}));
    host.settle();
    let tagged = |name: &str| {
        section(
            json!({"interfaces": [{"name": "vmbr0", "ports": [{"name": name, "vlans": {"access": 10}}]}]}),
        )
    };
    host.enter(|| {
        apply(&tagged("eth9"));
        let outcomes = Net::apply(plan(&tagged("eth8"))).expect("the actions are sound");
        let failure = outcomes[0].failed.clone().expect("there is no eth8");
        assert!(failure.message.contains("eth8"), "{}", failure.message);
    });
}

#[test]
fn a_port_without_a_link_may_have_a_name_longer_than_a_links() {
    let host = machine();
    let (near, far) = ("patch-vmbr0-to-vmbr1", "patch-vmbr1-to-vmbr0");
    let patch = |name: &str, peer: &str| json!([{"name": name, "type": "patch", "peer": peer}]);
    let bridges = json!({"interfaces": [
        {"name": "vmbr0", "type": "ovs-bridge", "ports": patch(near, far)},
        {"name": "vmbr1", "type": "ovs-bridge", "ports": patch(far, near)}]});
    there_and_back(&host, bridges.clone());
    host.enter(|| {
        apply(&section(bridges));
        // What is shown is a wish that holds.
        let shown = Net::query(None).expect("everything can be read");
        assert!(shown.interfaces().iter().any(|it| it.name == near));
        let again = plan(&shown);
        assert!(again.is_empty(), "{again:#?}");
        apply(&section(json!({"interfaces": [{"name": "vmbr0", "ports": [near, "eth1"]}]})));
        apply(&section(json!({"interfaces": [{"name": near, "state": "absent"}]})));
        let wrong = [
            json!({"name": near}),
            json!({"name": near, "type": "dummy"}),
            json!({"name": "vmbr0", "type": "ovs-bridge", "ports": [{"name": near, "type": "internal"}]}),
            json!({"name": "br0", "type": "bridge", "ports": [near]}),
        ];
        for interface in wrong {
            let problems = Net::validate(&section(json!({"interfaces": [interface]})));
            assert_eq!(problems.len(), 1, "{interface}: {problems:?}");
        }
    });
}

#[test]
fn a_bridge_that_keeps_its_datapath_costs_no_look_at_what_its_ports_have() {
    let host = machine();
    let wish = section(
        json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge",
        "ovs-bridge": {"datapath_type": "system"}, "ports": ["eth1", "eth2"]}]}),
    );
    host.enter(|| {
        apply(&wish);
        host.forget_calls();
        Net::query(Some(&wish)).expect("it can be read");
    });
    let calls = host.calls();
    let looks = calls.iter().filter(|call| {
        matches!(
            call,
            Call::Addresses(_) | Call::Routes(_) | Call::Neighbours(_)
        )
    });
    let looks: Vec<&Call> = looks.collect();
    assert!(looks.is_empty(), "{looks:?}");
}

#[test]
fn what_is_shown_of_bonds_and_addresses_is_a_wish_that_holds() {
    let host = machine();
    host.enter(|| {
        apply(&section(json!({"interfaces": [{"name": "vmbr0", "type": "ovs-bridge", "mac": "02:00:00:00:00:01",
            "ports": [{"name": "bond0", "bond": {"mode": "balance-slb", "ports": ["eth1", "eth2"]}}]}]})));
        let shown = Net::query(None).expect("everything can be read");
        let again = plan(&shown);
        assert!(again.is_empty(), "{again:#?}");
    });
}
