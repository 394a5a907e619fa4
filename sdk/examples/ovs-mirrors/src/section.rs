//! What a state file says of mirrors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Mirrors by bridge and name; none where there is to be none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// See above.
    #[serde(default)]
    pub bridges: BTreeMap<String, BTreeMap<String, Option<Mirror>>>,
}

/// A mirror, written whole: what is left out has its default. (ovs-vswitchd.conf.db(5), "Mirror".)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mirror {
    /// Port that the copies leave through. None in what others made, and where they go to a VLAN.
    pub output_port: Option<String>,
    /// Copies all packets.
    pub select_all: bool,
    /// Copies packets that come in through these ports.
    pub select_src_port: Vec<String>,
    /// Copies packets that leave through these ports.
    pub select_dst_port: Vec<String>,
}

impl Mirror {
    /// The same with its ports in order, so that two can be compared.
    pub fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.select_src_port.sort();
        sorted.select_dst_port.sort();
        sorted
    }

    /// What is wrong with it as a wish.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let sources = || self.select_src_port.iter().chain(&self.select_dst_port);
        if self.output_port.is_none() {
            problems.push("the copies go nowhere: name a port in output_port".into());
        }
        if !self.select_all && sources().next().is_none() {
            problems.push("it copies nothing: name ports in select_src_port or select_dst_port, or set select_all".into());
        }
        if let Some(port) = &self.output_port
            && sources().any(|source| source == port)
        {
            problems.push(format!(
                "{port} is where the copies go; it cannot be one that is copied"
            ));
        }
        problems
    }
}

impl Section {
    /// Every place, in order, with the mirror that is to be there.
    pub fn places(&self) -> impl Iterator<Item = (&String, &String, Option<Mirror>)> {
        self.bridges.iter().flat_map(|(bridge, mirrors)| {
            let mirrors = mirrors.iter();
            mirrors.map(move |(name, mirror)| (bridge, name, mirror.as_ref().map(Mirror::sorted)))
        })
    }

    /// The mirror of a place.
    pub fn find(&self, bridge: &str, name: &str) -> Option<Mirror> {
        Some(self.bridges.get(bridge)?.get(name)?.as_ref()?.sorted())
    }
}
