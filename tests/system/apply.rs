//! Query, diff, apply and verify on a real kernel.

use serde_json::json;

use crate::namespace::{Namespace, assert_same};

const BRIDGE: &str = r#"{"version": 1, "plugins": {"net": {"interfaces": [
    {"name": "br0", "type": "bridge", "ports": ["p0"],
     "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.1", "prefix": 24}],
              "routes": [{"dest": "198.51.100.0", "prefix": 24, "next_hop": "192.0.2.254", "metric": 50}]},
     "ipv6": {"method": "manual", "addresses": [{"address": "2001:db8::1", "prefix": 64}]}},
    {"name": "p0", "type": "veth", "mtu": 1400, "veth": {"peer": "p1"}},
    {"name": "p1", "type": "veth"}
]}}}"#;

/// A namespace with the bridge of [`BRIDGE`] in it.
fn with_bridge() -> (Namespace, std::path::PathBuf) {
    let namespace = Namespace::new();
    let file = namespace.file("state.json", BRIDGE);
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    (namespace, file)
}

/// A state file with one interface.
fn interface(namespace: &Namespace, interface: serde_json::Value) -> std::path::PathBuf {
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [interface]}}});
    namespace.file("one.json", state.to_string())
}

#[test]
fn makes_what_the_file_says_and_the_kernel_shows_it() {
    let (namespace, file) = with_bridge();
    let port = namespace.link("p0").unwrap();
    assert_eq!(port["master"], "br0");
    assert_eq!(port["mtu"], 1400);
    let addresses = namespace.ip_json(&["address", "show", "dev", "br0"]);
    let found: Vec<_> = addresses[0]["addr_info"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["local"])
        .collect();
    assert!(
        found.contains(&&json!("192.0.2.1")) && found.contains(&&json!("2001:db8::1")),
        "{found:?}"
    );
    let routes = namespace.ip_json(&["route", "show", "198.51.100.0/24"]);
    assert_eq!(routes[0]["gateway"], "192.0.2.254");
    assert_eq!(routes[0]["metric"], 50);
    assert_eq!(routes[0]["protocol"], "static");
    namespace
        .op_dbus(&["verify".as_ref(), file.as_os_str()])
        .success();
}

#[test]
fn has_nothing_to_do_the_second_time() {
    let (namespace, file) = with_bridge();
    let before = namespace.everything();
    namespace
        .op_dbus(&["diff".as_ref(), file.as_os_str()])
        .success();
    let run = namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(run.stdout.contains("in sync"), "{}", run.stdout);
    assert_same(&namespace.everything(), &before);
}

#[test]
fn diff_and_rehearsal_change_nothing() {
    let namespace = Namespace::new();
    let file = namespace.file("state.json", BRIDGE);
    let before = namespace.everything();
    let diff = namespace
        .op_dbus(&["diff".as_ref(), file.as_os_str(), "--json".as_ref()])
        .code(2);
    assert_eq!(diff.json()["in_sync"], false);
    let rehearsal = namespace
        .op_dbus(&["apply".as_ref(), "--dry-run".as_ref(), file.as_os_str()])
        .success();
    assert!(rehearsal.stdout.contains("br0"), "{}", rehearsal.stdout);
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_look_writes_nothing_into_the_state_directory() {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "br0", "type", "bridge"]);
    let file = namespace.file(
        "state.json",
        r#"{"version": 1, "plugins": {"net": {"interfaces": [{"name": "br0", "state": "up"}]}}}"#,
    );
    let file = file.to_str().unwrap();
    namespace.op_dbus(&["query", "--json"]).success();
    namespace.op_dbus(&["diff", file]).code(2);
    namespace.op_dbus(&["verify", file]).code(2);
    let state = namespace.directory().join("state");
    assert!(!state.exists(), "{} is there", state.display());
    namespace.op_dbus(&["apply", file]).success();
    assert!(state.exists());
}

