//! Updates of monitored rows, and the copy of the rows that they keep current.
//!
//! Servers tell changes in two forms: `<table-updates>` with old and new columns (RFC 7047 section 4.1.6), and
//! `<table-updates2>` with differences (ovsdb-server(7), "Update2 Notification"). Both become [`RowUpdate`]s with the
//! whole row of before and after.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::schema::{Column, Schema};
use super::value;

/// The monitored columns of a row.
pub type Row = Map<String, Value>;

/// A change of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowUpdate {
    /// Its table.
    pub table: String,
    /// Its UUID.
    pub uuid: String,
    /// The row before; `None` if it was inserted.
    pub old: Option<Arc<Row>>,
    /// The row after; `None` if it was deleted.
    pub new: Option<Arc<Row>>,
}

/// The form in which a server tells changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `<table-updates>`.
    OldAndNew,
    /// `<table-updates2>`.
    Difference,
}

/// A copy of the monitored rows.
#[derive(Debug)]
pub struct Rows {
    schema: Arc<Schema>,
    /// The monitored columns of each table.
    columns: BTreeMap<String, Vec<String>>,
    tables: HashMap<String, HashMap<String, Arc<Row>>>,
}

impl Rows {
    /// Nothing yet, of these columns.
    pub fn new(schema: Arc<Schema>, columns: BTreeMap<String, Vec<String>>) -> Self {
        Self {
            schema,
            columns,
            tables: HashMap::new(),
        }
    }

    /// The rows of a table with their UUIDs, in no order.
    pub fn table(&self, table: &str) -> impl Iterator<Item = (&str, &Arc<Row>)> {
        let rows = self.tables.get(table).into_iter().flatten();
        rows.map(|(uuid, row)| (uuid.as_str(), row))
    }

    /// One row.
    pub fn row(&self, table: &str, uuid: &str) -> Option<&Arc<Row>> {
        self.tables.get(table)?.get(uuid)
    }

    /// Takes in updates.
    ///
    /// # Errors
    /// A sentence about what does not fit: the copy is of no use any more then.
    pub fn apply(&mut self, form: Form, updates: Value) -> Result<Vec<RowUpdate>, String> {
        let mut applied = Vec::new();
        for (table, rows) in object(updates, "the updates")? {
            if !self.columns.contains_key(&table) {
                return Err(format!(
                    "an update of table {table}, which is not monitored"
                ));
            }
            for (uuid, change) in object(rows, &table)? {
                let old = self.row(&table, &uuid).cloned();
                let new = match form {
                    Form::OldAndNew => whole(change),
                    Form::Difference => self.differ(&table, old.as_ref(), change),
                };
                let new = new
                    .map_err(|reason| format!("the update of row {uuid} of {table}: {reason}"))?
                    .map(Arc::new);
                let known = self.tables.entry(table.clone()).or_default();
                match &new {
                    Some(row) => known.insert(uuid.clone(), row.clone()),
                    None => known.remove(&uuid),
                };
                applied.push(RowUpdate {
                    table: table.clone(),
                    uuid,
                    old,
                    new,
                });
            }
        }
        Ok(applied)
    }

    /// The row after a `<row-update2>`.
    fn differ(
        &self,
        table: &str,
        old: Option<&Arc<Row>>,
        change: Value,
    ) -> Result<Option<Row>, String> {
        let mut change = object(change, "it")?;
        if change.contains_key("delete") {
            return Ok(None);
        }
        for kind in ["initial", "insert"] {
            if let Some(row) = change.remove(kind) {
                return Ok(Some(self.with_defaults(table, object(row, kind)?)));
            }
        }
        let Some(changes) = change.remove("modify") else {
            return Err("it neither inserts, modifies nor deletes".to_owned());
        };
        let mut row = Row::clone(old.ok_or("it modifies a row that was never there")?);
        for (name, difference) in object(changes, "modify")? {
            let column = self
                .schema
                .column(table, &name)
                .ok_or_else(|| format!("column {name} does not exist"))?;
            let before = row.remove(&name);
            let after = after(column, before, difference)
                .ok_or_else(|| format!("the difference in column {name} does not fit"))?;
            row.insert(name, after);
        }
        Ok(Some(row))
    }

    /// `initial` and `insert` leave out the columns that have their default.
    fn with_defaults(&self, table: &str, mut row: Row) -> Row {
        for name in self.columns.get(table).into_iter().flatten() {
            if !row.contains_key(name)
                && let Some(column) = self.schema.column(table, name)
            {
                row.insert(name.clone(), column.default_value());
            }
        }
        row
    }
}

/// The row after a `<row-update>`.
fn whole(change: Value) -> Result<Option<Row>, String> {
    let mut change = object(change, "it")?;
    match change.remove("new") {
        Some(new) => object(new, "new").map(Some),
        None if change.contains_key("old") => Ok(None),
        None => Err("it has neither old nor new".to_owned()),
    }
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(format!("{what} is no object")),
    }
}

