//! A plugin that makes bridges, and on the way does whatever wrong its section asks for.
//!
//! `{"links": ["h0", "h1"], "misdeeds": {"apply": "trap"}}` makes `h0`, traps, and would have made `h1` afterwards. An export that no
//! misdeed is named for is honest, so that a test sees the one thing that it is about.

#![cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "natively nobody exports it")
)]

mod misdeed;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use op_dbus_plugin::netlink::{self, Bridge, Kind, LinkSelector, LinkSettings, LinkSpec, Request};
use op_dbus_plugin::{
    Action, CheckpointData, Description, Failure, Features, Mismatch, Operation, Outcome, Plugin,
    Pointer, Problem,
};
use serde::{Deserialize, Serialize};

use misdeed::Misdeed;

/// What a state file says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    /// Bridges that are to be there.
    links: Vec<String>,
    /// What is done wrong, by export.
    misdeeds: BTreeMap<String, Misdeed>,
    /// Anything, for [`Misdeed::Tell`].
    note: serde_json::Value,
}

impl Section {
    fn misdeed(&self, export: &str) -> Option<&Misdeed> {
        self.misdeeds.get(export)
    }

    /// Does what is wrong with an export, if anything is.
    fn misbehave(&self, export: &str) -> Result<(), Failure> {
        self.misdeed(export).map_or(Ok(()), Misdeed::commit)
    }
}

struct Hostile;

impl Plugin for Hostile {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "hostile".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Misbehaves as it is asked to".into(),
            schema: r#"{"type": "object", "additionalProperties": false, "properties": {
                "links": {"type": "array", "items": {"type": "string"}},
                "misdeeds": {"type": "object"}, "note": {}}}"#
                .into(),
            supports: Features {
                checkpoints: true,
                atomic: false,
                scoped_query: true,
            },
            asks: r#"{"netlink": {"change": ["h*"], "kinds": ["bridge"]}}"#.into(),
        }
    }

    /// Says how many calls this instance has served: never more than this one, if instances are fresh.
    fn validate(desired: &Section) -> Vec<Problem> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        match desired.misdeed("validate") {
            Some(Misdeed::Remember) => vec![Problem {
                path: String::new(),
                message: calls.to_string(),
            }],
            Some(Misdeed::Tell) => vec![Problem {
                path: String::new(),
                message: format!("it was told {}", desired.note),
            }],
            Some(misdeed) => misdeed
                .commit()
                .err()
                .map(|failure| Problem {
                    path: String::new(),
                    message: failure.message,
                })
                .into_iter()
                .collect(),
            None => Vec::new(),
        }
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        let Some(within) = within else {
            return Ok(Section::default());
        };
        within.misbehave("query")?;
        present(within)
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        match desired.misdeed("diff") {
            Some(Misdeed::Lie) => return Ok(Vec::new()),
            Some(Misdeed::Bomb(bomb)) => return Ok(vec![create("bomb", bomb.text())]),
            Some(misdeed) => misdeed.commit()?,
            None => {}
        }
        let missing = desired
            .links
            .iter()
            .filter(|name| !current.links.contains(name));
        missing
            .map(|name| {
                let step = Section {
                    links: vec![name.clone()],
                    misdeeds: desired.misdeeds.clone(),
                    note: desired.note.clone(),
                };
                Ok(create(name, serde_json::to_string(&step)?))
            })
            .collect()
    }

    /// Makes the first link, does what is wrong, and makes the others.
    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::new();
        for (number, action) in actions.iter().enumerate() {
            let step: Section = serde_json::from_str(action.after.as_deref().unwrap_or("{}"))?;
            match step.misdeed("apply") {
                Some(Misdeed::Lie) => {}
                Some(Misdeed::Forget) if number > 0 => continue,
                Some(misdeed) if number == 1 => {
                    misdeed.commit()?;
                    make(&step.links)?;
                }
                _ => make(&step.links)?,
            }
            outcomes.push(Outcome {
                target: action.target.clone(),
                summary: action.summary.clone(),
                failed: None,
            });
        }
        Ok(outcomes)
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        match desired.misdeed("verify") {
            Some(Misdeed::Lie) => return Ok(Vec::new()),
            Some(Misdeed::Bomb(bomb)) => {
                return Ok(vec![Mismatch {
                    path: String::new(),
                    want: bomb.text(),
                    have: None,
                }]);
            }
            Some(misdeed) => misdeed.commit()?,
            None => {}
        }
        let present = present(desired)?;
        let missing = desired
            .links
            .iter()
            .filter(|name| !present.links.contains(name));
        Ok(missing
            .map(|name| Mismatch {
                path: Pointer::root().key("links").into(),
                want: format!("{name:?}"),
                have: None,
            })
            .collect())
    }

    fn checkpoint(within: Option<&Section>) -> Result<CheckpointData, Failure> {
        let mut kept = within.cloned().unwrap_or_default();
        kept.links = present(&kept)?.links;
        match kept.misdeed("checkpoint") {
            Some(Misdeed::Bomb(bomb)) => {
                return Ok(CheckpointData {
                    state: bomb.text(),
                    backend: None,
                });
            }
            Some(misdeed) => misdeed.commit()?,
            None => {}
        }
        Ok(CheckpointData {
            state: serde_json::to_string(&kept)?,
            backend: None,
        })
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        let then: Section = serde_json::from_str(&to.state)?;
        then.misbehave("rollback")?;
        Ok(Vec::new())
    }
}

fn create(name: &str, after: String) -> Action {
    Action {
        operation: Operation::Create,
        target: format!("link {name}"),
        before: None,
        after: Some(after),
        summary: "make a bridge".into(),
        disruptive: false,
    }
}

/// The section as far as it is so already.
fn present(section: &Section) -> Result<Section, Failure> {
    let selectors: Vec<LinkSelector> = section
        .links
        .iter()
        .map(|name| LinkSelector::Name(name.clone()))
        .collect();
    let links = match selectors.as_slice() {
        [] => Vec::new(),
        selectors => netlink::links(selectors)?,
    };
    Ok(Section {
        links: links.into_iter().map(|link| link.name).collect(),
        ..section.clone()
    })
}

fn make(names: &[String]) -> Result<(), Failure> {
    let requests: Vec<Request> = names
        .iter()
        .map(|name| {
            Request::CreateLink(LinkSpec {
                name: name.clone(),
                index: None,
                kind: Kind::Bridge(Bridge::default()),
                alternative_names: Vec::new(),
                settings: LinkSettings::default(),
            })
        })
        .collect();
    netlink::execute(&requests).into_iter().collect()
}

op_dbus_plugin::export!(Hostile);
