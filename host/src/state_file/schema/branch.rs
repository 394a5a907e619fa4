//! Of the forms that a value may take (`oneOf`, `anyOf`), the one that was probably meant.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// What to report of a value that has none of its forms.
pub(super) enum Closest<'e> {
    /// The errors by the form that was probably meant.
    Branch(&'e [ValidationError<'static>]),
    /// Every form asks for other values at the same place.
    Options {
        /// JSON Pointer to the place.
        path: &'e str,
        /// What stands there.
        value: &'e Value,
        /// What could stand there.
        options: Vec<&'e Value>,
    },
}

/// `None` when the error is not about forms, or no form is closer than the others.
pub(super) fn closest<'e>(error: &'e ValidationError<'_>) -> Option<Closest<'e>> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return None;
    };
    if let Some(options) = same_choice(context) {
        return Some(options);
    }
    let here = error.instance_path().as_str();
    let branch = context
        .iter()
        .filter(|branch| !branch.is_empty() && !branch.iter().any(|error| is_type_of(error, here)))
        .min_by_key(|branch| {
            let choices = branch.iter().filter(|error| !options(error).is_empty());
            (choices.count(), branch.len())
        })?;
    Some(Closest::Branch(branch))
}

/// Where each form asks for a certain value at one place, as a key that says the type, it is that value which is wrong.
fn same_choice<'e>(context: &'e [Vec<ValidationError<'static>>]) -> Option<Closest<'e>> {
    let (first, others) = context.split_first()?;
    for candidate in first.iter().filter(|error| !options(error).is_empty()) {
        let path = candidate.instance_path().as_str();
        let mut all = options(candidate);
        let everywhere = others.iter().all(|branch| {
            let same = branch
                .iter()
                .find(|error| error.instance_path().as_str() == path && !options(error).is_empty());
            all.extend(same.iter().flat_map(|error| options(error)));
            same.is_some()
        });
        if everywhere {
            return Some(Closest::Options {
                path,
                value: candidate.instance(),
                options: all,
            });
        }
    }
    None
}

/// The values that an error of `enum` or `const` asks for; none for other errors.
fn options<'e>(error: &'e ValidationError<'_>) -> Vec<&'e Value> {
    match error.kind() {
        ValidationErrorKind::Enum { options } => match &**options {
            Value::Array(options) => options.iter().collect(),
            option => vec![option],
        },
        ValidationErrorKind::Constant { expected_value } => vec![expected_value],
        _ => Vec::new(),
    }
}

fn is_type_of(error: &ValidationError<'_>, path: &str) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. })
        && error.instance_path().as_str() == path
}
