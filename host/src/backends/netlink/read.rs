//! Reads: which dumps a question takes, and what is kept of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::io::Errno;

use super::answer::Trouble;
use super::link::{self, Decoded, RTM_NEWLINK, ifla};
use super::names::Index;
use super::resolve::{self, Key, MANY, dump_request};
use super::socket::Channel;
use super::{Netlink, address, ip, neighbour, route, rule, vlan};
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Route, RouteScope, Rule,
};
use crate::contract::types::Failure;

/// Up to this many links, tables or protocols the kernel is asked for each; above it dumps once and the host filters.
const FEW: usize = 8;

/// Names of these indices, or of more.
async fn names_for(channel: &mut Channel, indices: &[u32]) -> Result<Arc<Index>, Trouble> {
    if let Some(names) = channel.names.current() {
        return Ok(names);
    }
    if indices.len() > MANY {
        return all_names(channel).await;
    }
    let mut names = Index::new();
    let keys: Vec<_> = indices.iter().map(|index| Key::Index(*index)).collect();
    resolve::ask(channel, &keys, |_, decoded| {
        names.insert(decoded.link.index, decoded.link.name);
    })
    .await?;
    Ok(Arc::new(names))
}

/// Names of all links.
async fn all_names(channel: &mut Channel) -> Result<Arc<Index>, Trouble> {
    if let Some(names) = channel.names.current() {
        return Ok(names);
    }
    channel.names.listen();
    let all = resolve::all(channel).await?;
    Ok(channel.names.keep(index(&all)))
}

fn index(links: &[Decoded]) -> Index {
    let name = |decoded: &Decoded| (decoded.link.index, decoded.link.name.clone());
    links.iter().map(name).collect()
}

/// Links that match one of the selectors, in the order of their indices.
pub async fn links(
    netlink: &Netlink,
    channel: &mut Channel,
    selectors: &[LinkSelector],
) -> Result<Vec<Link>, Trouble> {
    let (mut found, names) = match selectors {
        [] => everything(netlink, channel).await?,
        _ => {
            let found = chosen(netlink, channel, selectors).await?;
            let names = Arc::new(index(&found));
            (found, names)
        }
    };
    found.sort_unstable_by_key(|decoded| decoded.link.index);
    found.dedup_by_key(|decoded| decoded.link.index);
    attach(channel, &mut found, &names).await?;
    Ok(found.into_iter().map(|decoded| decoded.link).collect())
}

/// All links, and their names.
async fn everything(
    netlink: &Netlink,
    channel: &mut Channel,
) -> Result<(Vec<Decoded>, Arc<Index>), Trouble> {
    channel.names.listen();
    let found = resolve::all(channel).await?;
    let names = channel.names.keep(index(&found));
    let largest = found.iter().map(|d| d.link.index).max().unwrap_or(0);
    netlink
        .0
        .next_index
        .fetch_max(largest.saturating_add(1), Ordering::Relaxed);
    Ok((found, names))
}

/// Puts names in the place of indices; those that are not among `names` are looked up.
async fn attach(
    channel: &mut Channel,
    found: &mut [Decoded],
    names: &Index,
) -> Result<(), Trouble> {
    let mut missing: Vec<u32> = found
        .iter()
        .flat_map(|d| [d.controller, d.parent, d.primary])
        .filter(|index| *index != 0 && !names.contains_key(index))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    let others = match missing.is_empty() {
        true => Arc::default(),
        false => names_for(channel, &missing).await?,
    };
    for decoded in found {
        link::attach_names(decoded, |index| {
            let name = names.get(&index).or_else(|| others.get(&index));
            name.map(String::as_str)
        });
    }
    Ok(())
}

