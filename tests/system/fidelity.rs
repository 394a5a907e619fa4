//! What a rollback brings back of what other tools set and no state file can name; and that what is can be written down and applied.

use serde_json::json;

use crate::namespace::{Namespace, assert_same};

/// An interface with what `ip` can say of addresses, routes and links and a state file cannot.
fn inhabited() -> Namespace {
    let namespace = Namespace::new();
    for command in [
        "link add eth0 type veth peer name far",
        "link set eth0 group 7",
        "link set far up",
        "link set eth0 up",
        "address add 192.0.2.5/24 dev eth0 metric 50",
        "address add 192.0.2.6/24 dev eth0 noprefixroute",
        "address add 10.99.0.8/24 dev eth0 scope link",
        "address add 2001:db8::5/64 dev eth0 nodad metric 77",
        "address add 2001:db8::6/64 dev eth0 home nodad",
        "address add 2001:db8:1::6/64 dev eth0 mngtmpaddr noprefixroute",
        "route add 198.51.100.0/24 via 192.0.2.254 advmss 1200 mtu lock 1400 congctl reno initcwnd 20",
        "route add 203.0.113.0/24 nexthop encap ip id 9 dst 192.0.2.9 via 192.0.2.253 dev eth0 weight 3 nexthop via 192.0.2.252 dev eth0",
        "route add 198.20.0.0/16 encap ip id 7 dst 192.0.2.9 via 192.0.2.254 dev eth0",
        "-6 route add 2001:db8:2::/48 via 2001:db8::9 dev eth0 hoplimit 33 pref high",
        "-6 route add 2001:db8:3::/48 from 2001:db8:4::/48 via 2001:db8::9 dev eth0",
        "link add vx type vxlan id 9 remote 192.0.2.77 dstport 4789 srcport 10000 11000 df set ttl inherit gbp",
        "link set vx group 9 up",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    namespace
}

fn apply(namespace: &Namespace, net: serde_json::Value) {
    let state = json!({"version": 1, "plugins": {"net": net}});
    let file = namespace.file("state.json", state.to_string());
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
}

#[test]
fn a_rollback_brings_back_what_no_state_file_can_name() {
    let namespace = inhabited();
    let before = namespace.everything();
    apply(
        &namespace,
        json!({"interfaces": [{"name": "eth0", "state": "down"}, {"name": "vx", "state": "absent"}]}),
    );
    assert_ne!(namespace.everything(), before);
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_link_made_anew_comes_back_with_its_group_and_its_routes_with_their_metrics() {
    let namespace = inhabited();
    let before = namespace.everything();
    apply(
        &namespace,
        json!({"interfaces": [{"name": "eth0", "state": "absent"}]}),
    );
    assert!(namespace.link("eth0").is_none());
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn what_is_can_be_written_down_and_applied() {
    let namespace = inhabited();
    let before = namespace.everything();
    let what_is = namespace.op_dbus(&["query", "--json"]).success();
    let file = namespace.file("is.json", &what_is.stdout);
    namespace
        .op_dbus(&["diff".as_ref(), file.as_os_str()])
        .success();
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn an_address_that_expires_goes_when_the_file_drops_it_and_a_dhcp_clients_stays() {
    let namespace = inhabited();
    let dhcp = "address add 192.0.2.200/24 dev eth0 valid_lft 3600 preferred_lft 3600";
    namespace.ip(&dhcp.split(' ').collect::<Vec<_>>());
    let own = |address: &str| json!({"address": address, "prefix": 24});
    let with = |addresses: serde_json::Value| json!({"interfaces": [{"name": "eth0", "ipv4": {"addresses": addresses}}]});
    let mut passing = own("192.0.2.9");
    passing["valid_lifetime"] = 1800.into();
    let lasting = [own("192.0.2.5"), own("192.0.2.6")];
    apply(&namespace, with(json!([lasting[0], lasting[1], passing])));
    let shown = || namespace.ip(&["address", "show", "dev", "eth0"]);
    assert!(shown().contains("192.0.2.9/24"), "{}", shown());
    apply(&namespace, with(json!(lasting)));
    assert!(!shown().contains("192.0.2.9/24"), "{}", shown());
    assert!(shown().contains("192.0.2.200/24"), "{}", shown());
}

#[test]
fn a_queueing_discipline_that_is_lost_is_named_before_and_after() {
    let namespace = inhabited();
    let shaped = "qdisc add dev vx root tbf rate 1mbit burst 32kbit latency 400ms";
    namespace.tc(&shaped.split(' ').collect::<Vec<_>>());
    let state = json!({"version": 1, "plugins": {"net": {"interfaces": [{"name": "vx", "state": "absent"}]}}});
    let file = namespace.file("state.json", state.to_string());
    let diff = namespace
        .op_dbus(&["diff".as_ref(), "--json".as_ref(), file.as_os_str()])
        .code(2);
    let words = "queueing discipline tbf is lost for good";
    assert!(diff.stdout.contains(words), "{}", diff.stdout);
    namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .success();
    let rollback = namespace.op_dbus(&["rollback"]).success();
    let said = format!("{}{}", rollback.stdout, rollback.stderr);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("queueing discipline tbf"), "{said}");
}

#[test]
fn a_next_hop_object_that_goes_with_its_link_is_named_and_its_routes_stay() {
    let namespace = inhabited();
    for command in [
        "nexthop add id 17 via 192.0.2.254 dev eth0",
        "route add 198.18.0.0/15 nhid 17",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    apply(
        &namespace,
        json!({"interfaces": [{"name": "eth0", "state": "down"}]}),
    );
    let rollback = namespace.op_dbus(&["rollback"]).success();
    let said = format!("{}{}", rollback.stdout, rollback.stderr);
    assert!(said.contains("198.18.0.0/15"), "{said}");
    let route = namespace.ip(&["route", "show", "198.18.0.0/15"]);
    assert!(route.contains("via 192.0.2.254 dev eth0"), "{route}");
}

#[test]
fn the_kernels_own_rules_go_only_when_they_are_written_whole() {
    let namespace = inhabited();
    let before = namespace.everything();
    let state = json!({"version": 1, "plugins": {"net": {"rules": [{"priority": 32766, "state": "absent"}]}}});
    let file = namespace.file("state.json", state.to_string());
    let run = namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(1);
    assert!(
        run.stderr.contains("the kernel itself made"),
        "{}",
        run.stderr
    );
    assert_same(&namespace.everything(), &before);
    let whole = json!({"family": "ipv4", "priority": 32767, "table": 253, "state": "absent"});
    apply(&namespace, json!({"rules": [whole]}));
    let rules = namespace.ip(&["-4", "rule"]);
    assert!(!rules.contains("32767"), "{rules}");
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn what_is_to_be_absent_goes_by_what_the_file_says_of_it() {
    let namespace = inhabited();
    for command in [
        "route add blackhole 10.0.0.0/8 metric 20 proto bird",
        "rule add priority 100 from 10.0.0.0/8 lookup 100",
        "rule add priority 100 to 10.0.0.0/8 lookup 101 protocol bird",
    ] {
        namespace.ip(&command.split(' ').collect::<Vec<_>>());
    }
    let before = namespace.everything();
    apply(
        &namespace,
        json!({"rules": [{"priority": 100, "state": "absent"}],
               "routes": [{"dest": "10.0.0.0", "prefix": 8, "type": "blackhole", "state": "absent"}]}),
    );
    let left = format!("{}{}", namespace.ip(&["rule"]), namespace.ip(&["route"]));
    assert!(!left.contains("10.0.0.0/8"), "{left}");
    namespace.op_dbus(&["rollback"]).success();
    assert_same(&namespace.everything(), &before);
}

#[test]
fn a_file_with_more_interfaces_than_there_can_be_is_refused_with_the_limit() {
    let namespace = inhabited();
    let before = namespace.everything();
    let interface = |number: usize| format!("{{name: d{number}, type: dummy}}");
    let many: Vec<String> = (0..100_001).map(interface).collect();
    let text = format!(
        "{{version: 1, plugins: {{net: {{interfaces: [{}]}}}}}}",
        many.join(",")
    );
    let file = namespace.file("many.yaml", text);
    let run = namespace
        .op_dbus(&["apply".as_ref(), file.as_os_str()])
        .code(1);
    assert!(run.stderr.contains("100000"), "{}", run.stderr);
    assert_same(&namespace.everything(), &before);
}

#[test]
fn an_address_that_a_plan_puts_back_keeps_its_scope() {
    let namespace = inhabited();
    let scope = || {
        let shown = namespace.ip_json(&["address", "show", "dev", "eth0"]);
        let list = shown[0]["addr_info"].as_array().unwrap().clone();
        let mut found = list.iter().filter(|it| it["local"] == "10.99.0.8");
        found.next().unwrap()["scope"].clone()
    };
    assert_eq!(scope(), "link");
    // The kernel cannot take the flag in place: the address goes and comes back.
    let rest = json!([
        {"address": "192.0.2.5", "prefix": 24},
        {"address": "192.0.2.6", "prefix": 24},
        {"address": "10.99.0.8", "prefix": 24, "no_prefix_route": true},
    ]);
    apply(
        &namespace,
        json!({"interfaces": [{"name": "eth0", "ipv4": {"addresses": rest}}]}),
    );
    assert_eq!(scope(), "link");
}

/// Keeps everything that is, and returns the checkpoint's number.
fn checkpoint(namespace: &Namespace) -> String {
    namespace.op_dbus(&["checkpoint", "create"]).success();
    let list = namespace.op_dbus(&["checkpoint", "list", "--json"]);
    let list = list.success().json();
    list["checkpoints"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_checkpoint_made_by_hand_brings_back_attributes_without_a_name_and_names_what_it_cannot() {
    let namespace = inhabited();
    let before = namespace.everything();
    let by_hand = checkpoint(&namespace);
    namespace.ip(&["link", "delete", "vx"]);
    let back = namespace.op_dbus(&["rollback", &by_hand]).success();
    assert_same(&namespace.everything(), &before);
    assert_eq!(back.stderr, "");

    let shaped = "qdisc add dev vx root tbf rate 1mbit burst 32kbit latency 400ms";
    namespace.tc(&shaped.split(' ').collect::<Vec<_>>());
    let by_hand = checkpoint(&namespace);
    namespace.ip(&["link", "delete", "vx"]);
    let back = namespace.op_dbus(&["rollback", &by_hand]).success();
    let told = "link vx is without its queueing discipline tbf";
    assert_eq!(back.stderr.matches(told).count(), 1, "{}", back.stderr);

    // Somebody makes it anew, without the group policy.
    let by_hand = checkpoint(&namespace);
    namespace.ip(&["link", "delete", "vx"]);
    let other = "link add vx type vxlan id 9 remote 192.0.2.77 dstport 4789 srcport 10000 11000 df set ttl inherit";
    namespace.ip(&other.split(' ').collect::<Vec<_>>());
    let back = namespace.op_dbus(&["rollback", &by_hand]).success();
    // IFLA_VXLAN_GBP; a kernel that has IFLA_VXLAN_RESERVED_BITS shows another one there too.
    let told = "link vx is without the attribute IFLA_LINKINFO/IFLA_INFO_DATA/23,";
    assert_eq!(back.stderr.matches(told).count(), 1, "{}", back.stderr);
}
