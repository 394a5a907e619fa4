//! From actions to netlink requests. An action carries all that is needed; their order is the order of the requests.

use std::collections::{HashMap, HashSet};

use op_dbus_plugin::netlink::{self as nl, Request};
use op_dbus_plugin::{Action, Failure, FailureCode};

use crate::kind;
use crate::section::port::PortSettings;
use crate::section::vlans::{Entry, merged};
use crate::section::{Address, Interface, LinkType, Neighbour, Route, State};
use crate::step::{Object, OnLink, PortVlans};
use op_dbus_plugin::section::Wire;
use op_dbus_plugin::section::route::NextHop;

/// Made by the operator (rtnetlink(7), RTPROT_STATIC).
const PROTOCOL_STATIC: u8 = 4;

/// One request, and the action that it belongs to.
pub struct Owned {
    /// The place of the action in the list.
    pub action: usize,
    /// The request.
    pub request: Request,
}

/// The requests of all actions.
///
/// # Errors
/// `invalid` when an action does not hold what this plugin writes into one.
pub fn requests(actions: &[Action]) -> Result<Vec<Owned>, Failure> {
    let read = |step: &Action, json: &Option<String>| -> Result<Option<Object>, Failure> {
        json.as_ref()
            .map(|json| serde_json::from_str(json))
            .transpose()
            .map_err(|error| invalid(&step.target, &error))
    };
    let mut made = Made::default();
    let mut steps = Vec::with_capacity(actions.len());
    for step in actions {
        let (before, after) = (read(step, &step.before)?, read(step, &step.after)?);
        if let (None, Some(Object::Link(link))) = (&before, &after)
            && let Some(index) = link.index
        {
            made.indices.insert(link.name.clone(), index);
        }
        steps.push((before, after));
    }
    let mut requests = Vec::with_capacity(actions.len());
    for (action, (before, after)) in steps.into_iter().enumerate() {
        let mut push = |request| requests.push(Owned { action, request });
        compile(before, after, &mut made, &mut push)
            .map_err(|message| invalid(&actions[action].target, &message))?;
    }
    Ok(requests)
}

fn invalid(target: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        FailureCode::Invalid,
        format!("the action on {target} is not one of this plugin: {why}"),
    )
}

/// What earlier requests of the batch made.
#[derive(Default)]
struct Made {
    /// Second ends of virtual Ethernet pairs.
    peers: HashSet<String>,
    /// Types of links that were made.
    types: HashMap<String, LinkType>,
    /// The indices that links of the whole batch are to take.
    indices: HashMap<String, u32>,
}

fn compile(
    before: Option<Object>,
    after: Option<Object>,
    made: &mut Made,
    push: &mut impl FnMut(Request),
) -> Result<(), String> {
    match (before, after) {
        (None, Some(Object::Link(link))) => create(*link, made, push)?,
        (Some(Object::Link(before)), Some(Object::Link(after))) => {
            change(&before, *after, made, push)
        }
        (Some(Object::Link(link)), None) => push(Request::DeleteLink(link.name)),
        (before, Some(Object::Vlans(after))) => {
            let before = match before {
                Some(Object::Vlans(before)) => before.vlans.entries(),
                _ => Vec::new(),
            };
            vlans(&before, &after, push);
        }
        (_, Some(Object::Address(after))) => push(Request::PutAddress(address(after))),
        (Some(Object::Address(before)), None) => push(Request::DeleteAddress(address(before))),
        (_, Some(Object::Neighbour(after))) => push(Request::PutNeighbour(neighbour(after))),
        (Some(Object::Neighbour(before)), None) => {
            push(Request::DeleteNeighbour(neighbour(before)))
        }
        (_, Some(Object::Route(after))) => push(Request::PutRoute(route(*after))),
        (Some(Object::Route(before)), None) => push(Request::DeleteRoute(route(*before))),
        (None, Some(Object::Rule(rule))) => push(Request::AddRule(rule.to_wire())),
        (Some(Object::Rule(rule)), None) => push(Request::DeleteRule(rule.to_wire())),
        // It is no request to the kernel: `apply` carries it out between two batches.
        (_, Some(Object::Switch(_))) => {}
        _ => return Err("it says neither what is to be made, changed nor removed".to_owned()),
    }
    Ok(())
}

fn create(link: Interface, made: &mut Made, push: &mut impl FnMut(Request)) -> Result<(), String> {
    let Some(mut kind) = kind::wire(&link) else {
        return Err(format!("links of the type of {} cannot be made", link.name));
    };
    if let Some(of) = &link.r#type {
        made.types.insert(link.name.clone(), of.clone());
    }
    let settings = settings(&link, made);
    if made.peers.contains(&link.name) {
        // It came into being with its other end.
        push(Request::ChangeLink(nl::LinkChange {
            link: link.name.clone(),
            new_name: None,
            kind: None,
            settings,
        }));
        for name in link.alternative_names.unwrap_or_default() {
            let link = link.name.clone();
            push(Request::AddAlternativeName(nl::AlternativeName {
                link,
                name,
            }));
        }
        return Ok(());
    }
    if let nl::Kind::Veth(veth) = &mut kind
        && let Some(peer) = &veth.peer
    {
        // It comes into being now, though its own step is later.
        veth.peer_index = made.indices.get(peer).copied();
        made.peers.insert(peer.clone());
    }
    push(Request::CreateLink(nl::LinkSpec {
        index: link.index,
        kind,
        alternative_names: link.alternative_names.unwrap_or_default(),
        settings,
        name: link.name,
    }));
    Ok(())
}

