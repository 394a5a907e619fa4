//! Carrying out actions: one batch, an outcome for each.

use op_dbus_plugin::netlink::{self as nl, Request};
use op_dbus_plugin::{Action, Failure, FailureCode, Outcome};

use crate::compile::{Owned, requests};

/// Carries out actions in one batch.
///
/// # Errors
/// `invalid` when an action is not one of this plugin's; nothing was sent then.
pub fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
    let owned = requests(&actions)?;
    let mut failed: Vec<Option<Failure>> = vec![None; actions.len()];
    if !owned.is_empty() {
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
                    failed[action] = Some(named(&actions[action], failure));
                }
                _ => {}
            }
        }
    }
    let outcome = |(action, failed): (Action, Option<Failure>)| Outcome {
        target: action.target,
        summary: action.summary,
        failed,
    };
    Ok(actions.into_iter().zip(failed).map(outcome).collect())
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

/// The failure, with the object and the step before the host's words.
fn named(action: &Action, failure: Failure) -> Failure {
    let message = format!("{}: {}: {}", action.target, action.summary, failure.message);
    Failure { message, ..failure }
}
