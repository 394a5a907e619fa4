//! Hostile answers: each question that a plugin asks of the host, in each call, is answered with a failure or a lie in turn.

use super::law::{Breach, Law};
use super::life::failed;
use super::shrink::Input;
use super::stage::Stage;
use super::subject::{Attempt, Subject, breach_of, short};
use super::twist::Twist;
use crate::contract::exports::op_dbus::plugin::state::{Action, CheckpointData};
use crate::gate::Mode;
use crate::plugin::failure::PluginError;

/// The most questions of one call that are answered with lies; beyond, every further one of a long batch would say the same.
const MOST: usize = 12;

/// The calls that ask something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    QueryAll,
    Query,
    Verify,
    Checkpoint,
    Apply,
    Rollback,
}

const CALLS: [Call; 6] = [
    Call::QueryAll,
    Call::Query,
    Call::Verify,
    Call::Checkpoint,
    Call::Apply,
    Call::Rollback,
];

impl Call {
    fn words(self) -> &'static str {
        match self {
            Self::QueryAll => "query()",
            Self::Query => "query(S)",
            Self::Verify => "verify(S)",
            Self::Checkpoint => "checkpoint(S)",
            Self::Apply => "apply(diff(query(S), S))",
            Self::Rollback => "rollback(C)",
        }
    }

    fn changes(self) -> bool {
        matches!(self, Self::Apply | Self::Rollback)
    }
}

/// What came of a call, as far as it matters here.
enum Came {
    /// An answer, and whether it tells of a failed step.
    Answer { failed: bool },
    /// A failure.
    Failure,
    /// The plugin broke.
    Broke(PluginError),
}

/// A host that has been prepared for one call.
struct Prepared<'a> {
    attempt: Attempt<'a>,
    state: String,
    actions: Vec<Action>,
    checkpoint: Option<CheckpointData>,
}

/// Tries all calls with an input; without one, only reading everything. Returns what was broken, each law once.
///
/// # Errors
/// When the host itself fails.
pub async fn lies(
    subject: &Subject,
    stage: &dyn Stage,
    input: Option<&Input>,
) -> anyhow::Result<Vec<Breach>> {
    let mut breaches: Vec<Breach> = Vec::new();
    for call in CALLS {
        if input.is_none() && call != Call::QueryAll {
            continue;
        }
        let Some(questions) = asked(subject, stage, input, call).await? else {
            continue;
        };
        // What only reads leaves a host as it was.
        let mut kept = None;
        for (number, question) in questions.iter().enumerate().take(MOST) {
            for twist in Twist::ALL {
                if call.changes() || kept.is_none() {
                    kept = prepare(subject, stage, input, call).await?;
                }
                let Some(prepared) = &kept else {
                    continue;
                };
                prepared.attempt.witness.lie(number, twist);
                let came = prepared.make(call).await;
                let heard = prepared.attempt.heard();
                if !heard.twisted {
                    continue;
                }
                let story = format!(
                    "{}, when question {} ({question}) is answered {}",
                    call.words(),
                    number + 1,
                    twist.words()
                );
                // From here on something would have been changed, and was not.
                let fails = match twist {
                    Twist::Gone => number == 0 || questions[number..].iter().any(|it| changes(it)),
                    Twist::Refused => changes(question),
                    _ => false,
                };
                let Some(breach) = judge(call == Call::Apply && fails, came, story) else {
                    continue;
                };
                if !breaches.iter().any(|known| known.law == breach.law) {
                    breaches.push(breach);
                }
            }
        }
    }
    Ok(breaches)
}

/// What a call asks of the host while nobody lies; nothing where the input does not lead there.
async fn asked(
    subject: &Subject,
    stage: &dyn Stage,
    input: Option<&Input>,
    call: Call,
) -> anyhow::Result<Option<Vec<&'static str>>> {
    let Some(prepared) = prepare(subject, stage, input, call).await? else {
        return Ok(None);
    };
    prepared.make(call).await;
    Ok(Some(prepared.attempt.heard().asked))
}

