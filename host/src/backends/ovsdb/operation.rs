//! Operations of a transaction (RFC 7047 section 5.2), read strictly and written anew.
//!
//! What is sent is written from what was understood: a notation that the server might read differently from us never reaches it.

mod read;
mod uuids;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::datum::{Datum, canonical_uuid};
use super::schema::{Atom, BaseType, Column, Schema};
use super::value;

pub use read::parse;
pub use uuids::{NewUuids, RandomUuids};

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
