//! Keeps static neighbours: the MAC addresses that belong to IPv4 addresses on a link, which nobody has to ask for any more.
//!
//! A section of a state file names links, addresses and MAC addresses; `null` takes an entry away:
//! `{"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null}}}`.

use std::collections::BTreeMap;

use op_dbus_plugin::netlink::{self, Neighbour, NeighbourState, Request};
use op_dbus_plugin::{
    Action, Batch, CheckpointData, Description, Failure, Features, Mismatch, Operation, Outcome,
    Plugin, Pointer, Problem, Watch,
};
use serde::{Deserialize, Serialize};

/// What a state file says, and what `query` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// By link, by IPv4 address: the MAC address; none where there is to be no entry.
    #[serde(default)]
    pub links: BTreeMap<String, BTreeMap<String, Option<String>>>,
}

/// One entry, as the steps of a plan carry it.
#[derive(Serialize, Deserialize)]
struct Entry {
    link: String,
    address: String,
    mac: String,
}

/// What a checkpoint keeps.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// What was asked for; none for everything.
    within: Option<Section>,
    /// What was there.
    then: Section,
}

/// The plugin.
pub struct StaticNeighbours;

impl Section {
    fn mac(&self, link: &str, address: &str) -> Option<&String> {
        self.links.get(link)?.get(address)?.as_ref()
    }

    /// Every place of the section, with what is to be there.
    fn entries(&self) -> impl Iterator<Item = (&String, &String, Option<&String>)> {
        self.links.iter().flat_map(|(link, entries)| {
            let entries = entries.iter();
            entries.map(move |(address, mac)| (link, address, mac.as_ref()))
        })
    }
}

impl Entry {
    fn neighbour(self) -> Neighbour {
        Neighbour {
            link: self.link,
            address: self.address,
            mac: Some(self.mac),
            state: NeighbourState::Permanent,
            proxy: false,
            router: false,
        }
    }
}

impl Plugin for StaticNeighbours {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Static IPv4 neighbours of network links".into(),
            schema: include_str!("../schema.json").into(),
            supports: Features {
                checkpoints: true,
                atomic: false,
                scoped_query: true,
            },
            asks: include_str!("../asks.json").into(),
        }
    }

    fn watches() -> Vec<Watch> {
        vec![Watch::Neighbours]
    }

    fn validate(desired: &Section) -> Vec<Problem> {
        let wrong = desired.entries().filter_map(|(link, address, mac)| {
            let message = what_is_wrong(address, mac)?;
            Some(Problem {
                path: place(link, address),
                message,
            })
        });
        wrong.collect()
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        let links: Vec<String> =
            within.map_or_else(Vec::new, |it| it.links.keys().cloned().collect());
        let mut section = Section::default();
        if within.is_some() && links.is_empty() {
            // No name would mean every link.
            return Ok(section);
        }
        for neighbour in netlink::neighbours(&links)? {
            let is_static = neighbour.state == NeighbourState::Permanent && !neighbour.proxy;
            let is_ipv4 = !neighbour.address.contains(':');
            // A link that is named without addresses is shown whole.
            let is_meant = within.is_none_or(|within| {
                let named = within.links.get(&neighbour.link);
                named
                    .is_some_and(|named| named.is_empty() || named.contains_key(&neighbour.address))
            });
            if is_static && is_ipv4 && is_meant && neighbour.mac.is_some() {
                let entries = section.links.entry(neighbour.link).or_default();
                entries.insert(neighbour.address, neighbour.mac);
            }
        }
        Ok(section)
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        let mut actions = Vec::new();
        for (link, address, want) in desired.entries() {
            let have = current.mac(link, address);
            let (operation, summary) = match (have, want) {
                (have, want) if have == want => continue,
                (None, Some(want)) => (Operation::Create, format!("add {want}")),
                (Some(have), Some(want)) => (Operation::Modify, format!("{have} becomes {want}")),
                (have, None) => (
                    Operation::Delete,
                    format!("remove {}", have.map_or("", |it| it)),
                ),
            };
            let entry = |mac: &String| {
                serde_json::to_string(&Entry {
                    link: link.clone(),
                    address: address.clone(),
                    mac: mac.clone(),
                })
            };
            actions.push(Action {
                operation,
                target: format!("neighbour {address} on {link}"),
                before: have.map(entry).transpose()?,
                after: want.map(entry).transpose()?,
                summary,
                disruptive: false,
            });
        }
        Ok(actions)
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        let mut batch = Batch::new();
        for action in &actions {
            batch.action(action, request(action).map(|request| vec![request]));
        }
        let mut outcomes = batch.execute();
        for (action, outcome) in actions.iter().zip(&mut outcomes) {
            let is_gone = outcome.failed.as_ref().is_some_and(Failure::is_not_found);
            if action.operation == Operation::Delete && is_gone {
                outcome.failed = None;
            }
        }
        Ok(outcomes)
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        let current = Self::query(Some(desired))?;
        let mut mismatches = Vec::new();
        for (link, address, want) in desired.entries() {
            let have = current.mac(link, address);
            if have != want {
                mismatches.push(Mismatch {
                    path: place(link, address),
                    want: serde_json::to_string(&want)?,
                    have: have.map(serde_json::to_string).transpose()?,
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
        for (link, address, _) in now.entries() {
            let entries = wanted.links.entry(link.clone()).or_default();
            entries.entry(address.clone()).or_default();
        }
        Self::apply(Self::diff(&now, &wanted)?)
    }
}

/// The place of an entry in the section.
fn place(link: &str, address: &str) -> String {
    Pointer::root().key("links").key(link).key(address).into()
}

/// What the schema cannot say: an entry is for one neighbour, not for a group of them.
fn what_is_wrong(address: &str, mac: Option<&String>) -> Option<String> {
    let first: u8 = address.split('.').next()?.parse().unwrap_or(0);
    if first == 0 || first == 127 || first >= 224 {
        return Some(format!(
            "{address} is no address of a neighbour; write one below 224.0.0.0"
        ));
    }
    let mac = mac?;
    let octet = mac
        .get(..2)
        .and_then(|text| u8::from_str_radix(text, 16).ok());
    octet.is_none_or(|octet| octet & 1 == 1).then(|| {
        format!("{mac} is the address of a group; the first octet of a neighbour's is even")
    })
}

/// What carries a step out.
fn request(action: &Action) -> Result<Request, Failure> {
    let (text, is_wanted) = match (&action.after, &action.before) {
        (Some(after), _) => (after, true),
        (None, Some(before)) => (before, false),
        (None, None) => return Err(Failure::invalid("a step without an entry")),
    };
    let entry: Entry = serde_json::from_str(text)?;
    let neighbour = entry.neighbour();
    Ok(match is_wanted {
        true => Request::PutNeighbour(neighbour),
        false => Request::DeleteNeighbour(neighbour),
    })
}

op_dbus_plugin::export!(StaticNeighbours);

#[cfg(test)]
mod tests;