#[test]
fn query_shows_every_interface() {
    let (namespace, _) = with_bridge();
    let query = namespace.op_dbus(&["query", "--json"]).success().json();
    let interfaces = query["plugins"]["net"]["interfaces"]
        .as_array()
        .unwrap()
        .clone();
    let names: Vec<_> = interfaces
        .iter()
        .map(|i| i["name"].as_str().unwrap())
        .collect();
    for name in ["lo", "br0", "p0", "p1"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let shown = namespace.op_dbus(&["query"]).success();
    assert!(shown.stdout.contains("192.0.2.1"), "{}", shown.stdout);
}

#[test]
fn one_interface_is_shown_whole_and_without_what_does_not_concern_it() {
    let (namespace, _) = with_bridge();
    let query = namespace
        .op_dbus(&["query", "--interface", "br0", "--json"])
        .success()
        .json();
    let interfaces = query["plugins"]["net"]["interfaces"]
        .as_array()
        .unwrap()
        .clone();
    let of = |name: &str| {
        interfaces
            .iter()
            .find(|interface| interface["name"] == name)
    };
    assert!(of("lo").is_none() && of("p1").is_none(), "{interfaces:?}");
    let bridge = of("br0").unwrap();
    let routes = bridge["ipv4"]["routes"].as_array().unwrap();
    assert!(
        routes.iter().any(|route| route["dest"] == "198.51.100.0"),
        "{routes:?}"
    );
    assert_eq!(bridge["ports"][0], "p0");
}

#[test]
fn what_the_file_does_not_mention_is_not_touched() {
    let (namespace, _) = with_bridge();
    namespace.ip(&[
        "link", "add", "other", "type", "veth", "peer", "name", "other1",
    ]);
    namespace.ip(&["address", "add", "203.0.113.1/24", "dev", "other"]);
    let other = namespace.ip(&["-json", "-details", "address", "show", "dev", "other"]);
    let file = interface(&namespace, json!({"name": "p0", "mtu": 1300}));
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert_eq!(namespace.link("p0").unwrap()["mtu"], 1300);
    assert_eq!(
        namespace.link("p0").unwrap()["master"],
        "br0",
        "not mentioned, so it stays"
    );
    assert_eq!(
        namespace.ip(&["-json", "-details", "address", "show", "dev", "other"]),
        other
    );
}

#[test]
fn changes_in_place_what_the_kernel_can_change_in_place() {
    let (namespace, _) = with_bridge();
    let before = namespace.link("br0").unwrap();
    let file = interface(
        &namespace,
        json!({"name": "br0", "bridge": {"stp": true, "forward_delay": 7}, "mtu": 1400}),
    );
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let after = namespace.link("br0").unwrap();
    assert_eq!(after["ifindex"], before["ifindex"], "it was not made anew");
    assert_eq!(after["linkinfo"]["info_data"]["forward_delay"], 700);
    assert_eq!(after["linkinfo"]["info_data"]["stp_state"], 1);
}

#[test]
fn makes_anew_only_what_must_be_and_says_so() {
    let namespace = Namespace::new();
    let vxlan = |id: u32| {
        json!({"name": "vx", "type": "vxlan", "vxlan": {"id": id, "remote": "192.0.2.9", "port": 4789},
               "ipv4": {"method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}]}})
    };
    let file = interface(&namespace, vxlan(7));
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let file = interface(
        &namespace,
        json!({"name": "vx", "vxlan": {"id": 8, "remote": "192.0.2.9", "port": 4789}}),
    );
    let diff = namespace
        .op_dbus(&["diff".as_ref(), file.as_os_str(), "--json".as_ref()])
        .code(2);
    assert!(
        diff.stdout.contains("\"disruptive\":true"),
        "{}",
        diff.stdout
    );
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let after = namespace.link("vx").unwrap();
    assert_eq!(after["linkinfo"]["info_data"]["id"], 8);
    let addresses = namespace.ip(&["address", "show", "dev", "vx"]);
    assert!(
        addresses.contains("198.51.100.1/24"),
        "what hung from it came back: {addresses}"
    );
}

#[test]
fn absent_removes_and_an_empty_list_replaces() {
    let (namespace, _) = with_bridge();
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "br0", "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.1", "prefix": 24}], "routes": []}},
        {"name": "p0", "state": "absent"},
    ]}}});
    let file = namespace.file("less.json", state.to_string());
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert!(namespace.link("p0").is_none() && namespace.link("p1").is_none());
    assert_eq!(
        namespace.ip_json(&["route", "show", "198.51.100.0/24"]),
        json!([])
    );
}

