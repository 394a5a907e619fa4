//! An OVSDB server in memory (RFC 7047) with Open vSwitch's schema, and an ovs-vswitchd that acts upon it when it is waited for.
//!
//! Transactions take effect whole or not at all. Rows that nothing refers to go, strong references must hold, weak ones are pruned, indexes
//! are unique. A `wait` that does not hold fails at once. UUIDs count up, so that tests can be repeated.

mod clause;
mod database;
mod error;
mod execute;
mod schema;
mod value;
mod vswitchd;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Kernel;
use crate::{Failure, FailureCode};
use database::Database;
use error::Error;
use schema::Schema;

/// The name of the database.
const DATABASE: &str = "Open_vSwitch";

/// The database and its daemon.
#[derive(Clone, Debug)]
pub struct Ovsdb {
    /// The schema as the server sends it.
    text: Value,
    schema: Schema,
    database: Database,
    next_uuid: u64,
    /// The links that ovs-vswitchd made, and whether they are TAP devices.
    made: BTreeMap<String, bool>,
    switch_runs: bool,
}

impl Default for Ovsdb {
    fn default() -> Self {
        Self::new()
    }
}

impl Ovsdb {
    /// A database as `ovs-vsctl init` leaves it, and a daemon that runs.
    pub fn new() -> Self {
        let text = serde_json::from_str(schema::OPEN_VSWITCH).expect("the schema is JSON");
        let schema = schema::parse(&text);
        let mut new = Self {
            text,
            database: Database::empty(&schema),
            schema,
            next_uuid: 0,
            made: BTreeMap::new(),
            switch_runs: true,
        };
        new.must(&[json!({"op": "insert", "table": DATABASE, "row": {
            "external_ids": ["map", [["system-id", "00000000-0000-0000-0000-00000000000a"]]]
        }})]);
        new
    }

    /// Starts or stops ovs-vswitchd.
    pub fn run_switch(&mut self, runs: bool) -> &mut Self {
        self.switch_runs = runs;
        self
    }

    /// Takes a column out of the schema, as older servers lack it.
    ///
    /// # Panics
    /// Where there is no such column.
    pub fn without_column(&mut self, table: &str, column: &str) -> &mut Self {
        let columns = self.text["tables"][table]["columns"].as_object_mut();
        let removed = columns.and_then(|columns| columns.remove(column));
        assert!(removed.is_some(), "table {table} has no column {column}");
        self.schema = schema::parse(&self.text);
        for row in self
            .database
            .tables
            .get_mut(table)
            .into_iter()
            .flat_map(BTreeMap::values_mut)
        {
            row.remove(column);
        }
        self
    }

    /// Carries out operations as another program would.
    ///
    /// # Panics
    /// Where the server refuses: a test's premise must hold.
    pub fn must(&mut self, operations: &[Value]) -> Vec<Value> {
        let done = self.run(operations);
        done.unwrap_or_else(|(_, error)| panic!("{}: {}", error.name, error.details))
    }

    /// Adds a bridge as `ovs-vsctl add-br` does. The daemon learns of it when it is next waited for.
    pub fn add_bridge(&mut self, name: &str) -> &mut Self {
        self.must(&[
            json!({"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": name, "type": "internal"}}),
            json!({"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": name, "interfaces": ["named-uuid", "i"]}}),
            json!({"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": name, "ports": ["named-uuid", "p"]}}),
            json!({"op": "mutate", "table": DATABASE, "where": [],
                "mutations": [["bridges", "insert", ["set", [["named-uuid", "b"]]]]]}),
        ]);
        self
    }

    /// Adds a port as `ovs-vsctl add-port` does, with columns of its interface and of itself.
    pub fn add_port(
        &mut self,
        bridge: &str,
        name: &str,
        interface: Value,
        port: Value,
    ) -> &mut Self {
        let mut interface = interface;
        interface["name"] = name.into();
        let mut port = port;
        port["name"] = name.into();
        port["interfaces"] = json!(["named-uuid", "i"]);
        self.must(&[
            json!({"op": "insert", "table": "Interface", "uuid-name": "i", "row": interface}),
            json!({"op": "insert", "table": "Port", "uuid-name": "p", "row": port}),
            json!({"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]],
                "mutations": [["ports", "insert", ["set", [["named-uuid", "p"]]]]]}),
        ]);
        self
    }

    /// The rows of a table with all their columns, without UUIDs and what refers to them.
    pub fn rows(&self, table: &str) -> Vec<Value> {
        let columns = &self.schema[table].columns;
        let plain = self.database.rows(table).map(|(_, row)| {
            let columns = row
                .iter()
                .filter(|(name, _)| columns[*name].of.key.refers.is_none())
                .map(|(name, datum)| (name.clone(), datum.to_json(&columns[name].of)));
            Value::Object(columns.collect())
        });
        plain.collect()
    }

    /// `transact` as the server answers it on the wire (RFC 7047 section 4.1.3): a result for each operation; where one failed, nothing took
    /// effect, its place has the error, and what comes after it was not tried.
    ///
    /// # Errors
    /// `not-found` for another database.
    pub fn on_the_wire(&mut self, database: &str, operations: &[Value]) -> Result<Value, Failure> {
        known(database)?;
        let (at, error) = match self.run(operations) {
            Ok(results) => return Ok(results.into()),
            Err((at, error)) => (at.unwrap_or(operations.len()), error),
        };
        let mut results = vec![json!({}); at];
        results.push(json!({"error": error.name, "details": error.details}));
        results.resize(operations.len().max(at + 1), Value::Null);
        Ok(results.into())
    }

    fn run(&mut self, operations: &[Value]) -> Result<Vec<Value>, (Option<usize>, Error)> {
        execute::run(
            &self.schema,
            &mut self.database,
            &mut self.next_uuid,
            operations,
        )
    }

    /// The databases.
    pub(super) fn databases(&self) -> Vec<String> {
        vec![DATABASE.to_owned()]
    }

    /// The schema's text.
    pub(super) fn schema(&self, database: &str) -> Result<String, Failure> {
        known(database)?;
        Ok(self.text.to_string())
    }

    /// `transact`, as the host answers it.
    pub(super) fn transact(&mut self, database: &str, operations: &str) -> Result<String, Failure> {
        known(database)?;
        let operations: Vec<Value> = serde_json::from_str(operations)?;
        match self.run(&operations) {
            Ok(results) => Ok(Value::Array(results).to_string()),
            Err((at, error)) => Err(match at {
                Some(at) => error.failure().context(format!("operation {at}")),
                None => error.failure(),
            }),
        }
    }

    /// `settle`.
    pub(super) fn settle(&mut self, database: &str, kernel: &mut Kernel) -> Result<(), Failure> {
        known(database)?;
        if !self.switch_runs {
            let message = "ovs-vswitchd does not run";
            return Err(Failure::new(FailureCode::Unavailable, message));
        }
        for rows in self.database.tables.get_mut(DATABASE).into_iter() {
            for row in rows.values_mut() {
                let next = row["next_cfg"].plus(1);
                row.insert("next_cfg".to_owned(), next);
            }
        }
        self.reconcile(kernel);
        Ok(())
    }
}

fn known(database: &str) -> Result<(), Failure> {
    if database == DATABASE {
        return Ok(());
    }
    Err(Failure::not_found(format!(
        "there is no database {database}"
    )))
}
