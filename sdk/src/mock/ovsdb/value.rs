//! Values of columns (RFC 7047 section 5.1). Scalars, sets and maps are one thing: keys in order, each with a value where it is a map.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::{Error, Result, domain, syntax};
use super::schema::{AtomType, ColumnType, Kind};

/// An atom. Open vSwitch's schema has no reals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    Integer(i64),
    Boolean(bool),
    String(String),
    Uuid(String),
}

impl Atom {
    /// Reads one. `names` are the UUIDs of the rows that the transaction inserts by name.
    pub fn parse(json: &Value, of: &AtomType, names: &BTreeMap<String, String>) -> Result<Self> {
        let wrong = || syntax(format!("{json} is no {:?}", of.kind));
        let atom = match of.kind {
            Kind::Integer => Self::Integer(json.as_i64().ok_or_else(wrong)?),
            Kind::Boolean => Self::Boolean(json.as_bool().ok_or_else(wrong)?),
            Kind::String => Self::String(json.as_str().ok_or_else(wrong)?.to_owned()),
            Kind::Uuid => match (json[0].as_str(), json[1].as_str()) {
                (Some("uuid"), Some(uuid)) => Self::Uuid(uuid.to_owned()),
                (Some("named-uuid"), Some(name)) => {
                    Self::Uuid(names.get(name).ok_or_else(wrong)?.clone())
                }
                _ => return Err(wrong()),
            },
        };
        of.check(&atom)?;
        Ok(atom)
    }

    /// As RFC 7047 writes it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Integer(number) => json!(number),
            Self::Boolean(truth) => json!(truth),
            Self::String(text) => json!(text),
            Self::Uuid(uuid) => json!(["uuid", uuid]),
        }
    }
}

/// The value of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datum(pub BTreeMap<Atom, Option<Atom>>);

impl Datum {
    /// The default of a column: nothing where it may be empty, else zero, false or the empty text (RFC 7047 section 5.2.1).
    pub fn default_of(of: &ColumnType) -> Self {
        let blank = |kind: Kind| match kind {
            Kind::Integer => Atom::Integer(0),
            Kind::Boolean => Atom::Boolean(false),
            Kind::String => Atom::String(String::new()),
            Kind::Uuid => Atom::Uuid("00000000-0000-0000-0000-000000000000".to_owned()),
        };
        if of.min == 0 {
            return Self::default();
        }
        let value = of.value.as_ref().map(|value| blank(value.kind));
        Self(BTreeMap::from([(blank(of.key.kind), value)]))
    }

