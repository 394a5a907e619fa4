//! The section's JSON Schema, from its types. The component does not make it: it carries the finished file.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Section;

/// Keys whose `null` means something: detach, and no gateway.
const NULLABLE: &[&str] = &["controller", "gateway"];

/// The schema (draft 2020-12), closed to unknown keys.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Section>().to_value();
    schema["title"] = "op-dbus: the section `net`".into();
    tighten(&mut schema);
    schema
}

/// Says more than the derived schema does: no `null` where a key is simply left out, the largest value of each type of integer, what an IP
/// address looks like.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for (key, property) in properties.iter_mut() {
                    if !NULLABLE.contains(&key.as_str()) {
                        without_null(property);
                    }
                }
            }
            format(object);
            object.values_mut().for_each(tighten);
        }
        Value::Array(list) => list.iter_mut().for_each(tighten),
        _ => {}
    }
}

fn without_null(schema: &mut Value) {
    let Value::Object(object) = schema else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|word| word != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

fn format(object: &mut Map<String, Value>) {
    let Some(Value::String(format)) = object.get("format") else {
        return;
    };
    let (key, value) = match format.as_str() {
        "uint8" => ("maximum", json!(u8::MAX)),
        "uint16" => ("maximum", json!(u16::MAX)),
        "uint32" => ("maximum", json!(u32::MAX)),
        "int32" => ("maximum", json!(i32::MAX)),
        "ip" => (
            "pattern",
            json!(r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*)$"),
        ),
        _ => return,
    };
    object.remove("format");
    object.entry(key).or_insert(value);
}