/// The union of what the selectors choose, possibly with duplicates.
async fn chosen(
    netlink: &Netlink,
    channel: &mut Channel,
    selectors: &[LinkSelector],
) -> Result<Vec<Decoded>, Trouble> {
    let (mut keys, mut kinds, mut controllers, mut parents) = (vec![], vec![], vec![], vec![]);
    for selector in selectors {
        match selector {
            LinkSelector::Name(name) => keys.push(Key::Name(name)),
            LinkSelector::Index(index) => keys.push(Key::Index(*index)),
            LinkSelector::Kind(word) => kinds.push(word.as_str()),
            LinkSelector::Controller(name) => controllers.push(name.as_str()),
            LinkSelector::Parent(name) => parents.push(name.as_str()),
        }
    }
    // The kernel cannot filter by what lies below, and a dump for each of many is dearer than one of all.
    let one_dump = !parents.is_empty()
        || keys.len() > MANY
        || kinds.len() + controllers.len() > FEW
        || kinds
            .iter()
            .any(|word| matches!(*word, "ethernet" | "loopback"));
    if one_dump {
        let (all, _) = everything(netlink, channel).await?;
        return Ok(filter(all, &keys, &kinds, &controllers, &parents));
    }
    let mut found = Vec::new();
    resolve::ask(channel, &keys, |_, decoded| found.push(decoded)).await?;
    for word in kinds {
        let mut request = dump_request();
        request.nest(ifla::LINKINFO, |out| out.text(ifla::INFO_KIND, word));
        // A kernel without this kind ignores the filter.
        let of_kind = |decoded: &Decoded| link::word(&decoded.link.kind) == Some(word);
        found.extend(narrowed(channel, &request, of_kind).await?);
    }
    for name in controllers {
        let mut index = None;
        resolve::ask(channel, &[Key::Name(name)], |_, d| {
            index = Some(d.link.index)
        })
        .await?;
        if let Some(index) = index {
            let mut request = dump_request();
            request.u32(ifla::MASTER, index);
            found.extend(narrowed(channel, &request, |d| d.controller == index).await?);
        }
    }
    Ok(found)
}

async fn narrowed(
    channel: &mut Channel,
    request: &super::message::Message,
    keep: impl Fn(&Decoded) -> bool,
) -> Result<Vec<Decoded>, Trouble> {
    channel
        .dump(request, |message, found| {
            if message.kind == RTM_NEWLINK {
                let decoded = link::decode(message.body)?;
                if keep(&decoded) {
                    found.push(decoded);
                }
            }
            Ok(())
        })
        .await
}

