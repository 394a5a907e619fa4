//! What a schema cannot say: combinations, references, what one type of profile has and another has not.

mod ip;

use std::collections::HashMap;

use op_dbus_plugin::Problem;
use op_dbus_plugin::section::State;

use crate::compile::Compiled;
use crate::names::type_of;
use crate::section::{Connection, Section};
use crate::table::Table;

/// The longest interface name (IFNAMSIZ without the closing NUL).
const NAME_BYTES: usize = 15;

/// What was found so far.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn push_if(&mut self, wrong: bool, path: impl Into<String>, message: impl Into<String>) {
        if wrong {
            self.0.push(Problem {
                path: path.into(),
                message: message.into(),
            });
        }
    }
}

/// Everything that is wrong with a section.
pub fn problems(desired: &Section) -> Vec<Problem> {
    let mut problems = Problems::default();
    let table = Table::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for (at, connection) in desired.connections().iter().enumerate() {
        let path = format!("/connections/{at}");
        named(connection, &path, &mut seen, &mut problems);
        if connection.is_absent() {
            continue;
        }
        kind(connection, &path, &mut problems);
        ports(connection, desired, &path, &mut problems);
        for (family, ip, v6) in [
            ("ipv4", &connection.ipv4, false),
            ("ipv6", &connection.ipv6, true),
        ] {
            if let Some(ip) = ip {
                ip::check(ip, v6, &format!("{path}/{family}"), &mut problems);
            }
        }
        let of = connection.r#type.as_deref().map_or("", type_of);
        for (place, message) in Compiled::of(connection, of, &table).problems {
            problems.push_if(true, format!("{path}/{place}"), message);
        }
    }
    devices(desired, &mut problems);
    problems.0
}

fn named(
    connection: &Connection,
    path: &str,
    seen: &mut HashMap<String, String>,
    problems: &mut Problems,
) {
    problems.push_if(
        connection.id.is_none() && connection.uuid.is_none(),
        path,
        "a connection needs its \"id\" or its \"uuid\"",
    );
    let keys = [
        (
            "uuid",
            connection.uuid.as_ref().map(|it| it.to_ascii_lowercase()),
        ),
        ("id", connection.id.clone()),
    ];
    for (key, name) in keys {
        let Some(name) = name else { continue };
        // Two profiles may have one name, as long as each has its own uuid.
        if key == "id" && connection.uuid.is_some() {
            continue;
        }
        let path = format!("{path}/{key}");
        let first = seen.insert(format!("{key} {name}"), path.clone());
        if let Some(first) = first {
            problems.push_if(
                true,
                path,
                format!("`{name}` is named already at {first}: put everything about a connection into one entry"),
            );
        }
    }
    if let Some(interface) = &connection.interface {
        interface_name(interface, &format!("{path}/interface"), problems);
    }
}

fn interface_name(name: &str, path: &str, problems: &mut Problems) {
    let is_wrong = name.is_empty()
        || name.len() > NAME_BYTES
        || matches!(name, "." | "..")
        || name.contains(['/', ':', '%'])
        || name.contains(char::is_whitespace);
    problems.push_if(
        is_wrong,
        path,
        format!("`{name}` cannot name an interface: 1 to {NAME_BYTES} bytes, no `/`, `:`, `%` or white space"),
    );
}

/// Which types have a key; the first is named as the way out.
const KEYS: [(&str, &[&str]); 25] = [
    ("ports", &["bridge", "bond", "team", "vrf"]),
    ("slaves", &["bond", "bridge", "team", "vrf"]),
    ("bridge_ports", &["bridge"]),
    ("mtu", &["ethernet", "wifi", "wireguard", "infiniband"]),
    ("stp", &["bridge"]),
    ("forward_delay", &["bridge"]),
    ("vlan_filtering", &["bridge"]),
    ("mode", &["bond", "wifi"]),
    ("options", &["bond"]),
    ("parent", &["vlan"]),
    ("vlan_id", &["vlan"]),
    ("ssid", &["wifi"]),
    ("hidden", &["wifi"]),
    ("band", &["wifi"]),
    ("channel", &["wifi"]),
    ("security", &["wifi"]),
    ("service", &["vpn"]),
    ("user", &["vpn"]),
    ("gateway", &["vpn"]),
    ("data", &["vpn"]),
    ("secrets", &["vpn"]),
    ("private_key", &["wireguard"]),
    ("listen_port", &["wireguard"]),
    ("firewall_mark", &["wireguard"]),
    ("peers", &["wireguard"]),
];

