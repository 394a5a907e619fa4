//! All of it, in order: laws that need no state, the given states, and what is made of them.

use std::collections::BTreeMap;

use super::alone::alone;
use super::keys::unknown;
use super::law::{Breach, Law};
use super::lies::lies;
use super::life::{Lived, live};
use super::report::{Finding, Report, Verdict};
use super::shrink::{Input, shrink};
use super::stage::Stage;
use super::states::Given;
use super::subject::{Subject, short};
use super::variants::variants;

/// Laws that show only where answers are made up.
const NEEDS_LIES: [Law; 2] = [Law::HostileAnswers, Law::FailuresReported];

/// Laws that need an answer of `query`.
const READS: [Law; 3] = [Law::QueryStable, Law::QuerySchema, Law::DiffSelf];

/// Why laws were not tried where a server is not there.
const NOBODY_ANSWERS: &str = "a server that the plugin asks does not answer here: name one with --bus, or for --live with --ovsdb and --dbus-address";

/// Tries a plugin.
///
/// # Errors
/// When a host cannot be had or fails by itself: that says nothing about the plugin.
pub async fn trial(
    subject: &Subject,
    stage: &dyn Stage,
    given: &[Given],
) -> anyhow::Result<Report> {
    let mut trial = Trial {
        subject,
        stage,
        findings: BTreeMap::new(),
        tried: 0,
        declined: 0,
        unlived: 0,
    };
    let alone = alone(subject, stage).await?;
    for breach in alone.breaches {
        trial.note(breach, None, None);
    }
    if given.is_empty() && !stage.is_live() {
        for breach in lies(subject, stage, None).await? {
            trial.note(breach, None, None);
        }
    }
    for state in given {
        trial.given(state).await?;
    }
    let checked = Law::ALL
        .into_iter()
        .filter(|law| !given.is_empty() || law.stands_alone());
    let restores = subject.description.supports.checkpoints;
    let unlived = trial.unlived == given.len();
    let verdicts = checked.map(|law| {
        let unread = !alone.read && unlived && READS.contains(&law);
        let found = trial.findings.remove(&law);
        match found {
            Some(finding) => Verdict::Broken(finding),
            None if unread || (unlived && !given.is_empty() && !law.stands_alone()) => {
                Verdict::NotTried(law, NOBODY_ANSWERS)
            }
            None if stage.is_live() && NEEDS_LIES.contains(&law) => Verdict::NotTried(
                law,
                "the real kernel does not lie: leave --live out to try it",
            ),
            None if law == Law::RollbackRestores && !restores => {
                Verdict::NotTried(law, "the plugin does not say that it supports checkpoints")
            }
            None => Verdict::Held(law),
        }
    });
    let mut verdicts: Vec<Verdict> = verdicts.collect();
    if given.is_empty() {
        let rest = Law::ALL.into_iter().filter(|law| !law.stands_alone());
        verdicts
            .extend(rest.map(|law| Verdict::NotTried(law, "there was no state to try it with")));
    }
    Ok(Report {
        plugin: subject.plugin.name.clone(),
        version: subject.description.version.clone(),
        digest: subject.plugin.digest.clone(),
        stage: stage.shown(),
        states: given.len(),
        unlived,
        made: trial.tried,
        declined: trial.declined,
        verdicts,
    })
}

struct Trial<'a> {
    subject: &'a Subject,
    stage: &'a dyn Stage,
    findings: BTreeMap<Law, Finding>,
    tried: usize,
    declined: usize,
    /// Given states that nothing could be tried with, because a server is not there.
    unlived: usize,
}

