//! Which laws held.

use std::fmt::Write;

use serde_json::Value;

use super::law::{Breach, Law};
use super::shrink::Input;
use crate::output::color::Paint;
use crate::output::{Style, escape::escape, json, kit};

/// What a trial came to.
#[derive(Debug)]
pub struct Report {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component.
    pub digest: String,
    /// Where it was tried, for a person.
    pub stage: String,
    /// States that were given.
    pub states: usize,
    /// Whether none of them could be tried, because there was none or a server that the plugin asks is not there.
    pub unlived: bool,
    /// Trials with states that were made of them.
    pub made: usize,
    /// Those of them that the plugin said cannot be.
    pub declined: usize,
    /// Law by law.
    pub verdicts: Vec<Verdict>,
}

/// What is said of a law.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing was found against it.
    Held(Law),
    /// It was broken.
    Broken(Finding),
    /// It was not tried, for this reason.
    NotTried(Law, &'static str),
}

impl Verdict {
    /// The law.
    pub fn law(&self) -> Law {
        match self {
            Self::Held(law) | Self::NotTried(law, _) => *law,
            Self::Broken(finding) => finding.breach.law,
        }
    }
}

/// A breach, and the smallest input that shows it.
#[derive(Debug)]
pub struct Finding {
    /// What was broken and how.
    pub breach: Breach,
    /// The given state that led there.
    pub origin: Option<String>,
    /// The input; absent where none is needed.
    pub input: Option<Input>,
}

impl Report {
    /// Whether no law was broken.
    pub fn is_clean(&self) -> bool {
        self.broken().next().is_none()
    }

    /// What was broken.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Broken(finding) => Some(finding),
            Verdict::Held(_) | Verdict::NotTried(..) => None,
        })
    }

    /// For a person: a line for each law, and of each breach what is needed to act on it.
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let digest = self.digest.get(..16).unwrap_or(&self.digest);
        let _ = writeln!(
            text,
            "{} {}  sha256:{digest}  on {}",
            escape(&self.plugin),
            escape(&self.version),
            self.stage
        );
        let _ = match self.states {
            0 => writeln!(
                text,
                "no state was given, and the schema has no `examples`: only laws that need none were tried; give one with --state"
            ),
            states => writeln!(
                text,
                "{states} states given, {} trials with states made of them ({} of which the plugin declined)",
                self.made, self.declined
            ),
        };
        for verdict in &self.verdicts {
            let law = verdict.law();
            let (word, paint) = match verdict {
                Verdict::Held(_) => ("ok  ", Paint::Faint),
                Verdict::Broken(_) => ("FAIL", Paint::Alarm),
                Verdict::NotTried(..) => ("  - ", Paint::Faint),
            };
            let word = style.paint(paint, word);
            let _ = writeln!(text, "{word}  {:<18} {}", law.name(), law.sentence());
            match verdict {
                Verdict::Broken(finding) => text.push_str(&finding.text()),
                Verdict::NotTried(_, reason) => {
                    let _ = writeln!(text, "        not tried: {reason}");
                }
                Verdict::Held(_) => {}
            }
        }
        let broken = self.broken().count();
        let held = self.verdicts.iter();
        let held = held.filter(|it| matches!(it, Verdict::Held(_))).count();
        let _ = writeln!(text, "{held} laws held, {broken} broken");
        text
    }

    /// For machines.
    pub fn json(&self) -> kit::Conformance {
        let laws = self.verdicts.iter().map(|verdict| kit::LawVerdict {
            law: verdict.law().name(),
            sentence: verdict.law().sentence(),
            result: match verdict {
                Verdict::Held(_) => "held",
                Verdict::Broken(_) => "broken",
                Verdict::NotTried(..) => "not-tried",
            },
            breach: match verdict {
                Verdict::Broken(finding) => Some(finding.json()),
                Verdict::Held(_) | Verdict::NotTried(..) => None,
            },
        });
        kit::Conformance {
            version: json::VERSION,
            plugin: self.plugin.clone(),
            plugin_version: self.version.clone(),
            digest: self.digest.clone(),
            host: self.stage.clone(),
            states: self.states,
            clean: self.is_clean(),
            laws: laws.collect(),
        }
    }
}

impl Finding {
    /// What is needed to act on it, a line for each part.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            for (number, part) in value.lines().enumerate() {
                let name = if number == 0 { name } else { "" };
                let _ = writeln!(text, "        {name:<10}{part}");
            }
        };
        line("call:", &self.breach.call);
        if let Some(input) = &self.input {
            line("S:", &shown(&input.state));
            if let Some(start) = &input.start {
                line("applied:", &format!("{} (before)", shown(start)));
            }
        }
        if let Some(origin) = &self.origin {
            line("from:", origin);
        }
        line("expected:", &self.breach.expected);
        line("got:", &self.breach.got);
        text
    }

    fn json(&self) -> kit::LawBreach {
        kit::LawBreach {
            call: self.breach.call.clone(),
            state: self.input.as_ref().map(|input| input.state.clone()),
            before: self.input.as_ref().and_then(|input| input.start.clone()),
            origin: self.origin.clone(),
            expected: self.breach.expected.clone(),
            got: self.breach.got.clone(),
        }
    }
}

fn shown(value: &Value) -> String {
    escape(&value.to_string()).into_owned()
}
