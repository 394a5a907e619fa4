//! Grants in the words of the configuration.

use serde_json::{Map, Value};

use crate::gate::grant::Grant;

/// A grant as the operator would write it for the plugin `name`: tables to paste into the configuration. What a grant says by being absent
/// (nothing) is left out.
pub fn grant_of(name: &str, grant: &Grant) -> String {
    let json = serde_json::to_value(grant).expect("a grant is made of texts, lists and tables");
    let path = format!("plugins.{}.grant", key(name));
    let parts = json.as_object().into_iter().flatten();
    let parts: Vec<_> = parts.filter(|(_, part)| !part.is_null()).collect();
    let mut blocks = Vec::new();
    let own = parts.iter().filter(|(_, part)| !part.is_object());
    let own: String = own.filter_map(|(key, part)| line(key, part)).collect();
    if !own.is_empty() || parts.is_empty() {
        blocks.push(format!("[{path}]\n{own}"));
    }
    for (key, part) in parts {
        if let Value::Object(entries) = part {
            capability(&format!("{path}.{key}"), entries, &mut blocks);
        }
    }
    blocks.join("\n")
}

fn capability(path: &str, entries: &Map<String, Value>, blocks: &mut Vec<String>) {
    let mut own = format!("[{path}]\n");
    let mut rules = Vec::new();
    for (key, entry) in entries {
        let tables = entry.as_array().into_iter().flatten();
        let tables: Vec<_> = tables.filter_map(Value::as_object).collect();
        if tables.is_empty() {
            own.extend(line(key, entry));
        }
        for table in tables {
            let lines: String = table
                .iter()
                .filter_map(|(key, entry)| line(key, entry))
                .collect();
            rules.push(format!("[[{path}.{key}]]\n{lines}"));
        }
    }
    blocks.push(own);
    blocks.extend(rules);
}

/// `key = value`, if it says something and fits one line: an object has a table of its own, unless it is a map of lists.
fn line(name: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::Object(entries) if !entries.values().all(Value::is_array) => return None,
        Value::Object(entries) if entries.is_empty() => return None,
        other => plain(other)?,
    };
    Some(format!("{} = {text}\n", key(name)))
}

/// A value that says something.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some("true".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(quoted(text)),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(plain).collect();
            Some(format!("[{}]", items.join(", ")))
        }
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .filter_map(|(name, value)| Some(format!("{} = {}", key(name), plain(value)?)))
                .collect();
            Some(format!("{{ {} }}", entries.join(", ")))
        }
    }
}

/// A key, in quotes where it needs them (TOML 1.0, "Keys").
fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A basic string (TOML 1.0, "String"): what JSON escapes, and DEL.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_that_was_written_is_read_as_what_it_was() {
        let asks = [
            include_str!("../../../plugins/net/asks.json"),
            include_str!("../../../plugins/networkmanager/asks.json"),
            "{}",
            r#"{"secrets": ["a\"\\\u0000\u007f\n", "é"]}"#,
            r#"{"netlink": {}, "dbus": {"buses": ["system"]}}"#,
        ];
        for asks in asks {
            let grant: Grant = serde_json::from_str(asks).unwrap();
            let text = grant_of("edge", &grant);
            let read: toml::Table = text
                .parse()
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            let read = read["plugins"]["edge"]["grant"].clone();
            assert_eq!(read.try_into::<Grant>().unwrap(), grant, "{text}");
        }
    }
}
