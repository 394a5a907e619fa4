//! The settings of each type of profile.

use serde_json::{Map, Value, json};

use super::{Compiled, secret};
use crate::section::{Connection, Eap};
use crate::table::{option, path};
use crate::value::Variant;

/// The setting of a wireless network's security.
const SECURITY: &str = "802-11-wireless-security";

/// Reads what the type of a connection has of its own.
pub fn compile(compiled: &mut Compiled, connection: &Connection, of: &str) {
    match of {
        "bridge" => bridge(compiled, connection),
        "bond" => bond(compiled, connection),
        "vlan" => vlan(compiled, connection),
        "wifi" => wifi(compiled, connection),
        "vpn" => vpn(compiled, connection),
        "wireguard" => wireguard(compiled, connection),
        _ => {}
    }
}

fn bridge(compiled: &mut Compiled, connection: &Connection) {
    let keys = [
        ("stp", connection.stp.map(|it| Variant::new("b", it)), "stp"),
        (
            "forward-delay",
            connection.forward_delay.map(|it| Variant::new("u", it)),
            "forward_delay",
        ),
        (
            "vlan-filtering",
            connection.vlan_filtering.map(|it| Variant::new("b", it)),
            "vlan_filtering",
        ),
    ];
    for (key, value, place) in keys {
        if let Some(value) = value {
            compiled.set("bridge", key, value, place);
        }
    }
}

fn bond(compiled: &mut Compiled, connection: &Connection) {
    let mut entries = Map::new();
    if let Some(mode) = &connection.mode {
        entries.insert("mode".into(), mode.clone().into());
        compiled.entries("bond", "options", entries, "mode");
    }
    if let Some(options) = &connection.options {
        let texts = options
            .iter()
            .map(|(key, value)| (key.clone(), option(value).unwrap_or(Value::Null)));
        compiled.entries("bond", "options", texts.collect(), "options");
    }
}

fn vlan(compiled: &mut Compiled, connection: &Connection) {
    if let Some(parent) = &connection.parent {
        compiled.set("vlan", "parent", Variant::text(parent), "parent");
    }
    if let Some(id) = connection.vlan_id {
        compiled.set("vlan", "id", Variant::new("u", id), "vlan_id");
    }
}

fn wifi(compiled: &mut Compiled, connection: &Connection) {
    const WIFI: &str = "802-11-wireless";
    if let Some(ssid) = &connection.ssid {
        compiled.set(WIFI, "ssid", Variant::bytes(ssid.as_bytes()), "ssid");
    }
    for (key, text) in [("mode", &connection.mode), ("band", &connection.band)] {
        if let Some(text) = text {
            compiled.set(WIFI, key, Variant::text(text), key);
        }
    }
    if let Some(hidden) = connection.hidden {
        compiled.set(WIFI, "hidden", Variant::new("b", hidden), "hidden");
    }
    if let Some(channel) = connection.channel {
        compiled.set(WIFI, "channel", Variant::new("u", channel), "channel");
    }
    let Some(security) = &connection.security else {
        return;
    };
    match security.key_mgmt.as_deref() {
        // NetworkManager's own `none` is WEP; an open network has no such setting.
        Some("none") => {
            for setting in [SECURITY, "802-1x"] {
                compiled.without.push(setting.to_owned());
                let place = "security/key_mgmt".to_owned();
                compiled
                    .places
                    .insert((setting.to_owned(), String::new()), place);
            }
            return;
        }
        Some(word) => {
            compiled.set(
                SECURITY,
                "key-mgmt",
                Variant::text(word),
                "security/key_mgmt",
            );
        }
        None => {}
    }
    if let Some(psk) = &security.psk {
        compiled.secret(SECURITY, "psk", psk, "security/psk");
    }
    if let Some(eap) = &security.eap {
        self::eap(compiled, eap);
    }
}

