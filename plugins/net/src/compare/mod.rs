//! The one comparison that plan, verification and rollback share: what is against the wish, as steps with the places of the section that
//! they make true.

mod anew;
mod bridge;
mod hanging;
mod link;
mod links;
mod port;
mod routes;
mod rules;
mod split;
mod switch;
mod vlans;
mod wish;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use op_dbus_plugin::Failure;

pub use anew::Doomed;
pub use link::{filled, same};
pub use split::DATAPATH;
pub use wish::Wishes;

use crate::kind;
use crate::order;
use crate::section::{Interface, Network, Section};
use crate::step::Step;

/// How much a wish says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What is not mentioned stays.
    Partial,
    /// What is not mentioned of an object is not to be; for going back to a checkpoint.
    Exact,
}

/// The links that are, by name, by controller and by parent.
#[derive(Debug, Default)]
pub struct Index<'a> {
    by_name: HashMap<&'a str, &'a Interface>,
    ports: HashMap<&'a str, Vec<&'a str>>,
    children: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Index<'a> {
    /// Of the interfaces that `query` answered.
    pub fn of(current: &'a [Interface]) -> Self {
        let mut index = Self::default();
        for interface in current {
            let name = interface.name.as_str();
            index.by_name.insert(name, interface);
            if let Some(Some(controller)) = &interface.controller {
                index.ports.entry(controller).or_default().push(name);
            }
            if let Some(parent) = kind::parent(interface) {
                index.children.entry(parent).or_default().push(name);
            }
        }
        index
    }

    /// A link by name.
    pub fn get(&self, name: &str) -> Option<&'a Interface> {
        self.by_name.get(name).copied()
    }

    /// The ports of a controller.
    pub fn ports(&self, controller: &str) -> impl Iterator<Item = &'a str> {
        self.ports.get(controller).into_iter().flatten().copied()
    }

    /// The links stacked on a link.
    pub fn children(&self, parent: &str) -> impl Iterator<Item = &'a str> {
        self.children.get(parent).into_iter().flatten().copied()
    }
}

/// What steps on links take away from other objects, and must be put back where the file does not say otherwise.
#[derive(Debug, Default)]
pub struct Losses {
    /// Links that go away, to come back or not: everything on them is lost.
    pub gone: BTreeSet<String>,
    /// Links that go away and come back.
    pub again: BTreeSet<String>,
    /// Links that are taken down on the way and come up again: IPv6 addresses and all routes are lost.
    pub bounced: BTreeSet<String>,
    /// Links that are to be down: IPv6 addresses are lost, and routes for good.
    pub downed: BTreeSet<String>,
    /// Links without an IPv4 address for a moment: the kernel drops all of their routes (fib_disable_ip in net/ipv4/fib_frontend.c).
    pub unaddressed: BTreeSet<String>,
    /// Addresses that go: routes that prefer them as source go too (fib_sync_down_addr).
    pub sources: BTreeSet<IpAddr>,
    /// The networks that links have afterwards which are made anew or are without an address for a moment.
    pub networks: BTreeSet<(String, Network)>,
    /// Links that start without VLANs of their own: new ones, and ports of another controller.
    pub moved: BTreeSet<String>,
}

/// The steps from what is to the wish, in the order in which they must happen.
///
/// # Errors
/// `unsupported` where there is no way, `not-found` where hardware is missing.
pub fn compare(current: &Section, desired: &Section, extent: Extent) -> Result<Vec<Step>, Failure> {
    let index = Index::of(current.interfaces());
    let wishes = Wishes::of(desired, &index);
    let doomed = Doomed::find(&index, &wishes, extent)?;
    let mut losses = Losses::default();
    let switched = switch::compare(&index, &wishes, current, desired, extent)?;
    let mut steps = links::steps(&index, &wishes, &doomed, extent, &mut losses)?;
    switch::link_steps(&switched, &index, &wishes, &mut losses, &mut steps);
    hanging::steps(&index, &wishes, extent, &mut losses, &mut steps);
    routes::steps(current, desired, &losses, extent, &mut steps);
    rules::steps(current, desired, &mut steps);
    steps.extend(switched.step);
    order::sort(&mut steps, &index, &switched.phases);
    Ok(steps)
}
