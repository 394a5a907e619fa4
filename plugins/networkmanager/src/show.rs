//! A profile as NetworkManager has it, in a state file's words, and back.
//!
//! What the words cannot say, or say differently, stands in the generic map `settings`: going there and back loses nothing.

use std::collections::BTreeMap;

use op_dbus_plugin::section::{Address, Peer, Route, Secret};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::compile::{Compiled, Want};
use crate::names::type_of;
use crate::section::{Connection, Eap, Ip, Method, Security};
use crate::table::Table;
use crate::value::{Profile, Variant, property, text};

/// What NetworkManager writes by itself, or says twice: the old forms of addresses, routes, name servers and names.
fn is_passing(profile: &Profile, setting: &str, key: &str) -> bool {
    match (setting, key) {
        ("connection", "timestamp") | ("802-11-wireless", "seen-bssids") => true,
        ("ipv4" | "ipv6", "addresses") => property(profile, setting, "address-data").is_some(),
        ("ipv4" | "ipv6", "routes") => property(profile, setting, "route-data").is_some(),
        ("ipv4" | "ipv6", "dns") => property(profile, setting, "dns-data").is_some(),
        ("ipv4" | "ipv6" | "connection", _) => false,
        ("802-11-wireless", "security") | (_, "interface-name") => true,
        (_, "cloned-mac-address") => property(profile, setting, "assigned-mac-address").is_some(),
        _ => false,
    }
}

