//! Links stacked on or around another: VLANs, VRFs, MACVLANs, IPVLANs.

use super::{Unknown, of};
use crate::backends::netlink::attribute::{Attribute, Attributes, Fault};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::Message;
use crate::contract::netlink::{
    Ipvlan, IpvlanIsolation, IpvlanMode, Macvlan, MacvlanMode, Vlan, VlanProtocol, Vrf,
};
use crate::contract::types::Failure;

const VLAN_ID: u16 = 1;
const VLAN_FLAGS: u16 = 2;
const VLAN_PROTOCOL: u16 = 5;
/// VLAN_FLAG_* of linux/if_vlan.h.
const REORDER_HEADER: u32 = 1;
const GVRP: u32 = 2;
const LOOSE_BINDING: u32 = 4;
const MVRP: u32 = 8;

const VRF_TABLE: u16 = 1;
const MACVLAN_MODE: u16 = 1;
const IPVLAN_MODE: u16 = 1;
const IPVLAN_FLAGS: u16 = 2;

/// The contract's name for an Ethertype of VLAN tags.
pub fn protocol(item: &Attribute<'_>) -> Result<Option<VlanProtocol>, Fault> {
    match item.u16_be()? {
        0x8100 => Ok(Some(VlanProtocol::Ieee8021q)),
        0x88a8 => Ok(Some(VlanProtocol::Ieee8021ad)),
        other => Err(Fault::new(format!("{other:#06x} is no VLAN protocol"))),
    }
}

/// The Ethertype of VLAN tags (IEEE 802.1Q, 802.1ad).
pub fn ethertype(protocol: VlanProtocol) -> u16 {
    match protocol {
        VlanProtocol::Ieee8021q => 0x8100,
        VlanProtocol::Ieee8021ad => 0x88a8,
    }
}

pub fn decode_vlan(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Vlan, Fault> {
    let mut vlan = Vlan {
        parent: None,
        id: 0,
        protocol: None,
        reorder_header: None,
        gvrp: None,
        mvrp: None,
        loose_binding: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            VLAN_ID => vlan.id = item.u16()?,
            VLAN_PROTOCOL => vlan.protocol = protocol(&item)?,
            VLAN_FLAGS => {
                let flags = item.u32()?;
                vlan.reorder_header = Some(flags & REORDER_HEADER != 0);
                vlan.gvrp = Some(flags & GVRP != 0);
                vlan.mvrp = Some(flags & MVRP != 0);
                vlan.loose_binding = Some(flags & LOOSE_BINDING != 0);
                // Bridge binding, and whatever comes after it.
                if flags & !(REORDER_HEADER | GVRP | MVRP | LOOSE_BINDING) != 0 {
                    unknown.note(&item);
                }
            }
            // Priority maps, and what is newer.
            _ => unknown.note(&item),
        }
    }
    Ok(vlan)
}

pub fn encode_vlan(vlan: &Vlan, new: bool, out: &mut Message) -> Result<(), Failure> {
    if !(1..=4094).contains(&vlan.id) {
        return Err(invalid(format!("VLAN {} is not in 1 to 4094", vlan.id)));
    }
    if new {
        out.u16(VLAN_ID, vlan.id);
        if let Some(value) = vlan.protocol {
            out.u16_be(VLAN_PROTOCOL, ethertype(value));
        }
    }
    let (mut flags, mut mask) = (0u32, 0u32);
    let switches = [
        (REORDER_HEADER, vlan.reorder_header),
        (GVRP, vlan.gvrp),
        (MVRP, vlan.mvrp),
        (LOOSE_BINDING, vlan.loose_binding),
    ];
    for (bit, value) in switches {
        if let Some(on) = value {
            mask |= bit;
            flags |= if on { bit } else { 0 };
        }
    }
    if mask != 0 {
        let mut pair = [0; 8];
        pair[..4].copy_from_slice(&flags.to_ne_bytes());
        pair[4..].copy_from_slice(&mask.to_ne_bytes());
        out.put(VLAN_FLAGS, &pair);
    }
    Ok(())
}

pub fn decode_vrf(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Vrf, Fault> {
    let mut vrf = Vrf { table: 0 };
    for item in data {
        let item = item?;
        match item.kind {
            VRF_TABLE => vrf.table = item.u32()?,
            _ => unknown.note(&item),
        }
    }
    Ok(vrf)
}

pub fn encode_vrf(vrf: &Vrf, out: &mut Message) -> Result<(), Failure> {
    if vrf.table == 0 {
        return Err(invalid("a VRF's table must not be 0".into()));
    }
    out.u32(VRF_TABLE, vrf.table);
    Ok(())
}

pub fn decode_macvlan(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Macvlan, Fault> {
    let mut macvlan = Macvlan {
        parent: None,
        mode: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            MACVLAN_MODE => {
                macvlan.mode = Some(match item.u32()? {
                    1 => MacvlanMode::Private,
                    2 => MacvlanMode::Vepa,
                    4 => MacvlanMode::Bridge,
                    8 => MacvlanMode::Passthru,
                    16 => MacvlanMode::Source,
                    other => return Err(Fault::new(format!("{other} is no MACVLAN mode"))),
                });
            }
            // The queue length in use.
            8 => {}
            // BC_QUEUE_LEN; BC_CUTOFF, whose default is 1.
            7 => unknown.unless(&item, 1000),
            9 => unknown.unless(&item, 1),
            // FLAGS, MACADDR_COUNT and the addresses of mode source.
            _ => unknown.unless(&item, 0),
        }
    }
    Ok(macvlan)
}

pub fn encode_macvlan(macvlan: &Macvlan, out: &mut Message) {
    if let Some(mode) = macvlan.mode {
        let bit = match mode {
            MacvlanMode::Private => 1,
            MacvlanMode::Vepa => 2,
            MacvlanMode::Bridge => 4,
            MacvlanMode::Passthru => 8,
            MacvlanMode::Source => 16,
        };
        out.u32(MACVLAN_MODE, bit);
    }
}

pub fn decode_ipvlan(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Ipvlan, Fault> {
    let mut ipvlan = Ipvlan {
        parent: None,
        mode: None,
        isolation: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            IPVLAN_MODE => {
                let modes = [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3s];
                ipvlan.mode = Some(of(&modes, item.u16()?.into(), &item)?);
            }
            IPVLAN_FLAGS => {
                let all = [
                    IpvlanIsolation::Bridge,
                    IpvlanIsolation::Private,
                    IpvlanIsolation::Vepa,
                ];
                ipvlan.isolation = Some(of(&all, item.u16()?.into(), &item)?);
            }
            _ => unknown.note(&item),
        }
    }
    Ok(ipvlan)
}

pub fn encode_ipvlan(ipvlan: &Ipvlan, out: &mut Message) {
    if let Some(mode) = ipvlan.mode {
        out.u16(
            IPVLAN_MODE,
            match mode {
                IpvlanMode::L2 => 0,
                IpvlanMode::L3 => 1,
                IpvlanMode::L3s => 2,
            },
        );
    }
    if let Some(isolation) = ipvlan.isolation {
        out.u16(
            IPVLAN_FLAGS,
            match isolation {
                IpvlanIsolation::Bridge => 0,
                IpvlanIsolation::Private => 1,
                IpvlanIsolation::Vepa => 2,
            },
        );
    }
}
