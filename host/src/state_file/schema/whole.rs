//! The schema of a whole state file, for editors: the plugins' schemas in their places.

use serde_json::{Map, Value, json};

/// The schema of state files with these sections, and with `probes`.
///
/// A plugin's schema refers to its own parts from its root (`#/$defs/…`); here that root is a place within. The references are rewritten to
/// lead there, rather than the place given an `$id`, which not every editor follows.
pub fn whole(sections: Vec<(String, Value)>, probes: Value) -> Value {
    let mut plugins = Map::new();
    for (plugin, mut schema) in sections {
        // With an `$id` of its own a schema is a root wherever it stands.
        if schema.get("$id").is_none() {
            let place = escaped(&plugin);
            lead(
                &mut schema,
                &format!("#/properties/plugins/properties/{place}"),
            );
        }
        if let Value::Object(schema) = &mut schema {
            // Only at the root may it say by which rules it is written (JSON Schema 2020-12, core, 8.1.1).
            schema.remove("$schema");
        }
        plugins.insert(plugin, schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "op-dbus state file",
        "type": "object",
        "required": ["version", "plugins"],
        "additionalProperties": false,
        "properties": {
            "version": {"const": 1, "description": "Version of this form."},
            "plugins": {"type": "object", "additionalProperties": false, "properties": plugins},
            "probes": probes,
        },
    })
}

/// A key in a JSON Pointer (RFC 6901) in a URI fragment (RFC 3986): escaped for the one, then for the other.
fn escaped(key: &str) -> String {
    let pointer = key.replace('~', "~0").replace('/', "~1");
    pointer
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Lets references from the root lead to `place`.
fn lead(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(keys) => {
            for (key, value) in keys {
                match (key.as_str(), value) {
                    ("$ref", Value::String(to)) => {
                        if let Some(within) = to.strip_prefix('#')
                            && (within.is_empty() || within.starts_with('/'))
                        {
                            *to = format!("{place}{within}");
                        }
                    }
                    // Values, not schemas.
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (_, value) => lead(value, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead(item, place)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_their_own_section_and_values_stay() {
        let schema = || {
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "properties": {
                    "one": {"$ref": "#/$defs/small"},
                    "inner": {"anyOf": [{"$ref": "#"}, {"const": {"$ref": "#/$defs/small"}}]},
                    "elsewhere": {"$ref": "https://example.org/schema"},
                },
                "$defs": {"small": {"maximum": 9}},
            })
        };
        let sections = vec![
            ("a/b".to_owned(), schema()),
            (
                "c".to_owned(),
                json!({"$defs": {"small": {"maximum": 1}}, "properties": {"one": {"$ref": "#/$defs/small"}}}),
            ),
        ];
        let mut whole = whole(sections, json!({}));
        let section = &whole["properties"]["plugins"]["properties"]["a/b"]["properties"];
        assert_eq!(section["elsewhere"]["$ref"], "https://example.org/schema");
        assert_eq!(
            section["inner"]["anyOf"][1]["const"]["$ref"],
            "#/$defs/small"
        );
        // Nobody fetches anything here.
        whole["properties"]["plugins"]["properties"]["a/b"]["properties"]["elsewhere"] = json!({});
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let file = |first: Value, second: Value| json!({"version": 1, "plugins": {"a/b": first, "c": second}});
        assert!(validator.is_valid(&file(
            json!({"one": 9, "inner": {"one": 9}}),
            json!({"one": 1})
        )));
        for (first, second) in [
            (json!({"one": 10}), json!({})),
            (json!({"inner": {"one": 10}}), json!({})),
            (json!({}), json!({"one": 2})),
        ] {
            assert!(!validator.is_valid(&file(first, second)));
        }
    }
}
