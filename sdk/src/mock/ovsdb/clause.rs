//! Conditions and mutations (RFC 7047 section 5.1): read and checked first, then held against rows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::database::Row;
use super::error::{Error, Result, syntax};
use super::execute::column;
use super::schema::{ColumnType, Table};
use super::value::{Atom, Datum, arithmetic};

/// A condition.
pub struct Condition {
    /// None for the row's own UUID.
    pub column: Option<String>,
    pub function: String,
    pub wanted: Datum,
}

impl Condition {
    /// Whether it holds for a row.
    pub fn holds(&self, uuid: &str, row: &Row) -> bool {
        let own;
        let have = match &self.column {
            Some(column) => &row[column],
            None => {
                own = Datum::strings([uuid]);
                &own
            }
        };
        let wanted = &self.wanted;
        let contains = |(key, value): (&Atom, &Option<Atom>)| have.0.get(key) == Some(value);
        let order = have.number().zip(wanted.number());
        match (self.function.as_str(), order) {
            ("==", _) => have == wanted,
            ("!=", _) => have != wanted,
            ("includes", _) => wanted.0.iter().all(contains),
            ("excludes", _) => !wanted.0.iter().any(contains),
            ("<", Some((have, wanted))) => have < wanted,
            ("<=", Some((have, wanted))) => have <= wanted,
            (">", Some((have, wanted))) => have > wanted,
            (">=", Some((have, wanted))) => have >= wanted,
            // What is not there is neither more nor less.
            _ => false,
        }
    }
}

/// A mutation.
pub struct Mutation {
    column: String,
    of: ColumnType,
    change: Change,
}

enum Change {
    /// What a map has under a key already stays.
    Insert(Datum),
    /// Elements that are equal.
    Delete(Datum),
    /// Whatever stands under these keys.
    DeleteKeys(Datum),
    /// Arithmetic.
    Reckon(String, i64),
}

impl Mutation {
    /// Reads one. `names` are the UUIDs of the rows that the transaction inserts by name.
    pub fn parse(table: &Table, json: &Value, names: &BTreeMap<String, String>) -> Result<Self> {
        let name = json[0].as_str().unwrap_or_default();
        let mutator = json[1].as_str().unwrap_or_default();
        let column = column(table, name)?;
        if !column.mutable {
            return Err(Error::new(
                "constraint violation",
                format!("Cannot mutate immutable column {name}."),
            ));
        }
        let mut of = column.of.clone();
        let is_scalar = of.value.is_none() && (of.min, of.max) == (1, 1);
        let change = match mutator {
            "insert" | "delete" if is_scalar => {
                return Err(syntax(format!("no {mutator} on column {name}")));
            }
            "insert" => {
                of.min = 0;
                Change::Insert(Datum::parse(&json[2], &of, names)?)
            }
            "delete" => {
                (of.min, of.max) = (0, usize::MAX);
                match Datum::parse(&json[2], &of, names) {
                    Ok(pairs) => Change::Delete(pairs),
                    Err(_) if of.value.take().is_some() => {
                        Change::DeleteKeys(Datum::parse(&json[2], &of, names)?)
                    }
                    Err(error) => return Err(error),
                }
            }
            "+=" | "-=" | "*=" | "/=" | "%=" if of.is_reckoned() => {
                let by = json[2].as_i64();
                let by = by.ok_or_else(|| syntax("no number to reckon with"))?;
                Change::Reckon(mutator.to_owned(), by)
            }
            _ => return Err(syntax(format!("no mutator {mutator} on column {name}"))),
        };
        Ok(Self {
            column: name.to_owned(),
            of: column.of.clone(),
            change,
        })
    }

    /// Changes a row.
    ///
    /// # Errors
    /// When the column cannot hold what comes of it.
    pub fn apply(&self, row: &mut Row) -> Result<()> {
        let datum = row
            .get_mut(&self.column)
            .expect("every row has every column");
        match &self.change {
            Change::Insert(more) => {
                for (key, value) in &more.0 {
                    datum.0.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            Change::Delete(less) => datum.0.retain(|key, value| less.0.get(key) != Some(value)),
            Change::DeleteKeys(less) => datum.0.retain(|key, _| !less.0.contains_key(key)),
            Change::Reckon(mutator, by) => {
                let mut sums = BTreeMap::new();
                for key in datum.0.keys() {
                    if let Atom::Integer(number) = key {
                        sums.insert(Atom::Integer(arithmetic(*number, mutator, *by)?), None);
                    }
                }
                datum.0 = sums;
            }
        }
        self.of.check_size(datum.0.len())
    }
}
