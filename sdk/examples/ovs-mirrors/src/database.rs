//! Open vSwitch's database, as far as mirrors go.

use std::collections::BTreeMap;

use op_dbus_plugin::{Failure, ovsdb};
use serde_json::{Value, json};

use crate::section::{Mirror, Section};

const DATABASE: &str = "Open_vSwitch";

/// Bridges, mirrors and ports, as they are.
pub struct Tables {
    bridges: Vec<Value>,
    mirrors: BTreeMap<String, Value>,
    ports: BTreeMap<String, String>,
}

/// A step, ready to be carried out: the mirror that is to be there, or none.
pub struct Step {
    /// Name of the bridge.
    pub bridge: String,
    /// Name of the mirror.
    pub name: String,
    /// What it is to be.
    pub mirror: Option<Mirror>,
}

/// Runs operations (RFC 7047 section 5.2) as one transaction.
fn transact(operations: &[Value]) -> Result<Vec<Value>, Failure> {
    let text = serde_json::to_string(operations)?;
    Ok(serde_json::from_str(&ovsdb::transact(DATABASE, &text)?)?)
}

/// A set (RFC 7047 section 5.1) as a list: one of one item is written as that item.
fn list(set: &Value) -> Vec<Value> {
    match set.as_array().map(Vec::as_slice) {
        Some([kind, Value::Array(items)]) if kind == "set" => items.clone(),
        _ => vec![set.clone()],
    }
}

fn uuid(reference: &Value) -> &str {
    reference[1].as_str().unwrap_or_default()
}

fn name(row: &Value) -> &str {
    row["name"].as_str().unwrap_or_default()
}

impl Tables {
    /// Reads them; of bridges only those that are named, where some are.
    pub fn read(bridges: Option<&[&str]>) -> Result<Self, Failure> {
        let select = |table: &str, columns: &[&str], condition: Value| json!({"op": "select", "table": table, "where": condition, "columns": columns});
        let columns = ["name", "mirrors"];
        let mut operations = match bridges {
            None => vec![select("Bridge", &columns, json!([]))],
            Some(names) => names
                .iter()
                .map(|name| select("Bridge", &columns, json!([["name", "==", name]])))
                .collect(),
        };
        let mirror = [
            "_uuid",
            "name",
            "output_port",
            "select_all",
            "select_src_port",
            "select_dst_port",
        ];
        operations.push(select("Mirror", &mirror, json!([])));
        operations.push(select("Port", &["_uuid", "name"], json!([])));
        let rows = |result: Value| match result.get("rows") {
            Some(Value::Array(rows)) => rows.clone(),
            _ => Vec::new(),
        };
        let mut results: Vec<Vec<Value>> = transact(&operations)?.into_iter().map(rows).collect();
        let ports = results.pop().unwrap_or_default().into_iter();
        let mirrors = results.pop().unwrap_or_default().into_iter();
        Ok(Self {
            ports: ports
                .map(|row| (uuid(&row["_uuid"]).to_owned(), name(&row).to_owned()))
                .collect(),
            mirrors: mirrors
                .map(|row| (uuid(&row["_uuid"]).to_owned(), row))
                .collect(),
            bridges: results.into_iter().flatten().collect(),
        })
    }

    fn port_names(&self, set: &Value) -> Vec<String> {
        let mut names: Vec<_> = list(set)
            .iter()
            .filter_map(|port| self.ports.get(uuid(port)).cloned())
            .collect();
        names.sort();
        names
    }

    /// The mirrors that are there, and meant.
    pub fn section(&self, within: Option<&Section>) -> Section {
        let mut section = Section::default();
        for bridge in &self.bridges {
            let named = within.and_then(|within| within.bridges.get(name(bridge)));
            for row in list(&bridge["mirrors"])
                .iter()
                .filter_map(|it| self.mirrors.get(uuid(it)))
            {
                // A bridge that is named without mirrors is shown whole.
                if named.is_some_and(|named| !named.is_empty() && !named.contains_key(name(row))) {
                    continue;
                }
                let mirror = Mirror {
                    output_port: self.port_names(&row["output_port"]).into_iter().next(),
                    select_all: row["select_all"] == true,
                    select_src_port: self.port_names(&row["select_src_port"]),
                    select_dst_port: self.port_names(&row["select_dst_port"]),
                };
                let of_bridge = section.bridges.entry(name(bridge).to_owned()).or_default();
                of_bridge.insert(name(row).to_owned(), Some(mirror));
            }
        }
        section
    }