/// Brings a host to where a call can be made.
async fn prepare<'a>(
    subject: &'a Subject,
    stage: &dyn Stage,
    input: Option<&Input>,
    call: Call,
) -> anyhow::Result<Option<Prepared<'a>>> {
    let attempt = subject.attempt(stage).await?;
    let mut prepared = Prepared {
        attempt,
        state: String::new(),
        actions: Vec::new(),
        checkpoint: None,
    };
    let Some(input) = input else {
        return Ok(Some(prepared));
    };
    prepared.state = prepared.attempt.text(&input.state);
    if call.changes() {
        let attempt = &prepared.attempt;
        let planned = async {
            let current = attempt.query("query(S)", Some(&input.state)).await?;
            let actions = attempt.diff("diff", &current, &input.state).await?;
            let checkpoint = attempt.checkpoint(Some(&input.state)).await?;
            if call == Call::Rollback {
                attempt.apply("apply", &actions).await?;
            }
            Ok::<_, super::subject::Stop>((actions, checkpoint))
        };
        // What goes wrong here without lies is another law's business.
        let Ok((actions, checkpoint)) = planned.await else {
            return Ok(None);
        };
        prepared.actions = actions;
        prepared.checkpoint = Some(checkpoint);
        if prepared.actions.is_empty() {
            return Ok(None);
        }
    }
    prepared.attempt.heard();
    Ok(Some(prepared))
}

impl Prepared<'_> {
    async fn make(&self, call: Call) -> Came {
        let caller = self.attempt.caller();
        let fine = |answer: Result<(), PluginError>| match answer {
            Ok(()) => Came::Answer { failed: false },
            Err(PluginError::Answer { .. }) => Came::Failure,
            Err(error) => Came::Broke(error),
        };
        let outcomes = |answer: Result<Vec<_>, PluginError>| match answer {
            Ok(outcomes) => Came::Answer {
                failed: failed(&outcomes).is_some(),
            },
            Err(PluginError::Answer { .. }) => Came::Failure,
            Err(error) => Came::Broke(error),
        };
        match (call, &self.checkpoint) {
            (Call::QueryAll, _) => fine(caller.query(None).await.map(drop)),
            (Call::Query, _) => fine(caller.query(Some(&self.state)).await.map(drop)),
            (Call::Verify, _) => fine(caller.verify(&self.state).await.map(drop)),
            (Call::Checkpoint, _) => fine(caller.checkpoint(Some(&self.state)).await.map(drop)),
            (Call::Rollback, Some(to)) => outcomes(caller.rollback(Mode::Change, to).await),
            (Call::Apply | Call::Rollback, _) => {
                outcomes(caller.apply(Mode::Change, &self.actions).await)
            }
        }
    }
}

/// Calls of the host that change something, as far as their name tells.
fn changes(question: &str) -> bool {
    matches!(question, "netlink.execute" | "ovsdb.settle")
}

/// What is to be said of a call; `must_fail` where no plugin could have done all that was asked of it.
fn judge(must_fail: bool, came: Came, story: String) -> Option<Breach> {
    match came {
        Came::Broke(error) => {
            let breach = breach_of(&story, &error);
            let law = match breach.law {
                Law::ErrorsTyped => Law::HostileAnswers,
                other => other,
            };
            Some(Breach {
                law,
                expected: "an answer, or a failure with a code".into(),
                got: short(&breach.got),
                ..breach
            })
        }
        // Who is told that nothing works any more, and says that all is done, lies.
        Came::Answer { failed: false } if must_fail => Some(Breach::new(
            Law::FailuresReported,
            story,
            "a failed step, or a failure",
            "every step is said to have succeeded",
        )),
        Came::Answer { .. } | Came::Failure => None,
    }
}
