//! The order of steps: what stands on something goes before it when removed and after it when made.

use std::collections::{HashMap, HashSet};

use op_dbus_plugin::Operation;

use crate::compare::Index;
use crate::kind;
use crate::section::Interface;
use crate::step::{Object, Step};

/// When a kind of step has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    RemoveRule,
    RemoveRoute,
    RemoveNeighbour,
    RemoveAddress,
    /// By depth, the deepest first.
    RemoveLink(std::cmp::Reverse<usize>),
    /// By depth, the lowest first.
    MakeLink(usize),
    SetVlans,
    PutAddress,
    PutNeighbour,
    /// Routes to what is on a link come before those that need a router there.
    PutDirectRoute,
    PutRoute,
    AddRule,
}

/// Sorts steps; those of equal rank keep their order.
pub fn sort(steps: &mut [Step], current: &Index) {
    let mut later: HashMap<&str, &Interface> = HashMap::new();
    for step in steps.iter() {
        if let Some(Object::Link(link)) = &step.after {
            later.insert(&link.name, link);
        }
    }
    let mut depths = Depths {
        current,
        later: &later,
        known: HashMap::new(),
    };
    let turns: Vec<Turn> = steps.iter().map(|step| turn(step, &mut depths)).collect();
    let mut places: Vec<usize> = (0..steps.len()).collect();
    places.sort_by_key(|place| turns[*place]);
    let mut sorted: Vec<Option<Step>> = steps
        .iter_mut()
        .map(|step| Some(std::mem::replace(step, blank())))
        .collect();
    for (to, from) in places.into_iter().enumerate() {
        if let Some(step) = sorted[from].take() {
            steps[to] = step;
        }
    }
}

fn blank() -> Step {
    Step::new(String::new(), None, None, String::new())
}

fn turn(step: &Step, depths: &mut Depths) -> Turn {
    let removes = step.operation == Operation::Delete;
    let Some(object) = step.after.as_ref().or(step.before.as_ref()) else {
        return Turn::SetVlans;
    };
    match object {
        Object::Rule(_) if removes => Turn::RemoveRule,
        Object::Rule(_) => Turn::AddRule,
        Object::Route(_) if removes => Turn::RemoveRoute,
        Object::Route(route) => {
            if route.ways(None).iter().any(|way| way.next_hop.is_some()) {
                Turn::PutRoute
            } else {
                Turn::PutDirectRoute
            }
        }
        Object::Neighbour(_) if removes => Turn::RemoveNeighbour,
        Object::Neighbour(_) => Turn::PutNeighbour,
        Object::Address(_) if removes => Turn::RemoveAddress,
        Object::Address(_) => Turn::PutAddress,
        Object::Vlans(_) => Turn::SetVlans,
        Object::Link(link) if removes => {
            Turn::RemoveLink(std::cmp::Reverse(depths.before(&link.name)))
        }
        Object::Link(link) => Turn::MakeLink(depths.after(&link.name)),
    }
}

/// How many links a link stands on, before and after.
struct Depths<'a> {
    current: &'a Index<'a>,
    later: &'a HashMap<&'a str, &'a Interface>,
    known: HashMap<(String, bool), usize>,
}

impl Depths<'_> {
    fn before(&mut self, name: &str) -> usize {
        self.depth(name, false, &mut HashSet::new())
    }

    fn after(&mut self, name: &str) -> usize {
        self.depth(name, true, &mut HashSet::new())
    }

    fn depth(&mut self, name: &str, after: bool, path: &mut HashSet<String>) -> usize {
        let key = (name.to_owned(), after);
        if let Some(depth) = self.known.get(&key) {
            return *depth;
        }
        // Validation refuses circles; what the kernel shows has none.
        if !path.insert(name.to_owned()) {
            return 0;
        }
        let below = self.below(name, after);
        let depth = below
            .iter()
            .map(|below| self.depth(below, after, path) + 1)
            .max()
            .unwrap_or(0);
        path.remove(name);
        self.known.insert(key, depth);
        depth
    }

    fn below(&self, name: &str, after: bool) -> Vec<String> {
        let now = self.current.get(name);
        let later = self.later.get(name).copied().filter(|_| after);
        let controller = later
            .and_then(|link| link.controller.clone())
            .or(now.and_then(|link| link.controller.clone()));
        let parent = later.and_then(kind::parent).or(now.and_then(kind::parent));
        // The second end of a virtual Ethernet pair is made with the first.
        controller
            .flatten()
            .into_iter()
            .chain(parent.map(str::to_owned))
            .collect()
    }
}
