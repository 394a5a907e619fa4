//! A kernel in memory, with those habits of Linux that an undo must cope with: what goes down takes its routes and IPv6 along, a primary
//! address its secondaries, a link its stack, its peer and what hangs from it.

pub mod addresses;
mod links;
pub mod routes;

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::backends::netlink::Kernel;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Kind, Link, LinkSelector, Neighbour, Request, Route, RouteScope,
    Rule,
};
use crate::contract::types::{BackendError, Failure, FailureCode};
use crate::transaction::images::{is_ipv6, network, single_vlans};
use crate::transaction::link_names::parent;

/// What the kernel holds.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
    pub neighbours: Vec<Neighbour>,
    pub vlans: Vec<BridgeVlan>,
    next_index: u32,
}

/// The kernel: [`State`], and how often it was asked.
#[derive(Debug, Default)]
pub struct Simulated {
    state: Mutex<State>,
    /// Reads so far.
    pub reads: Mutex<Vec<String>>,
    /// Requests after which nothing is carried out any more: the caller has died.
    pub dies_after: Mutex<Option<usize>>,
}

pub(super) type Answer = Result<(), Failure>;

pub(super) fn refuse(name: &str, message: String) -> Failure {
    let code = match name {
        "ENODEV" | "ESRCH" | "EADDRNOTAVAIL" => FailureCode::NotFound,
        "EEXIST" => FailureCode::Exists,
        _ => FailureCode::Refused,
    };
    Failure {
        code,
        message,
        backend: Some(BackendError {
            name: name.into(),
            text: None,
        }),
    }
}

impl Simulated {
    /// A host with two Ethernet links that are up, an address and a default route.
    pub fn host() -> Self {
        let kernel = Self::default();
        {
            let mut state = kernel.state();
            for name in ["eth0", "eth1"] {
                state.add_link(name, Kind::Ethernet, None);
                state.set_up(name, true);
            }
        }
        kernel
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Everything, in an order of its own.
    pub fn snapshot(&self) -> Vec<String> {
        let state = self.state();
        let links = state.links.iter().map(|link| {
            let mut names = link.alternative_names.clone();
            names.sort();
            format!(
                "{:?}",
                Link {
                    alternative_names: names,
                    ..link.clone()
                }
            )
        });
        let mut all: Vec<String> = links.collect();
        all.extend(state.addresses.iter().map(|address| {
            // Which IPv4 address of a network is the primary one is part of what there was.
            let first = state.addresses.iter().find(|other| {
                other.link == address.link
                    && other.prefix_length == address.prefix_length
                    && network(&other.address, other.prefix_length)
                        == network(&address.address, address.prefix_length)
            });
            let primary = is_ipv6(&address.address) || first == Some(address);
            format!("{primary} {address:?}")
        }));
        all.extend(state.routes.iter().map(|it| format!("{it:?}")));
        all.extend(state.rules.iter().map(|it| format!("{it:?}")));
        all.extend(state.neighbours.iter().map(|it| format!("{it:?}")));
        all.extend(state.vlans.iter().map(|it| format!("{it:?}")));
        all.sort();
        all
    }

    fn note(&self, what: String) {
        self.reads.lock().unwrap().push(what);
    }
}

impl State {
    pub(super) fn link(&mut self, name: &str) -> Result<&mut Link, Failure> {
        let found = self.links.iter_mut().find(|link| link.name == name);
        found.ok_or_else(|| refuse("ENODEV", format!("there is no link {name}")))
    }

    pub(super) fn is_up(&self, name: &str) -> bool {
        self.links.iter().any(|link| link.name == name && link.up)
    }

    fn execute(&mut self, request: &Request) -> Answer {
        match request {
            Request::CreateLink(spec) => self.create_link(spec),
            Request::ChangeLink(change) => self.change_link(change),
            Request::DeleteLink(name) => self.delete_link(name),
            Request::AddAlternativeName(name) => {
                let link = self.link(&name.link)?;
                if link.alternative_names.contains(&name.name) {
                    return Err(refuse("EEXIST", "the name is taken".into()));
                }
                link.alternative_names.push(name.name.clone());
                Ok(())
            }
            Request::DeleteAlternativeName(name) => {
                self.link(&name.link)?
                    .alternative_names
                    .retain(|other| *other != name.name);
                Ok(())
            }
            Request::PutAddress(address) => self.put_address(address),
            Request::DeleteAddress(address) => self.delete_address(address),
            Request::AddRoute(route) => self.add_route(route, false),
            Request::PutRoute(route) => self.add_route(route, true),
            Request::DeleteRoute(route) => self.delete_route(route),
            Request::AddRule(rule) => self.add_rule(rule),
            Request::DeleteRule(rule) => self.delete_rule(rule),
            Request::PutNeighbour(entry) => {
                self.link(&entry.link)?;
                self.neighbours
                    .retain(|it| it.link != entry.link || it.address != entry.address);
                self.neighbours.push(entry.clone());
                Ok(())
            }
            Request::DeleteNeighbour(entry) => {
                let before = self.neighbours.len();
                self.neighbours
                    .retain(|it| it.link != entry.link || it.address != entry.address);
                if before == self.neighbours.len() {
                    return Err(refuse("ESRCH", "there is no such neighbour".into()));
                }
                Ok(())
            }
            Request::PutBridgeVlan(range) => {
                self.link(&range.link)?;
                single_vlans(range).for_each(|(_, vlan)| self.put_vlan(vlan));
                Ok(())
            }
            Request::DeleteBridgeVlan(range) => {
                self.vlans.retain(|it| {
                    it.link != range.link || it.first < range.first || it.last > range.last
                });
                Ok(())
            }
        }
    }

