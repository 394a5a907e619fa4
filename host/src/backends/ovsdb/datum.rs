//! Values of columns in one canonical form, so that they can be compared, searched and changed here as the server does it.
//!
//! RFC 7047 section 5.1 lets the same value be written in several ways (a lone atom or a set of one, elements in any order, a UUID in
//! capitals, an integer where a real is meant). Two [`Datum`]s are equal exactly if the server takes the values for equal.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};

use super::schema::{self, Column};
use super::value;

/// An `<atom>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A truth value.
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A double.
    Real(Real),
    /// Text.
    String(String),
    /// The UUID of a row, in lower case.
    Uuid(String),
}

/// A double with a total order.
#[derive(Debug, Clone, Copy)]
pub struct Real(pub f64);

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

impl std::hash::Hash for Real {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// A set; of a column that holds just one atom, a set of one.
    Set(BTreeSet<Atom>),
    /// A map.
    Map(BTreeMap<Atom, Atom>),
}

impl Atom {
    /// Reads an atom of a type. `names` tells the UUID of a row that an `insert` makes under a `uuid-name`.
    pub fn read(
        kind: schema::Atom,
        json: &Value,
        names: &BTreeMap<String, String>,
    ) -> Option<Self> {
        Some(match (kind, json) {
            (schema::Atom::Boolean, Value::Bool(truth)) => Self::Boolean(*truth),
            (schema::Atom::Integer, Value::Number(number)) => Self::Integer(number.as_i64()?),
            (schema::Atom::Real, Value::Number(number)) => {
                // The server knows no negative zero apart from zero.
                Self::Real(Real(number.as_f64()? + 0.0))
            }
            // The server refuses a NUL; a reader in C would take what is before it for the whole.
            (schema::Atom::String, Value::String(text)) if !text.contains('\0') => {
                Self::String(text.clone())
            }
            (schema::Atom::Uuid, Value::Array(_)) => match value::as_uuid(json) {
                Some(uuid) => Self::Uuid(canonical_uuid(uuid)?),
                None => Self::Uuid(names.get(value::as_named_uuid(json)?)?.clone()),
            },
            _ => return None,
        })
    }

    /// The atom as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Boolean(truth) => (*truth).into(),
            Self::Integer(number) => (*number).into(),
            Self::Real(Real(number)) => {
                Number::from_f64(*number).map_or(Value::Null, Value::Number)
            }
            Self::String(text) => text.as_str().into(),
            Self::Uuid(uuid) => value::uuid(uuid),
        }
    }
}

impl Datum {
    /// Reads the value of a column. `None` if it does not fit the column's type.
    pub fn read(column: &Column, json: &Value, names: &BTreeMap<String, String>) -> Option<Self> {
        let Some(value_type) = &column.value else {
            return Self::read_set(column, json, names);
        };
        let pairs = value::pairs(json)?;
        let count = pairs.len();
        let pairs: Option<BTreeMap<_, _>> = pairs
            .into_iter()
            .map(|(key, value)| {
                Some((
                    Atom::read(column.key.atom, key, names)?,
                    Atom::read(value_type.atom, value, names)?,
                ))
            })
            .collect();
        // A key that is there twice is an error for the server.
        pairs.filter(|pairs| pairs.len() == count).map(Self::Map)
    }

    /// Reads a set of what a column's elements, or a map's keys, are made of.
    pub fn read_set(
        column: &Column,
        json: &Value,
        names: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let atoms = value::elements(json)?.iter();
        atoms
            .map(|atom| Atom::read(column.key.atom, atom, names))
            .collect::<Option<_>>()
            .map(Self::Set)
    }