fn kind(connection: &Connection, path: &str, problems: &mut Problems) {
    let Some(of) = connection.r#type.as_deref().map(type_of) else {
        let keys = serde_json::to_value(connection).unwrap_or_default();
        let own = KEYS
            .iter()
            .find(|(key, of)| keys.get(key).is_some() && *key != "ports" && of.len() < 4);
        if let Some((key, of)) = own {
            problems.push_if(
                true,
                format!("{path}/{key}"),
                format!(
                    "`{key}` depends on the type: say \"type\": \"{}\" as well",
                    of[0]
                ),
            );
        }
        return;
    };
    let keys = serde_json::to_value(connection).unwrap_or_default();
    for (key, types) in KEYS {
        problems.push_if(
            keys.get(key).is_some() && !types.contains(&of),
            format!("{path}/{key}"),
            format!(
                "a connection of the type {of} has no `{key}`, only {}",
                types.join(", ")
            ),
        );
    }
    let mode = connection.mode.as_deref().unwrap_or_default();
    let modes: &[&str] = match of {
        "bond" => &[
            "balance-rr",
            "active-backup",
            "balance-xor",
            "broadcast",
            "802.3ad",
            "balance-tlb",
            "balance-alb",
        ],
        "wifi" => &["infrastructure", "ap", "adhoc"],
        _ => &[],
    };
    problems.push_if(
        !modes.is_empty() && !mode.is_empty() && !modes.contains(&mode),
        format!("{path}/mode"),
        format!(
            "`{mode}` is no mode of a {of}: use one of {}",
            modes.join(", ")
        ),
    );
    if of == "wifi" {
        security(connection, path, problems);
    }
    problems.push_if(
        connection.ssid.as_ref().is_some_and(|ssid| ssid.len() > 32),
        format!("{path}/ssid"),
        "the name of a wireless network has at most 32 bytes",
    );
    problems.push_if(
        of == "bond"
            && connection
                .options
                .as_ref()
                .is_some_and(|it| it.contains_key("mode"))
            && !mode.is_empty(),
        format!("{path}/options/mode"),
        "the mode is given already by \"mode\"",
    );
}

fn security(connection: &Connection, path: &str, problems: &mut Problems) {
    let Some(security) = &connection.security else {
        return;
    };
    let key_mgmt = security.key_mgmt.as_deref();
    let path = format!("{path}/security");
    problems.push_if(
        security.psk.is_some()
            && matches!(
                key_mgmt,
                Some("none" | "wpa-eap" | "wpa-eap-suite-b-192" | "owe")
            ),
        format!("{path}/psk"),
        "a passphrase goes with \"key_mgmt\": \"wpa-psk\" or \"sae\"",
    );
    problems.push_if(
        security.eap.is_some() && matches!(key_mgmt, Some("none" | "wpa-psk" | "sae" | "owe")),
        format!("{path}/eap"),
        "a login by 802.1X goes with \"key_mgmt\": \"wpa-eap\"",
    );
}

fn ports(connection: &Connection, desired: &Section, path: &str, problems: &mut Problems) {
    let lists = [
        ("ports", &connection.ports),
        ("slaves", &connection.slaves),
        ("bridge_ports", &connection.bridge_ports),
    ];
    let given: Vec<&str> = lists
        .iter()
        .filter(|(_, list)| list.is_some())
        .map(|(key, _)| *key)
        .collect();
    if let [first, second, ..] = given.as_slice() {
        problems.push_if(
            true,
            format!("{path}/{second}"),
            format!("`{second}` is another name of `{first}`: use one of them"),
        );
    }
    let Some((key, list)) = connection.port_list() else {
        return;
    };
    for (at, port) in list.iter().enumerate() {
        let path = format!("{path}/{key}/{at}");
        interface_name(port, &path, problems);
        problems.push_if(
            list[..at].contains(port),
            &path,
            format!("`{port}` is listed already"),
        );
        problems.push_if(
            connection.interface.as_ref() == Some(port),
            &path,
            "a controller cannot be its own port",
        );
        let other = desired.connections().iter().enumerate().find(|(_, other)| {
            !std::ptr::eq(*other, connection)
                && !other.is_absent()
                && other
                    .port_list()
                    .is_some_and(|(_, list)| list.contains(port))
        });
        if let Some((other, _)) = other {
            problems.push_if(
                true,
                path,
                format!("`{port}` is a port of /connections/{other} as well: an interface has one controller"),
            );
        }
    }
}

fn devices(desired: &Section, problems: &mut Problems) {
    for (at, device) in desired.devices().iter().enumerate() {
        let path = format!("/devices/{at}");
        let first = desired.devices()[..at]
            .iter()
            .position(|it| it.interface == device.interface);
        if let Some(first) = first {
            problems.push_if(
                true,
                format!("{path}/interface"),
                format!(
                    "`{}` is named already at /devices/{first}",
                    device.interface
                ),
            );
        }
        let activated = desired.connections().iter().position(|it| {
            let is_wanted =
                it.state == Some(State::Up) || it.state.is_none() && it.autoconnect == Some(true);
            is_wanted && it.interface.as_ref() == Some(&device.interface)
        });
        if let (Some(at), Some(false)) = (activated, device.managed) {
            problems.push_if(
                true,
                format!("{path}/managed"),
                format!(
                    "/connections/{at} is to be active on `{}`, which needs NetworkManager: leave this out, or say \"autoconnect\": false there",
                    device.interface
                ),
            );
        }
    }
}
