//! The order of steps: what stands on something goes before it when removed and after it when made.

use std::collections::{BTreeSet, HashMap, HashSet};

use op_dbus_plugin::Operation;

use crate::compare::Index;
use crate::kind;
use crate::section::Interface;
use crate::step::{Object, Step};

/// The links that are to be ready before Open vSwitch changes.
#[derive(Debug, Default)]
pub struct Phases {
    /// They become ports: they leave their controllers, or come into being, before Open vSwitch takes them.
    pub joins: BTreeSet<String>,
    /// They go, because Open vSwitch makes links of their names.
    pub clears: BTreeSet<String>,
}

/// When a kind of step has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// A link that Open vSwitch makes anew under the same name.
    ClearForSwitch,
    /// Links that join Open vSwitch, and what they stand on, by depth.
    PrepareForSwitch(usize),
    /// The one change of Open vSwitch's bridges and ports.
    Switch,
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
///
/// All that is not named in `phases` waits until Open vSwitch has made its links.
pub fn sort(steps: &mut [Step], current: &Index, phases: &Phases) {
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
    let first = foundations(phases, &later);
    let turn = |step: &Step| match (&step.before, &step.after) {
        (_, Some(Object::Switch(_))) => Turn::Switch,
        (Some(Object::Link(link)), None) if phases.clears.contains(&link.name) => {
            Turn::ClearForSwitch
        }
        (_, Some(Object::Link(link))) if first.contains(&link.name) => {
            Turn::PrepareForSwitch(depths.after(&link.name))
        }
        _ => turn(step, &mut depths),
    };
    let turns: Vec<Turn> = steps.iter().map(turn).collect();
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

/// The links that join Open vSwitch, and those that they stand on.
fn foundations(phases: &Phases, later: &HashMap<&str, &Interface>) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut open: Vec<String> = phases.joins.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let link = later.get(name.as_str()).copied();
        if !found.insert(name) {
            continue;
        }
        let below = link.and_then(kind::parent).into_iter();
        let below = below.chain(link.and_then(kind::peer));
        open.extend(below.map(str::to_owned));
    }
    found
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
        Object::Switch(_) => Turn::Switch,
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