    fn port(&self, wanted: &str) -> Result<Value, Failure> {
        let found = self.ports.iter().find(|(_, name)| *name == wanted);
        let missing = || Failure::not_found(format!("there is no port {wanted}"));
        found.map(|(id, _)| json!(["uuid", id])).ok_or_else(missing)
    }

    fn ports(&self, names: &[String]) -> Result<Value, Failure> {
        let ports: Vec<_> = names
            .iter()
            .map(|name| self.port(name))
            .collect::<Result<_, _>>()?;
        Ok(json!(["set", ports]))
    }

    fn columns(&self, name: &str, mirror: &Mirror) -> Result<Value, Failure> {
        let output = match &mirror.output_port {
            None => json!(["set", []]),
            Some(port) => self.port(port)?,
        };
        Ok(json!({
            "name": name,
            "output_port": output,
            "select_all": mirror.select_all,
            "select_src_port": self.ports(&mirror.select_src_port)?,
            "select_dst_port": self.ports(&mirror.select_dst_port)?,
        }))
    }

    /// The operations of a step; `number` tells its new row from those of others.
    fn operations(&self, step: &Step, number: usize) -> Result<Vec<Value>, Failure> {
        let row = self.bridge(&step.bridge)?;
        let there = list(&row["mirrors"]).into_iter().find(|it| {
            self.mirrors
                .get(uuid(it))
                .is_some_and(|row| name(row) == step.name)
        });
        let mutate = |mutator: &str, reference: &Value| {
            json!({"op": "mutate", "table": "Bridge", "where": [["name", "==", step.bridge]],
                "mutations": [["mirrors", mutator, ["set", [reference]]]]})
        };
        Ok(match (&step.mirror, there) {
            (None, None) => Vec::new(),
            // The row goes with the last reference to it.
            (None, Some(there)) => vec![mutate("delete", &there)],
            (Some(mirror), Some(there)) => vec![
                json!({"op": "update", "table": "Mirror", "where": [["_uuid", "==", there]],
                    "row": self.columns(&step.name, mirror)?}),
            ],
            (Some(mirror), None) => {
                let made = format!("mirror{number}");
                vec![
                    json!({"op": "insert", "table": "Mirror", "uuid-name": made,
                        "row": self.columns(&step.name, mirror)?}),
                    mutate("insert", &json!(["named-uuid", made])),
                ]
            }
        })
    }

    fn bridge(&self, wanted: &str) -> Result<&Value, Failure> {
        let missing = || Failure::not_found(format!("there is no bridge {wanted}"));
        self.bridges
            .iter()
            .find(|row| name(row) == wanted)
            .ok_or_else(missing)
    }
}

/// Carries out all steps as one transaction, which holds only if nobody changed a bridge's mirrors meanwhile.
pub fn carry_out(steps: &[Step]) -> Result<(), Failure> {
    let mut names: Vec<&str> = steps.iter().map(|step| step.bridge.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let tables = Tables::read(Some(&names))?;
    let mut changes = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        changes.extend(tables.operations(step, number)?);
    }
    if changes.is_empty() {
        return Ok(());
    }
    let mut operations = Vec::new();
    for name in names {
        let mirrors = &tables.bridge(name)?["mirrors"];
        operations.push(
            json!({"op": "wait", "table": "Bridge", "timeout": 0, "where": [["name", "==", name]],
            "columns": ["mirrors"], "until": "==", "rows": [{"mirrors": mirrors}]}),
        );
    }
    operations.extend(changes);
    transact(&operations)?;
    ovsdb::settle(DATABASE)
}
