//! From JSON to operations, strictly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::uuids::NewUuids;
use super::{Columns, Condition, Mutation, Operation, column_of};
use crate::backends::ovsdb::datum::Datum;
use crate::backends::ovsdb::error::OvsdbError;
use crate::backends::ovsdb::schema::{Column, Schema};
use crate::backends::ovsdb::value;

/// How long a plugin's `wait` may wait at the server, in milliseconds. Nobody else's transaction runs on this connection meanwhile.
const LONGEST_WAIT: u64 = 10_000;

/// Reads an array of operations for a database.
///
/// # Errors
/// `Invalid` names the operation and what is wrong with it; `NotFound` the table or column that this server does not have.
pub fn parse(
    schema: &Schema,
    operations: &Value,
    uuids: &mut dyn NewUuids,
) -> Result<Vec<Operation>, OvsdbError> {
    let Value::Array(operations) = operations else {
        return Err(OvsdbError::Invalid {
            reason: "the operations of an OVSDB transaction are a JSON array".to_owned(),
        });
    };
    let mut reader = Reader {
        schema,
        names: BTreeMap::new(),
        number: 0,
    };
    // A row may be referred to before the operation that makes it.
    for (number, operation) in operations.iter().enumerate() {
        reader.number = number;
        if let Some(name) = operation.get("uuid-name") {
            let name = name
                .as_str()
                .ok_or_else(|| reader.invalid("its uuid-name is no string"))?;
            if reader.names.insert(name.to_owned(), uuids.next()).is_some() {
                return Err(reader.invalid(&format!("the uuid-name {name:?} is there twice")));
            }
        }
    }
    let mut read = Vec::with_capacity(operations.len());
    for (number, operation) in operations.iter().enumerate() {
        reader.number = number;
        read.push(reader.operation(operation, uuids)?);
    }
    Ok(read)
}

struct Reader<'a> {
    schema: &'a Schema,
    names: BTreeMap<String, String>,
    number: usize,
}

