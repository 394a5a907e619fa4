//! Rows and values as the database writes them (RFC 7047 section 5.1).

use serde_json::{Map, Value, json};

use crate::section::TextMap;

/// A row that was read.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its `_uuid`.
    pub uuid: String,
    columns: Map<String, Value>,
}

impl Row {
    /// From an answer; `None` for what has no UUID.
    pub fn of(json: Value) -> Option<Self> {
        let Value::Object(columns) = json else {
            return None;
        };
        let uuid = columns.get("_uuid")?.get(1)?.as_str()?.to_owned();
        Some(Self { uuid, columns })
    }

    /// A column as it came; `null` where the database has no such column.
    pub fn get(&self, column: &str) -> &Value {
        self.columns.get(column).unwrap_or(&Value::Null)
    }

    /// Whether the database has the column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// The elements of a set; a single value is a set of one.
    pub fn set(&self, column: &str) -> Vec<&Value> {
        elements(self.get(column))
    }

    /// The UUIDs of a set.
    pub fn uuids(&self, column: &str) -> Vec<&str> {
        let elements = self.set(column).into_iter();
        elements.filter_map(|it| it.get(1)?.as_str()).collect()
    }

    /// The texts of a set.
    pub fn texts(&self, column: &str) -> Vec<String> {
        let elements = self.set(column).into_iter();
        elements
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect()
    }

    /// The only text, where there is one that is not empty.
    pub fn text(&self, column: &str) -> Option<String> {
        let text = self.set(column).first()?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The only number.
    pub fn number(&self, column: &str) -> Option<i64> {
        self.set(column).first()?.as_i64()
    }

    /// The numbers of a set.
    pub fn numbers(&self, column: &str) -> Vec<i64> {
        let elements = self.set(column).into_iter();
        elements.filter_map(Value::as_i64).collect()
    }

    /// The only truth.
    pub fn truth(&self, column: &str) -> Option<bool> {
        self.set(column).first()?.as_bool()
    }

    /// A map of texts.
    pub fn map(&self, column: &str) -> TextMap {
        let pairs = self.get(column).get(1).and_then(Value::as_array);
        let pair = |pair: &Value| {
            Some((
                pair.get(0)?.as_str()?.to_owned(),
                Some(pair.get(1)?.as_str()?.to_owned()),
            ))
        };
        pairs.into_iter().flatten().filter_map(pair).collect()
    }
}

fn elements(value: &Value) -> Vec<&Value> {
    match (value, value.get(0).and_then(Value::as_str)) {
        (Value::Null, _) => Vec::new(),
        (Value::Array(_), Some("set")) => value[1].as_array().into_iter().flatten().collect(),
        _ => vec![value],
    }
}

/// A set.
pub fn set(elements: Vec<Value>) -> Value {
    json!(["set", elements])
}

/// A set of one or none.
pub fn optional<T: Into<Value>>(value: Option<T>) -> Value {
    match value {
        Some(value) => value.into(),
        None => set(Vec::new()),
    }
}

/// A reference.
pub fn uuid(uuid: &str) -> Value {
    json!(["uuid", uuid])
}

/// A map of texts, without the keys that are to go.
pub fn map(of: &TextMap) -> Value {
    let pairs = of
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_ref()?)));
    json!([
        "map",
        pairs
            .map(|(key, value)| json!([key, value]))
            .collect::<Vec<_>>()
    ])
}
