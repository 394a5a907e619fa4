//! From rows to the section's words.

use std::collections::BTreeMap;

use super::read::Rows;
use super::row::Row;
use crate::section::ovs::{BondMember, Datapath, FailMode, Lacp, LacpRate, OvsBondMode};
use crate::section::port::PortSettings;
use crate::section::vlans::Range;
use crate::section::{Interface, LinkType, OvsBond, OvsBridge, OvsDb, TextMap, Vlans};

/// The keys of a bond's `other_config` that have names of their own.
pub const LACP_TIME: &str = "lacp-time";
/// See [`LACP_TIME`].
pub const PRIMARY: &str = "bond-primary";

/// The options of an interface that have names of their own.
pub const OPTIONS: [(&str, &str); 4] = [
    ("remote", "remote_ip"),
    ("local", "local_ip"),
    ("key", "key"),
    ("peer", "peer"),
];

/// The database as a whole.
pub fn database(root: &Row) -> OvsDb {
    OvsDb {
        external_ids: some(root.map("external_ids")),
        other_config: some(root.map("other_config")),
        unavailable: None,
    }
}

/// Every bridge and port that was read, as interfaces of the section. Those that are links as well have only what Open vSwitch says.
pub fn interfaces(rows: &Rows) -> Vec<Interface> {
    let mut shown = Vec::new();
    for row in rows.bridges.values() {
        shown.push(bridge(rows, row));
    }
    for row in rows.ports.values() {
        let Some(bridge) = rows.bridge_of(row).and_then(|row| row.text("name")) else {
            continue;
        };
        let name = row.text("name").unwrap_or_default();
        if name == bridge {
            continue;
        }
        shown.push(port(rows, row, name, bridge));
    }
    shown.sort_by(|a, b| a.name.cmp(&b.name));
    shown
}

/// A bridge with its settings.
pub fn bridge(rows: &Rows, row: &Row) -> Interface {
    let name = row.text("name").unwrap_or_default();
    let own = rows.interface(&name);
    let controllers = row.uuids("controller").into_iter();
    let mut controllers: Vec<String> = controllers
        .filter_map(|uuid| rows.controllers.get(uuid)?.text("target"))
        .collect();
    controllers.sort();
    let settings = OvsBridge {
        // What is not set has the daemon's default.
        fail_mode: Some(word(
            row,
            "fail_mode",
            FailMode::of_word,
            FailMode::Standalone,
        )),
        stp: row.truth("stp_enable"),
        rstp: row.truth("rstp_enable"),
        mcast_snooping: row.truth("mcast_snooping_enable"),
        datapath_type: match row.text("datapath_type").as_deref() {
            None => Some(Datapath::System),
            Some(word) => Datapath::of_word(word),
        },
        protocols: list(row.texts("protocols")),
        controllers: list(controllers),
        other_config: some(row.map("other_config")),
        external_ids: some(row.map("external_ids")),
        mtu_request: own.and_then(mtu_request),
    };
    Interface {
        r#type: Some(LinkType::OvsBridge),
        ovs_bridge: Some(Box::new(settings)),
        ..Interface::named(name)
    }
}

/// A port with its settings.
fn port(rows: &Rows, row: &Row, name: String, bridge: String) -> Interface {
    let settings = port_settings(rows, row);
    Interface {
        r#type: Some(match settings.r#type.as_deref() {
            Some("internal") => LinkType::OvsInternal,
            _ => LinkType::OvsPort,
        }),
        controller: Some(Some(bridge)),
        port: Some(Box::new(settings)),
        ..Interface::named(name)
    }
}

/// The settings of a port.
pub fn port_settings(rows: &Rows, row: &Row) -> PortSettings {
    let interfaces = rows.interfaces_of(row);
    let (mut other_config, external_ids) = (row.map("other_config"), row.map("external_ids"));
    let (vlans, vlan_mode) = vlans(row);
    let mut settings = PortSettings {
        vlans,
        vlan_mode,
        external_ids: some(external_ids),
        ..PortSettings::default()
    };
    let is_bond = interfaces.len() > 1 || row.text("bond_mode").is_some();
    match interfaces.as_slice() {
        [interface] if !is_bond => of_interface(&mut settings, interface),
        _ => settings.bond = Some(Box::new(bond(row, &interfaces, &mut other_config))),
    }
    settings.other_config = some(other_config);
    settings
}

