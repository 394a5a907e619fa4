//! Brings back what the images of a transaction hold, and that alone.
//!
//! It reads what is, plans, executes and reads again, until all is as it was or nothing helps any more. Every step starts from what is
//! there, so it may be killed and run again. What others have added in the meantime and the undo itself would take along (an address
//! of a DHCP client on a link that must go down once more) is imaged first, and put back too.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::before_image::{Purpose, any_route, capture_for};
use super::images::{
    AddressKey, AlternativeNameKey, Images, NeighbourKey, PROTOCOL_KERNEL, RouteKey, single_vlans,
};
use super::link_names::Names;
use super::link_restore::is_another;
use super::record::Difference;
use super::undo_plan::{Insistence, Now, moved_indices, plan};
use super::undo_report::{differences, lost_for_good, object_of};
use crate::backends::netlink::Kernel;
use crate::contract::netlink::{Family, LinkSelector, NeighbourState, Prefix, RouteScope};
use crate::contract::types::Failure;

/// More rounds than the longest chain of things that need each other (parent, port, link up, address, route, route via that one).
const MOST_ROUNDS: u32 = 12;

/// How an undo ended.
#[derive(Debug, Default)]
pub struct Undone {
    /// Each object that is not as it was.
    pub incomplete: Vec<Difference>,
    /// What a person should know and nothing can be done about: things of others that the undo could not keep, indices that moved.
    pub notes: Vec<String>,
    /// How often it planned.
    pub rounds: u32,
    /// How many requests it sent.
    pub requests: usize,
}

/// Called with images of what others have added and the undo is about to disturb, before it does: they belong into the journal.
pub type Keep<'a> = &'a mut (dyn FnMut(&Images) -> Result<(), Failure> + Send);

/// Restores what `before` holds. `kept` is what an earlier, interrupted undo had handed to its `keep`.
///
/// # Errors
/// When the kernel cannot be read. What the requests meet is no error, but listed with what it left undone.
pub async fn undo(
    kernel: &dyn Kernel,
    before: &Images,
    kept: Images,
    keep: Keep<'_>,
) -> Result<Undone, Failure> {
    let mut undone = Undone::default();
    let mut target = before.clone();
    target.merge(kept);
    let mut insistence = Insistence::Gentle;
    let mut earlier: Option<Vec<Difference>> = None;
    let mut errors: HashMap<String, String> = HashMap::new();
    loop {
        point("undo.before-read")?;
        let now = read(kernel, &target).await?;
        let left = differences(&target, &now, &errors);
        let stuck = earlier
            .as_ref()
            .is_some_and(|earlier| same_objects(earlier, &left));
        let hopeless = stuck && insistence == Insistence::TakeDown;
        if stuck {
            insistence = Insistence::TakeDown;
        }
        let requests = plan(&target, &now, insistence, &errors);
        if requests.is_empty() || undone.rounds == MOST_ROUNDS || hopeless {
            let own: Vec<Difference> = differences(before, &now, &errors);
            let foreign = left
                .iter()
                .filter(|left| !own.iter().any(|own| own.object == left.object));
            undone
                .notes
                .extend(foreign.map(|left| format!("not kept: {left}")));
            undone.notes.extend(moved_indices(before, &now).into_iter().map(|(name, was, is)| {
                format!("link {name} has index {is} instead of {was}: links of its kind cannot be made anew")
            }));
            undone.notes.extend(lost_for_good(before, &now));
            undone.incomplete = own;
            point("undo.done")?;
            return Ok(undone);
        }
        earlier = Some(left);

        // All that hangs from the links is looked at again: others may have added to it since it was imaged.
        let mut collateral = Images {
            whole: Default::default(),
            ..target.clone()
        };
        match capture_for(Purpose::Undo, kernel, &requests, &mut collateral).await {
            Ok(new) => {
                // Of links themselves nothing: what was stacked on one that must not be there cannot be kept.
                let new = Images {
                    links: Default::default(),
                    whole: Default::default(),
                    rules: Default::default(),
                    ..new
                };
                let new = worth_keeping(new, &target, &now);
                if !new.is_empty() {
                    keep(&new)?;
                    target.merge(new);
                }
            }
            Err(failure) => undone.notes.push(format!(
                "what others added could not be looked at: {}",
                failure.message
            )),
        }
        point("undo.before-execute")?;
        let answers = kernel.execute(&requests).await;
        point("undo.after-execute")?;
        undone.rounds += 1;
        undone.requests += requests.len();
        errors = requests
            .iter()
            .zip(answers)
            .filter_map(|(request, answer)| Some((object_of(request), answer.err()?)))
            .map(|(object, failure)| (object, words_of(&failure)))
            .collect();
    }
}