#[test]
fn an_address_moves_to_the_bridge_that_takes_its_link() {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "far"]);
    namespace.ip(&["link", "set", "eth0", "up"]);
    namespace.ip(&["link", "set", "far", "up"]);
    namespace.ip(&["address", "add", "192.0.2.5/24", "dev", "eth0"]);
    namespace.ip(&["route", "add", "default", "via", "192.0.2.254"]);
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [
        {"name": "eth0", "ipv4": {"method": "disabled"}},
        {"name": "br0", "type": "bridge", "ports": ["eth0"],
         "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.5", "prefix": 24}], "gateway": "192.0.2.254"}},
    ]}}});
    let file = namespace.file("move.json", state.to_string());
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let routes = namespace.ip_json(&["route", "show", "default"]);
    assert_eq!(routes.as_array().unwrap().len(), 1, "{routes}");
    assert_eq!(routes[0]["dev"], "br0");
    assert!(
        !namespace
            .ip(&["-4", "address", "show", "dev", "eth0"])
            .contains("192.0.2.5")
    );
}

#[test]
fn routes_of_every_type_rules_and_neighbours_are_made_and_verified() {
    let namespace = Namespace::new();
    let state = json!({"version": 1, "plugins": {"net": {
        "interfaces": [
            {"name": "a0", "type": "veth", "veth": {"peer": "a1"},
             "ipv4": {"method": "manual", "addresses": [{"address": "192.0.2.1", "prefix": 24}],
                      "routes": [
                        {"dest": "10.1.0.0", "prefix": 16, "next_hop": "192.0.2.2", "table": 100, "preferred_source": "192.0.2.1"},
                        {"dest": "10.2.0.0", "prefix": 16, "next_hop": "203.0.113.9", "onlink": true}],
                      "neighbours": [{"address": "192.0.2.77", "mac": "02:00:00:00:00:77"}]}},
            {"name": "a1", "type": "veth"},
            {"name": "b0", "type": "veth", "veth": {"peer": "b1"},
             "ipv4": {"method": "manual", "addresses": [{"address": "198.51.100.1", "prefix": 24}]}},
            {"name": "b1", "type": "veth"}],
        "routes": [
            {"dest": "10.3.0.0", "prefix": 16, "type": "blackhole"},
            {"dest": "10.4.0.0", "prefix": 16, "type": "unreachable", "metric": 7},
            {"dest": "10.5.0.0", "prefix": 16, "type": "prohibit"},
            {"dest": "10.6.0.0", "prefix": 16, "next_hops": [
                {"next_hop": "192.0.2.2", "interface": "a0", "weight": 1},
                {"next_hop": "198.51.100.2", "interface": "b0", "weight": 3}]},
            {"dest": "2001:db8:3::", "prefix": 48, "type": "blackhole"}],
        "rules": [{"family": "ipv4", "from": "10.1.0.0/16", "table": 100, "priority": 1000}],
    }}});
    let file = namespace.file("routes.json", state.to_string());
    let before = namespace.everything();
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let routes = namespace.ip(&["route", "show", "table", "all"]);
    for wanted in [
        "10.1.0.0/16 via 192.0.2.2 dev a0 table 100",
        "10.2.0.0/16 via 203.0.113.9 dev a0",
        "blackhole 10.3.0.0/16",
        "unreachable 10.4.0.0/16",
        "prohibit 10.5.0.0/16",
        "nexthop via 198.51.100.2 dev b0 weight 3",
    ] {
        assert!(routes.contains(wanted), "{wanted} is not in\n{routes}");
    }
    assert!(
        namespace
            .ip(&["rule"])
            .contains("from 10.1.0.0/16 lookup 100")
    );
    assert!(
        namespace
            .ip(&["neighbour"])
            .contains("192.0.2.77 dev a0 lladdr 02:00:00:00:00:77 PERMANENT")
    );
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}