/// The column after a difference: the new value if it holds one element at most; for a set, elements that come or go;
/// for a map, pairs that come, change, or (when they are the same) go.
fn after(column: &Column, before: Option<Value>, difference: Value) -> Option<Value> {
    if column.max <= 1 {
        return Some(difference);
    }
    let before = before.unwrap_or_else(|| column.default_value());
    if column.value.is_some() {
        let mut pairs: Vec<(Value, Value)> = owned_pairs(&before)?;
        for (key, value) in owned_pairs(&difference)? {
            match pairs.iter().position(|(known, _)| *known == key) {
                Some(place) if pairs[place].1 == value => drop(pairs.remove(place)),
                Some(place) => pairs[place].1 = value,
                None => pairs.push((key, value)),
            }
        }
        return Some(value::map(pairs));
    }
    // As text, so that a bridge that gains thousands of ports at once is not compared each with each.
    let changed: HashMap<String, &Value> = value::elements(&difference)?
        .iter()
        .map(|atom| (atom.to_string(), atom))
        .collect();
    let mut kept = Vec::new();
    let mut gone = std::collections::HashSet::new();
    for atom in value::elements(&before)? {
        let text = atom.to_string();
        if changed.contains_key(&text) {
            gone.insert(text);
        } else {
            kept.push(atom.clone());
        }
    }
    let come = value::elements(&difference)?
        .iter()
        .filter(|atom| !gone.contains(&atom.to_string()));
    kept.extend(come.cloned());
    // A server writes a set of one as the element alone.
    Some(match kept.len() {
        1 => kept.remove(0),
        _ => value::set(kept),
    })
}

fn owned_pairs(map: &Value) -> Option<Vec<(Value, Value)>> {
    let pairs = value::pairs(map)?.into_iter();
    Some(
        pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Rows {
        let schema = json!({"name": "db", "version": "1.0.0", "tables": {"T": {"columns": {
            "name": {"type": "string"},
            "set": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
            "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
            "tag": {"type": {"key": "integer", "min": 0}},
        }}}});
        let schema = Arc::new(Schema::parse(&schema.to_string()).unwrap());
        let names = ["name", "set", "map", "tag"].map(str::to_owned).to_vec();
        Rows::new(schema, BTreeMap::from([("T".to_owned(), names)]))
    }

    fn apply(rows: &mut Rows, change: Value) -> Result<RowUpdate, String> {
        let updates = rows.apply(Form::Difference, json!({"T": {"u": change}}))?;
        Ok(updates.into_iter().next().unwrap())
    }

    #[test]
    fn differences_become_whole_rows() {
        let mut rows = rows();
        let update = apply(
            &mut rows,
            json!({"initial": {"name": "a", "set": ["set", [1, 2]]}}),
        )
        .unwrap();
        assert_eq!(update.old, None);
        assert_eq!(
            Value::Object(Row::clone(update.new.as_ref().unwrap())),
            json!({"name": "a", "set": ["set", [1, 2]], "map": ["map", []], "tag": ["set", []]})
        );
        let change =
            json!({"modify": {"set": ["set", [2, 3]], "map": ["map", [["k", "v"]]], "tag": 7}});
        let update = apply(&mut rows, change).unwrap();
        assert_eq!(
            Value::Object(Row::clone(update.new.as_ref().unwrap())),
            json!({"name": "a", "set": ["set", [1, 3]], "map": ["map", [["k", "v"]]], "tag": 7})
        );
        let change = json!({"modify": {"set": 1, "map": ["map", [["k", "w"], ["l", "x"]]], "tag": ["set", []]}});
        apply(&mut rows, change).unwrap();
        apply(&mut rows, json!({"modify": {"map": ["map", [["l", "x"]]]}})).unwrap();
        let row = rows.row("T", "u").unwrap();
        assert_eq!(
            Value::Object(Row::clone(row)),
            json!({"name": "a", "set": 3, "map": ["map", [["k", "w"]]], "tag": ["set", []]})
        );
        let update = apply(&mut rows, json!({"delete": null})).unwrap();
        assert!(update.old.is_some() && update.new.is_none());
        assert_eq!(rows.table("T").count(), 0);
    }

    #[test]
    fn old_and_new_become_whole_rows() {
        let mut rows = rows();
        let insert = json!({"T": {"u": {"new": {"name": "a"}}}});
        rows.apply(Form::OldAndNew, insert).unwrap();
        let modify = json!({"T": {"u": {"old": {"name": "a"}, "new": {"name": "b"}}}});
        let updates = rows.apply(Form::OldAndNew, modify).unwrap();
        assert_eq!(updates[0].old.as_ref().unwrap()["name"], "a");
        assert_eq!(updates[0].new.as_ref().unwrap()["name"], "b");
        let delete = json!({"T": {"u": {"old": {"name": "b"}}}});
        assert_eq!(rows.apply(Form::OldAndNew, delete).unwrap()[0].new, None);
    }

    #[test]
    fn updates_that_do_not_fit_are_refused() {
        for change in [
            json!({"modify": {"name": "x"}}),
            json!({}),
            json!(7),
            json!({"initial": 7}),
        ] {
            assert!(apply(&mut rows(), change.clone()).is_err(), "{change}");
        }
        let mut rows = rows();
        apply(&mut rows, json!({"initial": {}})).unwrap();
        assert!(apply(&mut rows, json!({"modify": {"no": 1}})).is_err());
        assert!(apply(&mut rows, json!({"modify": {"set": {}}})).is_err());
        assert!(rows.apply(Form::Difference, json!({"Other": {}})).is_err());
    }
}
