//! The in-memory OVSDB server and its daemon against what RFC 7047 and ovs-vswitchd.conf.db(5) say.

use op_dbus_plugin::mock::Host;
use op_dbus_plugin::netlink::{ControllerChange, Kind, LinkChange, LinkSettings, Request};
use op_dbus_plugin::{Failure, FailureCode, ovsdb};
use serde_json::{Value, json};

fn transact(operations: Value) -> Result<Value, Failure> {
    let answer = ovsdb::transact("Open_vSwitch", &operations.to_string())?;
    Ok(serde_json::from_str(&answer).expect("JSON"))
}

fn refused(operations: Value) -> String {
    let failure = transact(operations).expect_err("it is refused");
    failure.backend.expect("the server's own words").name
}

fn host() -> Host {
    let host = Host::new();
    host.with_ovs();
    host.kernel().add_ethernet("eth0");
    host
}

fn names(table: &str) -> Value {
    transact(json!([{"op": "select", "table": table, "where": [], "columns": ["name"]}])).unwrap()
        [0]["rows"]
        .clone()
}

#[test]
fn rows_that_nothing_refers_to_go_when_the_transaction_commits() {
    let host = host();
    host.ovs().add_bridge("br0");
    host.enter(|| {
        let insert = json!({"op": "insert", "table": "Interface", "row": {"name": "lost"}});
        transact(json!([insert])).unwrap();
        assert_eq!(names("Interface"), json!([{"name": "br0"}]));
        transact(json!([{"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}]))
            .unwrap();
        assert_eq!(names("Interface"), json!([]));
        assert_eq!(names("Port"), json!([]));
    });
}

#[test]
fn a_failed_operation_takes_all_the_others_back() {
    let host = host();
    host.ovs().add_bridge("br0");
    host.enter(|| {
        let secure = json!({"op": "update", "table": "Bridge", "where": [], "row": {"fail_mode": "secure"}});
        let wait = json!({"op": "wait", "timeout": 0, "table": "Bridge", "where": [["name", "==", "br0"]],
            "columns": ["fail_mode"], "until": "==", "rows": [{"fail_mode": "standalone"}]});
        let failure = transact(json!([secure, wait])).unwrap_err();
        assert_eq!(failure.code, FailureCode::Conflict);
        let failure = transact(json!([secure, {"op": "abort"}])).unwrap_err();
        assert_eq!(failure.code, FailureCode::Cancelled);
        let rows = host.ovs().rows("Bridge");
        assert_eq!(rows[0]["fail_mode"], json!(["set", []]));
        transact(json!([secure, {"op": "comment", "comment": "op-dbus"}]))
            .unwrap();
        assert_eq!(host.ovs().rows("Bridge")[0]["fail_mode"], "secure");
    });
}

#[test]
fn references_names_and_values_are_checked() {
    let host = host();
    host.ovs().add_bridge("br0");
    host.enter(|| {
        let nobody = json!(["uuid", "00000000-0000-4000-8000-00000000ffff"]);
        let port = |row: Value| json!([{"op": "insert", "table": "Port", "uuid-name": "p", "row": row},
            {"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", ["named-uuid", "p"]]]}]);
        assert_eq!(refused(port(json!({"name": "p", "interfaces": nobody}))), "referential integrity violation");
        assert_eq!(refused(port(json!({"name": "p", "tag": 4096}))), "constraint violation");
        assert_eq!(refused(port(json!({"name": "p", "vlan_mode": "sideways"}))), "constraint violation");
        assert_eq!(refused(json!([{"op": "update", "table": "Bridge", "where": [], "row": {"name": "br1"}}])), "constraint violation");
        let twin = json!([{"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "br0"}},
            {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "other", "interfaces": ["named-uuid", "i"]}},
            {"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", ["named-uuid", "p"]]]}]);
        assert_eq!(refused(twin), "constraint violation");
    });
}

