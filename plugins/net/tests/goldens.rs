//! Plans and validation against goldens, one folder a case.
//!
//! `tests/diff/CASE` holds `current.json`, `desired.json` and what must come of them: `expected.json`, the actions, or the failure.
//! `tests/validate/CASE` holds `desired.json` and the problems. `BLESS=1` in the environment writes what came: read it before it stays.

use std::fs;
use std::path::{Path, PathBuf};

use op_dbus_net::Net;
use op_dbus_net::section::Section;
use op_dbus_plugin::{Action, Operation, Plugin};
use serde_json::{Value, json};

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(kind);
    let entries = fs::read_dir(&folder).expect("the cases' folder can be read");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "there are cases in {}", folder.display());
    cases
}

fn read<T: serde::de::DeserializeOwned>(case: &Path, file: &str) -> T {
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

#[test]
fn plans_are_what_their_goldens_say() {
    let mut wrong = Vec::new();
    for case in cases("diff") {
        let current: Section = read(&case, "current.json");
        let desired: Section = read(&case, "desired.json");
        let came = match Net::diff(&current, &desired) {
            Ok(actions) => Value::Array(actions.iter().map(shown).collect()),
            Err(failure) => {
                json!({"failure": format!("{:?}", failure.code), "message": failure.message})
            }
        };
        check(&case, &came, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn problems_are_what_their_goldens_say() {
    let mut wrong = Vec::new();
    for case in cases("validate") {
        let desired: Section = read(&case, "desired.json");
        let problems = Net::validate(&desired);
        let came: Vec<Value> = problems
            .iter()
            .map(|problem| json!({"path": problem.path, "message": problem.message}))
            .collect();
        check(&case, &Value::Array(came), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
