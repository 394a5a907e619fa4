//! A change of bridges and ports as the operations of one transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::columns::{Columns, guard, guard_absent};
use super::read::Rows;
use super::row::{self, Row};
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType, OvsBridge, Section};

/// The operations of a change: what must hold, then what is done.
#[derive(Debug, Default)]
pub struct Change {
    guards: Vec<Value>,
    operations: Vec<Value>,
    /// References to new ports, by the bridge that they join.
    joining: BTreeMap<String, Vec<Value>>,
    /// Interfaces that the transaction has made already, by name.
    made: BTreeMap<String, Value>,
    count: usize,
}

/// The operations that bring the rows to what `after` says.
pub fn operations(rows: &Rows, after: &Section) -> Vec<Value> {
    let mut change = Change::default();
    let (bridges, ports): (Vec<_>, Vec<_>) = after
        .interfaces()
        .iter()
        .partition(|it| it.r#type == Some(LinkType::OvsBridge));
    for port in ports {
        change.port(rows, port);
    }
    for bridge in bridges {
        change.bridge(rows, bridge);
    }
    for (bridge, ports) in std::mem::take(&mut change.joining) {
        if let Some(row) = rows.bridge(&bridge) {
            change.guards.push(guard("Bridge", row, &["name"]));
            change.mutate("Bridge", row, "ports", "insert", ports);
        }
    }
    if let (Some(keys), Some(root)) = (&after.ovs_db, &rows.root) {
        let mut columns = Columns::default();
        for (column, keys) in [
            ("external_ids", &keys.external_ids),
            ("other_config", &keys.other_config),
        ] {
            columns.maps.extend(keys.clone().map(|keys| (column, keys)));
        }
        change.columns("Open_vSwitch", root, columns);
    }
    let mut all = change.guards;
    all.extend(change.operations);
    all
}

impl Change {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("row{}", self.count)
    }

    /// Inserts a row; the reference to it.
    fn insert(&mut self, table: &str, row: Map<String, Value>) -> Value {
        let name = self.name();
        self.operations
            .push(json!({"op": "insert", "table": table, "uuid-name": name, "row": row}));
        json!(["named-uuid", name])
    }

    fn mutate(&mut self, table: &str, row: &Row, column: &str, mutator: &str, of: Vec<Value>) {
        self.operations.push(json!({
            "op": "mutate", "table": table, "where": [["_uuid", "==", row::uuid(&row.uuid)]],
            "mutations": [[column, mutator, row::set(of)]]
        }));
    }

    fn columns(&mut self, table: &str, row: &Row, columns: Columns) {
        let (guards, operations) = columns.operations(table, row);
        self.guards.extend(guards);
        self.operations.extend(operations);
    }

    fn bridge(&mut self, rows: &Rows, bridge: &Interface) {
        let settings = bridge.ovs_bridge.as_deref().cloned().unwrap_or_default();
        match rows.bridge(&bridge.name) {
            Some(row) if bridge.is_absent() => {
                self.guards.push(guard("Bridge", row, &["ports"]));
                self.operations.push(json!({
                    "op": "mutate", "table": "Open_vSwitch", "where": [],
                    "mutations": [["bridges", "delete", row::set(vec![row::uuid(&row.uuid)])]]
                }));
            }
            Some(row) => {
                let mut columns = Columns::of_bridge(&settings);
                if let Some(targets) = &settings.controllers {
                    let all = self.controllers(rows, row.uuids("controller"), targets);
                    columns.set.insert("controller".to_owned(), row::set(all));
                }
                self.columns("Bridge", row, columns);
                if let Some(own) = rows.interface(&bridge.name) {
                    self.columns("Interface", own, of_own_interface(&settings));
                }
            }
            None if bridge.is_absent() => {}
            None => self.create_bridge(rows, &bridge.name, &settings),
        }
    }

    fn create_bridge(&mut self, rows: &Rows, name: &str, settings: &OvsBridge) {
        self.guards.push(guard_absent("Bridge", name));
        let mut own = of_own_interface(settings).row();
        own.insert("name".to_owned(), json!(name));
        own.insert("type".to_owned(), json!("internal"));
        let own = self.insert("Interface", own);
        let port = json!({"name": name, "interfaces": own});
        let port = self.insert("Port", port.as_object().cloned().unwrap_or_default());
        let mut ports = self.joining.remove(name).unwrap_or_default();
        ports.push(port);
        let mut row = Columns::of_bridge(settings).row();
        row.insert("name".to_owned(), json!(name));
        row.insert("ports".to_owned(), row::set(ports));
        if let Some(targets) = &settings.controllers {
            let all = self.controllers(rows, Vec::new(), targets);
            row.insert("controller".to_owned(), row::set(all));
        }
        let bridge = self.insert("Bridge", row);
        self.operations.push(json!({
            "op": "mutate", "table": "Open_vSwitch", "where": [],
            "mutations": [["bridges", "insert", row::set(vec![bridge])]]
        }));
    }

    /// References to controllers: those that are there keep their rows, with what others said of them.
    fn controllers(&mut self, rows: &Rows, there: Vec<&str>, targets: &[String]) -> Vec<Value> {
        let target = |uuid: &&str| rows.controllers.get(*uuid)?.text("target");
        let mut all = Vec::new();
        for wanted in targets {
            let known = there
                .iter()
                .find(|uuid| target(uuid).as_ref() == Some(wanted));
            all.push(match known {
                Some(uuid) => row::uuid(uuid),
                None => self.insert(
                    "Controller",
                    Map::from_iter([("target".to_owned(), json!(wanted))]),
                ),
            });
        }
        all
    }

    fn port(&mut self, rows: &Rows, port: &Interface) {
        let settings = port.port.as_deref().cloned().unwrap_or_default();
        let bridge = port.controller.clone().flatten();
        let Some(row) = rows.port(&port.name) else {
            if let (Some(bridge), false) = (bridge, port.is_absent()) {
                self.create_port(rows, &port.name, bridge, &settings);
            }
            return;
        };
        let there = rows.bridge_of(row);
        let stays = there.and_then(|row| row.text("name")) == bridge;
        if let (Some(there), true) = (there, port.is_absent() || !stays) {
            self.guards.push(guard("Port", row, &["interfaces"]));
            self.mutate(
                "Bridge",
                there,
                "ports",
                "delete",
                vec![row::uuid(&row.uuid)],
            );
        }
        if port.is_absent() {
            return;
        }
        if let (Some(bridge), false) = (bridge, stays) {
            self.joining
                .entry(bridge)
                .or_default()
                .push(row::uuid(&row.uuid));
        }
        let mut columns = Columns::of_port(&settings);
        if let Some(links) = self.links(rows, row, &port.name, &settings) {
            columns.set.insert("interfaces".to_owned(), row::set(links));
            if settings.bond.is_none() {
                columns
                    .set
                    .insert("bond_mode".to_owned(), row::set(Vec::new()));
                columns.set.insert("lacp".to_owned(), row::set(Vec::new()));
            }
        } else if let (None, Some(own)) = (&settings.bond, rows.interface(&port.name)) {
            self.columns("Interface", own, Columns::of_interface(&settings));
        }
        self.columns("Port", row, columns);
    }

    /// The interfaces that a port is to have, where they change.
    fn links(
        &mut self,
        rows: &Rows,
        row: &Row,
        name: &str,
        settings: &PortSettings,
    ) -> Option<Vec<Value>> {
        let there = rows.interfaces_of(row).into_iter();
        let is: BTreeSet<String> = there.filter_map(|row| row.text("name")).collect();
        let own = [name.to_owned()];
        let wanted = match settings.bond.as_ref().map(|bond| &bond.ports) {
            Some(ports) => ports.as_deref()?,
            None if settings.r#type.is_some() => &own,
            None => return None,
        };
        if wanted.iter().cloned().collect::<BTreeSet<_>>() == is {
            return None;
        }
        let mut all = Vec::new();
        for link in wanted {
            all.push(match rows.interface(link) {
                Some(row) => row::uuid(&row.uuid),
                None => self.link(link, settings),
            });
        }
        Some(all)
    }

    /// A new interface.
    fn link(&mut self, name: &str, settings: &PortSettings) -> Value {
        if let Some(made) = self.made.get(name) {
            return made.clone();
        }
        let mut columns = match settings.bond {
            Some(_) => Map::new(),
            None => Columns::of_interface(settings).row(),
        };
        columns.insert("name".to_owned(), json!(name));
        let made = self.insert("Interface", columns);
        self.made.insert(name.to_owned(), made.clone());
        made
    }

    fn create_port(&mut self, rows: &Rows, name: &str, bridge: String, settings: &PortSettings) {
        self.guards.push(guard_absent("Port", name));
        let own = [name.to_owned()];
        let names = match &settings.bond {
            Some(bond) => bond.ports.as_deref().unwrap_or_default(),
            None => &own,
        };
        let mut links = Vec::new();
        for link in names {
            // An interface that another port gives up stays the same row.
            links.push(match rows.interface(link) {
                Some(row) => {
                    if settings.bond.is_none() {
                        self.columns("Interface", row, Columns::of_interface(settings));
                    }
                    row::uuid(&row.uuid)
                }
                None => self.link(link, settings),
            });
        }
        let mut row = Columns::of_port(settings).row();
        row.insert("name".to_owned(), json!(name));
        row.insert("interfaces".to_owned(), row::set(links));
        let port = self.insert("Port", row);
        self.joining.entry(bridge).or_default().push(port);
    }
}

/// What is said of the interface of the bridge itself.
fn of_own_interface(settings: &OvsBridge) -> Columns {
    Columns::of_interface(&PortSettings {
        mtu_request: settings.mtu_request,
        ..PortSettings::default()
    })
}
