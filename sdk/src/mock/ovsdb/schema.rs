//! The database schema (RFC 7047 section 3.2), as far as Open vSwitch's uses it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Open vSwitch's own schema, less the tables that have nothing to do with bridges and ports.
pub const OPEN_VSWITCH: &str = include_str!("vswitch.json");

/// The type of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Boolean,
    String,
    Uuid,
}

/// What an atom may be.
#[derive(Clone, Debug)]
pub struct AtomType {
    pub kind: Kind,
    pub choices: Option<Vec<Value>>,
    pub range: Option<(i64, i64)>,
    /// The table that UUIDs refer to, and whether the reference keeps the row.
    pub refers: Option<(String, bool)>,
}

/// What a column may hold.
#[derive(Clone, Debug)]
pub struct ColumnType {
    pub key: AtomType,
    pub value: Option<AtomType>,
    pub min: usize,
    pub max: usize,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    pub of: ColumnType,
    pub mutable: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    pub columns: BTreeMap<String, Column>,
    pub is_root: bool,
    pub max_rows: Option<usize>,
    pub indexes: Vec<Vec<String>>,
}

/// The tables by name.
pub type Schema = BTreeMap<String, Table>;

/// Reads a schema. It panics where this is none: it is the mock's own.
pub fn parse(schema: &Value) -> Schema {
    let tables = schema["tables"].as_object().expect("it has tables");
    tables
        .iter()
        .map(|(name, json)| (name.clone(), table(json)))
        .collect()
}

fn table(json: &Value) -> Table {
    let columns = json["columns"].as_object().expect("a table has columns");
    let names = |index: &Value| {
        let names = index.as_array().into_iter().flatten();
        names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    Table {
        columns: columns
            .iter()
            .map(|(name, json)| (name.clone(), column(json)))
            .collect(),
        is_root: json["isRoot"] == true,
        max_rows: json["maxRows"].as_u64().map(|rows| rows as usize),
        indexes: json["indexes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(names)
            .collect(),
    }
}

fn column(json: &Value) -> Column {
    let of = &json["type"];
    let of = if of["key"].is_null() {
        ColumnType {
            key: atom(of),
            value: None,
            min: 1,
            max: 1,
        }
    } else {
        let count = |key: &str| match &of[key] {
            Value::Null => 1,
            Value::Number(count) => count.as_u64().unwrap_or(1) as usize,
            _ => usize::MAX,
        };
        ColumnType {
            key: atom(&of["key"]),
            value: (!of["value"].is_null()).then(|| atom(&of["value"])),
            min: count("min"),
            max: count("max"),
        }
    };
    Column {
        of,
        mutable: json["mutable"] != false,
    }
}

fn atom(json: &Value) -> AtomType {
    let word = json.as_str().or(json["type"].as_str()).unwrap_or_default();
    let kind = match word {
        "integer" => Kind::Integer,
        "boolean" => Kind::Boolean,
        "uuid" => Kind::Uuid,
        _ => Kind::String,
    };
    let bound = |key: &str, otherwise| json[key].as_i64().unwrap_or(otherwise);
    let is_bounded = !json["minInteger"].is_null() || !json["maxInteger"].is_null();
    let refers = json["refTable"].as_str();
    AtomType {
        kind,
        choices: json["enum"][1].as_array().cloned(),
        range: is_bounded.then(|| (bound("minInteger", i64::MIN), bound("maxInteger", i64::MAX))),
        refers: refers.map(|table| (table.to_owned(), json["refType"] != "weak")),
    }
}
