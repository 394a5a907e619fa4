//! The JSON Schema of a section, from its types. A component does not make it: it carries the finished file.

/// Derived by the types of a section, natively alone: `#[cfg_attr(not(target_family = "wasm"), derive(JsonSchema))]`. The crate must have
/// schemars itself among its dependencies, because the derived code names it.
pub use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The schema (draft 2020-12) of a section, closed to unknown keys. `nullable` names the keys whose `null` means something.
pub fn of<Section: JsonSchema>(title: &str, nullable: &[&str]) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Section>().to_value();
    schema["title"] = title.into();
    tighten(&mut schema, nullable);
    schema
}

/// As [`of`], with states as `examples` (a JSON array): for people, and for `op-dbus plugin test`, which tries the plugin with them.
///
/// # Panics
/// When the text is no JSON array of states that the types can read.
pub fn with_examples<Section: JsonSchema + DeserializeOwned>(
    title: &str,
    nullable: &[&str],
    examples: &str,
) -> Value {
    let mut schema = of::<Section>(title, nullable);
    let read = |text| serde_json::from_str::<Vec<Section>>(text);
    if let Err(error) = read(examples) {
        panic!("the examples are no states: {error}");
    }
    schema["examples"] = serde_json::from_str(examples).expect("it was read before");
    schema
}

/// Says more than the derived schema does: no `null` where a key is simply left out, the largest value of each type of integer, what an IP
/// address looks like.
fn tighten(schema: &mut Value, nullable: &[&str]) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for (key, property) in properties.iter_mut() {
                    if !nullable.contains(&key.as_str()) {
                        without_null(property);
                    }
                }
            }
            format(object);
            object
                .values_mut()
                .for_each(|schema| tighten(schema, nullable));
        }
        Value::Array(list) => list.iter_mut().for_each(|schema| tighten(schema, nullable)),
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
        "ip" => ("pattern", json!(ip_pattern())),
        _ => return,
    };
    object.remove("format");
    object.entry(key).or_insert(value);
}

/// What text is an IP address: as strict as the type that reads it, so that the host can show the place of one that is none.
fn ip_pattern() -> String {
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let v4 = format!(r"{byte}(\.{byte}){{3}}");
    let word = "[0-9a-fA-F]{1,4}";
    let mut forms = vec![
        v4.clone(),
        format!("({word}:){{7}}{word}"),
        format!("({word}:){{6}}{v4}"),
        format!("({word}:){{1,7}}:"),
        format!(":(:{word}){{1,7}}"),
        "::".to_owned(),
        format!("::({word}:){{0,5}}{v4}"),
    ];
    // So many words before the gap, and at most as many after it as leave one out.
    forms.extend(
        (1..=6).map(|before| format!("({word}:){{{before}}}(:{word}){{1,{}}}", 7 - before)),
    );
    forms.extend(
        (1..=5).map(|before| format!("({word}:){{{before}}}:({word}:){{0,{}}}{v4}", 5 - before)),
    );
    format!("^({})$", forms.join("|"))
}
