//! Checkpoints: what is, written as an exact wish, so that going back is one more comparison.

mod maps;

use std::collections::{HashMap, HashSet};

use op_dbus_plugin::log::{self, Level};
use op_dbus_plugin::{CheckpointData, Failure, Outcome};
use serde::{Deserialize, Serialize};

use crate::apply::apply;
use crate::compare::{DATAPATH, Extent, compare, filled};
use crate::query::{self, Read};
use crate::section::{Interface, LinkType, Route, Section, State};

/// What a checkpoint holds.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    /// It holds everything: what is not in it was not there.
    whole: bool,
    /// What was, and what was not (`"state": "absent"`).
    section: Section,
}

/// Notes what is.
///
/// # Errors
/// What the host answered.
pub fn take(within: Option<&Section>) -> Result<CheckpointData, Failure> {
    let (mut section, read) = match within {
        Some(within) => {
            let (section, read) = query::read(within)?;
            (section, Some(read))
        }
        None => (query::everything()?, None),
    };
    let mut beside = Vec::new();
    let is_named = |name: &String| {
        within.is_none_or(|within| within.interfaces().iter().any(|it| it.name == *name))
    };
    for interface in section.interfaces.iter_mut().flatten() {
        *interface = if interface.r#type == Some(LinkType::OvsBridge) && !is_named(&interface.name)
        {
            // It is here for a port alone: nothing of its own was read, and nothing of its own is to come back.
            Interface {
                r#type: Some(LinkType::OvsBridge),
                ..Interface::named(interface.name.clone())
            }
        } else {
            exact(interface, read.as_ref(), &mut beside)
        };
    }
    section.routes.get_or_insert_default().extend(beside);
    if let Some(db) = &mut section.ovs_db {
        db.unavailable = None;
    }
    if let Some(within) = within {
        note_absent(&mut section, within);
        maps::note_absent(&mut section, within);
    }
    let checkpoint = Checkpoint {
        whole: within.is_none(),
        section,
    };
    Ok(CheckpointData {
        state: serde_json::to_string(&checkpoint)?,
        backend: None,
    })
}

/// An interface as an exact wish: what the kernel's silence means written out, what is left alone left out. A list is exact only where all
/// of it was read; single routes that were seen go beside the interfaces, where each stands for itself. Attributes without a name stay, for a
/// link that has to be made again, and the queueing discipline, to tell that it is lost then.
fn exact(have: &Interface, read: Option<&Read>, beside: &mut Vec<Route>) -> Interface {
    let mut wish = filled(have);
    (wish.ports, wish.running, wish.permanent_mac) = (None, None, None);
    if matches!(wish.r#type, Some(LinkType::Other(_))) {
        wish.r#type = None;
    }
    let name = have.name.as_str();
    let has = |set: fn(&Read) -> &HashSet<String>| read.is_none_or(|read| set(read).contains(name));
    let (addresses, routes, neighbours) = (
        has(|read| &read.addresses),
        has(|read| &read.routes),
        has(|read| &read.neighbours),
    );
    for ip in [&mut wish.ipv4, &mut wish.ipv6] {
        if addresses || routes || neighbours {
            ip.get_or_insert_default();
        }
        let Some(ip) = ip else { continue };
        ip.method = None;
        if addresses {
            ip.addresses
                .get_or_insert_default()
                .retain(|address| address.is_static());
        } else {
            ip.addresses = None;
        }
        if routes {
            ip.routes.get_or_insert_default().retain(Route::is_static);
            ip.gateway.get_or_insert(None);
        } else {
            let gateway = ip.gateway.take().flatten().map(Route::of_gateway);
            let seen = ip
                .routes
                .take()
                .unwrap_or_default()
                .into_iter()
                .filter(Route::is_static);
            beside.extend(seen.chain(gateway).map(|route| route.on_link(name)));
        }
        if neighbours {
            ip.neighbours.get_or_insert_default();
        } else {
            ip.neighbours = None;
        }
    }
    wish
}

/// What the section names and is not there is to be absent.
fn note_absent(section: &mut Section, within: &Section) {
    let there: HashSet<String> = section
        .interfaces()
        .iter()
        .map(|interface| interface.name.clone())
        .collect();
    let missing = within
        .interfaces()
        .iter()
        .filter(|interface| !there.contains(&interface.name));
    let absent = |interface: &Interface| Interface {
        state: Some(State::Absent),
        ..Interface::named(interface.name.clone())
    };
    let mut absent: Vec<Interface> = missing.map(absent).collect();
    // Ports of Open vSwitch come into being by being listed.
    let listed = within
        .interfaces()
        .iter()
        .flat_map(|it| it.ports.iter().flatten());
    let mut named: HashSet<&String> = within.interfaces().iter().map(|it| &it.name).collect();
    for port in listed.filter(|port| !there.contains(&port.name)) {
        if named.insert(&port.name) {
            absent.push(Interface {
                state: Some(State::Absent),
                ..Interface::named(port.name.clone())
            });
        }
    }
    section.interfaces.get_or_insert_default().extend(absent);

    let keys: HashSet<_> = section.routes().iter().map(Route::key).collect();
    let gone = within
        .routes()
        .iter()
        .filter(|route| !keys.contains(&route.key()));
    let gone: Vec<Route> = gone
        .map(|route| Route {
            state: Some(State::Absent),
            ..route.clone()
        })
        .collect();
    section.routes.get_or_insert_default().extend(gone);
    let keys: HashSet<String> = section.rules().iter().map(|rule| rule.key()).collect();
    let gone = within
        .rules()
        .iter()
        .filter(|rule| !keys.contains(&rule.key()));
    let gone: Vec<_> = gone
        .map(|rule| crate::section::Rule {
            state: Some(State::Absent),
            ..rule.clone()
        })
        .collect();
    section.rules.get_or_insert_default().extend(gone);
}

