//! NetworkManager's settings and properties with their D-Bus signatures and defaults (nm-settings-dbus(5) of 1.42).
//!
//! GetSettings leaves out what has its default: a wish for the default is met by an absent property.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::value::Variant;

/// One setting a line: its name, then `property:signature` or `property:signature=default`. Further lines start with a space.
const PROPERTIES: &str = include_str!("properties.txt");

/// A property of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Its D-Bus signature.
    pub signature: &'a str,
    /// Its default, where it is not empty.
    default: Option<&'a str>,
}

/// All that is known, by setting and property.
pub struct Table(HashMap<&'static str, HashMap<&'static str, Property<'static>>>);

impl Table {
    /// Reads it.
    pub fn new() -> Self {
        let mut settings: HashMap<_, HashMap<_, _>> = HashMap::new();
        let mut setting = "";
        for line in PROPERTIES.lines() {
            let mut words = line.split(' ');
            if let Some(name) = words.next().filter(|name| !name.is_empty()) {
                setting = name;
            }
            for word in words {
                let Some((key, rest)) = word.split_once(':') else {
                    continue;
                };
                let (signature, default) = match rest.split_once('=') {
                    Some((signature, default)) => (signature, Some(default)),
                    None => (rest, None),
                };
                let property = Property { signature, default };
                settings.entry(setting).or_default().insert(key, property);
            }
        }
        Self(settings)
    }

    /// What is known of a property.
    pub fn property(&self, setting: &str, key: &str) -> Option<Property<'static>> {
        self.0.get(setting)?.get(key).copied()
    }

    /// Whether the setting is known.
    pub fn knows(&self, setting: &str) -> bool {
        self.0.contains_key(setting)
    }

    /// The known properties of a setting.
    pub fn keys(&self, setting: &str) -> impl Iterator<Item = &'static str> {
        self.0
            .get(setting)
            .into_iter()
            .flat_map(|keys| keys.keys().copied())
    }

    /// Whether the property is a secret: it has flags that say who keeps it (NMSettingSecretFlags).
    pub fn is_secret(&self, setting: &str, key: &str) -> bool {
        setting == "vpn" && key == "secrets"
            || setting == "802-11-wireless-security" && key.starts_with("wep-key") && key.len() == 8
            // A host name for DHCP has flags of another kind.
            || key != "dhcp-hostname" && self.property(setting, &format!("{key}-flags")).is_some()
    }

    /// Whether the setting has secrets.
    pub fn has_secrets(&self, setting: &str) -> bool {
        matches!(setting, "vpn" | "wireguard")
            || self.keys(setting).any(|key| self.is_secret(setting, key))
    }

    /// Whether a value is what an absent property means.
    pub fn is_default(&self, setting: &str, key: &str, value: &Value) -> bool {
        let default = self
            .property(setting, key)
            .and_then(|property| property.default);
        match (default, value) {
            (Some(default), Value::Bool(yes)) => default == if *yes { "true" } else { "false" },
            (Some(default), Value::Number(number)) => {
                number.as_i64().is_some() && number.as_i64() == default.parse().ok()
            }
            (Some(_), _) => false,
            (None, Value::Array(list)) => list.is_empty(),
            (None, Value::Object(map)) => map.is_empty(),
            (None, Value::String(text)) => text.is_empty(),
            _ => false,
        }
    }

    /// The typed value of what the generic map of a state file says of a property.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub fn typed(&self, setting: &str, key: &str, value: &Value) -> Result<Variant, String> {
        if let Value::Object(object) = value
            && object.len() == 2
            && let (Some(Value::String(signature)), Some(data)) =
                (object.get("type"), object.get("data"))
        {
            return Ok(Variant::new(signature, data.clone()));
        }
        let Some(property) = self.property(setting, key) else {
            return Err(format!(
                "op-dbus does not know the type of {setting}.{key}: write it as busctl does, {{\"type\": SIGNATURE, \"data\": VALUE}}"
            ));
        };
        let data = fitted(key, property.signature, value).ok_or_else(|| {
            format!(
                "{setting}.{key} has the D-Bus type {}: {value} is none",
                property.signature
            )
        })?;
        Ok(Variant::new(property.signature, data))
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

