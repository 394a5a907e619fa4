//! The neighbour tables, ARP and NDP (linux/neighbour.h).

use super::attribute::{Fault, attributes};
use super::errno::invalid;
use super::ip;
use super::link;
use super::message::{Message, NLM_F_CREATE, NLM_F_REPLACE};
use crate::contract::netlink::{Neighbour, NeighbourState};
use crate::contract::types::Failure;

pub const RTM_NEWNEIGH: u16 = 28;
pub const RTM_DELNEIGH: u16 = 29;
pub const RTM_GETNEIGH: u16 = 30;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_IFINDEX: u16 = 8;

const NTF_PROXY: u8 = 8;
const NTF_ROUTER: u8 = 128;

const STATES: [(u16, NeighbourState); 8] = [
    (0x01, NeighbourState::Incomplete),
    (0x02, NeighbourState::Reachable),
    (0x04, NeighbourState::Stale),
    (0x08, NeighbourState::Delay),
    (0x10, NeighbourState::Probe),
    (0x20, NeighbourState::Failed),
    (0x40, NeighbourState::NoArp),
    (0x80, NeighbourState::Permanent),
];

/// `struct ndmsg`.
fn ndmsg(family: u8, index: u32, state: u16, flags: u8) -> [u8; 12] {
    let mut bytes = [family, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, 0];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..10].copy_from_slice(&state.to_ne_bytes());
    bytes
}

/// A dump of the entries of one family, of one link or of all; proxy entries have a dump of their own.
pub fn dump(family: u8, index: Option<u32>, proxy: bool) -> Message {
    let flags = if proxy { NTF_PROXY } else { 0 };
    // A strict kernel takes the index of a dump of entries as an attribute, and that of a dump of proxies not at all.
    let mut message = Message::new(RTM_GETNEIGH, 0, &ndmsg(family, 0, 0, flags));
    if let (Some(index), false) = (index, proxy) {
        message.u32(NDA_IFINDEX, index);
    }
    message
}

/// Decodes the body of an RTM_NEWNEIGH; none for a link that `name` does not know.
pub fn decode(
    body: &[u8],
    name: impl FnOnce(u32) -> Option<String>,
) -> Result<Option<Neighbour>, Fault> {
    inner(body, name).map_err(|fault| fault.within("RTM_NEWNEIGH"))
}

fn inner(
    body: &[u8],
    name: impl FnOnce(u32) -> Option<String>,
) -> Result<Option<Neighbour>, Fault> {
    let (header, rest) = body
        .split_first_chunk::<12>()
        .ok_or_else(|| Fault::new("shorter than struct ndmsg"))?;
    let [family, _, _, _, a, b, c, d, e, f, flags, _] = *header;
    let (index, state) = (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]));
    if !matches!(family, ip::AF_INET | ip::AF_INET6) {
        return Ok(None);
    }
    let proxy = flags & NTF_PROXY != 0;
    let state = match STATES.iter().find(|row| row.0 == state) {
        Some((_, state)) => *state,
        // Proxy entries have no state.
        None if proxy => NeighbourState::Permanent,
        // An entry that is being made: nothing is known of it.
        None if state == 0 => return Ok(None),
        None => return Err(Fault::new(format!("state {state:#x} is not known"))),
    };
    let Some(link) = name(index) else {
        return Ok(None);
    };
    let (mut address, mut mac) = (None, None);
    for item in attributes(rest) {
        let item = item?;
        match item.kind {
            NDA_DST => address = Some(item.ip()?.to_string()),
            NDA_LLADDR if !item.value.is_empty() => mac = Some(link::show_mac(item.value)),
            _ => {}
        }
    }
    Ok(Some(Neighbour {
        link,
        address: address.ok_or_else(|| Fault::new("has no NDA_DST"))?,
        mac,
        state,
        proxy,
        router: flags & NTF_ROUTER != 0,
    }))
}

/// The message that adds an entry, or brings the one that is there to this state.
pub fn put(neighbour: &Neighbour, index: u32) -> Result<Message, Failure> {
    let address = ip::parse(&neighbour.address, "address")?;
    let state = STATES
        .iter()
        .find(|row| row.1 == neighbour.state)
        .map_or(0x80, |row| row.0);
    let mut flags = if neighbour.router { NTF_ROUTER } else { 0 };
    let state = match neighbour.proxy {
        true => {
            flags |= NTF_PROXY;
            0
        }
        false => state,
    };
    let header = ndmsg(ip::family(address), index, state, flags);
    let mut message = Message::new(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header);
    message.ip(NDA_DST, address);
    match (&neighbour.mac, neighbour.proxy) {
        (Some(mac), false) => message.put(NDA_LLADDR, &link::parse_mac(mac)?),
        (Some(_), true) => return Err(invalid("a proxy entry has no MAC address".into())),
        (None, _) => {}
    }
    Ok(message)
}

/// The message that takes an entry away.
pub fn delete(neighbour: &Neighbour, index: u32) -> Result<Message, Failure> {
    let address = ip::parse(&neighbour.address, "address")?;
    let flags = if neighbour.proxy { NTF_PROXY } else { 0 };
    let header = ndmsg(ip::family(address), index, 0, flags);
    let mut message = Message::new(RTM_DELNEIGH, 0, &header);
    message.ip(NDA_DST, address);
    Ok(message)
}
