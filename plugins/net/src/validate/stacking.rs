//! What stands on what: nothing on itself, nothing in a circle, nothing on what is to be absent.

use std::collections::{HashMap, HashSet};

use super::Problems;
use crate::kind;
use crate::section::{Interface, LinkType, Section};

/// Checks parents, controllers and peers.
pub fn check(desired: &Section, problems: &mut Problems) {
    let by_name: HashMap<&str, &Interface> = desired
        .interfaces()
        .iter()
        .map(|interface| (interface.name.as_str(), interface))
        .collect();
    let mut below: HashMap<&str, Vec<&str>> = HashMap::new();
    for interface in desired
        .interfaces()
        .iter()
        .filter(|interface| !interface.is_absent())
    {
        let own = below.entry(&interface.name).or_default();
        own.extend(kind::parent(interface));
        own.extend(interface.controller.iter().flatten().map(String::as_str));
        for port in interface.ports.iter().flatten() {
            below.entry(&port.name).or_default().push(&interface.name);
        }
    }
    let mut taken = HashMap::new();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        let name = interface.name.as_str();
        if interface.is_absent() {
            continue;
        }
        let path = format!("/interfaces/{at}");
        let itself = |below: Option<&str>| below == Some(name);
        if itself(interface.controller.as_ref().and_then(Option::as_deref)) {
            problems.push(
                format!("{path}/controller"),
                format!("{name} cannot be its own controller"),
            );
        } else if interface
            .ports
            .iter()
            .flatten()
            .any(|port| port.name == name)
        {
            problems.push(
                format!("{path}/ports"),
                format!("{name} cannot be its own port"),
            );
        } else if itself(kind::parent(interface)) {
            problems.push(&path, format!("{name} cannot be its own parent"));
        } else if let Some(circle) = circle(name, &below) {
            problems.push(
                &path,
                format!("{name} stands on itself: {}", circle.join(" on ")),
            );
        }
        peer(interface, &path, &by_name, &mut taken, problems);
        let parent = kind::parent(interface);
        if let Some(parent) =
            parent.filter(|parent| by_name.get(parent).is_some_and(|other| other.is_absent()))
        {
            problems.push(
                path,
                format!("{name} needs {parent}, which is to be absent"),
            );
        }
    }
}

/// The other end of a pair: another link, a veth as far as the file says, and of this pair alone.
fn peer<'a>(
    interface: &'a Interface,
    path: &str,
    by_name: &HashMap<&str, &Interface>,
    taken: &mut HashMap<&'a str, &'a str>,
    problems: &mut Problems,
) {
    let Some(peer) = kind::peer(interface) else {
        return;
    };
    let name = interface.name.as_str();
    let path = format!("{path}/veth/peer");
    if peer == name {
        return problems.push(path, format!("{name} cannot be its own peer"));
    }
    if let Some(other) = taken.insert(peer, name) {
        problems.push(
            &path,
            format!("{peer} is the peer of {other} already: a pair has two ends"),
        );
    }
    let Some(other) = by_name.get(peer) else {
        return;
    };
    let given = kind::given(other);
    let of = other.r#type.as_ref().or(given.first());
    if other.is_absent() {
        problems.push(path, format!("{peer} is to be absent"));
    } else if let Some(of) = of.filter(|of| **of != LinkType::Veth) {
        problems.push(
            path,
            format!(
                "{peer} is to be {}, and the peer of a veth is a veth",
                of.one()
            ),
        );
    } else if let Some(back) = kind::peer(other).filter(|back| *back != name) {
        problems.push(path, format!("the peer of {peer} is {back}"));
    }
}

/// The way from a link back to itself.
fn circle<'a>(start: &'a str, below: &HashMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut seen = HashSet::new();
    let mut open = vec![vec![start]];
    while let Some(way) = open.pop() {
        for next in below.get(way.last()?).into_iter().flatten() {
            let mut way = way.clone();
            way.push(next);
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                open.push(way);
            }
        }
    }
    None
}
