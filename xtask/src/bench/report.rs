//! Figures as tables, and as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::case::{CaseResult, Contender, Goal, Measure, OURS};
use super::sampler::Sample;

/// The largest binary that PERFORMANCE.md allows, in bytes.
const BINARY: u64 = 25_000_000;
/// Why it is larger.
const BINARY_WHY: &str = "the Wasm compiler, the machine code of two plugins and the clients of two registries' protocols are in it";

/// One case: a line for each contender, then one for each goal.
pub fn table(result: &CaseResult) -> String {
    let mut text = format!("\n{}\n", result.case.name);
    text.push_str(&format!(
        "  {:<16}{:>12}{:>12}{:>12}{:>6}\n",
        "", "wall ms", "CPU ms", "peak MiB", "runs"
    ));
    for (contender, (sample, runs)) in result.case.contenders.iter().zip(&result.medians) {
        text.push_str(&format!(
            "  {:<16}{:>12.2}{:>12.2}{:>12.1}{runs:>6}\n",
            contender.name, sample.wall, sample.cpu, sample.peak
        ));
    }
    for line in shares(result) {
        text.push_str(&format!("  {line}\n"));
    }
    for goal in &result.case.goals {
        text.push_str(&format!("  {}\n", Verdict::of(result, goal).line()));
    }
    for line in &result.timings {
        text.push_str(&format!("  | {line}\n"));
    }
    text
}

/// Of a case that is about others than op-dbus as a whole: how many times the first contender's figures each needs.
fn shares(result: &CaseResult) -> Vec<String> {
    if result.of(OURS).is_some() {
        return Vec::new();
    }
    let mut figures = result.case.contenders.iter().zip(&result.medians);
    let Some((first, (base, _))) = figures.next() else {
        return Vec::new();
    };
    let line = |(contender, (sample, _)): (&Contender, &(Sample, usize))| {
        let times = |measure| sample.get(measure) / base.get(measure);
        format!(
            "{} against {}: {:.1}x wall, {:.1}x CPU, {:.1}x peak",
            contender.name,
            first.name,
            times(Measure::Wall),
            times(Measure::Cpu),
            times(Measure::Peak)
        )
    };
    figures.map(line).collect()
}

/// How many goals were reached, and the ones that were missed.
pub fn summary(results: &[CaseResult], binary: &Path) -> Result<String> {
    let mut missed = Vec::new();
    let (mut reached, mut unknown) = (0, 0);
    for result in results {
        for goal in &result.case.goals {
            let verdict = Verdict::of(result, goal);
            match verdict.reached {
                Some(true) => reached += 1,
                Some(false) => missed.push(format!("  {}: {}", result.case.name, verdict.line())),
                None => unknown += 1,
            }
        }
    }
    let size = fs::metadata(binary)?.len();
    let line = format!(
        "stripped binary {:.1} MB (goal ≤ {} MB)",
        size as f64 / 1e6,
        BINARY / 1_000_000
    );
    if size <= BINARY {
        reached += 1
    } else {
        let beyond = size as f64 / BINARY as f64;
        missed.push(format!(
            "  {}",
            self::missed(&line, beyond, Some(BINARY_WHY))
        ))
    }
    let mut text = format!(
        "{line}\ngoals: {reached} reached, {} missed, {unknown} without their peer\n",
        missed.len()
    );
    text.push_str(&missed.join("\n"));
    Ok(text)
}

