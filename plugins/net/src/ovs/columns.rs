//! From the section's words to columns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::row::{self, Row};
use super::shown::{LACP_TIME, PRIMARY};
use crate::section::port::PortSettings;
use crate::section::vlans::Range;
use crate::section::{OvsBond, OvsBridge, TextMap, Vlans};

/// What is to be written into a row.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Columns with their whole value.
    pub set: Map<String, Value>,
    /// Maps of which some keys change.
    pub maps: BTreeMap<&'static str, TextMap>,
}

impl Columns {
    /// Of a bridge, without its ports and controllers.
    pub fn of_bridge(settings: &OvsBridge) -> Self {
        let mut columns = Self::default();
        columns.put("fail_mode", settings.fail_mode.map(|mode| mode.word()));
        columns.put("stp_enable", settings.stp);
        columns.put("rstp_enable", settings.rstp);
        columns.put("mcast_snooping_enable", settings.mcast_snooping);
        columns.put("datapath_type", settings.datapath_type.map(|of| of.word()));
        let protocols = settings.protocols.as_ref();
        columns.put(
            "protocols",
            protocols.map(|list| row::set(list.iter().map(|it| json!(it)).collect())),
        );
        columns.merge("other_config", settings.other_config.as_ref());
        columns.merge("external_ids", settings.external_ids.as_ref());
        columns
    }

    /// Of a port, without its interfaces.
    pub fn of_port(settings: &PortSettings) -> Self {
        let mut columns = Self::default();
        if let Some(vlans) = &settings.vlans {
            let vlans = SwitchVlans::of(vlans);
            let mode = vlans.mode.map(|mode| json!(mode));
            columns.put("vlan_mode", Some(row::optional(mode)));
            columns.put("tag", Some(row::optional(vlans.tag)));
            let trunks = vlans.trunks.iter().map(|id| json!(id)).collect();
            columns.put("trunks", Some(row::set(trunks)));
        }
        if let Some(bond) = &settings.bond {
            columns.bond(bond);
        }
        columns.merge("other_config", settings.other_config.as_ref());
        columns.merge("external_ids", settings.external_ids.as_ref());
        columns
    }

    fn bond(&mut self, bond: &OvsBond) {
        self.put("bond_mode", bond.mode.map(|mode| mode.word()));
        self.put("lacp", bond.lacp.map(|lacp| lacp.word()));
        self.put("bond_updelay", bond.updelay);
        self.put("bond_downdelay", bond.downdelay);
        let rate = bond.lacp_rate.map(|rate| rate.word().to_owned());
        for (key, value) in [(LACP_TIME, rate), (PRIMARY, bond.primary.clone())] {
            if value.is_some() {
                let keys = self.maps.entry("other_config").or_default();
                keys.insert(key.to_owned(), value.filter(|text| !text.is_empty()));
            }
        }
    }

    /// Of the interface of a port that is no bond.
    pub fn of_interface(settings: &PortSettings) -> Self {
        let mut columns = Self::default();
        let word = settings.r#type.as_deref();
        columns.put(
            "type",
            word.map(|word| if word == "system" { "" } else { word }),
        );
        columns.merge(
            "options",
            Some(&options(settings)).filter(|keys| !keys.is_empty()),
        );
        let mtu = settings.mtu_request;
        columns.put(
            "mtu_request",
            mtu.map(|mtu| row::optional((mtu != 0).then_some(mtu))),
        );
        let mac = settings.mac_request.as_ref();
        let mac = mac.map(|mac| row::optional(Some(mac.as_str()).filter(|mac| !mac.is_empty())));
        columns.put("mac", mac);
        columns
    }

    fn put<T: Into<Value>>(&mut self, column: &str, value: Option<T>) {
        self.set
            .extend(value.map(|value| (column.to_owned(), value.into())));
    }

    fn merge(&mut self, column: &'static str, keys: Option<&TextMap>) {
        if let Some(keys) = keys {
            self.maps.entry(column).or_default().extend(keys.clone());
        }
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.maps.is_empty()
    }