/// A profile without what NetworkManager writes by itself or says twice.
pub fn lasting(profile: &Profile) -> Profile {
    let kept = |setting: &str, keys: &BTreeMap<String, Variant>| {
        keys.iter()
            .filter(|(key, _)| !is_passing(profile, setting, key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    profile
        .iter()
        .map(|(setting, keys)| (setting.clone(), kept(setting, keys)))
        .collect()
}

/// The profile that a connection of a query's answer stands for.
pub fn profile(connection: &Connection, table: &Table) -> Profile {
    let of = connection.r#type.as_deref().unwrap_or_default();
    let mut profile = Profile::new();
    for (setting, wants) in Compiled::of(connection, of, table).wants {
        let setting = profile.entry(setting).or_default();
        for (key, want) in wants {
            match want {
                Want::Value(value) => setting.insert(key, value),
                Want::Entries(entries) => setting.insert(key, Variant::new("a{ss}", entries)),
                Want::Unset => None,
            };
        }
    }
    if let Some(uuid) = &connection.uuid {
        let setting = profile.entry("connection".to_owned()).or_default();
        setting.insert("uuid".to_owned(), Variant::text(uuid));
    }
    profile
}

/// A profile in a state file's words.
pub fn connection(profile: &Profile, table: &Table) -> Connection {
    let profile = lasting(profile);
    let mut connection = words(&profile);
    let said = self::profile(&connection, table);
    let mut rest: BTreeMap<String, Option<BTreeMap<String, Value>>> = BTreeMap::new();
    for (setting, keys) in &profile {
        let unsaid = keys
            .iter()
            .filter(|(key, value)| property(&said, setting, key) != Some(*value));
        let unsaid: BTreeMap<String, Value> = unsaid
            .map(|(key, value)| (key.clone(), plain(setting, key, value, table)))
            .collect();
        if !unsaid.is_empty() || !said.contains_key(setting) {
            rest.insert(setting.clone(), Some(unsaid));
        }
    }
    connection.settings = (!rest.is_empty()).then_some(rest);
    connection
}

/// Plain JSON where that says the same.
fn plain(setting: &str, key: &str, value: &Variant, table: &Table) -> Value {
    match table.typed(setting, key, &value.data) {
        Ok(typed) if typed == *value => value.data.clone(),
        _ => json!({"type": value.signature, "data": value.data}),
    }
}

fn words(profile: &Profile) -> Connection {
    let own = |setting: &str, key: &str| text(profile, setting, key).map(str::to_owned);
    let setting = own("connection", "type").unwrap_or_default();
    let of = type_of(&setting).to_owned();
    let mut connection = Connection {
        id: own("connection", "id"),
        uuid: own("connection", "uuid"),
        interface: own("connection", "interface-name"),
        zone: own("connection", "zone"),
        controller: own("connection", "master").map(Some),
        autoconnect: Some(boolean(profile, "connection", "autoconnect").unwrap_or(true)),
        mtu: number(profile, &setting, "mtu"),
        ipv4: ip(profile, "ipv4"),
        ipv6: ip(profile, "ipv6"),
        ..Connection::default()
    };
    match of.as_str() {
        "bridge" => {
            connection.stp = boolean(profile, "bridge", "stp");
            connection.forward_delay = number(profile, "bridge", "forward-delay");
            connection.vlan_filtering = boolean(profile, "bridge", "vlan-filtering");
        }
        "bond" => {
            let mut options: BTreeMap<String, Value> =
                read(profile, "bond", "options").unwrap_or_default();
            connection.mode = options
                .remove("mode")
                .and_then(|mode| mode.as_str().map(str::to_owned));
            connection.options = (!options.is_empty()).then_some(options);
        }
        "vlan" => {
            connection.parent = own("vlan", "parent");
            connection.vlan_id = Some(number(profile, "vlan", "id").unwrap_or(0));
        }
        "wifi" => {
            connection.ssid = property(profile, &setting, "ssid").and_then(Variant::as_bytes_text);
            connection.mode = own(&setting, "mode");
            connection.band = own(&setting, "band");
            connection.hidden = boolean(profile, &setting, "hidden");
            connection.channel = number(profile, &setting, "channel");
            connection.security = security(profile);
        }
        "vpn" => {
            connection.service = own("vpn", "service-type");
            connection.user = own("vpn", "user-name");
            connection.data = read(profile, "vpn", "data");
            connection.secrets = read(profile, "vpn", "secrets");
        }
        "wireguard" => {
            connection.private_key = hidden(profile, "wireguard", "private-key");
            connection.listen_port = number(profile, "wireguard", "listen-port");
            connection.firewall_mark = number(profile, "wireguard", "fwmark");
            connection.peers = peers(profile);
        }
        _ => {}
    }
    connection.r#type = Some(of);
    connection
}

fn read<T: DeserializeOwned>(profile: &Profile, setting: &str, key: &str) -> Option<T> {
    let data = &property(profile, setting, key)?.data;
    serde_json::from_value(data.clone()).ok()
}

fn boolean(profile: &Profile, setting: &str, key: &str) -> Option<bool> {
    property(profile, setting, key)?.data.as_bool()
}

fn number<T: TryFrom<i64>>(profile: &Profile, setting: &str, key: &str) -> Option<T> {
    property(profile, setting, key)?
        .data
        .as_i64()?
        .try_into()
        .ok()
}

/// A secret that the host has masked.
fn hidden(profile: &Profile, setting: &str, key: &str) -> Option<Secret> {
    read(profile, setting, key)
}

fn security(profile: &Profile) -> Option<Box<Security>> {
    const SECURITY: &str = "802-11-wireless-security";
    let own = |key: &str| text(profile, SECURITY, key).map(str::to_owned);
    profile.get(SECURITY)?;
    Some(Box::new(Security {
        key_mgmt: own("key-mgmt").filter(|word| word != "none"),
        psk: hidden(profile, SECURITY, "psk"),
        eap: eap(profile),
    }))
}

fn eap(profile: &Profile) -> Option<Box<Eap>> {
    const EAP: &str = "802-1x";
    let own = |key: &str| text(profile, EAP, key).map(str::to_owned);
    let file = |key: &str| {
        let uri = property(profile, EAP, key)?.as_bytes_text()?;
        let path = uri.strip_prefix("file://")?.strip_suffix('\0')?;
        Some(path.to_owned())
    };
    profile.get(EAP)?;
    Some(Box::new(Eap {
        methods: read(profile, EAP, "eap"),
        identity: own("identity"),
        anonymous_identity: own("anonymous-identity"),
        phase2: own("phase2-auth"),
        password: hidden(profile, EAP, "password"),
        ca_cert: file("ca-cert"),
        client_cert: file("client-cert"),
        private_key: file("private-key"),
        private_key_password: hidden(profile, EAP, "private-key-password"),
        domain_suffix_match: own("domain-suffix-match"),
    }))
}

/// A dictionary of variants as an object of plain values.
fn flat(dictionary: &Value) -> Option<Map<String, Value>> {
    let entries = dictionary.as_object()?.iter();
    entries
        .map(|(key, variant)| Some((key.clone(), variant.get("data")?.clone())))
        .collect()
}

fn list<T>(
    profile: &Profile,
    setting: &str,
    key: &str,
    item: impl Fn(Map<String, Value>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = property(profile, setting, key)?.data.as_array()?;
    items.iter().map(|it| item(flat(it)?)).collect()
}

fn peers(profile: &Profile) -> Option<Vec<Peer>> {
    list(profile, "wireguard", "peers", |peer| {
        let get = |key: &str| peer.get(key).cloned();
        let mut object = Map::new();
        for (word, key) in [
            ("public_key", "public-key"),
            ("preshared_key", "preshared-key"),
            ("endpoint", "endpoint"),
            ("persistent_keepalive", "persistent-keepalive"),
            ("allowed_ips", "allowed-ips"),
        ] {
            object.extend(get(key).map(|value| (word.to_owned(), value)));
        }
        serde_json::from_value(object.into()).ok()
    })
}

fn ip(profile: &Profile, setting: &str) -> Option<Ip> {
    profile.get(setting)?;
    let gateway = text(profile, setting, "gateway").and_then(|it| it.parse().ok());
    Some(Ip {
        method: text(profile, setting, "method").and_then(Method::of_word),
        addresses: list(profile, setting, "address-data", address),
        gateway: gateway.map(Some),
        dns: read(profile, setting, "dns-data"),
        dns_search: read(profile, setting, "dns-search"),
        routes: list(profile, setting, "route-data", route),
        route_metric: number(profile, setting, "route-metric"),
        route_table: number(profile, setting, "route-table"),
        never_default: boolean(profile, setting, "never-default"),
        ignore_auto_dns: boolean(profile, setting, "ignore-auto-dns"),
        ignore_auto_routes: boolean(profile, setting, "ignore-auto-routes"),
        may_fail: boolean(profile, setting, "may-fail"),
    })
}

fn address(map: Map<String, Value>) -> Option<Address> {
    let known = ["address", "prefix", "label"];
    let object: Map<String, Value> = map
        .into_iter()
        .filter(|(key, _)| known.contains(&key.as_str()))
        .collect();
    serde_json::from_value(object.into()).ok()
}

fn route(map: Map<String, Value>) -> Option<Route> {
    let word = |key: &str| match key {
        "next-hop" => Some("next_hop"),
        "src" => Some("preferred_source"),
        "dest" => Some("dest"),
        "prefix" => Some("prefix"),
        "metric" => Some("metric"),
        "table" => Some("table"),
        "type" => Some("type"),
        "onlink" => Some("onlink"),
        "mtu" => Some("mtu"),
        "tos" => Some("tos"),
        _ => None,
    };
    let object: Map<String, Value> = map
        .into_iter()
        .filter_map(|(key, value)| Some((word(&key)?.to_owned(), value)))
        .collect();
    serde_json::from_value(object.into()).ok()
}
