//! What a section concerns: its links, those that they stand on or carry, and what hangs from them, and no more.

use std::collections::{BTreeSet, HashSet};

use op_dbus_plugin::netlink::{self as nl, LinkSelector};
use op_dbus_plugin::{Failure, FailureCode};

use super::{Reading, switch, whole};
use crate::compare::{Doomed, Extent, Index, Wishes};
use crate::kind;
use crate::section::{Interface, LinkType, Method, Rule, Section, State};
use op_dbus_plugin::section::Wire;
use op_dbus_plugin::section::route::RouteKey;

/// Of which links what was read, to the last entry.
#[derive(Debug, Default)]
pub struct Read {
    /// Their addresses.
    pub addresses: HashSet<String>,
    /// Their routes, but those of routing daemons.
    pub routes: HashSet<String>,
    /// Their neighbours.
    pub neighbours: HashSet<String>,
}

/// What a section concerns.
///
/// # Errors
/// What the host answered.
pub fn within(section: &Section) -> Result<Section, Failure> {
    Ok(read(section)?.0)
}

/// What a section concerns, and of which links what was read.
///
/// # Errors
/// What the host answered.
pub fn read(section: &Section) -> Result<(Section, Read), Failure> {
    let mut reading = Reading::default();
    let selectors = selectors(section);
    if !selectors.is_empty() {
        reading.add_links(nl::links(&selectors)?);
    }
    let remade = switch::within(&mut reading, section)?;
    let mut anew = stacked(&mut reading, section)?;
    anew.extend(remade);
    let needs = Needs::of(&reading, section, &anew);
    if !needs.addresses.is_empty() {
        reading.add_addresses(nl::addresses(&needs.addresses)?)?;
    }
    let mut needs_routes = needs.static_routes;
    needs_routes.extend(loses_addresses(&reading, section));
    let read = Read {
        addresses: needs.addresses.iter().cloned().collect(),
        routes: needs_routes
            .iter()
            .chain(&needs.all_routes)
            .cloned()
            .collect(),
        neighbours: needs.neighbours.iter().cloned().collect(),
    };
    routes(&mut reading, section, needs_routes, needs.all_routes)?;
    if !needs.neighbours.is_empty() {
        reading.add_neighbours(nl::neighbours(&needs.neighbours)?)?;
    }
    if !needs.vlans.is_empty() {
        reading.add_vlans(nl::bridge_vlans(&needs.vlans)?);
    }
    if !section.rules().is_empty() {
        let wanted: HashSet<String> = section.rules().iter().map(|rule| rule.key()).collect();
        let absent = |rule: &Rule| {
            let mut absent = section.rules().iter().filter(|rule| rule.is_absent());
            absent.any(|absent| absent.means(rule))
        };
        let families: HashSet<_> = section.rules().iter().map(|rule| rule.family()).collect();
        let mut families: Vec<_> = families.into_iter().collect();
        families.sort();
        reading.add_rules(nl::rules(&families.to_wire())?);
        reading
            .rules
            .retain(|rule| wanted.contains(&rule.key()) || absent(rule));
    }
    Ok((reading.section(), read))
}

/// The links that a section names, by itself or as controller, port, parent or peer.
fn selectors(section: &Section) -> Vec<LinkSelector> {
    let mut names: Vec<&str> = Vec::new();
    let mut selectors = Vec::new();
    for interface in section.interfaces() {
        names.push(&interface.name);
        names.extend(
            interface
                .ports
                .iter()
                .flatten()
                .map(|port| port.name.as_str()),
        );
        names.extend(interface.controller.iter().flatten().map(String::as_str));
        let own = interface.port.as_deref().into_iter();
        let listed = interface.ports.iter().flatten().map(|port| &port.settings);
        let bonds = listed.chain(own).filter_map(|port| port.bond.as_ref());
        let links = bonds.flat_map(|bond| bond.ports.iter().flatten());
        names.extend(links.map(String::as_str));
        names.extend(kind::parent(interface));
        names.extend(kind::peer(interface));
        // Whoever has one of these names already.
        names.extend(
            interface
                .alternative_names
                .iter()
                .flatten()
                .map(String::as_str),
        );
        let is_whole = interface.is_only_name();
        if interface.ports.is_some() || interface.is_absent() || is_whole {
            selectors.push(LinkSelector::Controller(interface.name.clone()));
        }
        if interface.is_absent() {
            selectors.push(LinkSelector::Parent(interface.name.clone()));
        }
    }
    let mut seen = HashSet::new();
    let named = names.into_iter().filter(|name| seen.insert(*name));
    let mut all: Vec<LinkSelector> = named
        .map(|name| LinkSelector::Name(name.to_owned()))
        .collect();
    all.append(&mut selectors);
    all
}