    /// The columns of a new row.
    pub fn row(self) -> Map<String, Value> {
        let mut row = self.set;
        row.extend(
            self.maps
                .iter()
                .map(|(column, keys)| ((*column).to_owned(), row::map(keys))),
        );
        row
    }

    /// The operations on a row that is there: first that its columns are as they were read, then the change.
    pub fn operations(self, table: &str, row: &Row) -> (Vec<Value>, Vec<Value>) {
        if self.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let names: Vec<&str> = self
            .set
            .keys()
            .map(String::as_str)
            .chain(self.maps.keys().copied())
            .filter(|name| row.has(name))
            .collect();
        let here = json!([["_uuid", "==", row::uuid(&row.uuid)]]);
        let guard = guard(table, row, &names);
        let mut operations = Vec::new();
        if !self.set.is_empty() {
            operations
                .push(json!({"op": "update", "table": table, "where": here, "row": self.set}));
        }
        let mut mutations = Vec::new();
        for (column, keys) in &self.maps {
            // What a map has under a key stays when it is inserted again: it goes first.
            let gone = keys.keys().map(|key| json!(key)).collect();
            mutations.push(json!([column, "delete", row::set(gone)]));
            if keys.values().any(Option::is_some) {
                mutations.push(json!([column, "insert", row::map(keys)]));
            }
        }
        if !mutations.is_empty() {
            operations.push(
                json!({"op": "mutate", "table": table, "where": here, "mutations": mutations}),
            );
        }
        (vec![guard], operations)
    }
}

/// That columns of a row are as they were read.
pub fn guard(table: &str, row: &Row, columns: &[&str]) -> Value {
    let read: Map<String, Value> = columns
        .iter()
        .map(|column| ((*column).to_owned(), row.get(column).clone()))
        .collect();
    json!({"op": "wait", "timeout": 0, "table": table, "where": [["_uuid", "==", row::uuid(&row.uuid)]],
        "columns": columns, "until": "==", "rows": [read]})
}

/// That there is no row with this name.
pub fn guard_absent(table: &str, name: &str) -> Value {
    json!({"op": "wait", "timeout": 0, "table": table, "where": [["name", "==", name]],
        "columns": ["name"], "until": "==", "rows": []})
}

/// The options of an interface, those with names of their own among them.
pub fn options(settings: &PortSettings) -> TextMap {
    let mut all = settings.options.clone().unwrap_or_default();
    for (key, value) in [
        ("remote_ip", &settings.remote),
        ("local_ip", &settings.local),
        ("key", &settings.key),
        ("peer", &settings.peer),
    ] {
        if let Some(value) = value {
            all.insert(key.to_owned(), Some(value.clone()));
        }
    }
    all
}

/// The VLANs of a port as the database keeps them.
#[derive(Debug, Default, PartialEq)]
pub struct SwitchVlans {
    mode: Option<&'static str>,
    tag: Option<u16>,
    trunks: Vec<u16>,
}

impl SwitchVlans {
    /// From the section's words. A trunk without a list is what a port is that nothing is said of.
    pub fn of(vlans: &Vlans) -> Self {
        let mut trunks: Vec<u16> = vlans.trunk.iter().flatten().flat_map(ids).collect();
        trunks.sort_unstable();
        trunks.dedup();
        let mode = match (vlans.access, vlans.native) {
            (Some(_), _) => Some("access"),
            (None, Some(_)) if vlans.native_tagged == Some(true) => Some("native-tagged"),
            (None, Some(_)) => Some("native-untagged"),
            (None, None) => (!trunks.is_empty()).then_some("trunk"),
        };
        Self {
            mode,
            tag: vlans.access.or(vlans.native),
            trunks,
        }
    }
}

fn ids(range: &Range) -> impl Iterator<Item = u16> + use<> {
    range.first..=range.last
}