/// Goes back to a checkpoint.
///
/// # Errors
/// What reading answered; `unsupported` where a link cannot be made again.
pub fn go_back(to: &CheckpointData) -> Result<Vec<Outcome>, Failure> {
    let checkpoint: Checkpoint = serde_json::from_str(&to.state)?;
    let mut wish = checkpoint.section;
    let current = if checkpoint.whole {
        query::everything()?
    } else {
        query::within(&wish)?
    };
    if checkpoint.whole {
        forget_new(&mut wish, &current);
        maps::note_absent(&mut wish, &current);
    }
    let steps = compare(&current, &wish, Extent::Exact)?;
    if !steps.is_empty() {
        for lost in lost_for_good(&current, &wish) {
            log::write(Level::Warn, &lost);
        }
    }
    let actions = steps
        .into_iter()
        .map(|step| step.action())
        .collect::<Result<_, _>>()?;
    apply(actions)
}

/// What no step brings back, in words: the queueing discipline of a link that is made again, and attributes without a name that a link which
/// somebody has made again lacks. Making that one once more would interrupt traffic for what may have gone with another kernel.
fn lost_for_good(current: &Section, wish: &Section) -> Vec<String> {
    let there: HashMap<_, _> = current
        .interfaces()
        .iter()
        .map(|interface| (&interface.name, interface))
        .collect();
    let mut lost = Vec::new();
    for was in wish.interfaces() {
        match there.get(&was.name) {
            None => lost.extend(was.queueing_discipline.as_ref().map(|discipline| {
                format!(
                    "link {} is without its queueing discipline {discipline}: op-dbus does not bring those back",
                    was.name
                )
            })),
            Some(is) if is.r#type == was.r#type => {
                let lacks = |place: &str| !is.unknown.iter().flatten().any(|it| it.place == place);
                let of_kind = was.unknown.iter().flatten().filter(|it| it.is_of_kind());
                lost.extend(of_kind.filter(|it| lacks(&it.place)).map(|attribute| {
                    format!(
                        "link {} is without the attribute {}, since somebody has made it anew: remove it, and go back again, to have it as it was",
                        was.name, attribute.place
                    )
                }));
            }
            Some(_) => {}
        }
    }
    lost
}

/// What is there now and was not is to be absent.
fn forget_new(wish: &mut Section, current: &Section) {
    let there: HashSet<String> = wish
        .interfaces()
        .iter()
        .map(|interface| interface.name.clone())
        .collect();
    let is_new = |interface: &&Interface| {
        let is_hardware = matches!(
            interface.r#type,
            Some(LinkType::Ethernet | LinkType::Loopback)
        );
        // A device that lives as long as its process is that process's business.
        let tun = interface.tun.as_ref().or(interface.tap.as_ref());
        let is_passing = tun.is_some_and(|tun| tun.persistent == Some(false));
        // Open vSwitch's own links come and go with its bridges and tunnels.
        let held_by = interface.controller.as_ref().and_then(Option::as_deref);
        let is_datapath = interface.name == DATAPATH
            || (held_by == Some(DATAPATH) && interface.name.contains("_sys"));
        !there.contains(&interface.name) && !is_hardware && !is_passing && !is_datapath
    };
    let absent = |interface: &Interface| Interface {
        state: Some(State::Absent),
        ..Interface::named(interface.name.clone())
    };
    let new: Vec<Interface> = current
        .interfaces()
        .iter()
        .filter(is_new)
        .map(absent)
        .collect();
    wish.interfaces.get_or_insert_default().extend(new);
    let keys: HashSet<_> = wish.routes().iter().map(Route::key).collect();
    let new = current
        .routes()
        .iter()
        .filter(|route| route.is_static() && !keys.contains(&route.key()));
    let new: Vec<Route> = new
        .map(|route| Route {
            state: Some(State::Absent),
            ..route.clone()
        })
        .collect();
    wish.routes.get_or_insert_default().extend(new);
    let keys: HashSet<String> = wish.rules().iter().map(|rule| rule.key()).collect();
    let new = current
        .rules()
        .iter()
        .filter(|rule| rule.is_static() && !keys.contains(&rule.key()));
    let new: Vec<_> = new
        .map(|rule| crate::section::Rule {
            state: Some(State::Absent),
            ..rule.clone()
        })
        .collect();
    wish.rules.get_or_insert_default().extend(new);
}
