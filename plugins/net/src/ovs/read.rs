//! Reading the rows that matter, in few transactions: each asks for what the one before named.

use std::collections::{BTreeSet, HashMap, HashSet};

use op_dbus_plugin::{Failure, FailureCode, ovsdb};
use serde_json::{Value, json};

use super::DATABASE;
use super::row::{self, Row};

/// Above this many names a table is read whole: the server looks at every row for each name.
const MANY: usize = 64;

const ROOT: &[&str] = &["_uuid", "external_ids", "other_config"];
const BRIDGE: &[&str] = &[
    "_uuid",
    "name",
    "ports",
    "fail_mode",
    "stp_enable",
    "rstp_enable",
    "mcast_snooping_enable",
    "datapath_type",
    "protocols",
    "controller",
    "other_config",
    "external_ids",
];
const PORT: &[&str] = &[
    "_uuid",
    "name",
    "interfaces",
    "tag",
    "trunks",
    "vlan_mode",
    "bond_mode",
    "lacp",
    "bond_updelay",
    "bond_downdelay",
    "bond_active_slave",
    "other_config",
    "external_ids",
];
const INTERFACE: &[&str] = &[
    "_uuid",
    "name",
    "type",
    "options",
    "mtu_request",
    "mac",
    "ofport",
    "link_state",
    "lacp_current",
    "error",
];
const CONTROLLER: &[&str] = &["_uuid", "target"];

/// Rows by UUID.
pub type Table = HashMap<String, Row>;

/// The rows that were read, and what refers to what.
#[derive(Debug, Default)]
pub struct Rows {
    /// The one row of `Open_vSwitch`, where it was asked for.
    pub root: Option<Row>,
    /// Bridges.
    pub bridges: Table,
    /// Ports.
    pub ports: Table,
    /// Interfaces.
    pub interfaces: Table,
    /// OpenFlow controllers.
    pub controllers: Table,
    /// The bridges of which all ports were read.
    pub whole: HashSet<String>,
}

/// What is to be read.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Names of bridges, ports and interfaces.
    pub names: BTreeSet<String>,
    /// Whether the one row of `Open_vSwitch` is wanted.
    pub root: bool,
    /// Of the bridges their own rows alone, without their ports.
    pub shallow: bool,
}

impl Rows {
    /// Everything.
    ///
    /// # Errors
    /// What the host answered.
    pub fn everything() -> Result<Self, Failure> {
        let all = |table, columns| select(table, columns, json!([]));
        let [root, bridges, ports, interfaces, controllers] = transact_array([
            all("Open_vSwitch", ROOT),
            all("Bridge", BRIDGE),
            all("Port", PORT),
            all("Interface", INTERFACE),
            all("Controller", CONTROLLER),
        ])?;
        Ok(Self {
            root: root.into_iter().next(),
            whole: bridges.iter().map(|row| row.uuid.clone()).collect(),
            bridges: table(bridges),
            ports: table(ports),
            interfaces: table(interfaces),
            controllers: table(controllers),
        })
    }

    /// What has one of the names: bridges with all that is theirs, ports with the bridge that has them.
    ///
    /// # Errors
    /// What the host answered.
    pub fn within(scope: &Scope) -> Result<Self, Failure> {
        if scope.names.len() > MANY {
            return Self::everything();
        }
        let mut rows = Self::default();
        rows.by_name(scope)?;
        rows.upwards()?;
        rows.downwards()?;
        Ok(rows)
    }

    fn by_name(&mut self, scope: &Scope) -> Result<(), Failure> {
        let mut wanted = Vec::new();
        for name in &scope.names {
            let named = json!([["name", "==", name]]);
            wanted.push(select("Bridge", BRIDGE, named.clone()));
            wanted.push(select("Port", PORT, named.clone()));
            wanted.push(select("Interface", INTERFACE, named));
        }
        if scope.root {
            wanted.push(select("Open_vSwitch", ROOT, json!([])));
        }
        let mut answers = transact(wanted)?.into_iter();
        for _ in &scope.names {
            let bridges = answers.next().unwrap_or_default();
            if !scope.shallow {
                self.whole
                    .extend(bridges.iter().map(|row| row.uuid.clone()));
            }
            add(&mut self.bridges, bridges);
            add(&mut self.ports, answers.next().unwrap_or_default());
            add(&mut self.interfaces, answers.next().unwrap_or_default());
        }
        self.root = answers.next().into_iter().flatten().next();
        Ok(())
    }

    /// The ports of the interfaces, and the bridges of the ports.
    fn upwards(&mut self) -> Result<(), Failure> {
        let having = |table, columns, column: &str, uuid: &str| {
            select(
                table,
                columns,
                json!([[column, "includes", row::uuid(uuid)]]),
            )
        };
        let known: HashSet<&str> = self
            .ports
            .values()
            .flat_map(|port| port.uuids("interfaces"))
            .collect();
        let orphans = self
            .interfaces
            .keys()
            .filter(|uuid| !known.contains(uuid.as_str()));
        let wanted = orphans
            .map(|uuid| having("Port", PORT, "interfaces", uuid))
            .collect();
        for ports in transact(wanted)? {
            add(&mut self.ports, ports);
        }
        let known: HashSet<&str> = self
            .bridges
            .values()
            .flat_map(|bridge| bridge.uuids("ports"))
            .collect();
        let orphans = self
            .ports
            .keys()
            .filter(|uuid| !known.contains(uuid.as_str()));
        let wanted = orphans
            .map(|uuid| having("Bridge", BRIDGE, "ports", uuid))
            .collect();
        for bridges in transact(wanted)? {
            add(&mut self.bridges, bridges);
        }
        Ok(())
    }

