//! Route rules: there or not, for everything that they say is their identity.

use std::collections::{HashMap, HashSet};

use op_dbus_plugin::{Failure, FailureCode};

use super::Extent;
use crate::section::{Rule, Section, State};
use crate::step::{Object, Step, json};
use crate::summary;

/// The steps on rules.
///
/// # Errors
/// `invalid` for a rule of the kernel's own that is to go and is not written whole.
pub fn steps(
    current: &Section,
    desired: &Section,
    extent: Extent,
    steps: &mut Vec<Step>,
) -> Result<(), Failure> {
    let have: HashMap<String, &Rule> = current
        .rules()
        .iter()
        .map(|rule| (rule.key(), rule))
        .collect();
    let present = desired.rules().iter().filter(|rule| !rule.is_absent());
    let mut seen: HashSet<String> = HashSet::new();
    let wanted: HashSet<String> = present.map(Rule::key).collect();
    for (at, want) in desired.rules().iter().enumerate() {
        let key = want.key();
        if !want.is_absent() {
            if have.contains_key(&key) || !seen.insert(key) {
                continue;
            }
            let object = Object::Rule(Box::new(Rule {
                state: None,
                ..want.clone()
            }));
            let target = format!("rule {}", summary::rule(want));
            let step = Step::new(target, None, Some(object), "add");
            steps.push(step.at(Some(format!("/rules/{at}")), json(want), None));
            continue;
        }
        let goes = |is: &&Rule| match extent {
            Extent::Partial => want.means(is) && !wanted.contains(&is.key()),
            Extent::Exact => is.key() == key,
        };
        for is in current.rules().iter().filter(goes) {
            if extent == Extent::Partial && is.is_kernels() && !want.names_whole(is) {
                return Err(kernels(at, is));
            }
            if !seen.insert(is.key()) {
                continue;
            }
            let target = format!("rule {}", summary::rule(is));
            let object = Object::Rule(Box::new(is.clone()));
            let step = Step::new(target, Some(object), None, "remove");
            let path = Some(format!("/rules/{at}/state"));
            steps.push(step.at(path, json(&State::Absent), Some(json(is))));
        }
    }
    Ok(())
}

fn kernels(at: usize, is: &Rule) -> Failure {
    let whole = Rule {
        state: Some(State::Absent),
        protocol: None,
        ..is.clone()
    };
    Failure::new(
        FailureCode::Invalid,
        format!(
            "/rules/{at}: this would remove the rule {}, which the kernel itself made and without which it finds no route. If that is \
             meant, write it whole: {}",
            summary::rule(is),
            json(&whole)
        ),
    )
}
