//! The operations of RFC 7047 section 5.2.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::clause::{Condition, Mutation};
use super::database::{Database, Row};
use super::error::{Error, Result, syntax};
use super::schema::{Column, Schema, Table};
use super::value::Datum;

/// One transaction while it runs.
pub struct Transaction<'a> {
    schema: &'a Schema,
    database: &'a mut Database,
    /// UUIDs of rows that are inserted by name.
    names: BTreeMap<String, String>,
    /// The names that an insert has given a row already.
    given: BTreeSet<String>,
    next_uuid: &'a mut u64,
}

/// Runs all operations; the database is changed only where all of them succeed.
///
/// # Errors
/// The first operation that failed, by its number, or `None` where the commit did.
pub fn run(
    schema: &Schema,
    database: &mut Database,
    next_uuid: &mut u64,
    operations: &[Value],
) -> std::result::Result<Vec<Value>, (Option<usize>, Error)> {
    let mut work = database.clone();
    let mut transaction = Transaction {
        schema,
        database: &mut work,
        names: BTreeMap::new(),
        given: BTreeSet::new(),
        next_uuid,
    };
    for operation in operations {
        if let (Some("insert"), Some(name)) =
            (operation["op"].as_str(), operation["uuid-name"].as_str())
        {
            transaction.name(name);
        }
    }
    // What no insert gives a row refers to nothing.
    operations
        .iter()
        .for_each(|operation| transaction.name_all(operation));
    let mut results = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let result = transaction.operation(operation);
        results.push(result.map_err(|error| (Some(at), error))?);
    }
    work.commit(schema).map_err(|error| (None, error))?;
    *database = work;
    Ok(results)
}

