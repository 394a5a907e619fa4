//! States made from a given one: a key dropped, an object absent, an item doubled, a list the other way round.

use serde_json::{Value, json};

/// A step on the way to a value in a tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list.
    Item(usize),
}

/// The most variants of one state that are tried: those beyond are left out evenly.
const MOST: usize = 40;
/// Keys by which a state file names an object, and so may say that it is to be absent.
const NAMES: [&str; 3] = ["name", "id", "uuid"];

/// Variants of a state, each once, without the state itself.
pub fn variants(state: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = reductions(state);
    for path in paths(state) {
        let Some(value) = at(state, &path) else {
            continue;
        };
        match value {
            Value::Object(entries) if NAMES.iter().any(|name| entries.contains_key(*name)) => {
                let mut gone = state.clone();
                if let Some(object) = at_mut(&mut gone, &path) {
                    object["state"] = json!("absent");
                }
                all.push(gone);
            }
            Value::Array(items) => {
                if items.len() > 1 {
                    let mut turned = state.clone();
                    if let Some(Value::Array(items)) = at_mut(&mut turned, &path) {
                        items.reverse();
                    }
                    all.push(turned);
                }
                if let Some(first) = items.first().cloned() {
                    let mut doubled = state.clone();
                    if let Some(Value::Array(items)) = at_mut(&mut doubled, &path) {
                        items.push(first);
                    }
                    all.push(doubled);
                }
            }
            _ => {}
        }
    }
    let mut once: Vec<Value> = Vec::new();
    for variant in all {
        if variant != *state && !once.contains(&variant) {
            once.push(variant);
        }
    }
    thinned(once)
}

/// At most [`MOST`], evenly from all.
fn thinned(all: Vec<Value>) -> Vec<Value> {
    let count = all.len();
    if count <= MOST {
        return all;
    }
    let chosen = |number: usize| (number * MOST) / count != ((number + 1) * MOST) / count;
    let numbered = all.into_iter().enumerate();
    numbered
        .filter(|(number, _)| chosen(*number))
        .map(|(_, variant)| variant)
        .collect()
}

/// States with one key or one item less, the larger parts first.
pub fn reductions(state: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for path in paths(state) {
        let Some((last, parent)) = path.split_last() else {
            continue;
        };
        let mut less = state.clone();
        match (at_mut(&mut less, parent), last) {
            (Some(Value::Object(entries)), Step::Key(key)) => {
                entries.remove(key);
            }
            (Some(Value::Array(items)), Step::Item(number)) => {
                items.remove(*number);
            }
            _ => continue,
        }
        found.push(less);
    }
    found
}

/// The ways to all values of a tree, those to larger parts first.
pub fn paths(state: &Value) -> Vec<Vec<Step>> {
    let mut found = vec![Vec::new()];
    let mut number = 0;
    while number < found.len() {
        let path = found[number].clone();
        number += 1;
        let steps: Vec<Step> = match at(state, &path) {
            Some(Value::Object(entries)) => entries.keys().cloned().map(Step::Key).collect(),
            Some(Value::Array(items)) => (0..items.len()).map(Step::Item).collect(),
            _ => continue,
        };
        for step in steps {
            let mut longer = path.clone();
            longer.push(step);
            found.push(longer);
        }
    }
    found
}

/// The value at the end of a way.
pub fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Item(number) => value.get(number),
    })
}

/// The same, to change it.
pub fn at_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Item(number) => value.get_mut(number),
    })
}
