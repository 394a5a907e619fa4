//! What has moved between two states of a plugin, object by object.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::contract::exports::op_dbus::plugin::state::{Action, Operation};

/// Keys whose value moves by itself, however quiet the host is: the seconds that an address has left. That they are there is state; what they
/// say is none.
const REMAINING: [&str; 2] = ["valid_lifetime", "preferred_lifetime"];

/// Keys that come and go by themselves.
const PASSING: [&str; 2] = ["running", "tentative"];

/// Keys that tell objects of a list apart.
const IDENTITY: [&str; 3] = ["name", "uuid", "id"];

/// A state without what moves by itself.
pub fn settled(mut state: Value) -> Value {
    settle(&mut state);
    state
}

fn settle(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for key in PASSING {
                entries.remove(key);
            }
            for (key, value) in entries {
                if REMAINING.contains(&key.as_str()) {
                    *value = Value::Bool(true);
                } else {
                    settle(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

/// The objects that differ, as steps from `then` to `now`.
pub fn moved(then: &Value, now: &Value) -> Vec<Action> {
    let mut found = Vec::new();
    let (then, now) = (objects(then), objects(now));
    for (target, before) in &then {
        match now.get(target) {
            None => found.push(step(Operation::Delete, target, Some(before), None)),
            Some(after) if after != before => {
                found.push(step(Operation::Modify, target, Some(before), Some(after)));
            }
            Some(_) => {}
        }
    }
    for (target, after) in &now {
        if !then.contains_key(target) {
            found.push(step(Operation::Create, target, None, Some(after)));
        }
    }
    found
}

fn step(operation: Operation, target: &str, then: Option<&Value>, now: Option<&Value>) -> Action {
    let summary = match operation {
        Operation::Create => "was not there then",
        Operation::Modify => "was then → is now",
        Operation::Delete => "is not there any more",
    };
    let (mut before, mut after) = (then.cloned(), now.cloned());
    if let (Some(before), Some(after)) = (&mut before, &mut after) {
        complete(before, after);
    }
    Action {
        operation,
        target: target.to_owned(),
        before: before.map(|value| value.to_string()),
        after: after.map(|value| value.to_string()),
        summary: summary.to_owned(),
        disruptive: false,
    }
}

/// Gives both the same keys, `null` where one has none, so that what came or went is shown as well.
fn complete(left: &mut Value, right: &mut Value) {
    if let (Value::Object(left), Value::Object(right)) = (left, right) {
        for key in left.keys() {
            right.entry(key.clone()).or_insert(Value::Null);
        }
        for (key, right) in right.iter_mut() {
            let left = left.entry(key.clone()).or_insert(Value::Null);
            complete(left, right);
        }
    }
}

/// The objects of a state by what they are called: `interfaces br0`, and a list's objects without a name by all that they say.
fn objects(state: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    for (key, value) in state.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) => found.extend(items.iter().map(|item| {
                let name = IDENTITY.iter().find_map(|key| item.get(key)?.as_str());
                match name {
                    Some(name) => (format!("{key} {name}"), item),
                    None => (format!("{key} {item}"), item),
                }
            })),
            other => {
                found.insert(key.clone(), other);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_moves_by_itself_has_not_moved() {
        let state = |left: u32, running: bool| {
            json!({"interfaces": [{"name": "eth0", "running": running,
                "ipv4": {"addresses": [{"address": "192.0.2.1", "valid_lifetime": left}]}}]})
        };
        let (then, now) = (settled(state(3600, true)), settled(state(12, false)));
        assert!(moved(&then, &now).is_empty());
        let forever = settled(json!({"interfaces": [{"name": "eth0",
            "ipv4": {"addresses": [{"address": "192.0.2.1"}]}}]}));
        assert_eq!(moved(&then, &forever).len(), 1, "a lease became permanent");
    }

    #[test]
    fn each_object_that_moved_is_named_and_no_other() {
        let then = json!({"interfaces": [{"name": "a", "mtu": 1500}, {"name": "b"}, {"name": "c"}],
            "rules": [{"priority": 1}]});
        let now = json!({"interfaces": [{"name": "c"}, {"name": "a", "mtu": 1400, "mac": "x"}],
            "rules": [{"priority": 2}]});
        let found: Vec<_> = moved(&then, &now)
            .into_iter()
            .map(|action| (action.operation, action.target))
            .collect();
        assert_eq!(
            found,
            [
                (Operation::Modify, "interfaces a".to_owned()),
                (Operation::Delete, "interfaces b".to_owned()),
                (Operation::Delete, "rules {\"priority\":1}".to_owned()),
                (Operation::Create, "rules {\"priority\":2}".to_owned()),
            ]
        );
        let change = &moved(&then, &now)[0];
        assert!(change.before.as_ref().unwrap().contains("\"mac\":null"));
    }
}
