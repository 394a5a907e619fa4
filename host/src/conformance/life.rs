//! The laws of one transaction: a state is queried, planned, applied, verified, planned again, and undone.

use serde_json::Value;

use super::law::{Breach, Law};
use super::shrink::Input;
use super::stage::Stage;
use super::subject::{Attempt, Stop, Subject, short};
use crate::contract::exports::op_dbus::plugin::state::{Action, Mismatch, Outcome};
use crate::contract::types::FailureCode;
use crate::plugin::failure::describe;

/// What became of a life.
#[derive(Debug, Default)]
pub struct Lived {
    /// Laws that were broken, each once.
    pub breaches: Vec<Breach>,
    /// Why it ended early, without a breach: the plugin may say that a state cannot be.
    pub declined: Option<String>,
    /// That it ended because a server that the plugin asks is not there.
    pub unavailable: bool,
}

impl Lived {
    fn note(&mut self, breach: Breach) {
        if !self.breaches.iter().any(|known| known.law == breach.law) {
            self.breaches.push(breach);
        }
    }

    fn expect(&mut self, holds: bool, breach: impl FnOnce() -> Breach) {
        if !holds {
            self.note(breach());
        }
    }
}

/// Lives through one transaction with an input, on a host of its own.
///
/// # Errors
/// When the host itself fails.
pub async fn live(subject: &Subject, stage: &dyn Stage, input: &Input) -> anyhow::Result<Lived> {
    let attempt = subject.attempt(stage).await?;
    let mut lived = Lived::default();
    if let Some(start) = &input.start
        && let Some(reason) = arrive(&attempt, start).await
    {
        lived.declined = Some(reason);
        return Ok(lived);
    }
    let life = Life {
        subject,
        attempt: &attempt,
        state: &input.state,
        is_live: stage.is_live(),
    };
    match life.through(&mut lived).await {
        Ok(()) => {}
        Err(End::Host(error)) => return Err(error),
        Err(End::Stop(Stop::Breach(breach))) => lived.note(breach),
        Err(End::Stop(Stop::Failed(call, failure))) => {
            let denied = failure.code == FailureCode::Denied;
            lived.unavailable = failure.code == FailureCode::Unavailable;
            let reason = format!("{call}: {}", describe(&failure));
            lived.expect(!denied, || beyond_asks(&call, &reason));
            lived.declined = Some(reason);
        }
    }
    Ok(lived)
}

/// Brings the host to a state; says why where that cannot be, which is another input's business.
async fn arrive(attempt: &Attempt<'_>, start: &Value) -> Option<String> {
    let arrived = async {
        let current = attempt.query("query", Some(start)).await?;
        let actions = attempt.diff("diff", &current, start).await?;
        attempt.apply("apply", &actions).await
    };
    let reason = match arrived.await {
        Ok(outcomes) => failed(&outcomes),
        Err(Stop::Breach(breach)) => Some(breach.got),
        Err(Stop::Failed(_, failure)) => Some(describe(&failure)),
    };
    attempt.heard();
    reason
}

enum End {
    Stop(Stop),
    Host(anyhow::Error),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        Self::Host(error)
    }
}

struct Life<'a> {
    subject: &'a Subject,
    attempt: &'a Attempt<'a>,
    state: &'a Value,
    is_live: bool,
}

