//! Probes of the configuration and of a state file.
//!
//! In a state file they are `"probes": {"NAME": {"tcp": "HOST:PORT"}, …}`.
//!
//! They join those of the configuration. A state file cannot change those, and cannot name a command: state files are passed around, and who
//! applies one means to change the network, not to run a program as root.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::state_file::schema::check;
use crate::state_file::{Problem, Problems, Section};
use crate::transaction::probes::Probe;

/// The JSON Schema of the key.
pub fn schema() -> Value {
    let asks = |key: &str, schema: Value| {
        json!({
            "type": "object",
            "required": [key],
            "additionalProperties": false,
            "properties": {
                key: schema,
                "timeout": {"type": "string", "description": "How long one try may take, like \"5s\"."},
                "within": {"type": "string", "description": "How long after the change it may go on failing, like \"30s\"."},
            },
        })
    };
    json!({
        "description": "How to find out whether the host is healthy after a change: those that passed before it must pass after it.",
        "type": "object",
        "additionalProperties": {"anyOf": [
            asks("gateway", json!({"enum": ["any", "ipv4", "ipv6"], "description": "A default gateway answers."})),
            asks("resolve", json!({"type": "string", "minLength": 1, "description": "This name has an address."})),
            asks("tcp", json!({"type": "string", "description": "HOST:PORT accepts a connection."})),
        ]},
    })
}

/// The probes of the configuration and of a state file.
///
/// # Errors
/// What is wrong in the state file, at its place.
pub fn all(
    configured: &BTreeMap<String, Probe>,
    section: Option<&Section>,
) -> Result<Vec<(String, Probe)>, Problems> {
    let mut probes: Vec<_> = configured.clone().into_iter().collect();
    if let Some(section) = section {
        probes.extend(read(section, configured)?);
    }
    Ok(probes)
}

fn read(
    section: &Section,
    configured: &BTreeMap<String, Probe>,
) -> Result<Vec<(String, Probe)>, Problems> {
    let wrong = |problems| Err(Problems::new(section.source().clone(), problems, 0));
    let value: Value = serde_json::from_str(section.json()).unwrap_or_default();
    let asked: Vec<_> = value.as_object().into_iter().flatten().collect();
    let pointer = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let place = |pointer: &str| {
        let key = section.key_place(pointer);
        key.unwrap_or_else(|| section.nearest_place(pointer))
    };
    let mut problems = Vec::new();
    for (name, asked) in &asked {
        if configured.contains_key(*name) {
            let message = format!("the configuration has a probe {name:?} already");
            problems.push(
                Problem::at(place(&pointer(name)), message)
                    .help("give this one another name; the configuration's is asked anyway"),
            );
        }
        if asked.get("command").is_some() {
            let at = place(&format!("{}/command", pointer(name)));
            problems.push(
                Problem::at(at, "a state file cannot name a command to run").help(format!(
                    "write it as [probes.{name}] into the configuration"
                )),
            );
        }
    }
    if !problems.is_empty() {
        return wrong(problems);
    }
    let shape =
        check("probes", section, &schema().to_string()).expect("the schema of probes is a schema");
    if !shape.is_empty() {
        return Err(shape);
    }
    let mut probes = Vec::new();
    for (name, asked) in asked {
        match serde_json::from_value::<Probe>(asked.clone()) {
            Ok(probe) => probes.push((name.clone(), probe)),
            Err(error) => {
                let place = section.nearest_place(&pointer(name));
                problems.push(Problem::at(place, error.to_string()));
            }
        }
    }
    match problems.is_empty() {
        true => Ok(probes),
        false => wrong(problems),
    }
}
