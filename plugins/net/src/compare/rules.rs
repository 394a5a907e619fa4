//! Route rules: there or not, for everything that they say is their identity.

use std::collections::{HashMap, HashSet};

use crate::section::{Rule, Section, State};
use crate::step::{Object, Step, json};
use crate::summary;

/// The steps on rules.
pub fn steps(current: &Section, desired: &Section, steps: &mut Vec<Step>) {
    let have: HashMap<String, &Rule> = current
        .rules()
        .iter()
        .map(|rule| (rule.key(), rule))
        .collect();
    let mut seen = HashSet::new();
    for (at, want) in desired.rules().iter().enumerate() {
        let key = want.key();
        if !seen.insert(key.clone()) {
            continue;
        }
        let target = format!("rule {}", summary::rule(want));
        match (have.get(&key), want.is_absent()) {
            (None, false) => {
                let object = Object::Rule(Box::new(Rule {
                    state: None,
                    ..want.clone()
                }));
                let step = Step::new(target, None, Some(object), "add");
                steps.push(step.at(Some(format!("/rules/{at}")), json(want), None));
            }
            (Some(is), true) => {
                let object = Object::Rule(Box::new((*is).clone()));
                let step = Step::new(target, Some(object), None, "remove");
                let path = Some(format!("/rules/{at}/state"));
                steps.push(step.at(path, json(&State::Absent), Some(json(is))));
            }
            _ => {}
        }
    }
}