fn eap(compiled: &mut Compiled, eap: &Eap) {
    let mut set = |key: &str, value: Option<Variant>, place: &str| {
        if let Some(value) = value {
            compiled.set("802-1x", key, value, &format!("security/eap/{place}"));
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(Variant::text);
    let file = |file: &Option<String>| file.as_ref().map(|file| Variant::new("ay", path(file)));
    set("eap", eap.methods.as_ref().map(Variant::texts), "methods");
    set("identity", text(&eap.identity), "identity");
    set(
        "anonymous-identity",
        text(&eap.anonymous_identity),
        "anonymous_identity",
    );
    set("phase2-auth", text(&eap.phase2), "phase2");
    set(
        "domain-suffix-match",
        text(&eap.domain_suffix_match),
        "domain_suffix_match",
    );
    set("ca-cert", file(&eap.ca_cert), "ca_cert");
    set("client-cert", file(&eap.client_cert), "client_cert");
    set("private-key", file(&eap.private_key), "private_key");
    if let Some(password) = &eap.password {
        compiled.secret("802-1x", "password", password, "security/eap/password");
    }
    if let Some(password) = &eap.private_key_password {
        let place = "security/eap/private_key_password";
        compiled.secret("802-1x", "private-key-password", password, place);
    }
}

/// The key that a VPN plugin has for its server.
pub fn gateway_key(service: &str) -> &'static str {
    match service.rsplit('.').next() {
        Some("openvpn") => "remote",
        Some("vpnc") => "IPSec gateway",
        Some("strongswan") => "address",
        _ => "gateway",
    }
}

/// The D-Bus name of a VPN plugin.
pub fn service_name(service: &str) -> String {
    if service.contains('.') {
        service.to_owned()
    } else {
        format!("org.freedesktop.NetworkManager.{service}")
    }
}

/// The VPN plugin where the file names none.
pub const VPN: &str = "openvpn";

fn vpn(compiled: &mut Compiled, connection: &Connection) {
    if let Some(service) = &connection.service {
        compiled.set(
            "vpn",
            "service-type",
            Variant::text(service_name(service)),
            "service",
        );
    }
    if let Some(user) = &connection.user {
        compiled.set("vpn", "user-name", Variant::text(user), "user");
    }
    if let Some(gateway) = &connection.gateway {
        let key = gateway_key(connection.service.as_deref().unwrap_or(VPN));
        let entry = Map::from_iter([(key.to_owned(), gateway.clone().into())]);
        compiled.entries("vpn", "data", entry, "gateway");
    }
    if let Some(data) = &connection.data {
        let entries = data
            .iter()
            .map(|(key, text)| (key.clone(), text.clone().map_or(Value::Null, Value::String)));
        compiled.entries("vpn", "data", entries.collect(), "data");
    }
    if let Some(secrets) = &connection.secrets {
        let entries = secrets.iter().map(|(key, it)| (key.clone(), secret(it)));
        compiled.entries("vpn", "secrets", entries.collect(), "secrets");
    }
}

fn wireguard(compiled: &mut Compiled, connection: &Connection) {
    const WIREGUARD: &str = "wireguard";
    if let Some(key) = &connection.private_key {
        compiled.secret(WIREGUARD, "private-key", key, "private_key");
    }
    if let Some(port) = connection.listen_port {
        compiled.set(
            WIREGUARD,
            "listen-port",
            Variant::new("u", port),
            "listen_port",
        );
    }
    if let Some(mark) = connection.firewall_mark {
        compiled.set(
            WIREGUARD,
            "fwmark",
            Variant::new("u", mark),
            "firewall_mark",
        );
    }
    let Some(peers) = &connection.peers else {
        return;
    };
    let peers: Vec<Value> = peers
        .iter()
        .map(|peer| {
            let mut map = json!({"public-key": {"type": "s", "data": peer.public_key}});
            if let Some(key) = &peer.preshared_key {
                map["preshared-key"] = json!({"type": "s", "data": secret(key)});
                // 0: NetworkManager keeps it itself. Without it, it would be a secret that is not required.
                map["preshared-key-flags"] = json!({"type": "u", "data": 0});
            }
            if let Some(endpoint) = &peer.endpoint {
                map["endpoint"] = json!({"type": "s", "data": endpoint});
            }
            if let Some(seconds) = peer.persistent_keepalive.filter(|seconds| *seconds > 0) {
                map["persistent-keepalive"] = json!({"type": "u", "data": seconds});
            }
            let networks = peer.allowed_ips.iter().flatten();
            let networks: Vec<String> = networks.map(ToString::to_string).collect();
            if !networks.is_empty() {
                map["allowed-ips"] = json!({"type": "as", "data": networks});
            }
            map
        })
        .collect();
    compiled.set(WIREGUARD, "peers", Variant::new("aa{sv}", peers), "peers");
}
