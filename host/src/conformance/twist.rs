//! Answers of backends that fail, lie or overflow.

use serde_json::{Value, json};

/// How an answer is twisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// The backend refuses, in words of its own.
    Refused,
    /// The object has gone.
    NotFound,
    /// The backend has gone, for this question and all that follow.
    Gone,
    /// There is nothing.
    Empty,
    /// There is far more than anybody would expect.
    Huge,
    /// What should be JSON is none, and what should be a name or an address is none.
    Malformed,
}

/// So many items in place of a few.
const MANY: usize = 3000;
/// Bytes of a text that nobody would expect.
const LONG: usize = 1 << 20;
/// Keys whose texts have a form of their own.
const FORMED: [&str; 9] = [
    "name",
    "link",
    "address",
    "mac",
    "gateway",
    "local",
    "remote",
    "controller",
    "peer",
];

impl Twist {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Refused,
        Self::NotFound,
        Self::Gone,
        Self::Empty,
        Self::Huge,
        Self::Malformed,
    ];

    /// In words, as in `links answers …`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "that the backend refused",
            Self::NotFound => "that there is no such object",
            Self::Gone => "that the backend is gone, as does everything after it",
            Self::Empty => "that there is nothing",
            Self::Huge => "far more than there is",
            Self::Malformed => "what is malformed",
        }
    }

    /// Whether it holds from its first question on.
    pub fn lasts(self) -> bool {
        self == Self::Gone
    }

    fn failure(self) -> Option<Value> {
        let (code, name) = match self {
            Self::Refused => ("Refused", "EPERM"),
            Self::NotFound => ("NotFound", "ENODEV"),
            Self::Gone => ("Unavailable", "ECONNREFUSED"),
            Self::Empty | Self::Huge | Self::Malformed => return None,
        };
        Some(json!({
            "code": code,
            "message": "the conformance kit makes this call fail",
            "backend": {"name": name, "text": "so that it is seen what becomes of it"},
        }))
    }

    /// An answer in place of the backend's, which is then not asked: failures are given so, because what fails must not take effect.
    pub fn instead(self, call: &str, arguments: &Value) -> Option<Value> {
        let failure = self.failure()?;
        Some(match call {
            // A list of answers, one for each item.
            "netlink.execute" | "dbus.call-all" => {
                let count = arguments[0].as_array().map_or(0, Vec::len);
                Value::Array(vec![json!({"Err": failure}); count])
            }
            _ => json!({"Err": failure}),
        })
    }

    /// A lie in place of what a backend answered; nothing where this twist has none for it.
    pub fn of(self, call: &str, answer: &Value) -> Option<Value> {
        if self.failure().is_some() {
            return None;
        }
        if call == "dbus.call-all" {
            let items = answer.as_array()?.iter();
            let lies: Vec<Value> = items
                .map(|item| self.of("dbus.call", item).unwrap_or_else(|| item.clone()))
                .collect();
            return Some(lies.into());
        }
        let told = answer.get("Ok")?;
        let lie = match told {
            Value::Array(items) => self.list(items)?,
            Value::String(_) => self.text(),
            Value::Object(reply) if reply.contains_key("values") => self.reply(),
            _ => return None,
        };
        Some(json!({"Ok": lie}))
    }

    fn list(self, items: &[Value]) -> Option<Value> {
        Some(match self {
            Self::Empty => json!([]),
            Self::Huge if !items.is_empty() => items
                .iter()
                .cycle()
                .take(MANY)
                .cloned()
                .collect::<Vec<_>>()
                .into(),
            Self::Malformed => {
                let mut items = items.to_vec();
                items.iter_mut().for_each(garble);
                items.into()
            }
            _ => return None,
        })
    }

    /// A document that a service or server might send.
    fn text(self) -> Value {
        match self {
            Self::Empty => "".into(),
            Self::Huge => format!("[\"{}\"]", "x".repeat(LONG)).into(),
            _ => "{\"unfinished".into(),
        }
    }

    fn reply(self) -> Value {
        match self {
            Self::Empty => json!({"signature": "", "values": "[]"}),
            Self::Huge => {
                json!({"signature": "s", "values": format!("[\"{}\"]", "x".repeat(LONG))})
            }
            _ => json!({"signature": "a{sv}", "values": "[{\"unfinished"}),
        }
    }
}

fn garble(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) if FORMED.contains(&key.as_str()) => {
                        *text = "\u{1}no such form/\u{fffd}".into();
                    }
                    other => garble(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(garble),
        _ => {}
    }
}
