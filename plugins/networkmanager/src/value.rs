//! A profile as NetworkManager has it: settings, their properties, and typed values in busctl's form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A D-Bus variant in the form that `busctl --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its D-Bus signature.
    #[serde(rename = "type")]
    pub signature: String,
    /// Its value.
    pub data: Value,
}

/// The properties of one setting, e.g. of `connection`.
pub type Setting = BTreeMap<String, Variant>;

/// A profile: its settings by name (nm-settings-dbus(5)).
pub type Profile = BTreeMap<String, Setting>;

impl Variant {
    /// A value of this signature.
    pub fn new(signature: &str, data: impl Into<Value>) -> Self {
        Self {
            signature: signature.to_owned(),
            data: data.into(),
        }
    }

    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("s", text.into())
    }

    /// A list of strings.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<Value> = texts
            .into_iter()
            .map(|text| Value::String(text.into()))
            .collect();
        Self::new("as", texts)
    }

    /// The bytes of a text.
    pub fn bytes(text: &[u8]) -> Self {
        Self::new("ay", text.to_vec())
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        self.data.as_str()
    }

    /// The text of a byte array, where it is UTF-8.
    pub fn as_bytes_text(&self) -> Option<String> {
        let bytes: Option<Vec<u8>> = self
            .data
            .as_array()?
            .iter()
            .map(|byte| byte.as_u64().and_then(|byte| byte.try_into().ok()))
            .collect();
        String::from_utf8(bytes?).ok()
    }
}

/// A property of a profile.
pub fn property<'a>(profile: &'a Profile, setting: &str, key: &str) -> Option<&'a Variant> {
    profile.get(setting)?.get(key)
}

/// The text of a property of a profile.
pub fn text<'a>(profile: &'a Profile, setting: &str, key: &str) -> Option<&'a str> {
    property(profile, setting, key)?.as_text()
}

/// Whether what is satisfies the wish. Secrets count by fingerprint; one without cannot be compared and counts as another. Dictionaries
/// inside lists count by what the wish names, so that a peer keeps what only NetworkManager writes.
pub fn same(want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            if is_secret(want) {
                let print = want.get("fingerprint");
                return print.is_some() && print == have.get("fingerprint");
            }
            want.len() == have.len()
                && want
                    .iter()
                    .all(|(key, want)| have.get(key).is_some_and(|have| same(want, have)))
        }
        (Value::Array(want), Value::Array(have)) => {
            want.len() == have.len() && want.iter().zip(have).all(|(want, have)| same(want, have))
        }
        _ => want == have,
    }
}

/// Whether an object stands for a secret.
pub fn is_secret(object: &serde_json::Map<String, Value>) -> bool {
    object.len() <= 2
        && !object.is_empty()
        && object
            .keys()
            .all(|key| key == "secret" || key == "fingerprint")
}

/// Whether a secret stands in a value.
pub fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(object) => is_secret(object) || object.values().any(holds_secret),
        Value::Array(list) => list.iter().any(holds_secret),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::same;

    #[test]
    fn secrets_are_the_same_when_their_fingerprints_are() {
        let want = json!({"secret": "psk", "fingerprint": "ab"});
        assert!(same(&want, &json!({"fingerprint": "ab"})));
        assert!(!same(&want, &json!({"fingerprint": "cd"})));
        assert!(!same(&json!({"secret": "psk"}), &json!({"secret": "psk"})));
    }
}