fn of_interface(settings: &mut PortSettings, row: &Row) {
    settings.r#type = row.text("type").filter(|word| word != "system");
    let mut options = row.map("options");
    let mut take = |key: &str| options.remove(key).flatten();
    settings.remote = take("remote_ip");
    settings.local = take("local_ip");
    settings.key = take("key");
    settings.peer = take("peer");
    settings.options = some(options);
    settings.ofport = row.number("ofport");
    settings.link_state = row.text("link_state");
    settings.error = row.text("error");
    settings.mtu_request = mtu_request(row);
    settings.mac_request = row.text("mac").map(|mac| mac.to_ascii_lowercase());
}

fn bond(row: &Row, interfaces: &[&Row], other_config: &mut TextMap) -> OvsBond {
    let delay = |column| {
        row.number(column)
            .and_then(|delay| u32::try_from(delay).ok())
    };
    let member = |row: &&Row| BondMember {
        name: row.text("name").unwrap_or_default(),
        ofport: row.number("ofport"),
        link_state: row.text("link_state"),
        lacp_current: row.truth("lacp_current"),
        error: row.text("error"),
    };
    let members: Vec<BondMember> = interfaces.iter().map(member).collect();
    OvsBond {
        ports: Some(members.iter().map(|member| member.name.clone()).collect()),
        mode: Some(word(
            row,
            "bond_mode",
            OvsBondMode::of_word,
            OvsBondMode::ActiveBackup,
        )),
        lacp: Some(word(row, "lacp", Lacp::of_word, Lacp::Off)),
        lacp_rate: Some(match other_config.remove(LACP_TIME).flatten().as_deref() {
            Some("fast") => LacpRate::Fast,
            _ => LacpRate::Slow,
        }),
        updelay: delay("bond_updelay"),
        downdelay: delay("bond_downdelay"),
        primary: other_config.remove(PRIMARY).flatten(),
        active: row.text("bond_active_slave"),
        members: Some(members),
    }
}

/// The VLANs of a port, and the mode where there are no words for it. Without a mode, a tag means access and none a trunk.
fn vlans(row: &Row) -> (Option<Vlans>, Option<String>) {
    let tag = row.number("tag").and_then(|tag| u16::try_from(tag).ok());
    let trunk = ranges(&row.numbers("trunks"));
    let trunk = (!trunk.is_empty()).then_some(trunk);
    let mode = row.text("vlan_mode");
    let word = mode
        .as_deref()
        .unwrap_or(if tag.is_some() { "access" } else { "trunk" });
    let vlans = match word {
        "access" => Vlans {
            access: Some(tag.unwrap_or(0)),
            ..Vlans::default()
        },
        "native-untagged" | "native-tagged" => Vlans {
            native: Some(tag.unwrap_or(0)),
            native_tagged: (word == "native-tagged").then_some(true),
            trunk,
            ..Vlans::default()
        },
        "trunk" if trunk.is_some() => Vlans {
            trunk,
            ..Vlans::default()
        },
        "trunk" => return (None, None),
        _ => return (None, mode),
    };
    (Some(vlans), None)
}

/// Numbers as ranges.
fn ranges(numbers: &[i64]) -> Vec<Range> {
    let mut numbers: Vec<u16> = numbers
        .iter()
        .filter_map(|it| (*it).try_into().ok())
        .collect();
    numbers.sort_unstable();
    let mut ranges: Vec<Range> = Vec::new();
    for id in numbers {
        match ranges.last_mut() {
            Some(last) if last.last + 1 == id => last.last = id,
            _ => ranges.push(Range {
                first: id,
                last: id,
            }),
        }
    }
    ranges
}

fn word<T>(row: &Row, column: &str, of_word: fn(&str) -> Option<T>, default: T) -> T {
    row.text(column)
        .as_deref()
        .and_then(of_word)
        .unwrap_or(default)
}

fn mtu_request(row: &Row) -> Option<u32> {
    row.number("mtu_request")
        .and_then(|mtu| u32::try_from(mtu).ok())
}

fn list(mut texts: Vec<String>) -> Option<Vec<String>> {
    texts.sort();
    (!texts.is_empty()).then_some(texts)
}

fn some<K, V>(map: BTreeMap<K, V>) -> Option<BTreeMap<K, V>> {
    (!map.is_empty()).then_some(map)
}