fn point(name: &'static str) -> Result<(), Failure> {
    let _ = name;
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    super::failpoint::pass(name).map_err(|error| Failure {
        code: crate::contract::types::FailureCode::Internal,
        message: error.to_string(),
        backend: None,
    })?;
    Ok(())
}

fn words_of(failure: &Failure) -> String {
    match &failure.backend {
        Some(backend) => match &backend.text {
            Some(text) => format!("{}: {} ({text})", failure.message, backend.name),
            None => format!("{}: {}", failure.message, backend.name),
        },
        None => failure.message.clone(),
    }
}

fn same_objects(left: &[Difference], right: &[Difference]) -> bool {
    let key = |difference: &Difference| (difference.object.clone(), difference.is.clone());
    left.iter().map(key).collect::<BTreeSet<_>>() == right.iter().map(key).collect()
}

/// What others have added. What is absent needs no keeping; nor does what the kernel makes itself, nor the VLANs that a port has only
/// because of a controller that it must leave.
fn worth_keeping(images: Images, target: &Images, now: &Now) -> Images {
    let leaves = |link: &String| {
        let (was, is) = (
            target.links.get(link).flatten(),
            now.images.links.get(link).flatten(),
        );
        match (was, is) {
            (Some(was), Some(is)) => was.controller != is.controller || is_another(target, was, is),
            _ => false,
        }
    };
    let mut present = Images::default();
    for (key, address) in images.addresses.iter() {
        if let Some(address) = address.filter(|address| !address.kernel_made) {
            present.addresses.insert(key.clone(), Some(address.clone()));
        }
    }
    for (key, route) in images.routes.iter() {
        let route = route.filter(|route| route.protocol != PROTOCOL_KERNEL);
        route.map(|route| present.routes.insert(key.clone(), Some(route.clone())));
    }
    for (key, neighbour) in images.neighbours.iter() {
        neighbour.map(|neighbour| {
            present
                .neighbours
                .insert(key.clone(), Some(neighbour.clone()))
        });
    }
    for (key, vlan) in images.vlans.iter().filter(|(key, _)| !leaves(&key.link)) {
        vlan.map(|vlan| present.vlans.insert(key.clone(), Some(vlan.clone())));
    }
    present
}

