//! Profiles that somebody made with nmcli keep everything that a state file does not name.

use serde_json::json;

use super::Host;

const PROFILES: [&str; 8] = [
    "type ethernet con-name plain ifname eth7",
    "type ethernet con-name static ifname eth8 ipv4.method manual ipv4.addresses 192.0.2.7/24,192.0.2.8/25 ipv4.gateway 192.0.2.1 \
     ipv4.dns 192.0.2.53 ipv4.dns-search example.org ipv4.routes 198.51.100.0/24 ipv6.method manual ipv6.addresses 2001:db8::7/64 \
     802-3-ethernet.cloned-mac-address 02:00:00:00:00:07 connection.permissions root connection.zone work",
    "type bridge con-name bridge ifname br7 bridge.stp no",
    "type bond con-name bond ifname bond7 bond.options mode=active-backup,miimon=100",
    "type vlan con-name vlan ifname vlan7 dev eth7 id 7",
    "type wifi con-name wifi ifname wlan7 ssid Büro 802-11-wireless-security.key-mgmt wpa-psk wifi-sec.psk correct-horse",
    "type wireguard con-name wireguard ifname wg7",
    "type vpn con-name vpn vpn-type openvpn vpn.data remote=vpn.example.org",
];

fn make(host: &Host) {
    for profile in PROFILES {
        let words: Vec<&str> = ["connection", "add", "autoconnect", "no"]
            .into_iter()
            .chain(profile.split_whitespace())
            .collect();
        host.manager.nmcli(&words);
    }
}

fn everything(host: &Host, profile: &str) -> Vec<String> {
    let shown = host.manager.nmcli(&["connection", "show", profile]);
    let lines = shown
        .lines()
        .filter(|line| !line.starts_with("connection.timestamp"))
        .map(str::to_owned);
    let secrets = ["802-11-wireless-security", "vpn", "wireguard"]
        .into_iter()
        .filter_map(|setting| host.manager.secrets(profile, setting));
    lines.chain(secrets).collect()
}

#[test]
fn what_query_shows_is_in_sync_with_what_is() {
    let Some(host) = Host::start(&["eth7"]) else {
        return;
    };
    make(&host);
    let mut section = host.query();
    let section = section.as_object_mut().expect("an object");
    section.remove("devices");
    section.remove("active_connections");
    assert_eq!(
        section["connections"].as_array().map(Vec::len),
        Some(PROFILES.len())
    );
    // Secrets are shown by fingerprint: a state file names them.
    let mut section = json!(section);
    let wifi = section["connections"]
        .as_array_mut()
        .expect("a list")
        .iter_mut()
        .find(|it| it["id"] == "wifi");
    let security = wifi.expect("it was made")["security"]
        .as_object_mut()
        .expect("it is secured");
    assert!(security["psk"]["fingerprint"].is_string(), "{security:?}");
    security.remove("psk");
    let run = host.on("diff", &section).success();
    assert!(run.stdout.contains("in sync"), "{}", run.stdout);
}

#[test]
fn an_update_changes_what_the_file_names_and_nothing_else() {
    let Some(host) = Host::start(&["eth7"]) else {
        return;
    };
    make(&host);
    for (profile, change, line) in [
        (
            "plain",
            json!({"ipv4": {"dns": ["192.0.2.54"], "method": "auto"}}),
            "ipv4.dns:",
        ),
        (
            "static",
            json!({"ipv4": {"dns": ["192.0.2.54"]}}),
            "ipv4.dns:",
        ),
        (
            "bridge",
            json!({"forward_delay": 7}),
            "bridge.forward-delay:",
        ),
        ("bond", json!({"options": {"miimon": 200}}), "bond.options:"),
        ("vlan", json!({"vlan_id": 8}), "vlan.id:"),
        ("wifi", json!({"hidden": true}), "802-11-wireless.hidden:"),
        (
            "wireguard",
            json!({"listen_port": 51820}),
            "wireguard.listen-port:",
        ),
        ("vpn", json!({"data": {"port": "1194"}}), "vpn.data:"),
    ] {
        let before = everything(&host, profile);
        let mut connection = change;
        connection["id"] = profile.into();
        connection["type"] = profile.into();
        if matches!(profile, "plain" | "static") {
            connection["type"] = "ethernet".into();
        }
        host.connections("apply", &json!([connection])).success();
        let after = everything(&host, profile);
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            assert!(
                (before == after) != before.starts_with(line),
                "{profile}: {before} became {after}"
            );
        }
    }
    assert_eq!(
        host.property("bond", "bond.options"),
        "mode=active-backup,miimon=200"
    );
}

#[test]
fn a_port_made_by_hand_that_a_list_leaves_out_is_let_go_of_and_not_deleted() {
    let Some(host) = Host::start(&["eth1", "eth2"]) else {
        return;
    };
    let bridge = |ports: &[&str]| {
        json!([{
            "id": "br0", "type": "bridge", "interface": "br0", "autoconnect": true, "stp": false, "ports": ports,
            "ipv4": {"method": "disabled"}, "ipv6": {"method": "disabled"}
        }])
    };
    host.connections("apply", &bridge(&["eth1"])).success();
    let words =
        "connection add type ethernet con-name theirs ifname eth2 master br0 connection.zone work";
    host.manager.nmcli(&words.split(' ').collect::<Vec<_>>());
    host.manager
        .nmcli(&["--wait", "60", "connection", "up", "theirs"]);
    let controller = |link: &str| {
        let link = host.namespace.link(link).expect("it is there");
        link["master"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(controller("eth2"), "br0");

    host.connections("apply", &bridge(&["eth1"])).success();
    host.connections("verify", &bridge(&["eth1"])).success();
    assert_eq!(
        (controller("eth1"), controller("eth2")),
        ("br0".into(), String::new())
    );
    assert_eq!(host.property("theirs", "connection.master"), "");
    assert_eq!(host.property("theirs", "connection.zone"), "work");
    host.op_dbus(&["rollback"]).success();
    assert_eq!(controller("eth2"), "br0");
    assert_ne!(host.property("theirs", "connection.master"), "");

    // Those that the list made go with it.
    host.connections("apply", &bridge(&[])).success();
    assert!(host.connection("br0-port-eth1").is_none());
    assert!(host.connection("theirs").is_some());
}
