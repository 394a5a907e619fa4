//! Says in plain words what a JSON Schema keyword found wrong.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::Found;
use crate::state_file::nearest;

/// The most characters of a value that a message repeats.
const LONGEST_VALUE: usize = 60;

/// The most characters of a description or a pattern that a message repeats.
const LONGEST_DESCRIPTION: usize = 200;

/// How many schemas inside each other are searched for valid keys: schemas may refer to themselves.
const DEEPEST_SEARCH: usize = 8;

pub(super) fn explain(root: &Value, error: &ValidationError<'_>, found: &mut Vec<Found>) {
    let schema = parent_schema(root, error);
    let value = error.instance();
    let path = error.instance_path().as_str();
    let mut push = |message: String, help: Option<String>| {
        found.push(Found {
            path: path.to_owned(),
            at_key: false,
            message,
            help,
        });
    };
    let is = show(value);
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let valid = keys(root, schema);
            for key in unexpected {
                let token = key.replace('~', "~0").replace('/', "~1");
                found.push(Found {
                    path: format!("{path}/{token}"),
                    at_key: true,
                    message: format!(
                        "unknown key {}",
                        shorten(&format!("{key:?}"), LONGEST_VALUE)
                    ),
                    help: Some(nearest::hint("key", key, &valid)),
                });
            }
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let meaning = schema["properties"][key]["description"].as_str();
            push(
                format!("the key {key:?} is missing"),
                meaning.map(|text| format!("{key:?}: {}", shorten(text, LONGEST_DESCRIPTION))),
            );
        }
        Kind::Type { kind } => {
            let wanted: Vec<String> = match kind {
                TypeKind::Single(kind) => vec![kind.to_string()],
                TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
            };
            push(
                format!("this must be {}, not {is}", either(&wanted)),
                type_help(&wanted, value),
            );
        }
        Kind::Enum { options } => {
            let options = match &**options {
                Value::Array(options) => options.iter().collect(),
                option => vec![option],
            };
            found.push(not_one_of(path, value, &options));
        }
        Kind::Constant { expected_value } => {
            found.push(not_one_of(path, value, &[expected_value]));
        }
        Kind::Minimum { limit } => push(format!("this must be at least {limit}, not {is}"), None),
        Kind::Maximum { limit } => push(format!("this must be at most {limit}, not {is}"), None),
        Kind::ExclusiveMinimum { limit } => {
            push(format!("this must be more than {limit}, not {is}"), None);
        }
        Kind::ExclusiveMaximum { limit } => {
            push(format!("this must be less than {limit}, not {is}"), None);
        }
        Kind::MultipleOf { multiple_of } => {
            push(
                format!("this must be a multiple of {multiple_of}, not {is}"),
                None,
            );
        }
        Kind::Pattern { pattern } => {
            let message = match schema["description"].as_str() {
                Some(text) => format!("{is} does not fit: {}", shorten(text, LONGEST_DESCRIPTION)),
                None => format!(
                    "{is} does not have the form {}",
                    shorten(pattern, LONGEST_DESCRIPTION)
                ),
            };
            push(message, None);
        }
        Kind::MinLength { limit } => push(format!("this needs {limit} characters or more"), None),
        Kind::MaxLength { limit } => {
            push(format!("this has more than {limit} characters"), None);
        }
        Kind::MinItems { limit } => push(format!("this list needs {limit} items or more"), None),
        Kind::MaxItems { limit } => push(format!("this list has more than {limit} items"), None),
        Kind::MinProperties { limit } => push(format!("this needs {limit} keys or more"), None),
        Kind::MaxProperties { limit } => push(format!("this has more than {limit} keys"), None),
        Kind::UniqueItems => push("this list has the same item twice".to_owned(), None),
        Kind::Contains => push("this list lacks an item that it needs".to_owned(), None),
        Kind::AdditionalItems { limit } => {
            push(format!("this list has more than {limit} items"), None);
        }
        Kind::UnevaluatedItems { .. } => {
            push(
                "this list has an item that may not be in it".to_owned(),
                None,
            );
        }
        Kind::FalseSchema => push(
            "this may not be here".to_owned(),
            Some("leave it out".into()),
        ),
        Kind::Not { .. } => push(format!("{is} may not be here"), None),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let wanted = types(context);
            if wanted.is_empty() {
                push(
                    format!("{is} has none of the forms that are valid here"),
                    None,
                );
            } else {
                push(
                    format!("this must be {}, not {is}", either(&wanted)),
                    type_help(&wanted, value),
                );
            }
        }
        Kind::OneOfMultipleValid { .. } => push(
            "this has several forms that exclude each other".to_owned(),
            None,
        ),
        Kind::PropertyNames { error } => {
            let key = show(error.instance());
            push(format!("{key} cannot be a key here"), None);
        }
        // Rare ones, in the validator's words.
        _ => push(shorten(&error.to_string(), LONGEST_DESCRIPTION), None),
    }
}

