//! Addresses and neighbours, which hang from links.

use std::collections::{HashMap, HashSet};

use super::{Extent, Index, Losses, Wishes};
use crate::section::{Address, Interface, Ip, Method, Neighbour, Network};
use crate::step::{Object, OnLink, Step, json};
use crate::summary;
use op_dbus_plugin::section::PROTOCOL_OP_DBUS;

/// The steps on addresses and neighbours. Notes which links lose IPv4 routes by them.
pub fn steps(
    current: &Index,
    wishes: &Wishes,
    extent: Extent,
    losses: &mut Losses,
    steps: &mut Vec<Step>,
) {
    let mut seen = HashSet::new();
    for wish in &wishes.list {
        if wish.interface.is_absent() {
            continue;
        }
        let name = wish.interface.name.as_str();
        seen.insert(name);
        for v6 in [false, true] {
            let place = |key: &str| wish.path_of(&format!("ipv{}/{key}", if v6 { 6 } else { 4 }));
            let want = wish.interface.ip(v6);
            addresses(
                current.get(name),
                name,
                v6,
                want,
                &place,
                extent,
                losses,
                steps,
            );
            neighbours(current.get(name), name, v6, want, &place, losses, steps);
        }
    }
    let mut carried: Vec<&String> = losses.again.iter().chain(&losses.bounced).collect();
    carried.retain(|name| !seen.contains(name.as_str()));
    carried.sort();
    carried.dedup();
    let carried: Vec<String> = carried.into_iter().cloned().collect();
    for name in &carried {
        for v6 in [false, true] {
            let have = current.get(name);
            addresses(have, name, v6, None, &|_| None, extent, losses, steps);
            neighbours(have, name, v6, None, &|_| None, losses, steps);
        }
    }
}

fn target(link: &str) -> String {
    format!("interface {link}")
}

/// An address as it is to be. One of the file that expires is marked as this plugin's, so that it is not taken for a DHCP client's.
fn object(link: &str, address: &Address, of_file: bool) -> Option<Object> {
    let mut address = address.clone();
    (address.kernel_made, address.tentative, address.duplicate) = (None, None, None);
    if address.valid_lifetime.is_some() && of_file {
        address.protocol.get_or_insert(PROTOCOL_OP_DBUS);
    }
    Some(Object::Address(OnLink {
        interface: link.to_owned(),
        object: address,
    }))
}

/// What the file says of a list of addresses: absent where it says nothing.
fn wanted(ip: Option<&Ip>) -> Option<&[Address]> {
    let ip = ip?;
    match (&ip.addresses, ip.method) {
        (Some(addresses), _) => Some(addresses),
        (None, Some(Method::Disabled | Method::LinkLocal)) => Some(&[]),
        _ => None,
    }
}

