//! Port mirrors of Open vSwitch: copies of what passes some ports of a bridge leave through another one.
//!
//! `{"bridges": {"br0": {"span": {"output_port": "probe0", "select_src_port": ["tap1"]}, "old": null}}}`
//!
//! This is the twin of `javascript/plugin.js`: what one answers, the other answers.

mod database;
mod section;

use op_dbus_plugin::{
    Action, CheckpointData, Description, Failure, Features, Mismatch, Operation, Outcome, Plugin,
    Pointer, Problem, Watch,
};
use serde::{Deserialize, Serialize};

use database::{Step, Tables, carry_out};
pub use section::{Mirror, Section};

/// What the steps of a plan carry.
#[derive(Serialize, Deserialize)]
struct Place {
    bridge: String,
    name: String,
    mirror: Mirror,
}

/// What a checkpoint keeps: what was asked for, none for everything, and what was there.
#[derive(Serialize, Deserialize)]
struct Kept {
    within: Option<Section>,
    then: Section,
}

/// The plugin.
pub struct OvsMirrors;

fn pointer(bridge: &str, name: &str) -> String {
    Pointer::root().key("bridges").key(bridge).key(name).into()
}

fn step(action: &Action) -> Result<Step, Failure> {
    let text = action.after.as_ref().or(action.before.as_ref());
    let text = text.ok_or_else(|| Failure::invalid("a step without a mirror"))?;
    let place: Place = serde_json::from_str(text)?;
    Ok(Step {
        bridge: place.bridge,
        name: place.name,
        mirror: action.after.is_some().then_some(place.mirror),
    })
}

impl Plugin for OvsMirrors {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "ovs-mirrors".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Port mirrors of Open vSwitch".into(),
            schema: include_str!("../schema.json").into(),
            supports: Features {
                checkpoints: true,
                atomic: true,
                scoped_query: true,
            },
            asks: include_str!("../asks.json").into(),
        }
    }

    fn watches() -> Vec<Watch> {
        vec![Watch::OvsdbTable("Open_vSwitch/Mirror".into())]
    }

    fn validate(desired: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (bridge, name, mirror) in desired.places() {
            let path = pointer(bridge, name);
            let messages = mirror.map_or_else(Vec::new, |mirror| mirror.problems());
            problems.extend(messages.into_iter().map(|message| Problem {
                path: path.clone(),
                message,
            }));
        }
        problems
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        let names: Option<Vec<&str>> =
            within.map(|within| within.bridges.keys().map(String::as_str).collect());
        if names.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Section::default());
        }
        Ok(Tables::read(names.as_deref())?.section(within))
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        let mut actions = Vec::new();
        for (bridge, name, want) in desired.places() {
            let have = current.find(bridge, name);
            if have == want {
                continue;
            }
            let (operation, word) = match (&have, &want) {
                (None, _) => (Operation::Create, "copies to"),
                (_, None) => (Operation::Delete, "no longer copies to"),
                _ => (Operation::Modify, "now copies to"),
            };
            let output = want
                .as_ref()
                .or(have.as_ref())
                .and_then(|it| it.output_port.clone());
            let text = |mirror: Option<Mirror>| {
                let place = mirror.map(|mirror| Place {
                    bridge: bridge.clone(),
                    name: name.clone(),
                    mirror,
                });
                place.map(|place| serde_json::to_string(&place)).transpose()
            };
            actions.push(Action {
                operation,
                target: format!("mirror {name} of {bridge}"),
                before: text(have)?,
                after: text(want)?,
                summary: format!("{word} {}", output.as_deref().unwrap_or("nothing")),
                disruptive: false,
            });
        }
        Ok(actions)
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        let steps: Vec<Step> = actions.iter().map(step).collect::<Result<_, _>>()?;
        if !steps.is_empty() {
            carry_out(&steps)?;
        }
        let outcomes = actions.into_iter().map(|action| Outcome {
            target: action.target,
            summary: action.summary,
            failed: None,
        });
        Ok(outcomes.collect())
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        let current = Self::query(Some(desired))?;
        let mut mismatches = Vec::new();
        for (bridge, name, want) in desired.places() {
            let have = current.find(bridge, name);
            if have != want {
                mismatches.push(Mismatch {
                    path: pointer(bridge, name),
                    want: serde_json::to_string(&want)?,
                    have: have.map(|have| serde_json::to_string(&have)).transpose()?,
                });
            }
        }
        Ok(mismatches)
    }

    fn checkpoint(within: Option<&Section>) -> Result<CheckpointData, Failure> {
        let kept = Kept {
            within: within.cloned(),
            then: Self::query(within)?,
        };
        Ok(CheckpointData {
            state: serde_json::to_string(&kept)?,
            backend: None,
        })
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        let kept: Kept = serde_json::from_str(&to.state)?;
        let now = Self::query(kept.within.as_ref())?;
        let mut wanted = kept.then;
        // What has come since goes.
        for (bridge, name, _) in now.places() {
            let mirrors = wanted.bridges.entry(bridge.clone()).or_default();
            mirrors.entry(name.clone()).or_default();
        }
        Self::apply(Self::diff(&now, &wanted)?)
    }
}

op_dbus_plugin::export!(OvsMirrors);