    /// A set of texts.
    pub fn strings<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self(
            texts
                .into_iter()
                .map(|text| (Atom::String(text.into()), None))
                .collect(),
        )
    }

    /// A single number.
    pub fn integer(number: i64) -> Self {
        Self(BTreeMap::from([(Atom::Integer(number), None)]))
    }

    /// Reads one, and checks how many elements it may have.
    pub fn parse(json: &Value, of: &ColumnType, names: &BTreeMap<String, String>) -> Result<Self> {
        let datum = Self::elements(json, of, names)?;
        of.check_size(datum.0.len())
            .map_err(|error| syntax(error.details))?;
        Ok(datum)
    }

    fn elements(json: &Value, of: &ColumnType, names: &BTreeMap<String, String>) -> Result<Self> {
        let mut elements = BTreeMap::new();
        match (&of.value, json[0].as_str()) {
            (Some(value), Some("map")) => {
                for pair in json[1].as_array().into_iter().flatten() {
                    let key = Atom::parse(&pair[0], &of.key, names)?;
                    let value = Atom::parse(&pair[1], value, names)?;
                    if elements.insert(key, Some(value)).is_some() {
                        return Err(Error::new("ovsdb error", "map contains duplicate key"));
                    }
                }
            }
            (Some(_), _) => return Err(syntax(format!("{json} is no map"))),
            (None, Some("set")) => {
                for element in json[1].as_array().into_iter().flatten() {
                    let atom = Atom::parse(element, &of.key, names)?;
                    if elements.insert(atom, None).is_some() {
                        return Err(Error::new("ovsdb error", "set contains duplicate"));
                    }
                }
            }
            (None, _) => {
                elements.insert(Atom::parse(json, &of.key, names)?, None);
            }
        }
        Ok(Self(elements))
    }

    /// As RFC 7047 writes it: a set of one element as that element.
    pub fn to_json(&self, of: &ColumnType) -> Value {
        if of.value.is_some() {
            let pair = |(key, value): (&Atom, &Option<Atom>)| {
                json!([key.to_json(), value.as_ref().map(Atom::to_json)])
            };
            return json!(["map", self.0.iter().map(pair).collect::<Vec<_>>()]);
        }
        match self.0.keys().collect::<Vec<_>>().as_slice() {
            [only] => only.to_json(),
            keys => json!([
                "set",
                keys.iter().map(|key| key.to_json()).collect::<Vec<_>>()
            ]),
        }
    }

    /// The atoms of both sides, where they are UUIDs.
    pub fn uuids(&self) -> impl Iterator<Item = &str> {
        let values = self.0.values().flatten();
        self.0.keys().chain(values).filter_map(|atom| match atom {
            Atom::Uuid(uuid) => Some(uuid.as_str()),
            _ => None,
        })
    }

    /// The only text.
    pub fn text(&self) -> Option<&str> {
        match self.0.keys().next() {
            Some(Atom::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The only number.
    pub fn number(&self) -> Option<i64> {
        match self.0.keys().next() {
            Some(Atom::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value under a text, in a map.
    pub fn get(&self, key: &str) -> Option<&str> {
        match self.0.get(&Atom::String(key.to_owned())) {
            Some(Some(Atom::String(value))) => Some(value),
            _ => None,
        }
    }
}

impl AtomType {
    fn check(&self, atom: &Atom) -> Result<()> {
        if let Some(choices) = &self.choices
            && !choices.contains(&atom.to_json())
        {
            return Err(Error::new(
                "constraint violation",
                format!("{} is not one of the allowed values", atom.to_json()),
            ));
        }
        if let (Atom::Integer(number), Some((low, high))) = (atom, self.range)
            && !(low..=high).contains(number)
        {
            return Err(Error::new(
                "constraint violation",
                format!("{number} is not in the valid range {low} to {high}"),
            ));
        }
        Ok(())
    }
}

impl ColumnType {
    /// Whether it holds a number, or none.
    pub fn is_number(&self) -> bool {
        self.is_reckoned() && self.max == 1
    }

    /// Whether it holds numbers, and nothing but those.
    pub fn is_reckoned(&self) -> bool {
        self.value.is_none() && self.key.kind == Kind::Integer
    }

    /// Whether so many elements are allowed.
    pub fn check_size(&self, elements: usize) -> Result<()> {
        if (self.min..=self.max).contains(&elements) {
            return Ok(());
        }
        Err(Error::new(
            "constraint violation",
            format!(
                "{elements} elements, where {} to {} are allowed",
                self.min, self.max
            ),
        ))
    }
}

/// The arithmetic mutators (RFC 7047 section 5.1, `<mutation>`).
pub fn arithmetic(number: i64, mutator: &str, by: i64) -> Result<i64> {
    let overflow = || Error::new("range error", "Result of arithmetic is out of range");
    match mutator {
        "+=" => number.checked_add(by).ok_or_else(overflow),
        "-=" => number.checked_sub(by).ok_or_else(overflow),
        "*=" => number.checked_mul(by).ok_or_else(overflow),
        "/=" | "%=" if by == 0 => Err(domain("Division by zero.")),
        "/=" => number.checked_div(by).ok_or_else(overflow),
        "%=" => number.checked_rem(by).ok_or_else(overflow),
        _ => Err(syntax(format!("no mutator {mutator}"))),
    }
}