impl Trial<'_> {
    /// Keeps the first breach of each law.
    fn note(&mut self, breach: Breach, origin: Option<&str>, input: Option<Input>) {
        self.findings.entry(breach.law).or_insert_with(|| Finding {
            breach,
            origin: origin.map(str::to_owned),
            input,
        });
    }

    fn is_known(&self, law: Law) -> bool {
        self.findings.contains_key(&law)
    }

    /// Everything that can be tried with a given state.
    async fn given(&mut self, given: &Given) -> anyhow::Result<()> {
        let input = Input {
            start: None,
            state: given.section.clone(),
        };
        if !self.fits(given).await? {
            return Ok(());
        }
        let lived = self.life(&given.origin, input.clone()).await?;
        if lived.unavailable {
            self.unlived += 1;
            return Ok(());
        }
        if let Some(reason) = lived.declined {
            let call = "query(S), diff, apply";
            let expected = format!("a state that can be applied on {}", self.stage.shown());
            let breach = Breach::new(Law::Applies, call, expected, short(&reason));
            self.note(breach, Some(&given.origin), Some(input.clone()));
        }
        self.keys(&given.origin, input.clone()).await?;
        // On the real kernel nobody lies; it is slower, and the simulated one has seen the same plugin.
        if !self.stage.is_live() {
            for breach in lies(self.subject, self.stage, Some(&input)).await? {
                self.note(breach, Some(&given.origin), Some(input.clone()));
            }
        }
        // Judging a state touches no host: one serves all.
        let judging = self.subject.attempt(self.stage).await?;
        for variant in variants(&given.section) {
            let accepted = self.subject.accepts(&judging, &variant).await;
            let alone = Input {
                start: None,
                state: variant.clone(),
            };
            match accepted {
                Ok(true) => {}
                Ok(false) => continue,
                Err(breach) => {
                    self.note(breach, Some(&given.origin), Some(alone));
                    continue;
                }
            }
            let after = Input {
                start: Some(given.section.clone()),
                state: variant,
            };
            for input in [alone, after] {
                self.tried += 1;
                if self.life(&given.origin, input).await?.declined.is_some() {
                    self.declined += 1;
                }
            }
        }
        Ok(())
    }

    /// Whether a given state fits the schema and the plugin finds no fault with it: if not, that is the finding.
    async fn fits(&mut self, given: &Given) -> anyhow::Result<bool> {
        let input = Input {
            start: None,
            state: given.section.clone(),
        };
        let misfit = self.subject.schema.as_ref();
        if let Some(misfit) = misfit.and_then(|schema| schema.misfit(&given.section)) {
            let call = "the schema";
            let breach = Breach::new(Law::Schema, call, "the given state fits it", short(&misfit));
            self.note(breach, Some(&given.origin), Some(input));
            return Ok(false);
        }
        let attempt = self.subject.attempt(self.stage).await?;
        let problems = attempt.validate(&given.section).await;
        let asked = attempt.heard().asked;
        drop(attempt);
        if !asked.is_empty() {
            let breach = Breach::new(
                Law::Pure,
                "validate(S)",
                "no call to the host",
                asked.join(", "),
            );
            self.note(breach, Some(&given.origin), Some(input.clone()));
        }
        match problems {
            Ok(problems) => {
                let Some(problem) = problems.first() else {
                    return Ok(true);
                };
                let got = short(&format!("{}: {}", problem.path, problem.message));
                let breach = Breach::new(Law::Schema, "validate(S)", "no problem", got);
                self.note(breach, Some(&given.origin), Some(input));
                Ok(false)
            }
            Err(super::subject::Stop::Breach(breach)) => {
                self.note(breach, Some(&given.origin), Some(input));
                Ok(false)
            }
            Err(super::subject::Stop::Failed(..)) => Ok(false),
        }
    }

    /// Lives through an input; a new breach is brought to its smallest input, and kept.
    async fn life(&mut self, origin: &str, input: Input) -> anyhow::Result<Lived> {
        let mut lived = live(self.subject, self.stage, &input).await?;
        for breach in lived.breaches.drain(..) {
            let law = breach.law;
            if self.is_known(law) {
                continue;
            }
            let (subject, stage) = (self.subject, self.stage);
            let (input, breach) = match stage.is_live() {
                // Each step would be a namespace and seconds of settling.
                true => (input.clone(), breach),
                false => {
                    let again = async |smaller: Input| {
                        let attempt = subject.attempt(stage).await.ok()?;
                        if !subject.accepts(&attempt, &smaller.state).await.ok()? {
                            return None;
                        }
                        let lived = live(subject, stage, &smaller).await.ok()?;
                        lived.breaches.into_iter().find(|it| it.law == law)
                    };
                    shrink(input.clone(), breach, law, again).await
                }
            };
            self.note(breach, Some(origin), Some(input));
        }
        Ok(lived)
    }

    async fn keys(&mut self, origin: &str, input: Input) -> anyhow::Result<()> {
        if self.is_known(Law::UnknownKeys) {
            return Ok(());
        }
        let (subject, stage) = (self.subject, self.stage);
        let Some(breach) = unknown(subject, stage, &input).await? else {
            return Ok(());
        };
        let law = breach.law;
        let again = async |smaller: Input| {
            let attempt = subject.attempt(stage).await.ok()?;
            if !subject.accepts(&attempt, &smaller.state).await.ok()? {
                return None;
            }
            unknown(subject, stage, &smaller).await.ok().flatten()
        };
        let (input, breach) = shrink(input, breach, law, again).await;
        self.note(breach, Some(origin), Some(input));
        Ok(())
    }
}
