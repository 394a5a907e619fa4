//! Operations of a transaction (RFC 7047 section 5.2), read strictly and written anew.
//!
//! What is sent is written from what was understood: a notation that the server might read differently from us never reaches it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

use serde_json::{Map, Value, json};

use super::datum::{Datum, canonical_uuid};
use super::error::OvsdbError;
use super::schema::{Atom, BaseType, Column, Schema};
use super::value;

/// How long a plugin's `wait` may wait at the server, in milliseconds. Nobody else's transaction runs on this connection meanwhile.
const LONGEST_WAIT: u64 = 10_000;

/// The columns of a row.
pub type Columns = BTreeMap<String, Datum>;

/// A `<condition>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column, or `_uuid`.
    pub column: String,
    /// `==` and so on.
    pub function: String,
    /// What it is compared with.
    pub value: Datum,
}

/// A `<mutation>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    /// The column.
    pub column: String,
    /// `insert`, `+=` and so on.
    pub mutator: String,
    /// With what.
    pub value: Datum,
}

/// An operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Section 5.2.1. The UUID is chosen here, so that it is known before the row is there (ovsdb-server(7), "Insert").
    Insert {
        /// The table.
        table: String,
        /// The row's UUID.
        uuid: String,
        /// What is said of its columns.
        row: Columns,
    },
    /// Section 5.2.2.
    Select {
        /// The table.
        table: String,
        /// Which rows.
        conditions: Vec<Condition>,
        /// Which columns; all if absent.
        columns: Option<Vec<String>>,
    },
    /// Section 5.2.3.
    Update {
        /// The table.
        table: String,
        /// Which rows.
        conditions: Vec<Condition>,
        /// What they are to hold.
        row: Columns,
    },
    /// Section 5.2.4.
    Mutate {
        /// The table.
        table: String,
        /// Which rows.
        conditions: Vec<Condition>,
        /// In this order.
        mutations: Vec<Mutation>,
    },
    /// Section 5.2.5.
    Delete {
        /// The table.
        table: String,
        /// Which rows.
        conditions: Vec<Condition>,
    },
    /// Section 5.2.6.
    Wait {
        /// The table.
        table: String,
        /// Which rows.
        conditions: Vec<Condition>,
        /// Which columns are compared.
        columns: Vec<String>,
        /// Whether they must be the same as `rows`, or must not.
        equal: bool,
        /// What they are compared with.
        rows: Vec<Columns>,
        /// Milliseconds.
        timeout: u64,
    },
    /// Section 5.2.7.
    Commit {
        /// Whether the server answers only when it is on disk.
        durable: bool,
    },
    /// Section 5.2.8.
    Abort,
    /// Section 5.2.9.
    Comment(String),
}

impl Operation {
    /// The word of the RFC.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "insert",
            Self::Select { .. } => "select",
            Self::Update { .. } => "update",
            Self::Mutate { .. } => "mutate",
            Self::Delete { .. } => "delete",
            Self::Wait { .. } => "wait",
            Self::Commit { .. } => "commit",
            Self::Abort => "abort",
            Self::Comment(_) => "comment",
        }
    }

    /// The table, of an operation that concerns one.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Insert { table, .. }
            | Self::Select { table, .. }
            | Self::Update { table, .. }
            | Self::Mutate { table, .. }
            | Self::Delete { table, .. }
            | Self::Wait { table, .. } => Some(table),
            Self::Commit { .. } | Self::Abort | Self::Comment(_) => None,
        }
    }

    /// Which rows it concerns, of an operation that chooses them.
    pub fn conditions(&self) -> Option<&[Condition]> {
        match self {
            Self::Select { conditions, .. }
            | Self::Update { conditions, .. }
            | Self::Mutate { conditions, .. }
            | Self::Delete { conditions, .. }
            | Self::Wait { conditions, .. } => Some(conditions),
            _ => None,
        }
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Self::Insert { .. } | Self::Update { .. } | Self::Mutate { .. } | Self::Delete { .. }
        )
    }

    /// The columns that it changes.
    pub fn changed_columns(&self) -> Vec<&str> {
        match self {
            Self::Insert { row, .. } | Self::Update { row, .. } => {
                row.keys().map(String::as_str).collect()
            }
            Self::Mutate { mutations, .. } => mutations
                .iter()
                .map(|mutation| mutation.column.as_str())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// As the server gets it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Insert { table, uuid, row } => {
                json!({"op": "insert", "table": table, "uuid": uuid, "row": row_json(row)})
            }
            Self::Select {
                table,
                conditions,
                columns,
            } => {
                let mut select =
                    json!({"op": "select", "table": table, "where": where_json(conditions)});
                if let Some(columns) = columns {
                    select["columns"] = json!(columns);
                }
                select
            }
            Self::Update {
                table,
                conditions,
                row,
            } => {
                json!({"op": "update", "table": table, "where": where_json(conditions), "row": row_json(row)})
            }
            Self::Mutate {
                table,
                conditions,
                mutations,
            } => {
                let mutations: Vec<_> = mutations
                    .iter()
                    .map(|mutation| {
                        json!([mutation.column, mutation.mutator, mutation.value.to_json()])
                    })
                    .collect();
                json!({"op": "mutate", "table": table, "where": where_json(conditions), "mutations": mutations})
            }
            Self::Delete { table, conditions } => {
                json!({"op": "delete", "table": table, "where": where_json(conditions)})
            }
            Self::Wait {
                table,
                conditions,
                columns,
                equal,
                rows,
                timeout,
            } => json!({
                "op": "wait", "table": table, "where": where_json(conditions), "columns": columns,
                "until": if *equal { "==" } else { "!=" },
                "rows": rows.iter().map(row_json).collect::<Vec<_>>(), "timeout": timeout,
            }),
            Self::Commit { durable } => json!({"op": "commit", "durable": durable}),
            Self::Abort => json!({"op": "abort"}),
            Self::Comment(text) => json!({"op": "comment", "comment": text}),
        }
    }
}