#[test]
fn a_map_keeps_what_it_has_when_an_element_is_inserted_and_loses_keys_that_are_deleted() {
    let host = host();
    host.ovs().add_bridge("br0");
    host.enter(|| {
        let mutate = |mutations: Value| {
            transact(
                json!([{"op": "mutate", "table": "Bridge", "where": [], "mutations": mutations}]),
            )
            .unwrap();
            host.ovs().rows("Bridge")[0]["external_ids"].clone()
        };
        let a1 = json!([["external_ids", "insert", ["map", [["a", "1"]]]]]);
        let a2 = json!([["external_ids", "insert", ["map", [["a", "2"], ["b", "2"]]]]]);
        mutate(a1);
        assert_eq!(mutate(a2), json!(["map", [["a", "1"], ["b", "2"]]]));
        let pair = json!([["external_ids", "delete", ["map", [["a", "2"], ["b", "2"]]]]]);
        assert_eq!(mutate(pair), json!(["map", [["a", "1"]]]));
        assert_eq!(
            mutate(json!([["external_ids", "delete", ["set", ["a"]]]])),
            json!(["map", []])
        );
    });
}

#[test]
fn the_daemon_makes_links_for_bridges_and_internal_ports_and_takes_them_away() {
    let host = host();
    host.ovs().add_bridge("br0").add_port(
        "br0",
        "int0",
        json!({"type": "internal", "mtu_request": 1400}),
        json!({}),
    );
    host.ovs().add_port("br0", "eth0", json!({}), json!({}));
    host.settle();
    let kernel = host.kernel().clone();
    let ours = Kind::Other("openvswitch".to_owned());
    assert_eq!(kernel.link("br0").unwrap().kind, ours);
    assert_eq!(kernel.link("int0").unwrap().mtu, 1400);
    let eth0 = kernel.link("eth0").unwrap();
    assert_eq!(eth0.controller.as_deref(), Some("ovs-system"));
    let refused = [
        Request::DeleteLink("br0".to_owned()),
        Request::ChangeLink(LinkChange {
            link: "eth0".to_owned(),
            new_name: None,
            kind: None,
            settings: LinkSettings {
                controller: ControllerChange::Detach,
                ..LinkSettings::default()
            },
        }),
    ];
    for request in refused {
        let failure = host.kernel().execute(&request).unwrap_err();
        assert_eq!(failure.code, FailureCode::Unsupported);
    }
    host.ovs().must(&[
        json!({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}),
    ]);
    host.settle();
    assert_eq!(host.kernel().link("br0"), None);
    assert_eq!(host.kernel().link("eth0").unwrap().controller, None);
}

#[test]
fn what_the_daemon_cannot_do_stands_in_the_column_error() {
    let host = host();
    let (plain, none) = (json!({}), json!({}));
    host.ovs()
        .add_bridge("br0")
        .add_port("br0", "eth9", plain.clone(), none.clone());
    host.ovs()
        .add_port("br0", "p0", json!({"type": "patch"}), none.clone());
    host.ovs()
        .add_port("br0", "x0", json!({"type": "nonsense"}), none);
    host.settle();
    let rows = host.ovs().rows("Interface");
    let bad: Vec<&Value> = rows
        .iter()
        .filter(|row| row["error"].is_string())
        .map(|row| &row["name"])
        .collect();
    assert_eq!(bad, ["eth9", "p0", "x0"]);
    host.ovs().run_switch(false);
    let failure = host
        .enter(|| ovsdb::settle("Open_vSwitch"))
        .expect_err("it does not run");
    assert_eq!(failure.code, FailureCode::Unavailable);
}

#[test]
fn what_the_schema_lacks_is_not_found_as_the_host_says_it_before_it_asks() {
    let host = host();
    host.ovs()
        .add_bridge("br0")
        .without_column("Bridge", "mcast_snooping_enable");
    let select = |table: &str, columns: Value| json!([{"op": "select", "table": table, "where": [], "columns": columns}]);
    host.enter(|| {
        for operations in [
            select("Bridge", json!(["name", "mcast_snooping_enable"])),
            select("Switch", json!(["name"])),
            json!([{"op": "update", "table": "Bridge", "where": [], "row": {"mcast_snooping_enable": true}}]),
        ] {
            let failure = transact(operations).unwrap_err();
            assert_eq!((failure.code, failure.backend), (FailureCode::NotFound, None));
        }
        transact(select("Bridge", json!(["name", "stp_enable"]))).unwrap();
        assert!(!ovsdb::schema("Open_vSwitch").unwrap().contains("mcast_snooping_enable"));
    });
}
