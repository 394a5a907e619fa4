//! Goldens of a plugin's pure functions, one folder a case.
//!
//! `tests/diff/CASE` holds `current.json`, `desired.json` and what must come of them: `expected.json`, the actions, or the failure.
//! `tests/validate/CASE` holds `desired.json` and the problems. `BLESS=1` in the environment writes what came: read it before it stays.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Action, Operation, Plugin};

fn cases(tests: &Path, kind: &str) -> Vec<PathBuf> {
    let folder = tests.join(kind);
    let entries = fs::read_dir(&folder).expect("the cases' folder can be read");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "there are cases in {}", folder.display());
    cases
}

fn read<T: DeserializeOwned>(case: &Path, file: &str) -> T {
    let path = case.join(file);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares with `expected.json`, or writes it.
fn check(case: &Path, came: &Value, wrong: &mut Vec<String>) {
    let path = case.join("expected.json");
    let text = serde_json::to_string_pretty(came).expect("JSON can be written") + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).expect("the golden can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    if golden != text {
        wrong.push(format!(
            "{}\nexpected {golden}\ncame {text}",
            case.display()
        ));
    }
}

fn shown(action: &Action) -> Value {
    let tree = |json: &Option<String>| -> Value {
        json.as_ref().map_or(Value::Null, |json| {
            serde_json::from_str(json).expect("an action holds JSON")
        })
    };
    let operation = match action.operation {
        Operation::Create => "create",
        Operation::Modify => "modify",
        Operation::Delete => "delete",
    };
    let mut shown = json!({
        "operation": operation, "target": action.target, "summary": action.summary,
        "before": tree(&action.before), "after": tree(&action.after)
    });
    if action.disruptive {
        shown["disruptive"] = true.into();
    }
    shown
}

/// Checks every plan below `tests/diff`.
///
/// # Panics
/// With each case that came out otherwise.
pub fn plans<P: Plugin>(tests: &Path) {
    let mut wrong = Vec::new();
    for case in cases(tests, "diff") {
        let current: P::Current = read(&case, "current.json");
        let desired: P::Desired = read(&case, "desired.json");
        let came = match P::diff(&current, &desired) {
            Ok(actions) => Value::Array(actions.iter().map(shown).collect()),
            Err(failure) => {
                json!({"failure": format!("{:?}", failure.code), "message": failure.message})
            }
        };
        check(&case, &came, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Checks every validation below `tests/validate`.
///
/// # Panics
/// With each case that came out otherwise.
pub fn problems<P: Plugin>(tests: &Path) {
    let mut wrong = Vec::new();
    for case in cases(tests, "validate") {
        let desired: P::Desired = read(&case, "desired.json");
        let problems = P::validate(&desired);
        let came: Vec<Value> = problems
            .iter()
            .map(|problem| json!({"path": problem.path, "message": problem.message}))
            .collect();
        check(&case, &Value::Array(came), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Checks that the schema file that a component carries is the one that its types have. `UPDATE_SCHEMA=1` in the environment writes it.
///
/// # Panics
/// When the file is stale.
pub fn schema(schema: &Value, file: &Path) {
    let text = serde_json::to_string_pretty(schema).expect("JSON can be written") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(file, &text).expect("the schema file can be written");
    }
    let there = fs::read_to_string(file).expect("the schema file can be read");
    assert!(
        there == text,
        "{} is stale: run the tests once with UPDATE_SCHEMA=1 in the environment",
        file.display()
    );
}