/// A value that is none of those that are valid, nearest first.
pub(super) fn not_one_of(path: &str, value: &Value, options: &[&Value]) -> Found {
    let texts: Vec<&str> = options
        .iter()
        .filter_map(|option| option.as_str())
        .collect();
    let (message, help) = match value.as_str() {
        Some(word) if texts.len() == options.len() => {
            let list = nearest::listed(word, &texts);
            (
                format!("{} is not one of: {list}", show(value)),
                nearest::nearest(word, &texts).map(|meant| format!("did you mean {meant:?}?")),
            )
        }
        _ => {
            let list: Vec<String> = options.iter().map(|option| show(option)).collect();
            let list = shorten(&list.join(", "), LONGEST_DESCRIPTION);
            (format!("{} is not one of: {list}", show(value)), None)
        }
    };
    Found {
        path: path.to_owned(),
        at_key: false,
        message,
        help,
    }
}

/// The text, or its beginning.
pub(super) fn shorten(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// A value in a message: short ones as they are, of others what they are.
fn show(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("{:?}", shorten(text, LONGEST_VALUE)),
        other => other.to_string(),
    }
}

fn either(kinds: &[String]) -> String {
    let names: Vec<&str> = kinds
        .iter()
        .map(|kind| match kind.as_str() {
            "string" => "a text",
            "integer" => "an integer",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "an object",
            other => other,
        })
        .collect();
    names.join(" or ")
}

/// The usual slips: quotes around a number, none around a text, one item without its list.
fn type_help(wanted: &[String], value: &Value) -> Option<String> {
    let wants = |kind: &str| wanted.iter().any(|wanted| wanted == kind);
    match value {
        Value::String(text) if wants("boolean") => match text.as_str() {
            "true" | "yes" | "on" => Some("write true, without quotes".to_owned()),
            "false" | "no" | "off" => Some("write false, without quotes".to_owned()),
            _ => None,
        },
        Value::String(text) if wants("integer") || wants("number") => {
            let number: serde_json::Number = text.parse().ok()?;
            Some(format!("write {number}, without quotes"))
        }
        Value::Number(_) | Value::Bool(_) if wants("string") => {
            Some("put it in double quotes".to_owned())
        }
        Value::String(_) | Value::Number(_) | Value::Object(_) if wants("array") => {
            Some("put it in brackets: [...]".to_owned())
        }
        _ => None,
    }
}

/// The types that the forms of a value ask for, if each asks for one.
fn types(context: &[Vec<ValidationError<'static>>]) -> Vec<String> {
    let mut types = BTreeSet::new();
    for error in context.iter().flatten() {
        match error.kind() {
            Kind::Type {
                kind: TypeKind::Single(kind),
            } => {
                types.insert(kind.to_string());
            }
            Kind::Type {
                kind: TypeKind::Multiple(kinds),
            } => {
                types.extend(kinds.iter().map(|kind| kind.to_string()));
            }
            _ => {}
        }
    }
    types.into_iter().collect()
}

/// The schema whose keyword was violated.
fn parent_schema<'s>(root: &'s Value, error: &ValidationError<'_>) -> &'s Value {
    let path = error.schema_path().as_str();
    let parent = path.rfind('/').map_or("", |at| &path[..at]);
    root.pointer(parent).unwrap_or(&Value::Null)
}

/// The keys that a schema knows, those of the schemas that it is made of included.
fn keys<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s str> {
    let mut keys = BTreeSet::new();
    collect_keys(root, schema, DEEPEST_SEARCH, &mut keys);
    keys.into_iter().collect()
}

fn collect_keys<'s>(
    root: &'s Value,
    schema: &'s Value,
    depth: usize,
    keys: &mut BTreeSet<&'s str>,
) {
    if depth == 0 {
        return;
    }
    if let Some(properties) = schema["properties"].as_object() {
        // What a schema forbids is no suggestion.
        let allowed = properties
            .iter()
            .filter(|(_, schema)| **schema != Value::Bool(false));
        keys.extend(allowed.map(|(key, _)| key.as_str()));
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#'))
        && let Some(target) = root.pointer(target)
    {
        collect_keys(root, target, depth - 1, keys);
    }
    for several in ["allOf", "anyOf", "oneOf"] {
        for part in schema[several].as_array().into_iter().flatten() {
            collect_keys(root, part, depth - 1, keys);
        }
    }
    for one in ["if", "then", "else"] {
        collect_keys(root, &schema[one], depth - 1, keys);
    }
}