impl Transaction<'_> {
    fn new_uuid(&mut self) -> String {
        *self.next_uuid += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.next_uuid)
    }

    fn name(&mut self, name: &str) {
        if !self.names.contains_key(name) {
            let uuid = self.new_uuid();
            self.names.insert(name.to_owned(), uuid);
        }
    }

    fn name_all(&mut self, value: &Value) {
        match value {
            Value::Array(items) => match (items.first(), items.get(1)) {
                (Some(Value::String(word)), Some(Value::String(name))) if word == "named-uuid" => {
                    self.name(name);
                }
                _ => items.iter().for_each(|item| self.name_all(item)),
            },
            Value::Object(entries) => entries.values().for_each(|value| self.name_all(value)),
            _ => {}
        }
    }

    fn operation(&mut self, operation: &Value) -> Result<Value> {
        match operation["op"].as_str().unwrap_or_default() {
            "insert" => self.insert(operation),
            "select" => self.select(operation),
            "update" => self.update(operation),
            "mutate" => self.mutate(operation),
            "delete" => {
                let (name, rows) = self.chosen(operation)?;
                let table = self.database.tables.get_mut(&name);
                let table = table.expect("chosen looked it up");
                rows.iter().for_each(|uuid| {
                    table.remove(uuid);
                });
                Ok(json!({"count": rows.len()}))
            }
            "wait" => self.wait(operation),
            "commit" | "comment" => Ok(json!({})),
            "abort" => Err(Error::new("aborted", "aborted by request")),
            "assert" => Err(Error::new("not owner", "the lock is not held")),
            other => Err(syntax(format!("no operation named {other}"))),
        }
    }

    fn table(&self, operation: &Value) -> Result<(String, &Table)> {
        let name = operation["table"].as_str().unwrap_or_default();
        match self.schema.get(name) {
            Some(table) => Ok((name.to_owned(), table)),
            None => Err(Error::missing(
                "syntax error",
                format!("No table named {name}."),
            )),
        }
    }

    /// The columns that a row object gives. `immutable`: whether fixed columns may be among them.
    fn row(&self, table: &Table, row: &Value, immutable: bool) -> Result<Row> {
        let mut given = Row::new();
        for (name, value) in row.as_object().into_iter().flatten() {
            let column = column(table, name)?;
            if !immutable && !column.mutable {
                return Err(Error::new(
                    "constraint violation",
                    format!("Cannot update immutable column {name}."),
                ));
            }
            let datum = Datum::parse(value, &column.of, &self.names)?;
            given.insert(name.clone(), datum);
        }
        Ok(given)
    }

    fn insert(&mut self, operation: &Value) -> Result<Value> {
        let (name, table) = self.table(operation)?;
        if let Some(given) = operation["uuid-name"].as_str()
            && self.given.contains(given)
        {
            return Err(Error::new(
                "duplicate uuid-name",
                "This \"uuid-name\" appeared on an earlier \"insert\" operation.",
            ));
        }
        let mut row: Row = table
            .columns
            .iter()
            .map(|(name, column)| (name.clone(), Datum::default_of(&column.of)))
            .collect();
        row.extend(self.row(table, &operation["row"], true)?);
        self.given
            .extend(operation["uuid-name"].as_str().map(str::to_owned));
        // A client may choose the UUID itself (ovsdb-server(7), "Insert").
        let chosen = operation["uuid"].as_str().map(str::to_owned);
        let uuid = match (operation["uuid-name"].as_str(), chosen) {
            (Some(name), _) => self.names[name].clone(),
            (None, Some(chosen)) => chosen,
            (None, None) => self.new_uuid(),
        };
        let rows = self.database.tables.get_mut(&name);
        rows.expect("table looked it up").insert(uuid.clone(), row);
        Ok(json!({"uuid": ["uuid", uuid]}))
    }

    /// The rows that the conditions match (RFC 7047 section 5.1, `<condition>`). What is wrong with one is so without rows as well.
    fn chosen(&self, operation: &Value) -> Result<(String, Vec<String>)> {
        let (name, table) = self.table(operation)?;
        let conditions = operation["where"].as_array();
        let conditions = conditions.ok_or_else(|| syntax("`where` is missing"))?;
        let conditions = conditions.iter().map(|json| self.condition(table, json));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        let rows = self.database.rows(&name);
        let rows = rows.filter(|(uuid, row)| conditions.iter().all(|one| one.holds(uuid, row)));
        let chosen = rows.map(|(uuid, _)| uuid.clone()).collect();
        Ok((name, chosen))
    }

    fn condition(&self, table: &Table, json: &Value) -> Result<Condition> {
        let name = json[0].as_str().unwrap_or_default();
        let function = json[1].as_str().unwrap_or_default().to_owned();
        if name == "_uuid" {
            if !["==", "!=", "includes", "excludes"].contains(&function.as_str()) {
                return Err(syntax(format!("no function {function} on _uuid")));
            }
            let wanted = json[2][1].as_str().unwrap_or_default();
            let uuid = match json[2][0].as_str() {
                Some("named-uuid") => self.names.get(wanted).map_or("", String::as_str),
                _ => wanted,
            };
            return Ok(Condition {
                column: None,
                function,
                wanted: Datum::strings([uuid]),
            });
        }
        let mut of = column(table, name)?.of.clone();
        let is_scalar = of.value.is_none() && (of.min, of.max) == (1, 1);
        match function.as_str() {
            "==" | "!=" => {}
            "includes" | "excludes" if is_scalar => {}
            "includes" => of.min = 0,
            "excludes" => (of.min, of.max) = (0, usize::MAX),
            "<" | "<=" | ">" | ">=" if of.is_number() => {}
            _ => return Err(syntax(format!("no function {function} on column {name}"))),
        }
        Ok(Condition {
            column: Some(name.to_owned()),
            function,
            wanted: Datum::parse(&json[2], &of, &self.names)?,
        })
    }

    fn select(&self, operation: &Value) -> Result<Value> {
        let (name, chosen) = self.chosen(operation)?;
        let table = &self.schema[&name];
        let mut columns: Vec<&str> = Vec::new();
        match operation["columns"].as_array() {
            Some(list) => columns.extend(list.iter().filter_map(Value::as_str)),
            None => {
                columns.extend(table.columns.keys().map(String::as_str));
                columns.push("_uuid");
            }
        }
        if let Some(of) = columns
            .iter()
            .find(|of| **of != "_uuid" && !table.columns.contains_key(**of))
        {
            return Err(unknown(of));
        }
        let mut rows = Vec::new();
        for uuid in &chosen {
            let row = &self.database.tables[&name][uuid];
            let mut shown = json!({});
            for of in &columns {
                shown[of] = match *of {
                    "_uuid" => json!(["uuid", uuid]),
                    of => row[of].to_json(&table.columns[of].of),
                };
            }
            if !rows.contains(&shown) {
                rows.push(shown);
            }
        }
        Ok(json!({"rows": rows}))
    }

    fn update(&mut self, operation: &Value) -> Result<Value> {
        let (name, chosen) = self.chosen(operation)?;
        let given = self.row(&self.schema[&name], &operation["row"], false)?;
        for uuid in &chosen {
            let row = self.database.tables.get_mut(&name);
            let row = row.and_then(|rows| rows.get_mut(uuid));
            row.expect("chosen found it").extend(given.clone());
        }
        Ok(json!({"count": chosen.len()}))
    }

    fn mutate(&mut self, operation: &Value) -> Result<Value> {
        let (_, table) = self.table(operation)?;
        let mutations = operation["mutations"].as_array();
        let mutations = mutations.ok_or_else(|| syntax("`mutations` is missing"))?;
        let mutations = mutations
            .iter()
            .map(|json| Mutation::parse(table, json, &self.names));
        let mutations = mutations.collect::<Result<Vec<_>>>()?;
        let (name, chosen) = self.chosen(operation)?;
        for uuid in &chosen {
            for mutation in &mutations {
                let row = self.database.tables.get_mut(&name);
                let row = row.and_then(|rows| rows.get_mut(uuid));
                mutation.apply(row.expect("chosen found it"))?;
            }
        }
        Ok(json!({"count": chosen.len()}))
    }

    /// Waiting cannot help here: nobody else changes anything.
    fn wait(&self, operation: &Value) -> Result<Value> {
        let (name, chosen) = self.chosen(operation)?;
        let table = &self.schema[&name];
        let columns: Vec<&str> = match operation["columns"].as_array() {
            Some(list) => list.iter().filter_map(Value::as_str).collect(),
            None => table.columns.keys().map(String::as_str).collect(),
        };
        // Every table has `_uuid` (RFC 7047 section 3.2), which is kept as the row's key.
        let project = |uuid: &str, row: &Row| -> Result<Vec<Datum>> {
            let one = |of: &&str| match *of {
                "_uuid" => Ok(Datum::strings([uuid])),
                of => row.get(of).cloned().ok_or_else(|| unknown(of)),
            };
            columns.iter().map(one).collect()
        };
        let mut have: Vec<Vec<Datum>> = Vec::new();
        for uuid in &chosen {
            let shown = project(uuid, &self.database.tables[&name][uuid])?;
            if !have.contains(&shown) {
                have.push(shown);
            }
        }
        let mut wanted: Vec<Vec<Datum>> = Vec::new();
        for row in operation["rows"].as_array().into_iter().flatten() {
            let mut whole: Row = table
                .columns
                .iter()
                .map(|(name, column)| (name.clone(), Datum::default_of(&column.of)))
                .collect();
            let mut own = row.clone();
            let uuid = own.as_object_mut().and_then(|own| own.remove("_uuid"));
            let uuid = uuid.unwrap_or_default();
            whole.extend(self.row(table, &own, true)?);
            let shown = project(uuid[1].as_str().unwrap_or_default(), &whole)?;
            if !wanted.contains(&shown) {
                wanted.push(shown);
            }
        }
        let same = have.len() == wanted.len() && have.iter().all(|row| wanted.contains(row));
        match (operation["until"].as_str(), same) {
            (Some("=="), true) | (Some("!="), false) => Ok(json!({})),
            (Some("==" | "!="), _) => Err(Error::new(
                "timed out",
                format!("\"wait\" on table {name} timed out"),
            )),
            _ => Err(syntax("`until` is neither == nor !=")),
        }
    }
}

/// The column of that name.
pub fn column<'a>(table: &'a Table, name: &str) -> Result<&'a Column> {
    table.columns.get(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    Error::missing("unknown column", format!("No column {name}."))
}
