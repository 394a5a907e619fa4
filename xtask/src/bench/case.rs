//! A case: contenders that do the same thing, and how they should compare.

use anyhow::{Context, Result, ensure};

use super::sampler::{Network, Sample, Sampler};
use super::scenario::Scenario;

/// The column whose goals these are.
pub const OURS: &str = "op-dbus";

/// Somebody who does what the case asks for.
pub struct Contender {
    /// The column's title, the same in all cases.
    pub name: &'static str,
    /// Programs that do it one after the other; their times add up.
    pub commands: Vec<Vec<String>>,
    /// How often it is run. Slow peers are run less often.
    pub rounds: usize,
    /// The phase whose time counts instead of the wall time, where the programs tell of it on stderr, see [`Sampler::run_all`].
    pub phase: Option<&'static str>,
    /// Whether its output must contain what the case mentions.
    pub shows: bool,
}

impl Contender {
    /// One whose whole time counts.
    pub fn new(name: &'static str, commands: Vec<Vec<String>>, rounds: usize) -> Self {
        Self {
            name,
            commands,
            rounds,
            phase: None,
            shows: name != "raw",
        }
    }

    /// One that works as much, and shows less.
    pub fn that_shows_less(self) -> Self {
        Self {
            shows: false,
            ..self
        }
    }

    /// One whose time in a phase counts.
    pub fn of_phase(self, phase: &'static str) -> Self {
        Self {
            phase: Some(phase),
            ..self
        }
    }
}

/// What a goal compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// From start to end.
    Wall,
    /// In user space and in the kernel.
    Cpu,
    /// The highest resident set.
    Peak,
}

/// A figure of PERFORMANCE.md that op-dbus should reach.
pub struct Goal {
    /// What is compared.
    pub measure: Measure,
    /// Whom with; nobody for an absolute limit (ms, MiB).
    pub against: Option<&'static str>,
    /// The figure.
    pub limit: f64,
    /// Times slower than the other at most (or the absolute figure at most), or times faster at
    /// least.
    pub at_most: bool,
    /// Why it is missed, where that is known.
    pub why: Option<&'static str>,
}

impl Goal {
    /// At most `limit` times what `against` needs.
    pub fn at_most(measure: Measure, limit: f64, against: &'static str) -> Self {
        Self {
            measure,
            against: Some(against),
            limit,
            at_most: true,
            why: None,
        }
    }

    /// At least `limit` times less than `against` needs.
    pub fn faster(measure: Measure, limit: f64, against: &'static str) -> Self {
        Self {
            measure,
            against: Some(against),
            limit,
            at_most: false,
            why: None,
        }
    }

    /// At most `limit` milliseconds or mebibytes.
    pub fn absolute(measure: Measure, limit: f64) -> Self {
        Self {
            measure,
            against: None,
            limit,
            at_most: true,
            why: None,
        }
    }

    /// With the reason that is told where it is missed.
    pub fn missed_because(mut self, why: &'static str) -> Self {
        self.why = Some(why);
        self
    }
}

/// See the module.
pub struct Case {
    /// What is done, to how much.
    pub name: String,
    /// The network before.
    pub scenario: Scenario,
    /// Whether each run changes the network and needs a new one. All contenders must then leave
    /// as many links, addresses and routes as the first one does.
    pub changes: bool,
    /// What is run after each run, unmeasured, to take back what it changed.
    pub after: Option<Vec<String>>,
    /// A text that the output of every contender but `raw` and those that show less must contain,
    /// looked for in a run before the measured ones.
    pub mentions: Option<String>,
    /// Whether op-dbus is run once more with `--timings` to tell where its time goes.
    pub timings: bool,
    /// In the order of columns.
    pub contenders: Vec<Contender>,
    /// Those of op-dbus.
    pub goals: Vec<Goal>,
}

/// A case with its figures.
pub struct CaseResult<'a> {
    /// What was run.
    pub case: &'a Case,
    /// Medians, in the order of contenders, with the number of runs.
    pub medians: Vec<(Sample, usize)>,
    /// What op-dbus says with `--timings`.
    pub timings: Vec<String>,
}

impl Case {
    /// Runs all contenders in turn.
    ///
    /// # Errors
    /// One of them failed, or did something else than the others.
    pub fn run(&self, sampler: &Sampler) -> Result<CaseResult<'_>> {
        let rounds = self
            .contenders
            .iter()
            .map(|contender| contender.rounds)
            .max()
            .unwrap_or(0);
        let mut samples = vec![Vec::new(); self.contenders.len()];
        let mut shared = None;
        let mut outcome = None;
        if !self.changes {
            shared = Some(sampler.network(&self.scenario)?);
        }
        if let (Some(network), Some(text)) = (&shared, &self.mentions) {
            for contender in self.contenders.iter().filter(|contender| contender.shows) {
                let output = sampler.output(network, &contender.commands)?;
                ensure!(
                    output.contains(text),
                    "{}: no {text:?} in its output",
                    contender.name
                );
            }
        }
        for round in 0..rounds {
            for (contender, samples) in self.contenders.iter().zip(&mut samples) {
                if round >= contender.rounds {
                    continue;
                }
                let what = || format!("{}: {}", self.name, contender.name);
                let network = match shared.take() {
                    Some(network) => network,
                    None => sampler.network(&self.scenario)?,
                };
                let sample = sampler
                    .run_all(&network, &contender.commands, contender.phase)
                    .with_context(what)?;
                samples.push(sample);
                if let Some(after) = &self.after {
                    sampler
                        .run_all(&network, std::slice::from_ref(after), None)
                        .with_context(what)?;
                }
                if self.changes {
                    let now = sampler.census(&network)?;
                    let first = outcome.get_or_insert_with(|| now.clone());
                    ensure!(*first == now, "{}: left {now}, others {first}", what());
                } else {
                    shared = Some(network);
                }
            }
        }
        let medians = samples
            .iter()
            .map(|samples| (Sample::median(samples), samples.len()));
        let medians = medians.collect();
        let timings = self.timings(sampler, shared)?;
        Ok(CaseResult {
            case: self,
            medians,
            timings,
        })
    }

    /// Where the time goes, in the words of op-dbus itself.
    fn timings(&self, sampler: &Sampler, network: Option<Network>) -> Result<Vec<String>> {
        let ours = self
            .contenders
            .iter()
            .find(|contender| contender.name == OURS);
        let Some(contender) = ours.filter(|_| self.timings) else {
            return Ok(Vec::new());
        };
        let network = match network {
            Some(network) => network,
            None => sampler.network(&self.scenario)?,
        };
        let mut command = contender.commands[0].clone();
        command.insert(1, "--timings".into());
        let words = sampler.talk(&network, &command)?;
        // Phases are lines of JSON among whatever else is said there.
        let phases = words.lines().filter(|line| line.starts_with('{'));
        Ok(phases.map(str::to_owned).collect())
    }
}

impl CaseResult<'_> {
    /// The median of a contender.
    pub fn of(&self, name: &str) -> Option<Sample> {
        let names = self.case.contenders.iter().map(|contender| contender.name);
        names
            .zip(&self.medians)
            .find(|(other, _)| *other == name)
            .map(|(_, (sample, _))| *sample)
    }
}
