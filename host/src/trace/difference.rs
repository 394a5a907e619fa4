//! Where two JSON values first differ.

use std::fmt;

use serde_json::Value;

/// The first thing that a plugin did otherwise than the trace says.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The number of the line in the trace; absent for what comes after its end.
    pub number: Option<u64>,
    /// In which call, and what of it, e.g. `query asks netlink.links`.
    pub what: String,
    /// Where in it, as a JSON Pointer; empty for the whole.
    pub path: String,
    /// What the trace has; absent where it has nothing.
    pub expected: Option<Value>,
    /// What the plugin did; absent where it did nothing.
    pub got: Option<Value>,
}

/// The longest value that is shown whole, in bytes.
const SHOWN: usize = 2000;

fn shown(value: &Option<Value>) -> String {
    let Some(value) = value else {
        return "nothing".into();
    };
    let text = value.to_string();
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { "…" } else { "" };
    crate::output::escape::escape(&text[..end]).into_owned() + cut
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "call {number}: {}", self.what)?,
            None => write!(f, "after the end of the trace: {}", self.what)?,
        }
        if !self.path.is_empty() {
            write!(f, ", at {}", self.path)?;
        }
        write!(
            f,
            "\n  expected: {}\n  got:      {}",
            shown(&self.expected),
            shown(&self.got)
        )
    }
}

/// A place at which two values differ, and what each has there.
pub type Place = (String, Option<Value>, Option<Value>);

/// The first place at which `got` is not as `expected`; a text that is JSON is looked into.
pub fn first(expected: &Value, got: &Value) -> Option<Place> {
    let mut path = String::new();
    find(expected, got, &mut path).map(|(expected, got)| (path, expected, got))
}

fn find(
    expected: &Value,
    got: &Value,
    path: &mut String,
) -> Option<(Option<Value>, Option<Value>)> {
    if expected == got {
        return None;
    }
    let length = path.len();
    match (expected, got) {
        (Value::Object(these), Value::Object(those)) => {
            let keys = these.keys().chain(those.keys());
            for key in keys {
                path.truncate(length);
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                match (these.get(key), those.get(key)) {
                    (Some(this), Some(that)) => {
                        if let Some(found) = find(this, that, path) {
                            return Some(found);
                        }
                    }
                    (this, that) => return Some((this.cloned(), that.cloned())),
                }
            }
        }
        (Value::Array(these), Value::Array(those)) => {
            for number in 0..these.len().max(those.len()) {
                path.truncate(length);
                path.push_str(&format!("/{number}"));
                match (these.get(number), those.get(number)) {
                    (Some(this), Some(that)) => {
                        if let Some(found) = find(this, that, path) {
                            return Some(found);
                        }
                    }
                    (this, that) => return Some((this.cloned(), that.cloned())),
                }
            }
        }
        (Value::String(this), Value::String(that)) => {
            let parsed = |text: &str| {
                let value: Value = serde_json::from_str(text).ok()?;
                (value.is_object() || value.is_array()).then_some(value)
            };
            if let (Some(this), Some(that)) = (parsed(this), parsed(that))
                && this != that
            {
                return find(&this, &that, path);
            }
        }
        _ => {}
    }
    path.truncate(length);
    Some((Some(expected.clone()), Some(got.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_found_inside_texts_too() {
        for (expected, got, place) in [
            (json!([1, 2]), json!([1, 2]), None),
            (
                json!([1, {"a/b": 2}]),
                json!([1, {"a/b": 3}]),
                Some(("/1/a~1b".to_owned(), Some(json!(2)), Some(json!(3)))),
            ),
            (
                json!([1]),
                json!([1, 2]),
                Some(("/1".to_owned(), None, Some(json!(2)))),
            ),
            (
                json!({"Ok": "{\"mtu\":1500}"}),
                json!({"Ok": "{\"mtu\":1400}"}),
                Some(("/Ok/mtu".to_owned(), Some(json!(1500)), Some(json!(1400)))),
            ),
            (
                json!("{\"a\":1}"),
                json!("{ \"a\": 1}"),
                Some((
                    String::new(),
                    Some(json!("{\"a\":1}")),
                    Some(json!("{ \"a\": 1}")),
                )),
            ),
        ] {
            assert_eq!(first(&expected, &got), place);
        }
    }
}
