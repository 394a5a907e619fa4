//! Checks a section against the JSON Schema (2020-12) that its plugin describes.
//!
//! Schemas come from plugins and are not trusted: nothing they refer to is fetched, and patterns are matched in linear time, without
//! look-around and back-references.

mod branch;
mod whole;
mod words;

use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

pub use whole::whole;

use super::problem::{MOST_SHOWN, Problem, Problems};
use super::section::Section;

/// The most memory that one compiled pattern may take, in bytes: an address takes some kilobytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// A schema that cannot be used: the plugin's fault, not the operator's.
#[derive(Debug, thiserror::Error)]
#[error("the plugin {plugin:?} describes its section by an invalid schema: {reason}")]
pub struct SchemaError {
    /// The plugin.
    pub plugin: String,
    /// What is wrong with the schema.
    pub reason: String,
}

/// What is wrong in the section of `plugin` by its schema, a JSON text. The first [`MOST_SHOWN`] are worked out, the others counted.
///
/// # Errors
/// When the schema itself is invalid.
pub fn check(plugin: &str, section: &Section, schema: &str) -> Result<Problems, SchemaError> {
    let invalid = |reason: String| SchemaError {
        plugin: plugin.to_owned(),
        reason: words::shorten(&crate::output::escape::escape(&reason), 300),
    };
    let schema: Value = serde_json::from_str(schema).map_err(|error| invalid(error.to_string()))?;
    let patterns = PatternOptions::regex()
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN);
    let validator = jsonschema::draft202012::options()
        .with_pattern_options(patterns)
        .should_validate_formats(false)
        .build(&schema)
        .map_err(|error| invalid(error.to_string()))?;

    let value: Value = serde_json::from_str(section.json()).expect(
        "a section is JSON that is no deeper and has no larger numbers than serde_json reads",
    );
    let mut problems = Vec::new();
    let mut more = 0;
    for error in validator.iter_errors(&value) {
        if problems.len() >= MOST_SHOWN {
            more += 1;
            continue;
        }
        let mut found = Vec::new();
        explain(&schema, &error, &mut found);
        problems.extend(found.into_iter().map(|found| place(section, found)));
    }
    Ok(Problems::new(section.source().clone(), problems, more))
}

/// A problem that has not been placed in the file.
struct Found {
    /// JSON Pointer to the value.
    path: String,
    /// The problem is with the value's key.
    at_key: bool,
    message: String,
    help: Option<String>,
}

fn explain(schema: &Value, error: &ValidationError<'_>, found: &mut Vec<Found>) {
    match branch::closest(error) {
        Some(branch::Closest::Branch(errors)) => {
            for error in errors {
                explain(schema, error, found);
            }
        }
        Some(branch::Closest::Options {
            path,
            value,
            options,
        }) => {
            found.push(words::not_one_of(path, value, &options));
        }
        None => words::explain(schema, error, found),
    }
}

fn place(section: &Section, found: Found) -> Problem {
    let span = if found.at_key {
        section.key_place(&found.path)
    } else {
        section.place(&found.path)
    };
    Problem {
        span: Some(span.unwrap_or_else(|| section.nearest_place(&found.path))),
        path: found.path,
        message: found.message,
        help: found.help,
    }
}