fn filter(
    all: Vec<Decoded>,
    keys: &[Key<'_>],
    kinds: &[&str],
    controllers: &[&str],
    parents: &[&str],
) -> Vec<Decoded> {
    let called = |decoded: &Decoded, names: &HashSet<&str>| {
        let mut all = decoded.link.alternative_names.iter();
        names.contains(decoded.link.name.as_str()) || all.any(|n| names.contains(n.as_str()))
    };
    let indices = |names: &[&str]| -> HashSet<u32> {
        let names: HashSet<&str> = names.iter().copied().collect();
        all.iter()
            .filter(|d| called(d, &names))
            .map(|d| d.link.index)
            .collect()
    };
    let kinds: HashSet<&str> = kinds.iter().copied().collect();
    let (controllers, parents) = (indices(controllers), indices(parents));
    let names: HashSet<&str> = keys
        .iter()
        .filter_map(|key| match key {
            Key::Name(name) => Some(*name),
            Key::Index(_) => None,
        })
        .collect();
    let numbers: HashSet<u32> = keys
        .iter()
        .filter_map(|key| match key {
            Key::Index(index) => Some(*index),
            Key::Name(_) => None,
        })
        .collect();
    all.into_iter()
        .filter(|d| {
            let word = link::word(&d.link.kind).unwrap_or(match d.link.kind {
                crate::contract::netlink::Kind::Loopback => "loopback",
                _ => "ethernet",
            });
            called(d, &names)
                || numbers.contains(&d.link.index)
                || kinds.contains(word)
                || controllers.contains(&d.controller)
                || link::parent(&d.link.kind).is_some() && parents.contains(&d.parent)
        })
        .collect()
}

/// Indices and names of these links (by name alone), or of all.
pub async fn named(channel: &mut Channel, links: &[String]) -> Result<Arc<Index>, Trouble> {
    if links.is_empty() {
        return all_names(channel).await;
    }
    let mut names = Index::new();
    if links.len() > MANY {
        let wanted: HashSet<_> = links.iter().map(String::as_str).collect();
        let all = all_names(channel).await?;
        let chosen = all
            .iter()
            .filter(|(_, name)| wanted.contains(name.as_str()));
        names.extend(chosen.map(|(index, name)| (*index, name.clone())));
        return Ok(Arc::new(names));
    }
    let keys: Vec<_> = links.iter().map(|name| Key::Name(name)).collect();
    resolve::ask(channel, &keys, |position, decoded| {
        if decoded.link.name == links[position] {
            names.insert(decoded.link.index, decoded.link.name);
        }
    })
    .await?;
    Ok(Arc::new(names))
}

/// Addresses of these links, or of all.
pub async fn addresses(channel: &mut Channel, links: &[String]) -> Result<Vec<Address>, Trouble> {
    let names = named(channel, links).await?;
    let mut requests = Vec::new();
    if !links.is_empty() && names.len() <= FEW {
        for index in names.keys() {
            requests.extend([ip::AF_INET, ip::AF_INET6].map(|f| address::dump(f, *index)));
        }
    } else {
        requests.extend([ip::AF_INET, ip::AF_INET6].map(|f| address::dump(f, 0)));
    }
    let mut found = Vec::new();
    for request in requests {
        found.extend(
            channel
                .dump(&request, |message, list| {
                    if message.kind == address::RTM_NEWADDR {
                        list.extend(address::decode(message.body, |i| names.get(&i).cloned())?);
                    }
                    Ok(())
                })
                .await?,
        );
    }
    Ok(found)
}

/// Routes within a scope.
pub async fn routes(channel: &mut Channel, scope: &RouteScope) -> Result<Vec<Route>, Failure> {
    let what = "read routes";
    let destinations = scope.destinations.iter().map(route::wanted_destination);
    let mut wanted = route::Wanted {
        tables: scope.tables.iter().copied().collect(),
        protocols: scope.protocols.iter().copied().collect(),
        links: HashSet::new(),
        destinations: destinations.collect::<Result<_, _>>()?,
    };
    if !scope.links.is_empty() {
        let names = named(channel, &scope.links).await;
        wanted.links = names
            .map_err(|t| t.failure(what))?
            .keys()
            .copied()
            .collect();
        if wanted.links.is_empty() {
            return Ok(Vec::new());
        }
    }
    let mut found = Vec::new();
    for filter in filters(&ip::families(&scope.families), &wanted) {
        let dumped = channel
            .dump(&route::dump(filter), |message, list| {
                if message.kind == route::RTM_NEWROUTE {
                    list.extend(route::decode(message.body, &wanted)?);
                }
                Ok(())
            })
            .await;
        match dumped {
            Ok(dumped) => found.extend(dumped),
            // A table that has no route yet does not exist.
            Err(Trouble::Refused(refusal))
                if filter.table.is_some() && refusal.errno == Errno::NOENT.raw_os_error() => {}
            Err(trouble) => return Err(trouble.failure(what)),
        }
    }
    let mut indices: Vec<u32> = found.iter().flat_map(|d| d.links.iter().copied()).collect();
    indices.sort_unstable();
    indices.dedup();
    indices.retain(|index| *index != 0);
    let names = names_for(channel, &indices)
        .await
        .map_err(|t| t.failure(what))?;
    let name = |index: u32| names.get(&index).map(String::as_str);
    Ok(found
        .into_iter()
        .map(|d| route::attach_names(d, name))
        .collect())
}

/// The dumps to ask for: one for each family and, when they are few, for each table, protocol or link.
fn filters(families: &[u8], wanted: &route::Wanted) -> Vec<route::Filter> {
    let mut all: Vec<route::Filter> = families
        .iter()
        .filter(|family| {
            wanted.destinations.is_empty()
                || wanted
                    .destinations
                    .iter()
                    .any(|(ip, _)| ip::family(*ip) == **family)
        })
        .map(|family| route::Filter {
            family: *family,
            ..route::Filter::default()
        })
        .collect();
    fn each<T: Copy + Ord>(
        all: &mut Vec<route::Filter>,
        values: &HashSet<T>,
        set: impl Fn(&mut route::Filter, T),
    ) {
        if values.is_empty() || values.len() > FEW || all.len() * values.len() > 2 * FEW {
            return;
        }
        let mut values: Vec<T> = values.iter().copied().collect();
        values.sort_unstable();
        *all = all
            .iter()
            .flat_map(|filter| values.iter().map(|value| (*filter, *value)))
            .map(|(mut filter, value)| {
                set(&mut filter, value);
                filter
            })
            .collect();
    }
    each(&mut all, &wanted.tables, |filter, table| {
        filter.table = Some(table)
    });
    each(&mut all, &wanted.protocols, |filter, protocol| {
        filter.protocol = Some(protocol)
    });
    // The kernel matches a route if any of its hops leaves by the link: with several links it would come several times.
    if wanted.links.len() == 1 {
        each(&mut all, &wanted.links, |filter, index| {
            filter.link = Some(index)
        });
    }
    all
}

/// Routing rules of these families, or of both.
pub async fn rules(channel: &mut Channel, families: &[Family]) -> Result<Vec<Rule>, Trouble> {
    let mut found = Vec::new();
    for family in ip::families(families) {
        let dumped = channel
            .dump(&rule::dump(family), |message, list| {
                if message.kind == rule::RTM_NEWRULE {
                    list.extend(rule::decode(message.body)?);
                }
                Ok(())
            })
            .await;
        match dumped {
            Ok(dumped) => found.extend(dumped),
            // A kernel without IPv6, or without rules for it, has none.
            Err(Trouble::Refused(refusal))
                if [Errno::OPNOTSUPP, Errno::AFNOSUPPORT]
                    .iter()
                    .any(|errno| errno.raw_os_error() == refusal.errno) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(found)
}

/// Entries of the neighbour tables on these links, or on all; proxy entries as well.
pub async fn neighbours(
    channel: &mut Channel,
    links: &[String],
) -> Result<Vec<Neighbour>, Trouble> {
    let names = named(channel, links).await?;
    let mut indices = vec![None];
    if !links.is_empty() && names.len() <= FEW {
        indices = names.keys().copied().map(Some).collect();
    }
    let mut requests = Vec::new();
    for family in [ip::AF_INET, ip::AF_INET6] {
        requests.extend(
            indices
                .iter()
                .map(|index| neighbour::dump(family, *index, false)),
        );
        requests.push(neighbour::dump(family, None, true));
    }
    let mut found = Vec::new();
    for request in requests {
        let dumped = channel.dump(&request, |message, list| {
            if message.kind == neighbour::RTM_NEWNEIGH {
                list.extend(neighbour::decode(message.body, |i| names.get(&i).cloned())?);
            }
            Ok(())
        });
        found.extend(dumped.await?);
    }
    Ok(found)
}

/// VLANs on these bridges and ports, or on all.
pub async fn bridge_vlans(
    channel: &mut Channel,
    links: &[String],
) -> Result<Vec<BridgeVlan>, Trouble> {
    let names = named(channel, links).await?;
    let request = vlan::dump();
    let dump = channel.dump(&request, |message, found| {
        if message.kind == RTM_NEWLINK {
            vlan::decode(message.body, |i| names.get(&i).cloned(), found)?;
        }
        Ok(())
    });
    dump.await
}
