//! A sound plugin: the free-text descriptions of links.

use op_dbus_plugin::netlink::{self, LinkChange, LinkSelector, LinkSettings, Request};
use op_dbus_plugin::{
    Action, Batch, CheckpointData, Description, Failure, Features, Mismatch, Operation, Outcome,
    Plugin, Pointer, Problem,
};
use serde::{Deserialize, Serialize};

/// `{"links": [{"name": "eth0", "description": "uplink"}]}`; an empty text removes the description.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// By name.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A link and what is said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Left alone where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

const SCHEMA: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,
"properties":{"links":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["name"],
"properties":{"name":{"type":"string","minLength":1,"maxLength":15},"description":{"type":"string"}}}}},
"examples":[{"links":[{"name":"eth0","description":"uplink"},{"name":"eth1","description":"to the rack"}]}]}"#;

/// The plugin.
pub struct Descriptions;

/// The descriptions of all links.
pub fn all() -> Result<Section, Failure> {
    Descriptions::query(None)
}

impl Plugin for Descriptions {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "descriptions".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Descriptions of network links".into(),
            schema: SCHEMA.into(),
            supports: Features {
                checkpoints: true,
                atomic: false,
                scoped_query: true,
            },
            asks: r#"{"netlink": {"change": ["*"]}}"#.into(),
        }
    }

    fn validate(desired: &Section) -> Vec<Problem> {
        let links = desired.links.iter().enumerate();
        let doubled = links.filter(|(at, link)| {
            let before = &desired.links[..*at];
            before.iter().any(|other| other.name == link.name)
        });
        doubled
            .map(|(at, link)| Problem {
                path: Pointer::root().key("links").index(at).into(),
                message: format!("{} is named twice; name it once", link.name),
            })
            .collect()
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        let selectors: Vec<LinkSelector> = within
            .iter()
            .flat_map(|section| &section.links)
            .map(|link| LinkSelector::Name(link.name.clone()))
            .collect();
        if within.is_some() && selectors.is_empty() {
            // No selector would mean every link.
            return Ok(Section::default());
        }
        let links = netlink::links(&selectors)?.into_iter();
        let links = links.map(|link| Link {
            name: link.name,
            description: Some(link.description.unwrap_or_default()),
        });
        Ok(Section {
            links: links.collect(),
        })
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        let mut actions = Vec::new();
        for (_, want, have) in differences(current, desired)? {
            actions.push(Action {
                operation: Operation::Modify,
                target: want.name.clone(),
                before: Some(serde_json::to_string(&have)?),
                after: Some(serde_json::to_string(&want)?),
                summary: format!("describe {}", want.name),
                disruptive: false,
            });
        }
        Ok(actions)
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        let mut batch = Batch::new();
        for action in &actions {
            batch.action(action, requests(action));
        }
        Ok(batch.execute())
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        let current = Self::query(Some(desired))?;
        let mut mismatches = Vec::new();
        for (at, want, have) in differences(&current, desired)? {
            let place = Pointer::root().key("links").index(at).key("description");
            mismatches.push(Mismatch {
                path: place.into(),
                want: serde_json::to_string(&want.description)?,
                have: Some(serde_json::to_string(&have.description)?),
            });
        }
        Ok(mismatches)
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        let then: Section = serde_json::from_str(&to.state)?;
        let now = Self::query(Some(&then))?;
        Self::apply(Self::diff(&now, &then)?)
    }
}

/// What is wanted otherwise than it is, with its place in the wish.
fn differences(current: &Section, desired: &Section) -> Result<Vec<(usize, Link, Link)>, Failure> {
    let mut found = Vec::new();
    for (at, want) in desired.links.iter().enumerate() {
        let have = current.links.iter().find(|link| link.name == want.name);
        let have =
            have.ok_or_else(|| Failure::not_found(format!("there is no link {}", want.name)))?;
        if want.description.is_some() && want.description != have.description {
            found.push((at, want.clone(), have.clone()));
        }
    }
    Ok(found)
}

fn requests(action: &Action) -> Result<Vec<Request>, Failure> {
    let text = action.after.as_deref();
    let text = text.ok_or_else(|| Failure::invalid("no description to set"))?;
    let link: Link = serde_json::from_str(text)?;
    Ok(vec![Request::ChangeLink(LinkChange {
        link: link.name,
        new_name: None,
        kind: None,
        settings: LinkSettings {
            description: link.description,
            ..Default::default()
        },
    })])
}