impl Life<'_> {
    async fn through(&self, lived: &mut Lived) -> Result<(), End> {
        let before = self.attempt.snapshot().await?;
        let current = self.read(lived).await?;
        let actions = self.plan(lived, &current).await?;
        let checkpoint = self.attempt.checkpoint(Some(self.state)).await?;
        let after_reading = self.attempt.snapshot().await?;
        lived.expect(after_reading == before, || {
            let call = "query(S), verify(S), checkpoint(S)";
            Breach::new(
                Law::ReadOnly,
                call,
                "nothing changes",
                changes(&before, &after_reading),
            )
        });
        self.has_read(lived, "verify(S), checkpoint(S)");

        let outcomes = self
            .attempt
            .apply("apply(diff(query(S), S))", &actions)
            .await?;
        self.within_asks(lived, "apply(diff(query(S), S))");
        if let Some(reason) = failed(&outcomes) {
            lived.declined = Some(format!("apply(diff(query(S), S)): {reason}"));
            return Ok(());
        }
        self.arrived(lived).await?;

        if !self.subject.description.supports.checkpoints {
            return Ok(self.attempt.release(&checkpoint).await?);
        }
        for call in ["rollback(C)", "rollback(C) once more"] {
            let outcomes = self.attempt.rollback(call, &checkpoint).await?;
            let reason = failed(&outcomes);
            lived.expect(reason.is_none(), || {
                let got = reason.clone().unwrap_or_default();
                Breach::new(Law::RollbackRestores, call, "every step succeeds", got)
            });
            let after = self.settled(&before).await?;
            lived.expect(after == before, || {
                let expected = "the host is as it was when checkpoint saw it";
                Breach::new(
                    Law::RollbackRestores,
                    call,
                    expected,
                    changes(&before, &after),
                )
            });
        }
        self.within_asks(lived, "rollback(C)");
        Ok(self.attempt.release(&checkpoint).await?)
    }

    /// What `query` says, twice, against the schema and against itself.
    async fn read(&self, lived: &mut Lived) -> Result<Value, End> {
        let mut current = self.attempt.query("query(S)", Some(self.state)).await?;
        let again = || self.attempt.query("query(S) again", Some(self.state));
        let mut next = again().await?;
        // Carriers of a real host come up in their own time.
        let until = tokio::time::Instant::now() + crate::transaction::settle::SETTLING;
        while self.is_live && next != current && tokio::time::Instant::now() < until {
            tokio::time::sleep(POLL).await;
            current = next;
            next = again().await?;
        }
        let again = next;
        lived.expect(current == again, || {
            differs(Law::QueryStable, "query(S) again", &current, &again)
        });
        self.described(lived, "query(S)", &current);
        let steps = self
            .attempt
            .diff("diff(query(S), query(S))", &current, &current)
            .await;
        lived.expect(matches!(&steps, Ok(steps) if steps.is_empty()), || {
            let got = match steps {
                Ok(steps) => words(&steps),
                Err(Stop::Failed(_, failure)) => describe(&failure),
                Err(Stop::Breach(breach)) => breach.got,
            };
            Breach::new(Law::DiffSelf, "diff(query(S), query(S))", "no step", got)
        });
        Ok(current)
    }

    /// What `diff` says, twice, and whether `verify` agrees.
    async fn plan(&self, lived: &mut Lived, current: &Value) -> Result<Vec<Action>, End> {
        let call = "diff(query(S), S)";
        self.has_read(lived, "query(S)");
        let actions = self.attempt.diff(call, current, self.state).await?;
        let again = self.attempt.diff(call, current, self.state).await?;
        lived.expect(actions == again, || {
            Breach::new(Law::Pure, call, words(&actions), words(&again))
        });
        let asked = self.attempt.heard().asked;
        lived.expect(asked.is_empty(), || {
            Breach::new(Law::Pure, call, "no call to the host", asked.join(", "))
        });
        let call = "verify(S) before apply";
        let mismatches = self.attempt.verify(call, self.state).await?;
        lived.expect(self.agree(&actions, &mismatches), || {
            disagree("verify(S) before apply", &actions, &mismatches)
        });
        Ok(actions)
    }

    /// What is to hold once all has been done.
    async fn arrived(&self, lived: &mut Lived) -> Result<(), End> {
        let mut mismatches = self
            .attempt
            .verify("verify(S) after apply", self.state)
            .await?;
        let until = tokio::time::Instant::now() + crate::transaction::settle::SETTLING;
        // The real kernel takes its time over addresses and carriers; a simulated one is there at once.
        while self.is_live && !mismatches.is_empty() && tokio::time::Instant::now() < until {
            tokio::time::sleep(POLL).await;
            mismatches = self
                .attempt
                .verify("verify(S) after apply", self.state)
                .await?;
        }
        let now = self
            .attempt
            .query("query(S) after apply", Some(self.state))
            .await?;
        self.described(lived, "query(S) after apply", &now);
        let call = "diff(query(S), S) after apply";
        let left = self.attempt.diff(call, &now, self.state).await?;
        lived.expect(left.is_empty(), || {
            Breach::new(Law::Converges, call, "no step", words(&left))
        });
        lived.expect(self.agree(&left, &mismatches), || {
            disagree("verify(S) after apply", &left, &mismatches)
        });
        let reached = self.attempt.snapshot().await?;
        let outcomes = self.attempt.apply("apply of no steps", &[]).await?;
        lived.expect(outcomes.is_empty(), || {
            Breach::new(
                Law::Idempotent,
                "apply of no steps",
                "no outcome",
                outcome_words(&outcomes),
            )
        });
        let after = self.settled(&reached).await?;
        lived.expect(after == reached, || {
            let expected = "nothing changes";
            Breach::new(
                Law::Idempotent,
                "apply of no steps",
                expected,
                changes(&reached, &after),
            )
        });
        Ok(())
    }

    /// Whether `verify` finds a mismatch where `diff` finds a step. Who may change nothing has no steps, and finds mismatches all the same.
    fn agree(&self, actions: &[Action], mismatches: &[Mismatch]) -> bool {
        match actions.is_empty() {
            true => mismatches.is_empty() || self.subject.only_watches(),
            false => !mismatches.is_empty(),
        }
    }

    /// The host, once it is as expected or has had its time.
    async fn settled(&self, expected: &[String]) -> anyhow::Result<Vec<String>> {
        let mut now = self.attempt.snapshot().await?;
        let until = tokio::time::Instant::now() + crate::transaction::settle::SETTLING;
        while self.is_live && now != expected && tokio::time::Instant::now() < until {
            tokio::time::sleep(POLL).await;
            now = self.attempt.snapshot().await?;
        }
        Ok(now)
    }

    fn described(&self, lived: &mut Lived, call: &str, answer: &Value) {
        if let Some(schema) = &self.subject.schema
            && let Some(misfit) = schema.misfit(answer)
        {
            lived.note(Breach::new(
                Law::QuerySchema,
                call,
                "what the schema describes",
                short(&misfit),
            ));
        }
    }

    /// As [`Self::within_asks`], after calls that may only read.
    fn has_read(&self, lived: &mut Lived, call: &str) {
        let heard = self.attempt.heard();
        if let Some(change) = heard.change() {
            let got = format!("{change} is called, and denied");
            lived.note(Breach::new(Law::ReadOnly, call, "nothing is changed", got));
        }
        if let Some(denied) = heard.denied.first() {
            lived.note(beyond_asks(call, &describe(denied)));
        }
    }

    fn within_asks(&self, lived: &mut Lived, call: &str) {
        if let Some(denied) = self.attempt.heard().denied.first() {
            lived.note(beyond_asks(call, &describe(denied)));
        }
    }
}

