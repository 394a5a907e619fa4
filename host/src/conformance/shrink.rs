//! The smallest input that still shows a breach.

use serde_json::Value;

use super::law::{Breach, Law};
use super::variants::reductions;

/// Trials that a shrinking may take: each is some dozen calls.
const TRIALS: usize = 300;

/// An input: the state that the host is brought to first, if it is brought to one, and the state that is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What there is before.
    pub start: Option<Value>,
    /// What is wanted.
    pub state: Value,
}

/// Takes parts of an input away as long as `broken` still finds a breach of the same law. Returns the smallest input with its breach.
pub async fn shrink(
    mut input: Input,
    mut breach: Breach,
    law: Law,
    mut broken: impl AsyncFnMut(Input) -> Option<Breach>,
) -> (Input, Breach) {
    let mut left = TRIALS;
    'smaller: loop {
        for smaller in smaller(&input) {
            if left == 0 {
                return (input, breach);
            }
            left -= 1;
            if let Some(found) = broken(smaller.clone()).await
                && found.law == law
            {
                (input, breach) = (smaller, found);
                continue 'smaller;
            }
        }
        return (input, breach);
    }
}

/// Inputs that are smaller by one part.
fn smaller(input: &Input) -> Vec<Input> {
    let mut all = Vec::new();
    if input.start.is_some() {
        all.push(Input {
            start: None,
            state: input.state.clone(),
        });
    }
    all.extend(reductions(&input.state).into_iter().map(|state| Input {
        start: input.start.clone(),
        state,
    }));
    if let Some(start) = &input.start {
        all.extend(reductions(start).into_iter().map(|start| Input {
            start: Some(start),
            state: input.state.clone(),
        }));
    }
    all
}