/// Reads what is now of imaged objects.
///
/// # Errors
/// Of the kernel.
pub async fn read(kernel: &dyn Kernel, images: &Images) -> Result<Now, Failure> {
    let mut now = Now::default();
    let (names, there) = read_links(kernel, images, &mut now).await?;
    // Those that exist, under the names that they have at this moment.
    let present = |links: BTreeSet<&String>| -> Vec<String> {
        let current = links
            .into_iter()
            .map(|name| now.renamed.get(name).unwrap_or(name));
        current
            .filter(|name| there.contains(*name))
            .cloned()
            .collect()
    };
    let links = present(images.addresses.iter().map(|(key, _)| &key.link).collect());
    let mut found = Images::default();
    if !links.is_empty() {
        for mut address in kernel.addresses(&links).await? {
            if !names.is_stray(&address.link) {
                address.link = names.original(&address.link).to_owned();
                found
                    .addresses
                    .insert(AddressKey::of(&address), Some(address));
            }
        }
    }
    let links = present(images.neighbours.iter().map(|(key, _)| &key.link).collect());
    if !links.is_empty() {
        for mut entry in kernel.neighbours(&links).await? {
            let lasting = entry.proxy
                || matches!(
                    entry.state,
                    NeighbourState::Permanent | NeighbourState::NoArp
                );
            if lasting && !names.is_stray(&entry.link) {
                entry.link = names.original(&entry.link).to_owned();
                found
                    .neighbours
                    .insert(NeighbourKey::of(&entry), Some(entry));
            }
        }
    }
    let links = present(images.vlans.iter().map(|(key, _)| &key.link).collect());
    if !links.is_empty() {
        for mut range in kernel.bridge_vlans(&links).await? {
            if !names.is_stray(&range.link) {
                range.link = names.original(&range.link).to_owned();
                for (key, vlan) in single_vlans(&range) {
                    found.vlans.insert(key, Some(vlan));
                }
            }
        }
    }
    if !images.routes.is_empty() {
        let destinations: BTreeSet<(&str, u8)> = images
            .routes
            .iter()
            .map(|(key, _)| (key.destination.as_str(), key.length))
            .collect();
        let tables: BTreeSet<u32> = images.routes.iter().map(|(key, _)| key.table).collect();
        let scope = RouteScope {
            tables: tables.into_iter().collect(),
            destinations: destinations
                .into_iter()
                .map(|(address, length)| Prefix {
                    address: address.to_owned(),
                    length,
                })
                .collect(),
            ..any_route()
        };
        for mut route in kernel.routes(&scope).await? {
            names.translate_route(&mut route);
            found.routes.insert(RouteKey::of(&route), Some(route));
        }
    }
    if !images.rules.touched.is_empty() {
        let families = [Family::Ipv4, Family::Ipv6];
        let families: Vec<_> = families
            .into_iter()
            .filter(|family| images.rules.has(*family))
            .collect();
        found.rules.before = kernel.rules(&families).await?;
    }
    found.links = std::mem::take(&mut now.images.links);
    found.alternative_names = std::mem::take(&mut now.images.alternative_names);
    now.images = found;
    Ok(now)
}

/// Reads imaged links, and those on which something is imaged. Returns how names have changed, and what names there are.
async fn read_links(
    kernel: &dyn Kernel,
    images: &Images,
    now: &mut Now,
) -> Result<(Names, HashSet<String>), Failure> {
    let mut wanted: BTreeSet<&String> = images.links.iter().map(|(name, _)| name).collect();
    wanted.extend(images.addresses.iter().map(|(key, _)| &key.link));
    wanted.extend(images.neighbours.iter().map(|(key, _)| &key.link));
    wanted.extend(images.vlans.iter().map(|(key, _)| &key.link));
    // No selector would mean all links.
    if wanted.is_empty() {
        return Ok(Default::default());
    }
    let mut selectors: Vec<_> = wanted
        .into_iter()
        .cloned()
        .map(LinkSelector::Name)
        .collect();
    selectors.extend(images.names_by_index().into_keys().map(LinkSelector::Index));
    let found = kernel.links(&selectors).await?;
    let there = found.iter().map(|link| link.name.clone()).collect();
    let names = Names::of(images, &found);
    for mut link in found {
        // A name may be another link's alternative name: that one is not meant.
        if names.is_stray(&link.name) {
            continue;
        }
        let current = link.name.clone();
        names.translate_link(&mut link);
        if !images.links.contains(&link.name) {
            continue;
        }
        if link.name != current {
            now.renamed.insert(link.name.clone(), current);
        }
        for (key, _) in images
            .alternative_names
            .iter()
            .filter(|(key, _)| key.link == link.name)
        {
            let there = link.alternative_names.contains(&key.name).then_some(true);
            now.images
                .alternative_names
                .insert(AlternativeNameKey::clone(key), there);
        }
        now.images.links.insert(link.name.clone(), Some(link));
    }
    for (name, _) in images.links.iter() {
        now.images.links.insert(name.clone(), None);
    }
    now.strays.clone_from(&names.strays);
    Ok((names, there))
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;
