//! What all tests on the simulated host do: plan, apply, read back, go back.

use op_dbus_net::Net;
use op_dbus_net::section::Section;
use op_dbus_plugin::mock::Host;
use op_dbus_plugin::{Action, Plugin};
use proptest::prelude::*;
use serde_json::Value;

/// The section that a value describes.
pub fn section(value: Value) -> Section {
    serde_json::from_value(value).expect("the test's section can be read")
}

/// What is to be done for a section, which is valid.
pub fn plan(desired: &Section) -> Vec<Action> {
    assert_eq!(Net::validate(desired), []);
    let current = Net::query(Some(desired)).expect("what concerns the section can be read");
    Net::diff(&current, desired).expect("there is a plan")
}

/// Applies a section for which there is something to do, and reads it back.
pub fn apply(desired: &Section) {
    let plan = plan(desired);
    assert!(!plan.is_empty(), "there is something to do");
    carry_out(plan);
    let mismatches = Net::verify(desired).expect("the system can be read back");
    assert!(mismatches.is_empty(), "{mismatches:#?}");
    let again = self::plan(desired);
    assert!(again.is_empty(), "nothing is left to do: {again:#?}");
}

fn carry_out(plan: Vec<Action>) {
    for outcome in Net::apply(plan).expect("the actions are sound") {
        let (target, summary) = (outcome.target, outcome.summary);
        assert_eq!(outcome.failed, None, "{target}: {summary}");
    }
}

/// Applies a section and goes back to a checkpoint within it and to one of everything; `whole` tells what is.
pub fn there_and_back(host: &Host, desired: Value, whole: fn() -> Value) {
    let desired = section(desired);
    host.enter(|| {
        let before = whole();
        let within = Net::checkpoint(Some(&desired)).expect("a checkpoint can be taken");
        let everything = Net::checkpoint(None).expect("a checkpoint can be taken");
        for (checkpoint, name) in [(within, "within"), (everything, "everything")] {
            apply(&desired);
            for outcome in Net::rollback(checkpoint.clone()).expect("there is a way back") {
                let (target, summary) = (outcome.target, outcome.summary);
                assert_eq!(outcome.failed, None, "{name}: {target}: {summary}");
            }
            assert_same(&before, &whole(), name);
            let again = Net::rollback(checkpoint).expect("going back again does nothing");
            assert!(again.is_empty(), "{name}: {again:#?}");
        }
    });
}

/// Compares object by object, and shows only those that differ.
fn assert_same(before: &Value, after: &Value, name: &str) {
    let lines = |of: &Value| -> Vec<String> {
        let keys = of.as_object().into_iter().flatten();
        let objects = keys.flat_map(|(key, value)| {
            let items = match value {
                Value::Array(items) => items.iter().collect(),
                value => vec![value],
            };
            items.into_iter().map(move |item| format!("{key}: {item}"))
        });
        objects.collect()
    };
    let (old, new) = (lines(before), lines(after));
    let only = |these: &[String], those: &[String]| -> String {
        let missing = these.iter().filter(|line| !those.contains(line));
        missing.map(|line| format!("\n{line}")).collect()
    };
    assert!(
        before == after,
        "back to the checkpoint of {name}; it was{}\nand is{}",
        only(&old, &new),
        only(&new, &old)
    );
}

/// Applies a section made up at random if there is a plan for it: whether there was.
pub fn tried(desired: &Section) -> Result<bool, TestCaseError> {
    if !Net::validate(desired).is_empty() {
        return Ok(false);
    }
    let current = Net::query(Some(desired)).expect("what concerns the section can be read");
    let Ok(plan) = Net::diff(&current, desired) else {
        return Ok(false);
    };
    let mismatches = Net::verify(desired).expect("the system can be read");
    prop_assert_eq!(
        mismatches.is_empty(),
        plan.is_empty(),
        "{:?} {:?}",
        mismatches,
        plan
    );
    for outcome in Net::apply(plan).expect("the actions are sound") {
        prop_assert_eq!(
            &outcome.failed,
            &None,
            "{}: {}",
            outcome.target,
            outcome.summary
        );
    }
    let mismatches = Net::verify(desired).expect("the system can be read back");
    prop_assert!(mismatches.is_empty(), "{:?}", mismatches);
    let current = Net::query(Some(desired)).expect("what concerns the section can be read");
    let again = Net::diff(&current, desired).expect("there is a plan");
    prop_assert!(again.is_empty(), "{:?}", again);
    Ok(true)
}

/// Applies one section and then, if there is a plan, another, and goes back to the checkpoints between; `whole` tells what is.
pub fn tried_there_and_back(
    first: &Section,
    second: &Section,
    whole: fn() -> Value,
) -> Result<(), TestCaseError> {
    if !tried(first)? {
        return Ok(());
    }
    let before = whole();
    let within = Net::checkpoint(Some(second)).expect("a checkpoint can be taken");
    let everything = Net::checkpoint(None).expect("a checkpoint can be taken");
    for checkpoint in [within, everything] {
        if !tried(second)? {
            return Ok(());
        }
        for outcome in Net::rollback(checkpoint.clone()).expect("there is a way back") {
            prop_assert_eq!(
                &outcome.failed,
                &None,
                "{}: {}",
                outcome.target,
                outcome.summary
            );
        }
        prop_assert_eq!(format!("{before:#}"), format!("{:#}", whole()));
        let again = Net::rollback(checkpoint).expect("going back again does nothing");
        prop_assert!(again.is_empty(), "{:?}", again);
    }
    Ok(())
}