#[allow(clippy::too_many_arguments)]
fn addresses(
    have: Option<&Interface>,
    link: &str,
    v6: bool,
    want: Option<&Ip>,
    place: &dyn Fn(&str) -> Option<String>,
    extent: Extent,
    losses: &mut Losses,
    steps: &mut Vec<Step>,
) {
    let none = Vec::new();
    let have = have
        .and_then(|have| have.ip(v6))
        .and_then(|ip| ip.addresses.as_ref())
        .unwrap_or(&none);
    let is_gone = losses.gone.contains(link);
    let is_lost =
        is_gone || (v6 && (losses.bounced.contains(link) || losses.downed.contains(link)));
    let is_disabled = want.is_some_and(|ip| ip.method == Some(Method::Disabled));
    let list = wanted(want);
    let by_key: HashMap<_, _> = have.iter().map(|have| (have.network(), have)).collect();
    let mut kept = HashSet::new();
    let mut deleted = Vec::new();
    for (at, want) in list.into_iter().flatten().enumerate() {
        kept.insert(want.network());
        if extent == Extent::Partial && want.is_passing() {
            continue;
        }
        let path = place(&format!("addresses/{at}"));
        let is = by_key.get(&want.network()).copied();
        let filled = is
            .filter(|_| extent == Extent::Partial)
            .map(|is| with_flags_of(want, is));
        let want = filled.as_ref().unwrap_or(want);
        let same = is.is_some_and(|is| satisfies(want, is, extent));
        if same && !is_lost {
            continue;
        }
        let Some(is) = is.filter(|_| !is_gone) else {
            let step = Step::new(
                target(link),
                None,
                object(link, want, true),
                format!("add address {}", want.network()),
            );
            let path = path.filter(|_| !same);
            steps.push(step.at(path, json(want), None));
            continue;
        };
        let summary = if same {
            format!("keep address {}", want.network())
        } else {
            format!("change address {}", want.network())
        };
        let path = path.filter(|_| !same);
        if !same && needs_replacing(want, is) {
            deleted.push(is);
            steps.push(Step::new(
                target(link),
                object(link, is, false),
                None,
                format!("remove address {}", is.network()),
            ));
            let step = Step::new(
                target(link),
                None,
                object(link, want, true),
                format!("add address {}", want.network()),
            );
            steps.push(step.at(path, json(want), Some(json(is))));
        } else {
            let (before, after) = (object(link, is, false), object(link, want, true));
            let step = Step::new(target(link), before, after, summary);
            steps.push(step.at(path, json(want), Some(json(is))));
        }
    }
    // The kernel lists the newest IPv6 address first, and with it prefers it as a source: the last one is put back first.
    let mut order: Vec<&Address> = have.iter().collect();
    if v6 && is_lost {
        order.reverse();
    }
    for is in order {
        let unwanted = list.is_some()
            && !kept.contains(&is.network())
            && (is.is_static()
                || (is_disabled
                    && v6
                    && is.kernel_made == Some(true)
                    && is.valid_lifetime.is_none()));
        if unwanted {
            let step = Step::new(
                target(link),
                object(link, is, false),
                None,
                format!("remove address {}", is.network()),
            );
            if !is_gone {
                deleted.push(is);
                steps.push(step.at(place("addresses"), json(&list), Some(json(is))));
            }
        } else if is_lost && !kept.contains(&is.network()) && is.kernel_made != Some(true) {
            steps.push(Step::new(
                target(link),
                None,
                object(link, is, false),
                format!("keep address {}", is.network()),
            ));
            kept.insert(is.network());
        }
    }
    losses
        .sources
        .extend(deleted.iter().map(|gone| gone.address.0));
    if is_gone {
        let after: Vec<Network> = match list {
            Some(list) => list.iter().map(Address::network).collect(),
            None => have.iter().map(Address::network).collect(),
        };
        losses
            .networks
            .extend(after.into_iter().map(|network| (link.to_owned(), network)));
    }
    if !v6 && !deleted.is_empty() {
        let left = have
            .iter()
            .filter(|is| !deleted.iter().any(|gone| gone.network() == is.network()));
        let after = left.chain(list.into_iter().flatten()).map(Address::network);
        losses
            .networks
            .extend(after.map(|network| (link.to_owned(), network)));
        promote(have, &deleted, link, losses, steps);
    }
}

/// The kernel removes secondary addresses along with their primary one, and all routes along with the last address.
fn promote(
    have: &[Address],
    deleted: &[&Address],
    link: &str,
    losses: &mut Losses,
    steps: &mut Vec<Step>,
) {
    let goes = |address: &Address| {
        deleted
            .iter()
            .any(|gone| gone.network() == address.network())
    };
    let left: Vec<&Address> = have.iter().filter(|address| !goes(address)).collect();
    let shares = |address: &&Address| {
        deleted
            .iter()
            .any(|gone| gone.prefix == address.prefix && gone.network().contains(address.address.0))
    };
    if left.iter().all(shares) {
        losses.unaddressed.insert(link.to_owned());
    }
    for address in left.into_iter().filter(shares) {
        let put = object(link, address, false);
        steps.push(Step::new(
            target(link),
            put.clone(),
            put,
            format!("keep address {}", address.network()),
        ));
    }
}

/// Whether what is satisfies what the file says of an address.
fn satisfies(want: &Address, is: &Address, extent: Extent) -> bool {
    if is.kernel_made == Some(true) {
        return true;
    }
    let exact = extent == Extent::Exact;
    let unsaid = |said: bool| !exact && !said;
    let stays = want.valid_lifetime.is_some() || is.valid_lifetime.is_none();
    stays
        && (want.peer == is.peer || unsaid(want.peer.is_some()))
        && (want.broadcast == is.broadcast || unsaid(want.broadcast.is_some()))
        && (want.label == is.label || unsaid(want.label.is_some()))
        && (want.effective_scope() == is.effective_scope() || unsaid(want.scope.is_some()))
        && (want.metric == is.metric || unsaid(want.metric.is_some()))
        && flags(want).into_iter().zip(flags(is)).all(|(want, is)| {
            want.unwrap_or(false) == is.unwrap_or(false) || unsaid(want.is_some())
        })
}

