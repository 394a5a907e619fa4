//! A case: contenders that do the same thing, and how they should compare.

use anyhow::{Context, Result};

use super::sampler::{Network, Sample, Sampler};
use super::scenario::Scenario;

/// Somebody who does what the case asks for.
pub struct Contender {
    /// The column's title, the same in all cases.
    pub name: &'static str,
    /// Programs that do it one after the other; their times add up.
    pub commands: Vec<Vec<String>>,
    /// How often it is run. Slow peers are run less often.
    pub rounds: usize,
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
}

impl Goal {
    /// At most `limit` times what `against` needs.
    pub fn at_most(measure: Measure, limit: f64, against: &'static str) -> Self {
        Self {
            measure,
            against: Some(against),
            limit,
            at_most: true,
        }
    }

    /// At least `limit` times less than `against` needs.
    pub fn faster(measure: Measure, limit: f64, against: &'static str) -> Self {
        Self {
            measure,
            against: Some(against),
            limit,
            at_most: false,
        }
    }

    /// At most `limit` milliseconds or mebibytes.
    pub fn absolute(measure: Measure, limit: f64) -> Self {
        Self {
            measure,
            against: None,
            limit,
            at_most: true,
        }
    }
}

/// See the module.
pub struct Case {
    /// What is done, to how much.
    pub name: String,
    /// The network before.
    pub scenario: Scenario,
    /// What is run first in the network, unmeasured, as the state that the case starts from.
    pub first: Option<Vec<String>>,
    /// Whether each run changes the network and needs a new one.
    pub changes: bool,
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
}

impl Case {
    /// Runs all contenders in turn.
    ///
    /// # Errors
    /// One of them failed.
    pub fn run(&self, sampler: &Sampler) -> Result<CaseResult<'_>> {
        let rounds = self
            .contenders
            .iter()
            .map(|contender| contender.rounds)
            .max()
            .unwrap_or(0);
        let mut samples = vec![Vec::new(); self.contenders.len()];
        let mut shared = None;
        for round in 0..rounds {
            for (contender, samples) in self.contenders.iter().zip(&mut samples) {
                if round >= contender.rounds {
                    continue;
                }
                let network = match shared.take() {
                    Some(network) => network,
                    None => self.network(sampler)?,
                };
                let sample = sampler.run_all(&network, &contender.commands);
                samples.push(sample.with_context(|| format!("{}: {}", self.name, contender.name))?);
                if !self.changes {
                    shared = Some(network);
                }
            }
        }
        let medians = samples
            .iter()
            .map(|samples| (Sample::median(samples), samples.len()));
        Ok(CaseResult {
            case: self,
            medians: medians.collect(),
        })
    }

    fn network(&self, sampler: &Sampler) -> Result<Network> {
        let network = sampler.network(&self.scenario)?;
        if let Some(first) = &self.first {
            sampler.run_all(&network, std::slice::from_ref(first))?;
        }
        Ok(network)
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
