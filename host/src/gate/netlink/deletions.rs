//! What goes when links are deleted: what is stacked on them, the other ends of veth pairs, and so on from those.

use std::collections::{HashMap, HashSet};

use crate::backends::netlink::{Kernel, parent};
use crate::contract::netlink::{Kind, Link, LinkSelector, Request};
use crate::contract::types::Failure;
use crate::gate::grant::NetlinkGrant;
use crate::gate::pattern::any_matches;

/// Why a link may not be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// This link goes with it, and the grant does not cover changes to it.
    Uncovered(String),
    /// The other end of this veth is in another network namespace.
    Beyond(String),
}

/// Which of the links that requests delete may not be.
#[derive(Default)]
pub struct Deletions {
    obstacles: HashMap<String, Obstacle>,
    renamed: HashSet<String>,
}

/// The links that requests delete.
fn deleted(requests: &[Request]) -> HashSet<&str> {
    requests
        .iter()
        .filter_map(|request| match request {
            Request::DeleteLink(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// The names that the requests give.
fn given(requests: &[Request]) -> HashSet<String> {
    requests
        .iter()
        .filter_map(|request| match request {
            Request::ChangeLink(change) => change.new_name.clone(),
            Request::AddAlternativeName(name) => Some(name.name.clone()),
            _ => None,
        })
        .collect()
}

/// Everything that goes with the links of these names, and those links. One read for each storey that there is.
async fn closure(kernel: &dyn Kernel, names: HashSet<&str>) -> Result<Vec<Link>, Failure> {
    let mut found: HashMap<u32, Link> = HashMap::new();
    let mut asked: HashSet<String> = names.into_iter().map(str::to_owned).collect();
    let mut next: Vec<String> = asked.iter().cloned().collect();
    while !next.is_empty() {
        let selectors: Vec<_> = next
            .drain(..)
            .flat_map(|name| [LinkSelector::Name(name.clone()), LinkSelector::Parent(name)])
            .collect();
        for link in kernel.links(&selectors).await? {
            let other_end = match &link.kind {
                Kind::Veth(veth) => veth.peer.clone(),
                _ => None,
            };
            for name in other_end.into_iter().chain([link.name.clone()]) {
                if asked.insert(name.clone()) {
                    next.push(name);
                }
            }
            found.insert(link.index, link);
        }
    }
    Ok(found.into_values().collect())
}

impl Deletions {
    /// Looks up what would go with the links that requests delete.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn look_up(
        requests: &[Request],
        kernel: &dyn Kernel,
        grant: &NetlinkGrant,
    ) -> Result<Self, Failure> {
        let names = deleted(requests);
        if names.is_empty() {
            return Ok(Self::default());
        }
        let links = closure(kernel, names).await?;
        // From what stands in the way down to whatever takes it along.
        let mut takers: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut obstacles = HashMap::new();
        let mut next = Vec::new();
        for link in &links {
            let below = parent(&link.kind).and_then(Option::as_deref);
            let mut beyond = false;
            let other_end = match &link.kind {
                Kind::Veth(veth) => {
                    beyond = veth.peer.is_none();
                    veth.peer.as_deref()
                }
                _ => None,
            };
            takers.insert(&link.name, below.into_iter().chain(other_end).collect());
            let obstacle = match any_matches(&grant.change, &link.name) {
                false => Obstacle::Uncovered(link.name.clone()),
                true if beyond => Obstacle::Beyond(link.name.clone()),
                true => continue,
            };
            obstacles.insert(link.name.clone(), obstacle);
            next.push(link.name.as_str());
        }
        while let Some(name) = next.pop() {
            let obstacle = obstacles[name].clone();
            for taker in takers.get(name).into_iter().flatten() {
                if !obstacles.contains_key(*taker) {
                    obstacles.insert((*taker).to_owned(), obstacle.clone());
                    next.push(taker);
                }
            }
        }
        Ok(Self {
            obstacles,
            renamed: given(requests),
        })
    }

    /// Why the link of this name, the kernel's own, may not be deleted.
    pub fn obstacle(&self, name: &str) -> Option<&Obstacle> {
        self.obstacles.get(name)
    }

    /// Whether the requests that were looked at give a link this name.
    pub fn is_renamed(&self, name: &str) -> bool {
        self.renamed.contains(name)
    }
}