fn change(before: &Interface, after: Interface, made: &Made, push: &mut impl FnMut(Request)) {
    let request = |kind, settings| {
        Request::ChangeLink(nl::LinkChange {
            link: after.name.clone(),
            new_name: None,
            kind,
            settings,
        })
    };
    let kind = kind::wire(&after);
    // The comparison writes the same state on both sides where the kernel wants the link down for the change.
    let takes_down =
        kind.is_some() && before.state == Some(State::Up) && after.state == before.state;
    if takes_down {
        push(request(
            None,
            nl::LinkSettings {
                up: Some(false),
                ..Default::default()
            },
        ));
    }
    let settings = settings(&after, made);
    if kind.is_some() || settings != nl::LinkSettings::default() {
        push(request(kind, settings));
    }
    let Some(names) = &after.alternative_names else {
        return;
    };
    let old = before.alternative_names.as_deref().unwrap_or_default();
    let name = |name: &String| nl::AlternativeName {
        link: after.name.clone(),
        name: name.clone(),
    };
    for gone in old.iter().filter(|old| !names.contains(old)) {
        push(Request::DeleteAlternativeName(name(gone)));
    }
    for new in names.iter().filter(|new| !old.contains(new)) {
        push(Request::AddAlternativeName(name(new)));
    }
}

fn settings(link: &Interface, made: &Made) -> nl::LinkSettings {
    let controller = link.controller.as_ref().and_then(Option::as_ref);
    let on_bond = controller.is_some_and(|name| made.types.get(name) == Some(&LinkType::Bond));
    nl::LinkSettings {
        up: link.state.map(|state| state == State::Up),
        mtu: link.mtu,
        mac: link.mac.as_ref().map(|mac| mac.0.clone()),
        description: link.description.clone(),
        transmit_queue_length: link.transmit_queue_length,
        group: link.group,
        arp: link.arp,
        all_multicast: link.all_multicast,
        promiscuous: link.promiscuous,
        address_generation: link.address_generation.to_wire(),
        controller: match &link.controller {
            None => nl::ControllerChange::Keep,
            Some(None) => nl::ControllerChange::Detach,
            Some(Some(name)) => nl::ControllerChange::Attach(name.clone()),
        },
        port: link
            .port
            .as_deref()
            .and_then(|port: &PortSettings| port.to_wire(on_bond)),
        unknown: link.unknown.to_wire(),
    }
}

fn vlans(before: &[Entry], after: &PortVlans, push: &mut impl FnMut(Request)) {
    let wanted = after.vlans.entries();
    let vlan = |range: crate::section::vlans::Range, pvid, untagged| nl::BridgeVlan {
        link: after.interface.clone(),
        on_bridge: after.on_bridge,
        first: range.first,
        last: range.last,
        pvid,
        untagged,
    };
    let numbers: HashSet<u16> = wanted.iter().map(|entry| entry.range.first).collect();
    for range in merged(before, |entry| !numbers.contains(&entry.range.first)) {
        push(Request::DeleteBridgeVlan(vlan(range, false, false)));
    }
    let is: HashSet<(u16, bool, bool)> = before
        .iter()
        .map(|entry| (entry.range.first, entry.pvid, entry.untagged))
        .collect();
    for (pvid, untagged) in [(false, false), (false, true), (true, false), (true, true)] {
        let new = |entry: &Entry| {
            entry.pvid == pvid
                && entry.untagged == untagged
                && !is.contains(&(entry.range.first, pvid, untagged))
        };
        for range in merged(&wanted, new) {
            push(Request::PutBridgeVlan(vlan(range, pvid, untagged)));
        }
    }
}

fn address(on: OnLink<Address>) -> nl::Address {
    let address = on.object;
    nl::Address {
        link: on.interface,
        address: address.address.0.to_string(),
        prefix_length: address.prefix,
        peer: address.peer.map(|peer| peer.to_string()),
        broadcast: address.broadcast.map(|broadcast| broadcast.to_string()),
        label: address.label,
        scope: address.scope,
        valid_lifetime: address.valid_lifetime,
        preferred_lifetime: address.preferred_lifetime,
        metric: address.metric,
        no_prefix_route: address.no_prefix_route == Some(true),
        no_duplicate_detection: address.no_duplicate_detection == Some(true),
        home: address.home == Some(true),
        manage_temporary: address.manage_temporary == Some(true),
        join_multicast: address.join_multicast == Some(true),
        protocol: address.protocol.unwrap_or(0),
        kernel_made: false,
        tentative: false,
        duplicate: false,
    }
}

fn neighbour(on: OnLink<Neighbour>) -> nl::Neighbour {
    nl::Neighbour {
        link: on.interface,
        address: on.object.address.0.to_string(),
        mac: on.object.mac.map(|mac| mac.0),
        state: nl::NeighbourState::Permanent,
        proxy: on.object.proxy == Some(true),
        router: false,
    }
}

fn route(route: Route) -> nl::Route {
    let hop = |way: NextHop| nl::NextHop {
        gateway: way.next_hop.map(|next_hop| next_hop.to_string()),
        link: way.interface,
        weight: way.weight.unwrap_or(1),
        onlink: way.onlink == Some(true),
        unknown: way.unknown.to_wire(),
    };
    nl::Route {
        destination: route.destination().to_wire(),
        source: route.key().from.to_wire(),
        table: route.key().table,
        metric: route.metric,
        tos: route.tos.unwrap_or(0),
        route_type: route.kind().to_wire(),
        protocol: route.protocol.unwrap_or(PROTOCOL_STATIC),
        scope: None,
        preferred_source: route.preferred_source.map(|source| source.to_string()),
        mtu: route.mtu,
        lifetime: route.lifetime,
        next_hops: route.ways(None).into_iter().map(hop).collect(),
        unknown: route.unknown.to_wire(),
    }
}
