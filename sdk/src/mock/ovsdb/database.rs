//! Rows, and what a commit does with them: references, garbage, indexes (RFC 7047 sections 3.2 and 4.1.3).

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Error, Result};
use super::schema::{AtomType, Schema};
use super::value::{Atom, Datum};

/// A row, by column.
pub type Row = BTreeMap<String, Datum>;

/// The tables' rows by UUID.
#[derive(Clone, Debug, Default)]
pub struct Database {
    pub tables: BTreeMap<String, BTreeMap<String, Row>>,
}

impl Database {
    /// Without rows.
    pub fn empty(schema: &Schema) -> Self {
        Self {
            tables: schema
                .keys()
                .map(|name| (name.clone(), BTreeMap::new()))
                .collect(),
        }
    }

    /// The rows of a table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (&String, &Row)> {
        self.tables.get(table).into_iter().flatten()
    }

    /// Checks what a transaction left, and takes away what nothing refers to.
    pub fn commit(&mut self, schema: &Schema) -> Result<()> {
        self.check_strong(schema)?;
        self.collect(schema);
        self.prune_weak(schema)?;
        self.check_tables(schema)
    }

    /// The strong references of all rows: (table, row) that each refers to.
    fn strong<'a>(
        &'a self,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str, &'a str)> {
        self.tables.iter().flat_map(move |(table, rows)| {
            rows.iter().flat_map(move |(uuid, row)| {
                row.iter().flat_map(move |(name, datum)| {
                    let of = &schema[table].columns[name].of;
                    let (keys, values) = (datum.0.keys(), datum.0.values().flatten());
                    let keys = keys.filter_map(|atom| target(&of.key, atom, true));
                    let values = values.filter_map(|atom| target(of.value.as_ref()?, atom, true));
                    let found: Vec<_> = keys.chain(values).collect();
                    found
                        .into_iter()
                        .map(move |(to, row)| (table.as_str(), uuid.as_str(), to, row))
                })
            })
        })
    }

    fn check_strong(&self, schema: &Schema) -> Result<()> {
        for (from, uuid, to, row) in self.strong(schema) {
            if !self.tables[to].contains_key(row) {
                return Err(Error::new(
                    "referential integrity violation",
                    format!(
                        "Table {from} column row {uuid} references nonexistent row {row} in table {to}."
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Takes away rows of tables that are not roots, as long as nothing but themselves refers to them.
    fn collect(&mut self, schema: &Schema) {
        loop {
            let kept: BTreeSet<(String, String)> = self
                .strong(schema)
                .filter(|(from, uuid, to, row)| (from, uuid) != (to, row))
                .map(|(_, _, to, row)| (to.to_owned(), row.to_owned()))
                .collect();
            let mut is_done = true;
            for (name, rows) in &mut self.tables {
                if schema[name].is_root {
                    continue;
                }
                let before = rows.len();
                rows.retain(|uuid, _| kept.contains(&(name.clone(), uuid.clone())));
                is_done &= rows.len() == before;
            }
            if is_done {
                return;
            }
        }
    }

    fn prune_weak(&mut self, schema: &Schema) -> Result<()> {
        let there: BTreeSet<(String, String)> = self
            .tables
            .iter()
            .flat_map(|(name, rows)| rows.keys().map(|uuid| (name.clone(), uuid.clone())))
            .collect();
        for (table, rows) in &mut self.tables {
            for row in rows.values_mut() {
                for (name, datum) in row.iter_mut() {
                    let of = &schema[table].columns[name].of;
                    let lives = |of: Option<&AtomType>, atom: &Atom| {
                        let weak = of.and_then(|of| target(of, atom, false));
                        weak.is_none_or(|(to, row)| {
                            there.contains(&(to.to_owned(), row.to_owned()))
                        })
                    };
                    let before = datum.0.len();
                    datum.0.retain(|key, value| {
                        lives(Some(&of.key), key)
                            && value
                                .as_ref()
                                .is_none_or(|value| lives(of.value.as_ref(), value))
                    });
                    if datum.0.len() != before {
                        of.check_size(datum.0.len())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn check_tables(&self, schema: &Schema) -> Result<()> {
        for (name, rows) in &self.tables {
            let table = &schema[name];
            if table.max_rows.is_some_and(|most| rows.len() > most) {
                return Err(Error::new(
                    "constraint violation",
                    format!("transaction causes \"{name}\" table to contain too many rows"),
                ));
            }
            for index in &table.indexes {
                let mut seen = BTreeMap::new();
                for (uuid, row) in rows {
                    let key: Vec<Vec<&Atom>> = index
                        .iter()
                        .map(|column| row[column].0.keys().collect())
                        .collect();
                    if let Some(other) = seen.insert(key, uuid) {
                        return Err(Error::new(
                            "constraint violation",
                            format!(
                                "Transaction causes multiple rows in \"{name}\" table to have identical values for index on column {index:?}: rows {other} and {uuid}"
                            ),
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What an atom refers to, strongly or weakly.
fn target<'a>(of: &'a AtomType, atom: &'a Atom, strongly: bool) -> Option<(&'a str, &'a str)> {
    match (&of.refers, atom) {
        (Some((table, strong)), Atom::Uuid(uuid)) if *strong == strongly => Some((table, uuid)),
        _ => None,
    }
}
