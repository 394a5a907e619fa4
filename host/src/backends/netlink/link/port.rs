//! Settings of a link as a port (IFLA_INFO_SLAVE_DATA).

use super::kinds::Unknown;
use crate::backends::netlink::attribute::{Attributes, Fault, attributes};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::Message;
use crate::backends::netlink::unknown;
use crate::contract::netlink::{BondPort, BridgePort, Port, UnknownAttribute};
use crate::contract::types::Failure;

/// IFLA_BRPORT_*.
const PRIORITY: u16 = 2;
const COST: u16 = 3;
const HAIRPIN: u16 = 4;
const GUARD: u16 = 5;
const PROTECT: u16 = 6;
const FAST_LEAVE: u16 = 7;
const LEARNING: u16 = 8;
const UNICAST_FLOOD: u16 = 9;
const MCAST_FLOOD: u16 = 27;
const BCAST_FLOOD: u16 = 30;
const NEIGH_SUPPRESS: u16 = 32;
const ISOLATED: u16 = 33;

/// IFLA_BOND_SLAVE_*.
const QUEUE_ID: u16 = 5;
const PRIO: u16 = 9;

/// The kernel's word for the controller's kind.
pub fn word(port: &Port) -> &str {
    match port {
        Port::Bridge(_) => "bridge",
        Port::Bond(_) => "bond",
        Port::Other(word) => word,
    }
}

pub fn decode(word: &str, data: Attributes<'_>, unknown: Unknown<'_>) -> Result<Port, Fault> {
    Ok(match word {
        "bridge" => Port::Bridge(decode_bridge(data, unknown)?),
        "bond" => {
            let mut port = BondPort {
                queue_id: None,
                priority: None,
            };
            for item in data {
                let item = item?;
                match item.kind {
                    QUEUE_ID => port.queue_id = Some(item.u16()?),
                    PRIO => port.priority = Some(item.i32()?),
                    // All else is status, except the LACP priority of the port, which few kernels have.
                    _ => {}
                }
            }
            Port::Bond(port)
        }
        other => Port::Other(other.to_owned()),
    })
}

fn decode_bridge(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<BridgePort, Fault> {
    let mut port = BridgePort {
        cost: None,
        priority: None,
        hairpin: None,
        isolated: None,
        learning: None,
        unicast_flood: None,
        multicast_flood: None,
        broadcast_flood: None,
        neighbour_suppression: None,
        bpdu_guard: None,
        root_block: None,
        fast_leave: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            PRIORITY => port.priority = Some(item.u16()?),
            COST => port.cost = Some(item.u32()?),
            HAIRPIN => port.hairpin = Some(item.flag()?),
            GUARD => port.bpdu_guard = Some(item.flag()?),
            PROTECT => port.root_block = Some(item.flag()?),
            FAST_LEAVE => port.fast_leave = Some(item.flag()?),
            LEARNING => port.learning = Some(item.flag()?),
            UNICAST_FLOOD => port.unicast_flood = Some(item.flag()?),
            MCAST_FLOOD => port.multicast_flood = Some(item.flag()?),
            BCAST_FLOOD => port.broadcast_flood = Some(item.flag()?),
            NEIGH_SUPPRESS => port.neighbour_suppression = Some(item.flag()?),
            ISOLATED => port.isolated = Some(item.flag()?),
            // State, identifiers, timers, counts.
            1 | 13..=24 | 26 | 35 | 36 | 38 | 41 => {}
            // MULTICAST_ROUTER, MCAST_EHT_HOSTS_LIMIT
            25 => unknown.unless(&item, 1),
            37 => unknown.unless(&item, 512),
            // PROXYARP, MCAST_TO_UCAST, VLAN_TUNNEL, GROUP_FWD_MASK, BACKUP_PORT, LOCKED, MAB, MCAST_MAX_GROUPS and what is newer.
            _ => unknown.unless(&item, 0),
        }
    }
    Ok(port)
}

/// Appends attributes that have no field to what stands in IFLA_INFO_SLAVE_DATA: those that a read of the whole would show as unknown.
pub fn add_unknown(
    port: &Port,
    list: &[UnknownAttribute],
    data: &mut Message,
) -> Result<(), Failure> {
    for (number, attribute) in unknown::at(list, unknown::INFO_SLAVE_DATA) {
        data.put(number, &attribute.value);
    }
    let mut found = Vec::new();
    let note = Unknown {
        list: &mut found,
        place: unknown::INFO_SLAVE_DATA,
    };
    // What is wrong with the others, the kernel says.
    let _ = decode(word(port), attributes(data.body()), note);
    let strange = unknown::at(list, unknown::INFO_SLAVE_DATA).find(|(_, it)| !found.contains(it));
    strange.map_or(Ok(()), |(_, it)| Err(unknown::refused(it)))
}

/// Appends what belongs into IFLA_INFO_SLAVE_DATA.
pub fn encode(port: &Port, out: &mut Message) -> Result<(), Failure> {
    match port {
        Port::Bridge(port) => {
            if let Some(priority) = port.priority {
                out.u16(PRIORITY, priority);
            }
            if let Some(cost) = port.cost {
                out.u32(COST, cost);
            }
            let switches = [
                (HAIRPIN, port.hairpin),
                (GUARD, port.bpdu_guard),
                (PROTECT, port.root_block),
                (FAST_LEAVE, port.fast_leave),
                (LEARNING, port.learning),
                (UNICAST_FLOOD, port.unicast_flood),
                (MCAST_FLOOD, port.multicast_flood),
                (BCAST_FLOOD, port.broadcast_flood),
                (NEIGH_SUPPRESS, port.neighbour_suppression),
                (ISOLATED, port.isolated),
            ];
            for (kind, value) in switches {
                value.inspect(|value| out.u8(kind, u8::from(*value)));
            }
        }
        Port::Bond(port) => {
            if let Some(queue) = port.queue_id {
                out.u16(QUEUE_ID, queue);
            }
            if let Some(priority) = port.priority {
                out.put(PRIO, &priority.to_ne_bytes());
            }
        }
        Port::Other(word) => {
            return Err(invalid(format!(
                "settings of a port of kind {word:?} cannot be changed"
            )));
        }
    }
    Ok(())
}
