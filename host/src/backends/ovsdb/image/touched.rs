//! What was there of what is touched in a column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backends::ovsdb::datum::{Atom, Datum};
use crate::backends::ovsdb::schema::{BaseType, Column};

/// What was there of what is touched in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touched {
    /// The whole value, of a column that holds one thing or nothing.
    Value(Value),
    /// Of a set, elements.
    Elements {
        /// Those that were there.
        present: Vec<Value>,
        /// Those that were not.
        absent: Vec<Value>,
    },
    /// Of a map, keys.
    Keys {
        /// Those that were there, with their values.
        present: Vec<(Value, Value)>,
        /// Those that were not.
        absent: Vec<Value>,
    },
}

impl Touched {
    /// What a change of a column touches; `None` if nothing.
    pub(super) fn between(column: &Column, before: &Datum, after: &Datum) -> Option<Self> {
        if before == after {
            return None;
        }
        Some(match (before, after) {
            (Datum::Set(before), Datum::Set(after)) if column.max > 1 => Self::Elements {
                present: (before - after).iter().map(Atom::to_json).collect(),
                absent: (after - before).iter().map(Atom::to_json).collect(),
            },
            (Datum::Map(before), Datum::Map(after)) => {
                let changed = before
                    .iter()
                    .filter(|(key, value)| after.get(*key) != Some(*value));
                let new = after.keys().filter(|key| !before.contains_key(*key));
                Self::Keys {
                    present: changed
                        .map(|(key, value)| (key.to_json(), value.to_json()))
                        .collect(),
                    absent: new.map(Atom::to_json).collect(),
                }
            }
            _ => Self::Value(before.to_json()),
        })
    }

    /// Adds what a later change touches: what was there first counts.
    pub(super) fn merge(&mut self, later: Self) {
        match (self, later) {
            (
                Self::Elements { present, absent },
                Self::Elements {
                    present: was,
                    absent: was_not,
                },
            ) => {
                let known = |element: &Value, present: &[Value], absent: &[Value]| {
                    present.contains(element) || absent.contains(element)
                };
                for element in was {
                    if !known(&element, present, absent) {
                        present.push(element);
                    }
                }
                for element in was_not {
                    if !known(&element, present, absent) {
                        absent.push(element);
                    }
                }
            }
            (
                Self::Keys { present, absent },
                Self::Keys {
                    present: was,
                    absent: was_not,
                },
            ) => {
                let known = |key: &Value, present: &[(Value, Value)], absent: &[Value]| {
                    present.iter().any(|(known, _)| known == key) || absent.contains(key)
                };
                for (key, value) in was {
                    if !known(&key, present, absent) {
                        present.push((key, value));
                    }
                }
                for key in was_not {
                    if !known(&key, present, absent) {
                        absent.push(key);
                    }
                }
            }
            _ => {}
        }
    }

    /// What the column should hold, given what it holds. `None` if the image does not fit the column of this server.
    pub fn restored(&self, column: &Column, now: &Datum) -> Option<Datum> {
        let names = BTreeMap::new();
        let atom = |base: &BaseType, json: &Value| Atom::read(base.atom, json, &names);
        match (self, now) {
            (Self::Value(value), _) => Datum::read(column, value, &names),
            (Self::Elements { present, absent }, Datum::Set(now)) => {
                let mut set = now.clone();
                for json in present {
                    set.insert(atom(&column.key, json)?);
                }
                for json in absent {
                    set.remove(&atom(&column.key, json)?);
                }
                Some(Datum::Set(set))
            }
            (Self::Keys { present, absent }, Datum::Map(now)) => {
                let mut map = now.clone();
                for (key, value) in present {
                    map.insert(
                        atom(&column.key, key)?,
                        atom(column.value.as_ref()?, value)?,
                    );
                }
                for key in absent {
                    map.remove(&atom(&column.key, key)?);
                }
                Some(Datum::Map(map))
            }
            _ => None,
        }
    }
}
