//! Database schemas (RFC 7047 section 3.2), as far as a client needs them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::json;

/// The schema of a database. A server older or newer than expected lacks or adds columns: look before using one.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The database's name.
    pub name: String,
    /// The schema's version, as `1.2.3`.
    pub version: String,
    /// The tables by name.
    pub tables: BTreeMap<String, Table>,
    /// The schema as the server sent it.
    pub text: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns by name, without `_uuid` and `_version`, which every table has.
    pub columns: BTreeMap<String, Column>,
    /// Whether its rows live without being referred to.
    pub is_root: bool,
    /// At most so many rows; `None` is any number.
    pub max_rows: Option<u64>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// What the column, a set, or the keys of a map are made of.
    pub key: BaseType,
    /// What the values of a map are made of; `None` if the column is no map.
    pub value: Option<BaseType>,
    /// At least so many elements: 0 or 1.
    pub min: u64,
    /// At most so many elements; `u64::MAX` is `"unlimited"`.
    pub max: u64,
    /// Whether it may be changed after the row's insertion.
    pub mutable: bool,
    /// Whether it is forgotten when the server restarts.
    pub ephemeral: bool,
}

/// A `<base-type>`: an atom's type and whom it may refer to.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseType {
    /// Of which kind.
    pub atom: Atom,
    /// For uuids, the table that they refer to.
    pub ref_table: Option<String>,
    /// Whether the reference keeps the row alive.
    pub strong: bool,
}

/// An `<atomic-type>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atom {
    /// A 64-bit integer.
    Integer,
    /// An IEEE 754 double.
    Real,
    /// A truth value.
    Boolean,
    /// Text.
    String,
    /// A row's UUID.
    Uuid,
}

impl Schema {
    /// Reads a `<database-schema>`.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schema = json::parse(text).map_err(|error| error.to_string())?;
        let tables = object(&schema, "tables")?
            .iter()
            .map(|(name, table)| {
                let table = Table::read(table).map_err(|error| format!("table {name}: {error}"))?;
                Ok((name.clone(), table))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            name: string(&schema, "name")?,
            version: string(&schema, "version")?,
            tables,
            text: text.to_owned(),
        })
    }

    /// A column of a table, if the server has it.
    pub fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.tables.get(table)?.columns.get(column)
    }
}

impl Table {
    fn read(table: &Value) -> Result<Self, String> {
        let columns = object(table, "columns")?
            .iter()
            .map(|(name, column)| {
                let column =
                    Column::read(column).map_err(|error| format!("column {name}: {error}"))?;
                Ok((name.clone(), column))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            columns,
            is_root: flag(table, "isRoot").unwrap_or(false),
            max_rows: table.get("maxRows").and_then(Value::as_u64),
        })
    }
}

impl Column {
    fn read(column: &Value) -> Result<Self, String> {
        let kind = column.get("type").ok_or("the type is missing")?;
        let count = |key: &str| match kind.get(key) {
            None => Ok(1),
            Some(Value::String(word)) if word == "unlimited" => Ok(u64::MAX),
            Some(number) => number
                .as_u64()
                .ok_or_else(|| format!("{key} is no number of elements")),
        };
        let key = match kind {
            Value::String(_) => kind,
            _ => kind.get("key").ok_or("the key type is missing")?,
        };
        Ok(Self {
            key: BaseType::read(key)?,
            value: kind.get("value").map(BaseType::read).transpose()?,
            min: count("min")?,
            max: count("max")?,
            mutable: flag(column, "mutable").unwrap_or(true),
            ephemeral: flag(column, "ephemeral").unwrap_or(false),
        })
    }

    /// What the column has in a row that says nothing about it (RFC 7047 section 5.2.1).
    pub fn default_value(&self) -> Value {
        match (&self.value, self.min) {
            (Some(value), 1..) => {
                json!(["map", [[self.key.default_value(), value.default_value()]]])
            }
            (Some(_), 0) => json!(["map", []]),
            (None, 1..) => self.key.default_value(),
            (None, 0) => json!(["set", []]),
        }
    }
}

impl BaseType {
    fn read(kind: &Value) -> Result<Self, String> {
        let name = match kind {
            Value::String(name) => name.as_str(),
            _ => kind.get("type").and_then(Value::as_str).unwrap_or_default(),
        };
        let atom = match name {
            "integer" => Atom::Integer,
            "real" => Atom::Real,
            "boolean" => Atom::Boolean,
            "string" => Atom::String,
            "uuid" => Atom::Uuid,
            _ => return Err(format!("{kind} is no type")),
        };
        let text = |key: &str| kind.get(key).and_then(Value::as_str);
        Ok(Self {
            atom,
            ref_table: text("refTable").map(str::to_owned),
            strong: text("refType").is_none_or(|kind| kind == "strong"),
        })
    }

    fn default_value(&self) -> Value {
        match self.atom {
            Atom::Integer => json!(0),
            Atom::Real => json!(0.0),
            Atom::Boolean => json!(false),
            Atom::String => json!(""),
            Atom::Uuid => json!(["uuid", "00000000-0000-0000-0000-000000000000"]),
        }
    }
}

fn object<'a>(value: &'a Value, key: &str) -> Result<&'a Map<String, Value>, String> {
    value
        .get(key)
        .and_then(Value::as_object)
        .ok_or_else(|| format!("{key} is missing"))
}

fn string(value: &Value, key: &str) -> Result<String, String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("{key} is missing"))
}

fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key)?.as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_of_every_form() {
        let text = json!({"name": "db", "version": "1.0.0", "tables": {"T": {"isRoot": true, "maxRows": 1, "columns": {
            "plain": {"type": "integer", "ephemeral": true},
            "optional": {"type": {"key": {"type": "uuid", "refTable": "T", "refType": "weak"}, "min": 0}},
            "map": {"type": {"key": "string", "value": "real", "min": 0, "max": "unlimited"}, "mutable": false},
        }}}});
        let schema = Schema::parse(&text.to_string()).unwrap();
        let table = &schema.tables["T"];
        assert!(table.is_root && table.max_rows == Some(1));
        let plain = schema.column("T", "plain").unwrap();
        assert!(plain.ephemeral && (plain.min, plain.max) == (1, 1));
        assert_eq!(plain.default_value(), json!(0));
        let optional = schema.column("T", "optional").unwrap();
        assert_eq!(optional.key.ref_table.as_deref(), Some("T"));
        assert!(!optional.key.strong);
        assert_eq!(optional.default_value(), json!(["set", []]));
        let map = schema.column("T", "map").unwrap();
        assert!(!map.mutable && map.max == u64::MAX);
        assert_eq!(map.default_value(), json!(["map", []]));
        assert_eq!(schema.column("T", "other"), None);
    }

    #[test]
    fn a_malformed_schema_is_refused_with_its_place() {
        let text = json!({"name": "db", "version": "1.0.0", "tables": {"T": {"columns": {"c": {"type": "float"}}}}});
        let error = Schema::parse(&text.to_string()).unwrap_err();
        assert_eq!(error, "table T: column c: \"float\" is no type");
        assert!(Schema::parse("[]").is_err());
    }
}
