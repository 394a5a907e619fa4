//! Linux bridges (IFLA_BR_*).

use super::Unknown;
use crate::backends::netlink::attribute::{Attributes, Fault};
use crate::backends::netlink::message::Message;
use crate::contract::netlink::Bridge;

const FORWARD_DELAY: u16 = 1;
const HELLO_TIME: u16 = 2;
const MAX_AGE: u16 = 3;
const AGEING_TIME: u16 = 4;
const STP_STATE: u16 = 5;
const PRIORITY: u16 = 6;
const VLAN_FILTERING: u16 = 7;
const VLAN_PROTOCOL: u16 = 8;
const GROUP_FWD_MASK: u16 = 9;
const MCAST_SNOOPING: u16 = 23;
const MCAST_QUERIER: u16 = 25;
const VLAN_DEFAULT_PVID: u16 = 39;

/// Settings without a field, with the kernel's defaults (net/bridge/br_device.c, br_multicast.c); times in USER_HZ.
const DEFAULTS: &[(u16, u64)] = &[
    (22, 1),     // MCAST_ROUTER
    (24, 0),     // MCAST_QUERY_USE_IFADDR
    (26, 16),    // MCAST_HASH_ELASTICITY
    (27, 4096),  // MCAST_HASH_MAX
    (28, 2),     // MCAST_LAST_MEMBER_CNT
    (29, 2),     // MCAST_STARTUP_QUERY_CNT
    (30, 100),   // MCAST_LAST_MEMBER_INTVL
    (31, 26000), // MCAST_MEMBERSHIP_INTVL
    (32, 25500), // MCAST_QUERIER_INTVL
    (33, 12500), // MCAST_QUERY_INTVL
    (34, 1000),  // MCAST_QUERY_RESPONSE_INTVL
    (36, 0),     // NF_CALL_IPTABLES
    (37, 0),     // NF_CALL_IP6TABLES
    (38, 0),     // NF_CALL_ARPTABLES
    (41, 0),     // VLAN_STATS_ENABLED
    (42, 0),     // MCAST_STATS_ENABLED
    (43, 2),     // MCAST_IGMP_VERSION
    (44, 1),     // MCAST_MLD_VERSION
    (45, 0),     // VLAN_STATS_PER_PORT
    (49, 0),     // FDB_MAX_LEARNED
];

pub fn decode(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Bridge, Fault> {
    let mut bridge = Bridge {
        stp: None,
        forward_delay: None,
        hello_time: None,
        max_age: None,
        ageing_time: None,
        priority: None,
        multicast_snooping: None,
        multicast_querier: None,
        vlan_filtering: None,
        vlan_protocol: None,
        default_pvid: None,
        group_forward_mask: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            FORWARD_DELAY => bridge.forward_delay = Some(item.u32()?),
            HELLO_TIME => bridge.hello_time = Some(item.u32()?),
            MAX_AGE => bridge.max_age = Some(item.u32()?),
            AGEING_TIME => bridge.ageing_time = Some(item.u32()?),
            // 2 is spanning tree in user space: on as well.
            STP_STATE => bridge.stp = Some(item.u32()? != 0),
            PRIORITY => bridge.priority = Some(item.u16()?),
            VLAN_FILTERING => bridge.vlan_filtering = Some(item.flag()?),
            VLAN_PROTOCOL => bridge.vlan_protocol = super::stacked::protocol(&item)?,
            GROUP_FWD_MASK => bridge.group_forward_mask = Some(item.u16()?),
            MCAST_SNOOPING => bridge.multicast_snooping = Some(item.flag()?),
            MCAST_QUERIER => bridge.multicast_querier = Some(item.flag()?),
            VLAN_DEFAULT_PVID => bridge.default_pvid = Some(item.u16()?),
            // Identifiers, timers, what spanning tree found out, an address derived from the protocol, padding, a derived interval.
            10..=21 | 35 | 40 | 47 | 48 => {}
            // Bits that may be set, and which of them are: the first word is what counts.
            46 if item.value.get(..4) == Some(&[0; 4]) => {}
            kind => match DEFAULTS.iter().find(|row| row.0 == kind) {
                Some((_, default)) => unknown.unless(&item, *default),
                None => unknown.note(&item),
            },
        }
    }
    Ok(bridge)
}

pub fn encode(bridge: &Bridge, is_new: bool, out: &mut Message) {
    let numbers = [
        (FORWARD_DELAY, bridge.forward_delay),
        (HELLO_TIME, bridge.hello_time),
        (MAX_AGE, bridge.max_age),
        (AGEING_TIME, bridge.ageing_time),
        (STP_STATE, bridge.stp.map(u32::from)),
    ];
    for (kind, value) in numbers {
        value.inspect(|value| out.u32(kind, *value));
    }
    bridge.priority.inspect(|value| out.u16(PRIORITY, *value));
    // Before what only filtering bridges accept.
    // A new bridge does not filter, and a kernel without VLAN filtering refuses to be told so.
    if let Some(value) = bridge.vlan_filtering.filter(|on| *on || !is_new) {
        out.u8(VLAN_FILTERING, value.into());
    }
    if let Some(value) = bridge.vlan_protocol {
        out.u16_be(VLAN_PROTOCOL, super::stacked::ethertype(value));
    }
    let masks = [
        (VLAN_DEFAULT_PVID, bridge.default_pvid),
        (GROUP_FWD_MASK, bridge.group_forward_mask),
    ];
    for (kind, value) in masks {
        value.inspect(|value| out.u16(kind, *value));
    }
    let switches = [
        (MCAST_SNOOPING, bridge.multicast_snooping),
        (MCAST_QUERIER, bridge.multicast_querier),
    ];
    for (kind, value) in switches {
        value.inspect(|value| out.u8(kind, u8::from(*value)));
    }
}
