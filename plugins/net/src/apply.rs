//! Carrying out actions: requests to the kernel in batches, Open vSwitch's transaction between two of them; an outcome for each action.

use op_dbus_plugin::netlink::{self as nl, Request};
use op_dbus_plugin::{Action, Failure, FailureCode, Outcome};

use crate::compile::{Owned, requests};
use crate::ovs::carry::carry_out;
use crate::section::Section;
use crate::step::Object;

/// Carries out actions. What follows a failed change of Open vSwitch, or a failed request before one, is not tried.
///
/// # Errors
/// `invalid` when an action is not one of this plugin's; nothing was sent then.
pub fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
    let mut owned = requests(&actions)?;
    let mut failed: Vec<Option<Failure>> = vec![None; actions.len()];
    let switch = switch(&actions)?;
    let later = match &switch {
        Some((place, ..)) => owned.split_off(owned.partition_point(|it| it.action < *place)),
        None => Vec::new(),
    };
    execute(owned, &mut failed)?;
    if let Some((place, before, after)) = switch {
        if !failed.iter().any(Option::is_some)
            && let Err(failure) = carry_out(&before, &after)
        {
            failed[place] = Some(failure);
        }
        match failed.iter().position(Option::is_some) {
            None => execute(later, &mut failed)?,
            Some(first) => not_tried(&actions, first, place, &mut failed),
        }
    }
    let outcome = |(action, failed): (Action, Option<Failure>)| Outcome {
        target: action.target,
        summary: action.summary,
        failed,
    };
    Ok(actions.into_iter().zip(failed).map(outcome).collect())
}

/// The place of the change of Open vSwitch, with what is and what is to be.
fn switch(actions: &[Action]) -> Result<Option<(usize, Section, Section)>, Failure> {
    let read = |json: &Option<String>| -> Result<Option<Section>, Failure> {
        let object = json
            .as_ref()
            .map(|json| serde_json::from_str(json))
            .transpose()?;
        Ok(match object {
            Some(Object::Switch(section)) => Some(*section),
            _ => None,
        })
    };
    // The word saves reading every action of a long plan twice.
    let speaks = |json: &Option<String>| {
        json.as_ref()
            .is_some_and(|json| json.starts_with("{\"open_vswitch\""))
    };
    for (place, action) in actions
        .iter()
        .enumerate()
        .filter(|(_, it)| speaks(&it.after))
    {
        if let Some(after) = read(&action.after)? {
            return Ok(Some((
                place,
                read(&action.before)?.unwrap_or_default(),
                after,
            )));
        }
    }
    Ok(None)
}

/// Marks what depends on a failed action.
fn not_tried(actions: &[Action], first: usize, from: usize, failed: &mut [Option<Failure>]) {
    let why = format!("not tried, because {} failed", actions[first].target);
    for failed in failed.iter_mut().skip(from) {
        failed.get_or_insert_with(|| Failure::new(FailureCode::Cancelled, why.clone()));
    }
}

/// One batch.
fn execute(owned: Vec<Owned>, failed: &mut [Option<Failure>]) -> Result<(), Failure> {
    if owned.is_empty() {
        return Ok(());
    }
    let (places, requests): (Vec<(usize, bool)>, Vec<Request>) =
        owned.into_iter().map(split).unzip();
    let answers = nl::execute(&requests);
    if answers.len() != requests.len() {
        return Err(Failure::new(
            FailureCode::Internal,
            format!(
                "the host gave {} answers to {} requests",
                answers.len(),
                requests.len()
            ),
        ));
    }
    for ((action, removes), answer) in places.into_iter().zip(answers) {
        match answer {
            // What is to be gone is gone: with its link, or by somebody else's hand.
            Err(failure) if removes && failure.code == FailureCode::NotFound => {}
            Err(failure) if failed[action].is_none() => {
                failed[action] = Some(failure);
            }
            _ => {}
        }
    }
    Ok(())
}

fn split(owned: Owned) -> ((usize, bool), Request) {
    let removes = matches!(
        owned.request,
        Request::DeleteLink(_)
            | Request::DeleteAlternativeName(_)
            | Request::DeleteAddress(_)
            | Request::DeleteRoute(_)
            | Request::DeleteRule(_)
            | Request::DeleteNeighbour(_)
            | Request::DeleteBridgeVlan(_)
    );
    ((owned.action, removes), owned.request)
}
