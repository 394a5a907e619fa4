//! VLANs of bridges and their ports (linux/if_bridge.h, IFLA_BRIDGE_VLAN_INFO).

use super::attribute::{Fault, attributes};
use super::errno::invalid;
use super::ip;
use super::link::{RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, ifinfomsg, ifla};
use super::message::Message;
use crate::contract::netlink::BridgeVlan;
use crate::contract::types::Failure;

const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_FLAGS_MASTER: u16 = 1;
const BRIDGE_FLAGS_SELF: u16 = 2;

const VLAN_INFO_PVID: u16 = 1 << 1;
const VLAN_INFO_UNTAGGED: u16 = 1 << 2;
const VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
const VLAN_INFO_RANGE_END: u16 = 1 << 4;
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 4;

/// A dump of all bridges and ports with their VLANs.
pub fn dump() -> Message {
    let mut header = ifinfomsg(0, 0, 0);
    header[0] = ip::AF_BRIDGE;
    let mut message = Message::new(RTM_GETLINK, 0, &header);
    message.u32(ifla::EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
    message
}

/// Decodes the VLANs in an RTM_NEWLINK of family AF_BRIDGE; `name` says what a link is called, if it is wanted.
pub fn decode(
    body: &[u8],
    name: impl FnOnce(u32) -> Option<String>,
    found: &mut Vec<BridgeVlan>,
) -> Result<(), Fault> {
    inner(body, name, found).map_err(|fault| fault.within("RTM_NEWLINK of AF_BRIDGE"))
}

fn inner(
    body: &[u8],
    name: impl FnOnce(u32) -> Option<String>,
    found: &mut Vec<BridgeVlan>,
) -> Result<(), Fault> {
    let (header, rest) = body
        .split_first_chunk::<16>()
        .ok_or_else(|| Fault::new("shorter than struct ifinfomsg"))?;
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let Some(link) = name(index) else {
        return Ok(());
    };
    let (mut controller, mut spec) = (0, None);
    for item in attributes(rest) {
        let item = item?;
        match item.kind {
            ifla::MASTER => controller = item.u32()?,
            ifla::AF_SPEC => spec = Some(item.value),
            _ => {}
        }
    }
    // A bridge is shown as its own controller, or without one.
    let on_bridge = controller == 0 || controller == index;
    let mut begin = None;
    for item in attributes(spec.unwrap_or(&[])) {
        let item = item.map_err(|f| f.within("IFLA_AF_SPEC"))?;
        if item.kind != IFLA_BRIDGE_VLAN_INFO {
            continue;
        }
        let (flags, id) = match item.value {
            [a, b, c, d, ..] => (u16::from_ne_bytes([*a, *b]), u16::from_ne_bytes([*c, *d])),
            _ => return Err(Fault::new("short").within("IFLA_BRIDGE_VLAN_INFO")),
        };
        if flags & VLAN_INFO_RANGE_BEGIN != 0 {
            begin = Some(id);
            continue;
        }
        let first = match flags & VLAN_INFO_RANGE_END {
            0 => id,
            _ => begin
                .take()
                .ok_or_else(|| Fault::new("a range ends that never began"))?,
        };
        let vlan = BridgeVlan {
            link: link.clone(),
            on_bridge,
            first,
            last: id,
            pvid: flags & VLAN_INFO_PVID != 0,
            untagged: flags & VLAN_INFO_UNTAGGED != 0,
        };
        match found.last_mut() {
            // Neighbouring ranges with the same flags are one.
            Some(before)
                if before.link == vlan.link
                    && before.last.checked_add(1) == Some(vlan.first)
                    && (before.pvid, before.untagged) == (vlan.pvid, vlan.untagged)
                    && !vlan.pvid =>
            {
                before.last = vlan.last;
            }
            _ => found.push(vlan),
        }
    }
    Ok(())
}

/// The message that adds VLANs, or takes them away.
pub fn encode(vlan: &BridgeVlan, index: u32, add: bool) -> Result<Message, Failure> {
    if vlan.first == 0 || vlan.last > 4094 || vlan.first > vlan.last {
        return Err(invalid(format!(
            "VLANs {} to {} are no range within 1 to 4094",
            vlan.first, vlan.last
        )));
    }
    if vlan.pvid && vlan.first != vlan.last {
        return Err(invalid(
            "untagged frames can belong to one VLAN only".into(),
        ));
    }
    let mut header = ifinfomsg(index, 0, 0);
    header[0] = ip::AF_BRIDGE;
    let kind = if add { RTM_SETLINK } else { RTM_DELLINK };
    let mut message = Message::new(kind, 0, &header);
    let mut flags = 0;
    if vlan.pvid {
        flags |= VLAN_INFO_PVID;
    }
    if vlan.untagged {
        flags |= VLAN_INFO_UNTAGGED;
    }
    let entry = |flags: u16, id: u16| {
        let ([a, b], [c, d]) = (flags.to_ne_bytes(), id.to_ne_bytes());
        [a, b, c, d]
    };
    message.nest(ifla::AF_SPEC, |out| {
        let whose = if vlan.on_bridge {
            BRIDGE_FLAGS_SELF
        } else {
            BRIDGE_FLAGS_MASTER
        };
        out.u16(IFLA_BRIDGE_FLAGS, whose);
        if vlan.first == vlan.last {
            out.put(IFLA_BRIDGE_VLAN_INFO, &entry(flags, vlan.first));
        } else {
            out.put(
                IFLA_BRIDGE_VLAN_INFO,
                &entry(flags | VLAN_INFO_RANGE_BEGIN, vlan.first),
            );
            out.put(
                IFLA_BRIDGE_VLAN_INFO,
                &entry(flags | VLAN_INFO_RANGE_END, vlan.last),
            );
        }
    });
    Ok(message)
}