/// Writes all figures and goals, and the size of the binary in bytes.
pub fn save(results: &[CaseResult], binary: &Path, path: &Path) -> Result<()> {
    let cases: Vec<Value> = results.iter().map(case).collect();
    let size = fs::metadata(binary)?.len();
    let binary = json!({"bytes": size, "goal": BINARY, "reached": size <= BINARY});
    let text = serde_json::to_string_pretty(&json!({"binary": binary, "cases": cases}))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn case(result: &CaseResult) -> Value {
    let contenders = result.case.contenders.iter().zip(&result.medians);
    let contenders: Vec<Value> = contenders
        .map(|(contender, (sample, runs))| {
            json!({"name": contender.name, "runs": runs, "wall_ms": sample.wall,
                "cpu_ms": sample.cpu, "peak_mib": sample.peak})
        })
        .collect();
    let goals: Vec<Value> = result
        .case
        .goals
        .iter()
        .map(|goal| {
            let verdict = Verdict::of(result, goal);
            json!({"goal": verdict.text, "figure": verdict.figure, "reached": verdict.reached,
                "why_missed": verdict.why.filter(|_| verdict.reached == Some(false))})
        })
        .collect();
    json!({"case": result.case.name, "contenders": contenders, "goals": goals,
        "timings": result.timings})
}

/// A goal and what came of it.
struct Verdict {
    text: String,
    /// A ratio, or the absolute figure; absent if the peer is.
    figure: Option<f64>,
    reached: Option<bool>,
    /// How many times too much, or too little.
    beyond: Option<f64>,
    why: Option<&'static str>,
}

impl Verdict {
    fn of(result: &CaseResult, goal: &Goal) -> Self {
        let (what, unit) = match goal.measure {
            Measure::Wall => ("wall", "ms"),
            Measure::Cpu => ("CPU", "ms"),
            Measure::Peak => ("peak", "MiB"),
        };
        let sign = if goal.at_most { "≤" } else { "≥" };
        let text = match goal.against {
            None => format!("{what} {sign} {} {unit}", goal.limit),
            Some(peer) if goal.at_most => format!("{what} {sign} {}x of {peer}", goal.limit),
            Some(peer) => format!("{what} {sign} {}x less than {peer}", goal.limit),
        };
        let ours = result.of(OURS).map(|sample| sample.get(goal.measure));
        let figure = match goal.against {
            None => ours,
            Some(peer) => result.of(peer).zip(ours).map(|(sample, ours)| {
                let theirs = sample.get(goal.measure);
                if goal.at_most {
                    ours / theirs
                } else {
                    theirs / ours
                }
            }),
        };
        let reached = figure.map(|figure| {
            if goal.at_most {
                figure <= goal.limit
            } else {
                figure >= goal.limit
            }
        });
        let beyond = figure.map(|figure| match goal.at_most {
            true => figure / goal.limit,
            false => goal.limit / figure,
        });
        Self {
            text,
            figure,
            reached,
            beyond,
            why: goal.why,
        }
    }

    fn line(&self) -> String {
        match (self.figure, self.reached) {
            (Some(figure), Some(true)) => format!("goal {}: {figure:.2}, reached", self.text),
            (Some(figure), _) => missed(
                &format!("goal {}: {figure:.2}", self.text),
                self.beyond.unwrap_or_default(),
                self.why,
            ),
            (None, _) => format!("goal {}: that peer is not installed", self.text),
        }
    }
}

/// By how much a goal is missed, and why.
fn missed(goal: &str, beyond: f64, why: Option<&str>) -> String {
    let why = why.unwrap_or("not looked into yet");
    format!("{goal}, MISSED {beyond:.1}-fold: {why}")
}

#[cfg(test)]
mod tests {
    use super::Verdict;
    use crate::bench::case::{Case, CaseResult, Contender, Goal, Measure};
    use crate::bench::sampler::Sample;
    use crate::bench::scenario::Scenario;

    /// What becomes of a goal if op-dbus takes `ours` and a peer takes 100.
    fn verdict(ours: f64, goal: &Goal) -> Verdict {
        let contender = |name| Contender::new(name, Vec::new(), 1);
        let case = Case {
            name: String::new(),
            scenario: Scenario::Empty,
            changes: false,
            after: None,
            mentions: None,
            timings: false,
            contenders: vec![contender("op-dbus"), contender("peer")],
            goals: Vec::new(),
        };
        let sample = |wall| {
            (
                Sample {
                    wall,
                    ..Sample::default()
                },
                1,
            )
        };
        let medians = vec![sample(ours), sample(100.0)];
        Verdict::of(
            &CaseResult {
                case: &case,
                medians,
                timings: Vec::new(),
            },
            goal,
        )
    }

    fn reached(ours: f64, goal: &Goal) -> Option<bool> {
        verdict(ours, goal).reached
    }

    #[test]
    fn a_missed_goal_says_by_how_much_and_why() {
        let goal = Goal::at_most(Measure::Wall, 1.5, "peer").missed_because("of the weather");
        assert_eq!(
            verdict(300.0, &goal).line(),
            "goal wall ≤ 1.5x of peer: 3.00, MISSED 2.0-fold: of the weather"
        );
        let goal = Goal::faster(Measure::Wall, 4.0, "peer");
        assert_eq!(
            verdict(50.0, &goal).line(),
            "goal wall ≥ 4x less than peer: 2.00, MISSED 2.0-fold: not looked into yet"
        );
        assert!(verdict(25.0, &goal).line().ends_with(", reached"));
    }

    #[test]
    fn a_goal_is_reached_up_to_its_limit_and_not_beyond() {
        let goal = Goal::at_most(Measure::Wall, 1.5, "peer");
        assert_eq!(reached(150.0, &goal), Some(true));
        assert_eq!(reached(151.0, &goal), Some(false));
        let goal = Goal::faster(Measure::Wall, 4.0, "peer");
        assert_eq!(reached(25.0, &goal), Some(true));
        assert_eq!(reached(26.0, &goal), Some(false));
    }

    #[test]
    fn a_goal_against_an_absent_peer_is_neither_reached_nor_missed() {
        assert_eq!(
            reached(1.0, &Goal::faster(Measure::Wall, 4.0, "nobody")),
            None
        );
    }
}