impl Reader<'_> {
    fn invalid(&self, reason: &str) -> OvsdbError {
        OvsdbError::Invalid {
            reason: format!(
                "operation {} of the OVSDB transaction: {reason}",
                self.number
            ),
        }
    }

    fn operation(&self, json: &Value, uuids: &mut dyn NewUuids) -> Result<Operation, OvsdbError> {
        let object = json
            .as_object()
            .ok_or_else(|| self.invalid("it is no object"))?;
        let verb = self.text(object, "op")?;
        let members: &[&str] = match verb {
            "insert" => &["table", "row", "uuid-name"],
            "select" => &["table", "where", "columns"],
            "update" => &["table", "where", "row"],
            "mutate" => &["table", "where", "mutations"],
            "delete" => &["table", "where"],
            "wait" => &["table", "where", "columns", "until", "rows", "timeout"],
            "commit" => &["durable"],
            "abort" => &[],
            "comment" => &["comment"],
            "assert" => {
                return Err(self.invalid("`assert` is about a lock, and a plugin can have none"));
            }
            other => return Err(self.invalid(&format!("there is no operation {other:?}"))),
        };
        if let Some(unknown) = object
            .keys()
            .find(|key| *key != "op" && !members.contains(&key.as_str()))
        {
            let reason = format!(
                "`{verb}` has no member {unknown:?}; it has {}",
                members.join(", ")
            );
            return Err(self.invalid(&reason));
        }
        match verb {
            "commit" => {
                let durable = object.get("durable").and_then(Value::as_bool);
                let durable = durable.ok_or_else(|| self.invalid("`durable` is true or false"))?;
                return Ok(Operation::Commit { durable });
            }
            "abort" => return Ok(Operation::Abort),
            "comment" => return Ok(Operation::Comment(self.text(object, "comment")?.to_owned())),
            _ => {}
        }
        let table = self.text(object, "table")?.to_owned();
        if !self.schema.tables.contains_key(&table) {
            return Err(self.missing(format!("table {table}")));
        }
        Ok(match verb {
            "insert" => {
                let name = object.get("uuid-name").and_then(Value::as_str);
                let uuid = match name {
                    Some(name) => self.names[name].clone(),
                    None => uuids.next(),
                };
                let row = self.row(&table, object.get("row"))?;
                Operation::Insert { table, uuid, row }
            }
            "select" => Operation::Select {
                conditions: self.conditions(&table, object)?,
                columns: match object.get("columns") {
                    Some(columns) => Some(self.columns(&table, columns)?),
                    None => None,
                },
                table,
            },
            "update" => Operation::Update {
                conditions: self.conditions(&table, object)?,
                row: self.row(&table, object.get("row"))?,
                table,
            },
            "mutate" => Operation::Mutate {
                conditions: self.conditions(&table, object)?,
                mutations: self.mutations(&table, object.get("mutations"))?,
                table,
            },
            "delete" => Operation::Delete {
                conditions: self.conditions(&table, object)?,
                table,
            },
            _ => self.wait(table, object)?,
        })
    }

    fn wait(&self, table: String, object: &Map<String, Value>) -> Result<Operation, OvsdbError> {
        let columns = match object.get("columns") {
            Some(columns) => self.columns(&table, columns)?,
            None => self.schema.tables[&table].columns.keys().cloned().collect(),
        };
        let equal = match self.text(object, "until")? {
            "==" => true,
            "!=" => false,
            _ => return Err(self.invalid("`until` is \"==\" or \"!=\"")),
        };
        let rows = object
            .get("rows")
            .and_then(Value::as_array)
            .ok_or_else(|| self.invalid("`rows` is an array of rows"))?;
        let rows = rows.iter().map(|row| self.any_row(&table, row));
        let timeout = match object.get("timeout") {
            None => 0,
            Some(timeout) => timeout
                .as_u64()
                .ok_or_else(|| self.invalid("`timeout` is a number of milliseconds"))?,
        };
        Ok(Operation::Wait {
            conditions: self.conditions(&table, object)?,
            rows: rows.collect::<Result<_, _>>()?,
            timeout: timeout.min(LONGEST_WAIT),
            table,
            columns,
            equal,
        })
    }

    fn text<'o>(&self, object: &'o Map<String, Value>, key: &str) -> Result<&'o str, OvsdbError> {
        object
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| self.invalid(&format!("`{key}` is missing or no string")))
    }

    fn missing(&self, what: String) -> OvsdbError {
        OvsdbError::NotFound {
            what,
            database: self.schema.name.clone(),
        }
    }

    fn column(&self, table: &str, name: &str) -> Result<Column, OvsdbError> {
        column_of(self.schema, table, name)
            .ok_or_else(|| self.missing(format!("column {name} of table {table}")))
    }

    fn columns(&self, table: &str, json: &Value) -> Result<Vec<String>, OvsdbError> {
        let wrong = || self.invalid("`columns` is an array of names");
        let mut columns = Vec::new();
        for name in json.as_array().ok_or_else(wrong)? {
            let name = name.as_str().ok_or_else(wrong)?;
            self.column(table, name)?;
            columns.push(name.to_owned());
        }
        Ok(columns)
    }

    /// A row to insert or update: `_uuid` and `_version` are not for anybody to set.
    fn row(&self, table: &str, json: Option<&Value>) -> Result<Columns, OvsdbError> {
        let row = self.any_row(table, json.unwrap_or(&Value::Null))?;
        match row.keys().find(|name| name.starts_with('_')) {
            Some(name) => Err(self.invalid(&format!("{name} cannot be set"))),
            None => Ok(row),
        }
    }

    fn any_row(&self, table: &str, json: &Value) -> Result<Columns, OvsdbError> {
        let row = json
            .as_object()
            .ok_or_else(|| self.invalid("a row is an object"))?;
        row.iter()
            .map(|(name, json)| {
                let column = self.column(table, name)?;
                let value = Datum::read(&column, json, &self.names);
                let value = value.ok_or_else(|| self.unfit(table, name, json))?;
                Ok((name.clone(), value))
            })
            .collect()
    }

    fn unfit(&self, table: &str, column: &str, json: &Value) -> OvsdbError {
        let reason = match value::as_named_uuid(json) {
            Some(name) => format!("no operation makes a row with the uuid-name {name:?}"),
            None => format!("the value does not fit column {column} of table {table}"),
        };
        self.invalid(&reason)
    }

    fn conditions(
        &self,
        table: &str,
        object: &Map<String, Value>,
    ) -> Result<Vec<Condition>, OvsdbError> {
        let wrong = || self.invalid("`where` is an array of conditions [COLUMN, FUNCTION, VALUE]");
        let json = object
            .get("where")
            .and_then(Value::as_array)
            .ok_or_else(wrong)?;
        json.iter()
            .map(|condition| {
                let Some([Value::String(name), Value::String(function), json]) =
                    condition.as_array().map(Vec::as_slice)
                else {
                    return Err(wrong());
                };
                let known = ["==", "!=", "includes", "excludes", "<", "<=", ">", ">="];
                if !known.contains(&function.as_str()) {
                    return Err(self.invalid(&format!("there is no function {function:?}")));
                }
                let column = self.column(table, name)?;
                let value = Datum::read(&column, json, &self.names);
                Ok(Condition {
                    column: name.clone(),
                    function: function.clone(),
                    value: value.ok_or_else(|| self.unfit(table, name, json))?,
                })
            })
            .collect()
    }

    fn mutations(&self, table: &str, json: Option<&Value>) -> Result<Vec<Mutation>, OvsdbError> {
        let wrong = || self.invalid("`mutations` is an array of [COLUMN, MUTATOR, VALUE]");
        let json = json.and_then(Value::as_array).ok_or_else(wrong)?;
        json.iter()
            .map(|mutation| {
                let Some([Value::String(name), Value::String(mutator), json]) =
                    mutation.as_array().map(Vec::as_slice)
                else {
                    return Err(wrong());
                };
                let known = ["insert", "delete", "+=", "-=", "*=", "/=", "%="];
                if !known.contains(&mutator.as_str()) {
                    return Err(self.invalid(&format!("there is no mutator {mutator:?}")));
                }
                if name.starts_with('_') {
                    return Err(self.invalid(&format!("{name} cannot be set")));
                }
                let column = self.column(table, name)?;
                // From a map keys alone may be deleted, too.
                let value = Datum::read(&column, json, &self.names).or_else(|| {
                    let by_key = mutator == "delete" && column.value.is_some();
                    by_key
                        .then(|| Datum::read_set(&column, json, &self.names))
                        .flatten()
                });
                Ok(Mutation {
                    column: name.clone(),
                    mutator: mutator.clone(),
                    value: value.ok_or_else(|| self.unfit(table, name, json))?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