    /// The ports and controllers of the bridges that were named, and the interfaces of all ports.
    fn downwards(&mut self) -> Result<(), Failure> {
        let whole = self
            .bridges
            .values()
            .filter(|row| self.whole.contains(&row.uuid));
        let ports = missing(whole.flat_map(|row| row.uuids("ports")), &self.ports);
        let controllers = missing(
            self.bridges
                .values()
                .flat_map(|row| row.uuids("controller")),
            &self.controllers,
        );
        let mut wanted = by_uuid("Port", PORT, &ports);
        let of_ports = wanted.len();
        wanted.extend(by_uuid("Controller", CONTROLLER, &controllers));
        for (at, rows) in transact(wanted)?.into_iter().enumerate() {
            let table = if at < of_ports {
                &mut self.ports
            } else {
                &mut self.controllers
            };
            add(table, rows);
        }
        let interfaces = self.ports.values().flat_map(|row| row.uuids("interfaces"));
        let interfaces = missing(interfaces, &self.interfaces);
        for rows in transact(by_uuid("Interface", INTERFACE, &interfaces))? {
            add(&mut self.interfaces, rows);
        }
        Ok(())
    }

    /// The name of a port, which may not be among the rows that were read.
    ///
    /// # Errors
    /// What the host answered.
    pub fn port_name(&self, uuid: &str) -> Result<Option<String>, Failure> {
        if let Some(port) = self.ports.get(uuid) {
            return Ok(port.text("name"));
        }
        let found = transact(by_uuid("Port", PORT, &[uuid.to_owned()]))?;
        Ok(found.iter().flatten().find_map(|row| row.text("name")))
    }

    /// The bridge with this name.
    pub fn bridge(&self, name: &str) -> Option<&Row> {
        self.bridges
            .values()
            .find(|row| row.text("name").as_deref() == Some(name))
    }

    /// The port with this name.
    pub fn port(&self, name: &str) -> Option<&Row> {
        self.ports
            .values()
            .find(|row| row.text("name").as_deref() == Some(name))
    }

    /// The interface with this name.
    pub fn interface(&self, name: &str) -> Option<&Row> {
        self.interfaces
            .values()
            .find(|row| row.text("name").as_deref() == Some(name))
    }

    /// The bridge that has a port.
    pub fn bridge_of(&self, port: &Row) -> Option<&Row> {
        self.bridges
            .values()
            .find(|row| row.uuids("ports").contains(&port.uuid.as_str()))
    }

    /// The interfaces of a port, by name.
    pub fn interfaces_of(&self, port: &Row) -> Vec<&Row> {
        let uuids = port.uuids("interfaces").into_iter();
        let mut rows: Vec<&Row> = uuids.filter_map(|uuid| self.interfaces.get(uuid)).collect();
        rows.sort_by_key(|row| row.text("name"));
        rows
    }
}

fn missing<'a>(uuids: impl Iterator<Item = &'a str>, there: &Table) -> Vec<String> {
    let uuids: BTreeSet<&str> = uuids.filter(|uuid| !there.contains_key(*uuid)).collect();
    uuids.into_iter().map(str::to_owned).collect()
}

/// Rows by UUID: one at a time, which the server finds at once, or the whole table where most of it is wanted anyway.
fn by_uuid(table: &str, columns: &[&str], uuids: &[String]) -> Vec<Value> {
    let one = |uuid: &String| select(table, columns, json!([["_uuid", "==", row::uuid(uuid)]]));
    uuids.iter().map(one).collect()
}

fn select(table: &str, columns: &[&str], conditions: Value) -> Value {
    json!({"op": "select", "table": table, "where": conditions, "columns": columns})
}

fn table(rows: Vec<Row>) -> Table {
    rows.into_iter()
        .map(|row| (row.uuid.clone(), row))
        .collect()
}

fn add(table: &mut Table, rows: Vec<Row>) {
    table.extend(rows.into_iter().map(|row| (row.uuid.clone(), row)));
}

fn transact_array<const N: usize>(operations: [Value; N]) -> Result<[Vec<Row>; N], Failure> {
    let answers = transact(operations.to_vec())?;
    answers.try_into().map_err(|_| strange())
}

/// Carries out selects; the rows of each.
fn transact(operations: Vec<Value>) -> Result<Vec<Vec<Row>>, Failure> {
    if operations.is_empty() {
        return Ok(Vec::new());
    }
    let count = operations.len();
    let operations = Value::Array(operations);
    let answer = match ovsdb::transact(DATABASE, &operations.to_string()) {
        // An older schema lacks a column: ask for all that it has. Where it is a table or the database that is missing, that is answered again.
        Err(failure) if failure.code == FailureCode::NotFound => {
            let Value::Array(mut operations) = operations else {
                return Err(failure);
            };
            for operation in operations.iter_mut().filter_map(Value::as_object_mut) {
                operation.remove("columns");
            }
            ovsdb::transact(DATABASE, &Value::Array(operations).to_string())?
        }
        answer => answer?,
    };
    let Value::Array(results) = serde_json::from_str(&answer)? else {
        return Err(strange());
    };
    if results.len() < count {
        return Err(strange());
    }
    let rows = |mut result: Value| match result["rows"].take() {
        Value::Array(rows) => rows.into_iter().filter_map(Row::of).collect(),
        _ => Vec::new(),
    };
    Ok(results.into_iter().take(count).map(rows).collect())
}

fn strange() -> Failure {
    Failure::new(
        FailureCode::Internal,
        "the host's answer to an OVSDB transaction has fewer results than there were operations",
    )
}