fn flags(address: &Address) -> [Option<bool>; 5] {
    [
        address.no_prefix_route,
        address.no_duplicate_detection,
        address.home,
        address.manage_temporary,
        address.join_multicast,
    ]
}

/// The wish with what it does not say of flags, metric and scope as it is: the kernel takes what is left out for not wanted.
fn with_flags_of(want: &Address, is: &Address) -> Address {
    let expires = want.valid_lifetime.is_some();
    Address {
        metric: want.metric.or(is.metric),
        scope: want.scope.or(is.scope),
        no_prefix_route: want.no_prefix_route.or(is.no_prefix_route),
        no_duplicate_detection: want.no_duplicate_detection.or(is.no_duplicate_detection),
        home: want.home.or(is.home),
        manage_temporary: want.manage_temporary.or(is.manage_temporary),
        join_multicast: want.join_multicast.or(is.join_multicast),
        protocol: is
            .protocol
            .filter(|protocol| expires || *protocol != PROTOCOL_OP_DBUS),
        ..want.clone()
    }
}

/// Whether the kernel cannot change it in place (inet_rtm_newaddr, inet6_addr_modify): IPv4 keeps its flags and scope from the beginning.
fn needs_replacing(want: &Address, is: &Address) -> bool {
    let set = |address: &Address| flags(address).map(|flag| flag == Some(true));
    (want.address.0.is_ipv4() && set(want) != set(is))
        // IPv6 takes no metric for "as it is".
        || (want.address.0.is_ipv6() && want.metric.is_none() && is.metric.is_some())
        || (want.join_multicast == Some(true)) != (is.join_multicast == Some(true))
        || want.peer != is.peer
        || want.effective_scope() != is.effective_scope()
        || (want.broadcast.is_some() && want.broadcast != is.broadcast)
        || (want.label.is_some() && want.label != is.label)
}

fn neighbours(
    have: Option<&Interface>,
    link: &str,
    v6: bool,
    want: Option<&Ip>,
    place: &dyn Fn(&str) -> Option<String>,
    losses: &Losses,
    steps: &mut Vec<Step>,
) {
    let none = Vec::new();
    let have = have
        .and_then(|have| have.ip(v6))
        .and_then(|ip| ip.neighbours.as_ref())
        .unwrap_or(&none);
    let is_gone = losses.gone.contains(link);
    let is_lost = is_gone || losses.bounced.contains(link);
    let object = |neighbour: &Neighbour| {
        Some(Object::Neighbour(OnLink {
            interface: link.to_owned(),
            object: neighbour.clone(),
        }))
    };
    let list = want.and_then(|ip| ip.neighbours.as_deref());
    let key = |neighbour: &Neighbour| (neighbour.address, neighbour.proxy.unwrap_or(false));
    let by_key: HashMap<_, _> = have.iter().map(|have| (key(have), have)).collect();
    let mut kept = HashSet::new();
    for (at, want) in list.into_iter().flatten().enumerate() {
        kept.insert(key(want));
        let is = by_key.get(&key(want)).copied();
        let same = is.is_some_and(|is| is.mac == want.mac);
        if same && !is_lost {
            continue;
        }
        let path = place(&format!("neighbours/{at}")).filter(|_| !same);
        let before = is.filter(|_| !is_lost).and_then(&object);
        let step = Step::new(
            target(link),
            before,
            object(want),
            summary::neighbour(want, is, same),
        );
        steps.push(step.at(path, json(want), is.map(json)));
    }
    for is in have.iter().filter(|is| !kept.contains(&key(is))) {
        if list.is_some() && !is_gone {
            let step = Step::new(
                target(link),
                object(is),
                None,
                format!("remove neighbour {}", is.address.0),
            );
            steps.push(step.at(place("neighbours"), json(&list), Some(json(is))));
        } else if list.is_none() && is_lost {
            steps.push(Step::new(
                target(link),
                None,
                object(is),
                summary::neighbour(is, None, true),
            ));
        }
    }
}
