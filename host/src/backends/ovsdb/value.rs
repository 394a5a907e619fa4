//! The notations of RFC 7047 section 5.1: atoms, uuids, sets and maps, both ways.
//!
//! Integers are 64 bits wide (section 3.1) and keep every digit: they stay `i64` in `serde_json::Number`.

use serde_json::{Value, json};

/// `["uuid", UUID]`: a reference to a row.
pub fn uuid(uuid: &str) -> Value {
    json!(["uuid", uuid])
}

/// `["named-uuid", NAME]`: a reference to a row that an `insert` of the same transaction makes under that `uuid-name`.
pub fn named_uuid(name: &str) -> Value {
    json!(["named-uuid", name])
}

/// `["set", [ATOM…]]`.
pub fn set(atoms: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(vec!["set".into(), atoms.into_iter().collect()])
}

/// `["map", [[KEY, VALUE]…]]`.
pub fn map(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| Value::Array(vec![key, value]));
    Value::Array(vec!["map".into(), pairs.collect()])
}

/// What stands behind `tag` in a notation of two parts.
fn tagged<'a>(value: &'a Value, tag: &str) -> Option<&'a Value> {
    match value.as_array()?.as_slice() {
        [name, content] if name == tag => Some(content),
        _ => None,
    }
}

/// The UUID in `["uuid", UUID]`; `None` for anything else.
pub fn as_uuid(value: &Value) -> Option<&str> {
    tagged(value, "uuid")?.as_str()
}

/// The name in `["named-uuid", NAME]`; `None` for anything else.
pub fn as_named_uuid(value: &Value) -> Option<&str> {
    tagged(value, "named-uuid")?.as_str()
}

/// Whether this is an atom: a string, number, boolean, uuid or named uuid.
pub fn is_atom(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
        Value::Array(_) => as_uuid(value).or_else(|| as_named_uuid(value)).is_some(),
        Value::Null | Value::Object(_) => false,
    }
}

/// The atoms of a set. A lone atom is a set of one: servers write it so. `None` if this is neither.
pub fn elements(value: &Value) -> Option<&[Value]> {
    if is_atom(value) {
        return Some(std::slice::from_ref(value));
    }
    let atoms = tagged(value, "set")?.as_array()?;
    atoms.iter().all(is_atom).then_some(atoms)
}

/// The pairs of a map; `None` if this is none.
pub fn pairs(value: &Value) -> Option<Vec<(&Value, &Value)>> {
    let pair = |pair: &'_ Value| -> bool {
        matches!(pair.as_array().map(Vec::as_slice), Some([key, value]) if is_atom(key) && is_atom(value))
    };
    let content = tagged(value, "map")?.as_array()?;
    content
        .iter()
        .all(pair)
        .then(|| content.iter().map(|pair| (&pair[0], &pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_64_bits_keep_every_digit() {
        for text in [
            "9223372036854775807",
            "-9223372036854775808",
            "9007199254740993",
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(value.to_string(), text);
            assert!(value.is_i64());
        }
    }

    #[test]
    fn notations_survive_there_and_back() {
        let id = "36bef046-7da7-43a5-905a-c17899216fcb";
        assert_eq!(as_uuid(&uuid(id)), Some(id));
        assert_eq!(as_named_uuid(&named_uuid("new")), Some("new"));
        let atoms = [json!(1), uuid(id), named_uuid("new"), json!("set")];
        assert_eq!(elements(&set(atoms.clone())), Some(&atoms[..]));
        let (key, value) = (json!("map"), json!(i64::MIN));
        assert_eq!(
            pairs(&map([(key.clone(), value.clone())])),
            Some(vec![(&key, &value)])
        );
    }

    #[test]
    fn a_lone_atom_is_a_set_of_one_and_a_malformed_notation_is_nothing() {
        assert_eq!(elements(&json!(7)), Some(&[json!(7)][..]));
        assert_eq!(elements(&uuid("x")), Some(&[uuid("x")][..]));
        for wrong in [
            json!(null),
            json!(["set"]),
            json!(["set", 1]),
            json!(["set", [["set", []]]]),
            json!(["uuid", 1]),
            json!({}),
        ] {
            assert_eq!(elements(&wrong), None, "{wrong}");
        }
        for wrong in [
            json!(["map", [["a"]]]),
            json!(["map", ["a"]]),
            json!("a"),
            json!(["map", [["a", []]]]),
        ] {
            assert_eq!(pairs(&wrong), None, "{wrong}");
        }
    }
}