/// Reads what is stacked on links that go away, as long as there is more. The links that go away.
fn stacked(reading: &mut Reading, section: &Section) -> Result<Vec<String>, Failure> {
    let mut asked: HashSet<String> = HashSet::new();
    loop {
        let index = Index::of(&reading.interfaces);
        let wishes = Wishes::of(section, &index);
        let doomed = match Doomed::find(&index, &wishes, Extent::Partial) {
            Ok(doomed) => doomed,
            // The plan will say so; a look at what is must not fail for it.
            Err(failure)
                if matches!(
                    failure.code,
                    FailureCode::Unsupported | FailureCode::Conflict
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(failure) => return Err(failure),
        };
        let mut names: Vec<String> = doomed
            .again
            .keys()
            .chain(doomed.along.keys())
            .chain(&doomed.gone)
            .cloned()
            .collect();
        names.sort();
        let new: Vec<&String> = names.iter().filter(|name| !asked.contains(*name)).collect();
        if new.is_empty() {
            return Ok(names);
        }
        let mut selectors = Vec::new();
        for name in new {
            selectors.push(LinkSelector::Parent(name.clone()));
            selectors.push(LinkSelector::Controller(name.clone()));
            let have = index.get(name);
            selectors.extend(
                have.and_then(kind::peer)
                    .map(|peer| LinkSelector::Name(peer.to_owned())),
            );
            selectors.extend(
                have.and_then(kind::parent)
                    .map(|parent| LinkSelector::Name(parent.to_owned())),
            );
            asked.insert(name.clone());
        }
        reading.add_links(nl::links(&selectors)?);
    }
}

/// Of which links what is to be read.
#[derive(Default)]
struct Needs {
    addresses: Vec<String>,
    static_routes: Vec<String>,
    all_routes: Vec<String>,
    neighbours: Vec<String>,
    vlans: Vec<String>,
}

impl Needs {
    fn of(reading: &Reading, section: &Section, anew: &[String]) -> Self {
        let index = Index::of(&reading.interfaces);
        let wishes = Wishes::of(section, &index);
        let anew: HashSet<&str> = anew.iter().map(String::as_str).collect();
        let mut needs = Self::default();
        for have in &reading.interfaces {
            let name = have.name.as_str();
            let wish = wishes.get(name).map(|wish| &wish.interface);
            let named = wishes.get(name).is_some_and(|wish| wish.path.is_some());
            let is_whole = named && wish.is_some_and(|wish| wish.is_only_name());
            let moves = wish.is_some_and(|wish| moves(have, wish, &index, &wishes));
            let everything =
                is_whole || anew.contains(name) || wish.is_some_and(Interface::is_absent);
            let on = [
                wish.and_then(|wish| wish.ipv4.as_ref()),
                wish.and_then(|wish| wish.ipv6.as_ref()),
            ];
            let said =
                |test: &dyn Fn(&crate::section::Ip) -> bool| on.into_iter().flatten().any(test);
            let is_off = said(&|ip| matches!(ip.method, Some(Method::Disabled)));
            let note = |list: &mut Vec<String>, needed: bool| {
                if needed {
                    list.push(name.to_owned());
                }
            };
            note(
                &mut needs.addresses,
                everything || moves || said(&|ip| ip.addresses.is_some() || ip.method.is_some()),
            );
            note(&mut needs.all_routes, is_whole);
            let routes = said(&|ip| ip.routes.is_some() || ip.gateway.is_some()) || is_off;
            note(&mut needs.static_routes, routes || everything || moves);
            note(
                &mut needs.neighbours,
                everything || moves || said(&|ip| ip.neighbours.is_some()),
            );
            let on_bridge = have.controller.as_ref().and_then(Option::as_ref);
            let loses_controller =
                on_bridge.is_some_and(|controller| anew.contains(controller.as_str()));
            let vlans = wish.is_some_and(|wish| {
                wish.vlans.is_some() || wish.port.as_ref().is_some_and(|port| port.vlans.is_some())
            });
            let is_switched = on_bridge.is_some() || have.r#type == Some(LinkType::Bridge);
            let leaves = wish.is_some_and(|wish| {
                wish.controller.is_some() && wish.controller != have.controller
            });
            note(
                &mut needs.vlans,
                vlans || (is_switched && (everything || loses_controller || leaves)),
            );
        }
        needs
    }
}

/// Whether a link goes down for a moment or for good, and so loses what hangs from it.
fn moves(have: &Interface, wish: &Interface, index: &Index, wishes: &Wishes) -> bool {
    if have.state != Some(State::Up) {
        return false;
    }
    let controllers = [
        have.controller.clone().flatten(),
        wish.controller.clone().flatten(),
    ];
    let takes_down = |name: &String| {
        let wanted = wishes
            .get(name)
            .and_then(|wish| wish.interface.r#type.as_ref());
        let of = wanted.or(index.get(name).and_then(|have| have.r#type.as_ref()));
        of.is_none_or(|of| matches!(of, LinkType::Bond | LinkType::Vrf))
    };
    let changes = wish.controller.is_some() && controllers[0] != controllers[1];
    wish.state == Some(State::Down)
        || (changes && controllers.iter().flatten().any(takes_down))
        || kind::given(wish).contains(&LinkType::Bond)
}

/// Links whose static IPv4 addresses the section replaces: the kernel may drop routes along with them.
fn loses_addresses(reading: &Reading, section: &Section) -> Vec<String> {
    let mut names = Vec::new();
    for interface in section.interfaces() {
        let Some(wanted) = interface.ipv4.as_ref().and_then(|ip| ip.addresses.as_ref()) else {
            continue;
        };
        let have = reading
            .places
            .get(&interface.name)
            .map(|place| &reading.interfaces[*place]);
        let is = have
            .and_then(|have| have.ipv4.as_ref())
            .and_then(|ip| ip.addresses.as_ref());
        let goes = is
            .into_iter()
            .flatten()
            .any(|is| is.is_static() && !wanted.iter().any(|want| want.network() == is.network()));
        if goes {
            names.push(interface.name.clone());
        }
    }
    names
}

/// Who makes routes that a plan may have to put back: boot, static, and a DHCP client (rtnetlink(7)). What a routing daemon or the kernel
/// makes is left alone and need not be seen.
const OPERATORS: [u8; 3] = [3, 4, 16];

/// What tells a route from others.
fn key(wire: &nl::Route) -> Option<RouteKey> {
    let route = super::ip::route(wire.clone()).ok()?;
    Some(route.1.key())
}

/// Routes over the links that need them, and those that the section itself names, whoever has them now.
fn routes(
    reading: &mut Reading,
    section: &Section,
    mut of_static: Vec<String>,
    of_all: Vec<String>,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    let whole_of: HashSet<&String> = of_all.iter().collect();
    of_static.retain(|name| !whole_of.contains(name));
    of_static.sort();
    of_static.dedup();
    if !of_all.is_empty() {
        found.extend(nl::routes(&nl::RouteScope {
            links: of_all.clone(),
            ..whole()
        })?);
    }
    if !of_static.is_empty() {
        let scope = nl::RouteScope {
            links: of_static,
            protocols: OPERATORS.to_vec(),
            ..whole()
        };
        found.extend(nl::routes(&scope)?);
    }
    let named = section.interfaces().iter().flat_map(|interface| {
        [&interface.ipv4, &interface.ipv6]
            .into_iter()
            .flatten()
            .flat_map(|ip| {
                let gateway = ip.gateway.flatten().map(crate::section::Route::of_gateway);
                ip.routes.iter().flatten().cloned().chain(gateway)
            })
    });
    let keys: HashSet<_> = named
        .chain(
            section
                .routes()
                .iter()
                .filter(|route| !route.is_absent())
                .cloned(),
        )
        .map(|route| route.key())
        .collect();
    let there: HashSet<_> = found.iter().filter_map(key).collect();
    let missing: HashSet<_> = keys.difference(&there).copied().collect();
    if !missing.is_empty() {
        let destinations: HashSet<_> = missing.iter().map(|key| key.destination.masked()).collect();
        let mut destinations: Vec<_> = destinations.into_iter().collect();
        destinations.sort();
        let scope = nl::RouteScope {
            destinations: destinations.to_wire(),
            protocols: OPERATORS.to_vec(),
            ..whole()
        };
        let more = nl::routes(&scope)?;
        found.extend(
            more.into_iter()
                .filter(|wire| key(wire).is_some_and(|key| missing.contains(&key))),
        );
    }
    found.extend(absent(section)?);
    reading.add_routes(found)
}

/// Routes that the section wants gone, whoever made them.
fn absent(section: &Section) -> Result<Vec<nl::Route>, Failure> {
    let absent = section.routes().iter().filter(|route| route.is_absent());
    let absent: Vec<_> = absent.collect();
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let destinations: BTreeSet<_> = absent
        .iter()
        .map(|route| route.destination().masked())
        .collect();
    let tables: BTreeSet<u32> = absent.iter().map(|route| route.key().table).collect();
    let scope = nl::RouteScope {
        destinations: Vec::from_iter(destinations).to_wire(),
        tables: tables.into_iter().collect(),
        ..whole()
    };
    let mut found = nl::routes(&scope)?;
    found.retain(|wire| {
        let route = super::ip::route(wire.clone()).ok();
        // Those with an operator's protocol and the same key were read already.
        route.is_some_and(|(_, route)| absent.iter().any(|absent| absent.means(&route)))
    });
    Ok(found)
}