/// How often the real kernel is looked at while it comes to rest.
const POLL: std::time::Duration = std::time::Duration::from_millis(20);

fn beyond_asks(call: &str, reason: &str) -> Breach {
    let expected = "every call lies within what describe asks for";
    Breach::new(Law::WithinAsks, call, expected, short(reason))
}

fn differs(law: Law, call: &str, before: &Value, after: &Value) -> Breach {
    let (path, before, after) = crate::trace::difference::first(before, after).unwrap_or_default();
    let shown = |value: Option<Value>| value.map_or("nothing".into(), |it| short(&it.to_string()));
    let got = format!("{} at {path}", shown(after));
    Breach::new(law, call, format!("{} as before", shown(before)), got)
}

fn disagree(call: &str, actions: &[Action], mismatches: &[Mismatch]) -> Breach {
    let expected = match actions.is_empty() {
        true => "no mismatch, because diff finds no step".to_owned(),
        false => format!("a mismatch, because diff finds: {}", words(actions)),
    };
    let got: Vec<String> = mismatches
        .iter()
        .map(|it| {
            let have = it.have.as_deref().unwrap_or("nothing");
            format!("{}: want {}, have {have}", it.path, it.want)
        })
        .collect();
    let got = match got.is_empty() {
        true => "no mismatch".into(),
        false => short(&got.join("; ")),
    };
    Breach::new(Law::VerifyAgrees, call, expected, got)
}

/// Steps in words.
fn words(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "no step".into();
    }
    let words: Vec<&str> = actions
        .iter()
        .map(|action| action.summary.as_str())
        .collect();
    short(&words.join("; "))
}

fn outcome_words(outcomes: &[Outcome]) -> String {
    let words: Vec<&str> = outcomes.iter().map(|it| it.summary.as_str()).collect();
    short(&words.join("; "))
}

/// The first step that failed.
pub fn failed(outcomes: &[Outcome]) -> Option<String> {
    outcomes.iter().find_map(|outcome| {
        let failure = outcome.failed.as_ref()?;
        Some(format!("{}: {}", outcome.target, describe(failure)))
    })
}

/// What is only in one of two snapshots.
fn changes(before: &[String], after: &[String]) -> String {
    let only = |these: &[String], those: &[String], sign: char| {
        let found = these.iter().filter(|line| !those.contains(line));
        found
            .map(|line| format!("{sign} {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = only(before, after, '-');
    lines.extend(only(after, before, '+'));
    let shown: Vec<String> = lines.iter().take(6).map(|line| short(line)).collect();
    shown.join("\n")
}