/// Plain JSON as a value of a signature; `None` where it cannot be one.
fn fitted(key: &str, signature: &str, value: &Value) -> Option<Value> {
    let whole = |least: i128, most: i128| {
        let number = value
            .as_i64()
            .map(i128::from)
            .or(value.as_u64().map(i128::from))?;
        (least..=most).contains(&number).then(|| value.clone())
    };
    match (signature, value) {
        ("y", _) => whole(0, u8::MAX.into()),
        ("u", _) => whole(0, u32::MAX.into()),
        ("i", _) => whole(i32::MIN.into(), i32::MAX.into()),
        ("t", _) => whole(0, u64::MAX.into()),
        ("x", _) => whole(i64::MIN.into(), i64::MAX.into()),
        ("b", Value::Bool(_)) | ("s", Value::String(_)) => Some(value.clone()),
        ("s", Value::Object(secret)) if crate::value::is_secret(secret) => Some(value.clone()),
        ("ay", Value::String(text)) => Some(bytes(key, text)),
        ("a{ss}", Value::Object(map)) => {
            let texts: Option<Map<String, Value>> = map
                .iter()
                .map(|(key, value)| Some((key.clone(), option(value)?)))
                .collect();
            texts.map(Value::Object)
        }
        ("a{sv}", Value::Object(map)) => {
            let variants: Option<Map<String, Value>> = map
                .iter()
                .map(|(key, value)| Some((key.clone(), variant(value)?)))
                .collect();
            variants.map(Value::Object)
        }
        (_, Value::Array(list)) if signature.starts_with('a') => {
            let items: Option<Vec<Value>> = list
                .iter()
                .map(|item| fitted(key, &signature[1..], item))
                .collect();
            items.map(Value::Array)
        }
        _ => None,
    }
}

/// A text of a dictionary of texts: numbers and truth values are written out, as NetworkManager's own tools do.
pub fn option(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(yes) => Some(if *yes { "1" } else { "0" }.into()),
        Value::Object(secret) if crate::value::is_secret(secret) => Some(value.clone()),
        _ => None,
    }
}

/// A value of a dictionary of variants: typed, or a text.
fn variant(value: &Value) -> Option<Value> {
    match value {
        Value::Object(object) if object.contains_key("type") && object.contains_key("data") => {
            Some(value.clone())
        }
        Value::String(_) => Some(json!({"type": "s", "data": value})),
        Value::Bool(_) => Some(json!({"type": "b", "data": value})),
        _ => None,
    }
}

/// What a text means in a byte array: a hardware address by its digits, a certificate or key by its path, anything else by its letters.
fn bytes(key: &str, text: &str) -> Value {
    let digits: Option<Vec<u8>> = text
        .split(':')
        .map(|byte| {
            u8::from_str_radix(byte, 16)
                .ok()
                .filter(|_| byte.len() == 2)
        })
        .collect();
    match digits {
        Some(digits) if key.ends_with("mac-address") || key.ends_with("bssid") => digits.into(),
        _ if key.ends_with("cert") || key.ends_with("private-key") => path(text),
        _ => text.as_bytes().to_vec().into(),
    }
}

/// A file's path as NetworkManager's certificates are given: a URI with a closing NUL.
pub fn path(text: &str) -> Value {
    let uri = if text.starts_with('/') {
        format!("file://{text}\0")
    } else {
        format!("{text}\0")
    };
    uri.into_bytes().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Table;

    #[test]
    fn known_properties_take_plain_json() {
        let table = Table::new();
        for (setting, key, plain, signature) in [
            ("connection", "autoconnect-priority", json!(-5), "i"),
            ("ipv4", "route-metric", json!(-1), "x"),
            ("802-3-ethernet", "mtu", json!(9000), "u"),
            ("connection", "permissions", json!(["user:joe:"]), "as"),
        ] {
            let typed = table.typed(setting, key, &plain).unwrap();
            assert_eq!((typed.signature.as_str(), typed.data), (signature, plain));
        }
        assert_eq!(
            table
                .typed("802-3-ethernet", "mac-address", &json!("02:00:00:00:00:0a"))
                .unwrap()
                .data,
            json!([2, 0, 0, 0, 0, 10])
        );
        assert_eq!(
            table
                .typed("bond", "options", &json!({"miimon": 100}))
                .unwrap()
                .data,
            json!({"miimon": "100"})
        );
    }

    #[test]
    fn unknown_properties_and_wrong_types_say_the_way_out() {
        let table = Table::new();
        let unknown = table.typed("future", "key", &json!(1)).unwrap_err();
        assert!(unknown.contains("busctl"), "{unknown}");
        let wrong = table
            .typed("802-3-ethernet", "mtu", &json!(-1))
            .unwrap_err();
        assert!(wrong.contains("type u"), "{wrong}");
        let given = json!({"type": "au", "data": [1]});
        assert_eq!(
            table.typed("future", "key", &given).unwrap().signature,
            "au"
        );
    }

    #[test]
    fn an_absent_property_has_its_default() {
        let table = Table::new();
        assert!(table.is_default("connection", "autoconnect", &json!(true)));
        assert!(!table.is_default("connection", "autoconnect", &json!(false)));
        assert!(table.is_default("ipv4", "dns-search", &json!([])));
        assert!(!table.is_default("ipv4", "method", &json!("auto")));
    }

    #[test]
    fn secrets_are_those_with_flags() {
        let table = Table::new();
        assert!(table.is_secret("802-11-wireless-security", "psk"));
        assert!(table.is_secret("vpn", "secrets"));
        assert!(!table.is_secret("802-11-wireless-security", "key-mgmt"));
        assert!(table.has_secrets("gsm") && !table.has_secrets("ipv4"));
    }
}
