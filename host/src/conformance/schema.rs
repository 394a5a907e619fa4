//! A plugin's JSON Schema, ready to hold values against.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The most memory that one compiled pattern may take, in bytes: as where state files are checked.
const LARGEST_PATTERN: usize = 1 << 20;

/// A schema.
pub struct Schema {
    validator: Validator,
    document: Value,
}

impl Schema {
    /// Reads a schema (draft 2020-12).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let patterns = PatternOptions::regex()
            .size_limit(LARGEST_PATTERN)
            .dfa_size_limit(LARGEST_PATTERN);
        jsonschema::draft202012::meta::validate(&document).map_err(|error| error.to_string())?;
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(patterns)
            .should_validate_formats(false)
            .build(&document)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            validator,
            document,
        })
    }

    /// What of a value does not fit; nothing where all does.
    pub fn misfit(&self, value: &Value) -> Option<String> {
        let mut errors = self.validator.iter_errors(value);
        let first = errors.next()?;
        let place = first.instance_path().to_string();
        let rest = match errors.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let place = if place.is_empty() { "/" } else { &place };
        Some(format!("at {place}: {first}{rest}"))
    }

    /// The states that it offers as examples.
    pub fn examples(&self) -> Vec<Value> {
        let examples = self.document.get("examples").and_then(Value::as_array);
        examples.cloned().unwrap_or_default()
    }
}