    pub(super) fn put_vlan(&mut self, vlan: BridgeVlan) {
        self.vlans
            .retain(|it| it.link != vlan.link || it.first != vlan.first);
        if vlan.pvid {
            let others = self.vlans.iter_mut().filter(|it| it.link == vlan.link);
            others.for_each(|it| it.pvid = false);
        }
        self.vlans.push(vlan);
    }

    fn add_rule(&mut self, rule: &Rule) -> Answer {
        let lowest = self.rules.iter().filter_map(|rule| rule.priority).min();
        let rule = Rule {
            priority: rule.priority.or(Some(lowest.unwrap_or(32766) - 1)),
            ..rule.clone()
        };
        if self.rules.contains(&rule) {
            return Err(refuse("EEXIST", "there is such a rule".into()));
        }
        self.rules.push(rule);
        Ok(())
    }

    fn delete_rule(&mut self, asked: &Rule) -> Answer {
        let found = self.rules.iter().position(|rule| {
            rule.family == asked.family
                && (asked.priority.is_none() || rule.priority == asked.priority)
                && (asked.source.is_none() || rule.source == asked.source)
                && rule.action == asked.action
        });
        self.rules
            .remove(found.ok_or_else(|| refuse("ESRCH", "there is no such rule".into()))?);
        Ok(())
    }
}

#[async_trait]
impl Kernel for Simulated {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        self.note(format!("links {}", selectors.len()));
        let chosen = |link: &Link| {
            selectors.is_empty()
                || selectors.iter().any(|selector| match selector {
                    LinkSelector::Name(name) => {
                        link.name == *name || link.alternative_names.contains(name)
                    }
                    LinkSelector::Index(index) => link.index == *index,
                    LinkSelector::Kind(_) => false,
                    LinkSelector::Controller(name) => link.controller.as_ref() == Some(name),
                    LinkSelector::Parent(name) => parent(&link.kind) == Some(name),
                })
        };
        Ok(self
            .state()
            .links
            .iter()
            .filter(|link| chosen(link))
            .cloned()
            .collect())
    }

    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        self.note(format!("addresses {}", links.len()));
        let chosen = |address: &&Address| links.is_empty() || links.contains(&address.link);
        Ok(self
            .state()
            .addresses
            .iter()
            .filter(chosen)
            .cloned()
            .collect())
    }

    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        self.note(format!("routes {within:?}"));
        let chosen = |route: &&Route| {
            let family = if is_ipv6(&route.destination.address) {
                Family::Ipv6
            } else {
                Family::Ipv4
            };
            let through = |link: &String| {
                route
                    .next_hops
                    .iter()
                    .any(|hop| hop.link.as_ref() == Some(link))
            };
            (within.families.is_empty() || within.families.contains(&family))
                && (within.links.is_empty() || within.links.iter().any(through))
                && (within.tables.is_empty() || within.tables.contains(&route.table))
                && (within.protocols.is_empty() || within.protocols.contains(&route.protocol))
                && (within.destinations.is_empty()
                    || within.destinations.contains(&route.destination))
        };
        Ok(self.state().routes.iter().filter(chosen).cloned().collect())
    }

    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        self.note("rules".into());
        let chosen = |rule: &&Rule| families.is_empty() || families.contains(&rule.family);
        Ok(self.state().rules.iter().filter(chosen).cloned().collect())
    }

    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        self.note(format!("neighbours {}", links.len()));
        let chosen = |entry: &&Neighbour| links.is_empty() || links.contains(&entry.link);
        Ok(self
            .state()
            .neighbours
            .iter()
            .filter(chosen)
            .cloned()
            .collect())
    }

    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        self.note(format!("vlans {}", links.len()));
        let chosen = |vlan: &&BridgeVlan| links.is_empty() || links.contains(&vlan.link);
        Ok(self.state().vlans.iter().filter(chosen).cloned().collect())
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        let mut answers = Vec::new();
        for request in requests {
            if let Some(left) = self.dies_after.lock().unwrap().as_mut() {
                if *left == 0 {
                    answers.push(Err(refuse("EINTR", "the caller is dead".into())));
                    continue;
                }
                *left -= 1;
            }
            answers.push(self.state().execute(request));
        }
        answers
    }
}