    /// What the column has in a row that says nothing about it.
    pub fn default_of(column: &Column) -> Self {
        Self::read(column, &column.default_value(), &BTreeMap::new())
            .unwrap_or_else(|| Self::Set(BTreeSet::new()))
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Set(atoms) => match atoms.first() {
                Some(only) if atoms.len() == 1 => only.to_json(),
                _ => value::set(atoms.iter().map(Atom::to_json)),
            },
            Self::Map(pairs) => value::map(
                pairs
                    .iter()
                    .map(|(key, value)| (key.to_json(), value.to_json())),
            ),
        }
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Set(atoms) => atoms.is_empty(),
            Self::Map(pairs) => pairs.is_empty(),
        }
    }

    /// The text, of a column that holds one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Set(atoms) => match atoms.first() {
                Some(Atom::String(text)) if atoms.len() == 1 => Some(text),
                _ => None,
            },
            Self::Map(_) => None,
        }
    }

    /// The rows that it refers to, by UUID.
    pub fn uuids(&self) -> impl Iterator<Item = &str> {
        let (atoms, pairs) = match self {
            Self::Set(atoms) => (Some(atoms), None),
            Self::Map(pairs) => (None, Some(pairs)),
        };
        let pairs = pairs.into_iter().flatten();
        let both = pairs.flat_map(|(key, value)| [key, value]);
        atoms
            .into_iter()
            .flatten()
            .chain(both)
            .filter_map(|atom| match atom {
                Atom::Uuid(uuid) => Some(uuid.as_str()),
                _ => None,
            })
    }
}

/// A UUID as the server prints it; `None` if the text is none (RFC 4122 section 3).
pub fn canonical_uuid(text: &str) -> Option<String> {
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn column(kind: Value) -> Column {
        let schema = json!({"name": "d", "version": "1.0.0", "tables": {"T": {"columns": {"c": {"type": kind}}}}});
        let schema = schema::Schema::parse(&schema.to_string()).unwrap();
        schema.column("T", "c").unwrap().clone()
    }

    fn read(column: &Column, json: Value) -> Option<Datum> {
        let names = BTreeMap::from([(
            "new".to_owned(),
            "36bef046-7da7-43a5-905a-c17899216fcb".to_owned(),
        )]);
        Datum::read(column, &json, &names)
    }

    #[test]
    fn one_value_in_two_notations_is_one_datum() {
        let strings = column(json!({"key": "string", "min": 0, "max": "unlimited"}));
        assert_eq!(
            read(&strings, json!("a")),
            read(&strings, json!(["set", ["a"]]))
        );
        assert_eq!(
            read(&strings, json!(["set", ["a", "b"]])),
            read(&strings, json!(["set", ["b", "a", "b"]]))
        );
        assert_ne!(read(&strings, json!("a")), read(&strings, json!("A")));
        let uuids = column(json!("uuid"));
        let lower = json!(["uuid", "36bef046-7da7-43a5-905a-c17899216fcb"]);
        let upper = json!(["uuid", "36BEF046-7DA7-43A5-905A-C17899216FCB"]);
        assert_eq!(read(&uuids, lower.clone()), read(&uuids, upper));
        assert_eq!(
            read(&uuids, lower.clone()),
            read(&uuids, json!(["named-uuid", "new"]))
        );
        let reals = column(json!("real"));
        assert_eq!(read(&reals, json!(1)), read(&reals, json!(1.0)));
        let map = column(json!({"key": "string", "value": "uuid", "min": 0, "max": "unlimited"}));
        let datum = read(&map, json!(["map", [["k", lower]]])).unwrap();
        assert_eq!(datum.uuids().count(), 1);
        assert_eq!(read(&map, datum.to_json()), Some(datum));
    }

    #[test]
    fn what_does_not_fit_the_type_is_nothing() {
        let integers = column(json!("integer"));
        for wrong in [
            json!("1"),
            json!(1.5),
            json!(true),
            json!(["set", ["a"]]),
            json!(null),
        ] {
            assert_eq!(read(&integers, wrong.clone()), None, "{wrong}");
        }
        let uuids = column(json!("uuid"));
        for wrong in [
            "",
            "36bef046-7da7-43a5-905a-c17899216fc",
            "36bef046x7da7-43a5-905a-c17899216fcb",
        ] {
            assert_eq!(read(&uuids, json!(["uuid", wrong])), None, "{wrong}");
        }
        assert_eq!(read(&uuids, json!(["named-uuid", "other"])), None);
        let map = column(json!({"key": "string", "value": "string", "min": 0, "max": "unlimited"}));
        assert_eq!(read(&map, json!(["map", [["k", "a"], ["k", "b"]]])), None);
    }
}