/// `<condition>`s as the server gets them.
pub fn where_json(conditions: &[Condition]) -> Value {
    let conditions = conditions.iter();
    conditions
        .map(|condition| {
            json!([
                condition.column,
                condition.function,
                condition.value.to_json()
            ])
        })
        .collect()
}

/// A `<row>` as the server gets it.
pub fn row_json(row: &Columns) -> Value {
    let columns = row.iter();
    columns
        .map(|(name, value)| (name.clone(), value.to_json()))
        .collect::<Map<_, _>>()
        .into()
}

/// That a row has this UUID.
pub fn has_uuid(uuid: &str) -> Condition {
    Condition {
        column: "_uuid".to_owned(),
        function: "==".to_owned(),
        value: uuid_datum(uuid),
    }
}

/// A UUID as the value of a column.
pub fn uuid_datum(uuid: &str) -> Datum {
    Datum::Set([super::datum::Atom::Uuid(uuid.to_owned())].into())
}

/// The column of a table, among them `_uuid` and `_version`, which every table has (RFC 7047 section 3.2).
pub fn column_of(schema: &Schema, table: &str, column: &str) -> Option<Column> {
    if column == "_uuid" || column == "_version" {
        return Some(Column {
            key: BaseType {
                atom: Atom::Uuid,
                ref_table: None,
                strong: false,
            },
            value: None,
            min: 1,
            max: 1,
            mutable: false,
            ephemeral: false,
        });
    }
    schema.column(table, column).cloned()
}

/// UUIDs for new rows.
pub trait NewUuids {
    /// One that nobody has.
    fn next(&mut self) -> String;
}

/// Random ones (RFC 4122 section 4.4).
pub struct RandomUuids {
    source: BufReader<File>,
}

impl RandomUuids {
    /// From the kernel's random bytes.
    ///
    /// # Errors
    /// `/dev/urandom` cannot be opened.
    pub fn open() -> std::io::Result<Self> {
        let source = BufReader::with_capacity(4096, File::open("/dev/urandom")?);
        Ok(Self { source })
    }
}

impl NewUuids for RandomUuids {
    fn next(&mut self) -> String {
        let mut bytes = [0u8; 16];
        let read = self.source.read_exact(&mut bytes);
        read.expect("random(4): reading urandom never fails once it is open");
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

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

/// The UUID of a row that the server sent.
pub fn uuid_of(row: &Map<String, Value>) -> Option<String> {
    canonical_uuid(row.get("_uuid").and_then(value::as_uuid)?)
}

/// The columns of a row that the server sent, as far as the schema has them. `None` if one does not fit its type.
pub fn columns_of(schema: &Schema, table: &str, row: &Map<String, Value>) -> Option<Columns> {
    let names = BTreeMap::new();
    row.iter()
        .filter(|(name, _)| !name.starts_with('_'))
        .map(|(name, json)| {
            let column = schema.column(table, name)?;
            Some((name.clone(), Datum::read(column, json, &names)?))
        })
        .collect()
}

#[cfg(test)]
#[path = "operation_tests.rs"]
mod tests;
