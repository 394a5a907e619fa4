//! Bonds (IFLA_BOND_*; Documentation/networking/bonding.rst).

use std::net::IpAddr;

use super::{DecodedKind, Lookup, Unknown, address, of};
use crate::backends::netlink::attribute::{Attributes, Fault};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::Message;
use crate::contract::netlink::{
    Bond, BondAdSelect, BondArpValidate, BondFailOverMac, BondHashPolicy, BondLacpRate, BondMode,
    BondPrimaryReselect, Kind,
};
use crate::contract::types::Failure;

const MODE: u16 = 1;
const MIIMON: u16 = 3;
const UPDELAY: u16 = 4;
const DOWNDELAY: u16 = 5;
const ARP_INTERVAL: u16 = 7;
const ARP_IP_TARGET: u16 = 8;
const ARP_VALIDATE: u16 = 9;
const PRIMARY: u16 = 11;
const PRIMARY_RESELECT: u16 = 12;
const FAIL_OVER_MAC: u16 = 13;
const XMIT_HASH_POLICY: u16 = 14;
const RESEND_IGMP: u16 = 15;
const NUM_PEER_NOTIF: u16 = 16;
const ALL_SLAVES_ACTIVE: u16 = 17;
const MIN_LINKS: u16 = 18;
const LP_INTERVAL: u16 = 19;
const PACKETS_PER_SLAVE: u16 = 20;
const AD_LACP_RATE: u16 = 21;
const AD_SELECT: u16 = 22;
const AD_ACTOR_SYS_PRIO: u16 = 24;
const TLB_DYNAMIC_LB: u16 = 27;

const MODES: [BondMode; 7] = [
    BondMode::BalanceRr,
    BondMode::ActiveBackup,
    BondMode::BalanceXor,
    BondMode::Broadcast,
    BondMode::Lacp,
    BondMode::BalanceTlb,
    BondMode::BalanceAlb,
];
const HASHES: [BondHashPolicy; 6] = [
    BondHashPolicy::Layer2,
    BondHashPolicy::Layer34,
    BondHashPolicy::Layer23,
    BondHashPolicy::Encap23,
    BondHashPolicy::Encap34,
    BondHashPolicy::VlanSrcmac,
];
const RATES: [BondLacpRate; 2] = [BondLacpRate::Slow, BondLacpRate::Fast];
const RESELECTS: [BondPrimaryReselect; 3] = [
    BondPrimaryReselect::Always,
    BondPrimaryReselect::Better,
    BondPrimaryReselect::Failure,
];
const MACS: [BondFailOverMac; 3] = [
    BondFailOverMac::None,
    BondFailOverMac::Active,
    BondFailOverMac::Follow,
];
const SELECTS: [BondAdSelect; 3] = [
    BondAdSelect::Stable,
    BondAdSelect::Bandwidth,
    BondAdSelect::Count,
];
const VALIDATES: [BondArpValidate; 7] = [
    BondArpValidate::None,
    BondArpValidate::Active,
    BondArpValidate::Backup,
    BondArpValidate::All,
    BondArpValidate::Filter,
    BondArpValidate::FilterActive,
    BondArpValidate::FilterBackup,
];

/// Where a value stands in the contract's order, which is the kernel's.
fn number<T: PartialEq>(all: &[T], value: T) -> u8 {
    all.iter().position(|item| *item == value).unwrap_or(0) as u8
}

pub fn decode(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<DecodedKind, Fault> {
    let mut bond = Bond {
        mode: None,
        miimon: None,
        up_delay: None,
        down_delay: None,
        arp_interval: None,
        arp_targets: Vec::new(),
        arp_validate: None,
        primary: None,
        primary_reselect: None,
        fail_over_mac: None,
        hash_policy: None,
        lacp_rate: None,
        ad_select: None,
        ad_actor_system_priority: None,
        all_ports_active: None,
        min_links: None,
        peer_notifications: None,
        resend_igmp: None,
        packets_per_port: None,
        learning_packet_interval: None,
        dynamic_load_balancing: None,
    };
    let mut primary = None;
    for item in data {
        let item = item?;
        match item.kind {
            MODE => bond.mode = Some(of(&MODES, item.u8()?.into(), &item)?),
            MIIMON => bond.miimon = Some(item.u32()?),
            UPDELAY => bond.up_delay = Some(item.u32()?),
            DOWNDELAY => bond.down_delay = Some(item.u32()?),
            ARP_INTERVAL => bond.arp_interval = Some(item.u32()?),
            ARP_IP_TARGET => {
                for target in item.nested() {
                    let target = target.map_err(|f| f.within("IFLA_BOND_ARP_IP_TARGET"))?;
                    bond.arp_targets.push(target.ip()?.to_string());
                }
            }
            ARP_VALIDATE => bond.arp_validate = Some(of(&VALIDATES, item.u32()?, &item)?),
            PRIMARY => primary = Some(item.u32()?),
            PRIMARY_RESELECT => {
                bond.primary_reselect = Some(of(&RESELECTS, item.u8()?.into(), &item)?);
            }
            FAIL_OVER_MAC => bond.fail_over_mac = Some(of(&MACS, item.u8()?.into(), &item)?),
            XMIT_HASH_POLICY => bond.hash_policy = Some(of(&HASHES, item.u8()?.into(), &item)?),
            RESEND_IGMP => bond.resend_igmp = Some(item.u32()?),
            NUM_PEER_NOTIF => bond.peer_notifications = Some(item.u8()?),
            ALL_SLAVES_ACTIVE => bond.all_ports_active = Some(item.flag()?),
            MIN_LINKS => bond.min_links = Some(item.u32()?),
            LP_INTERVAL => bond.learning_packet_interval = Some(item.u32()?),
            PACKETS_PER_SLAVE => bond.packets_per_port = Some(item.u32()?),
            AD_LACP_RATE => bond.lacp_rate = Some(of(&RATES, item.u8()?.into(), &item)?),
            AD_SELECT => bond.ad_select = Some(of(&SELECTS, item.u8()?.into(), &item)?),
            AD_ACTOR_SYS_PRIO => bond.ad_actor_system_priority = Some(item.u16()?),
            TLB_DYNAMIC_LB => bond.dynamic_load_balancing = Some(item.flag()?),
            // The active port, what LACP found out.
            2 | 23 => {}
            // USE_CARRIER, AD_LACP_ACTIVE, COUPLED_CONTROL: on unless somebody said otherwise.
            6 | 29 | 32 => unknown.unless(&item, 1),
            // MISSED_MAX
            30 => unknown.unless(&item, 2),
            // Nobody named an IPv6 target.
            31 if item.value.is_empty() => {}
            // ARP_ALL_TARGETS, AD_USER_PORT_KEY, AD_ACTOR_SYSTEM, PEER_NOTIF_DELAY and what is newer.
            _ => unknown.unless(&item, 0),
        }
    }
    Ok(DecodedKind {
        kind: Kind::Bond(bond),
        parent: None,
        primary,
    })
}

pub fn encode(bond: &Bond, out: &mut Message, lookup: Lookup<'_>) -> Result<(), Failure> {
    if let Some(mode) = bond.mode {
        out.u8(MODE, number(&MODES, mode));
    }
    let numbers = [
        (MIIMON, bond.miimon),
        (UPDELAY, bond.up_delay),
        (DOWNDELAY, bond.down_delay),
        (ARP_INTERVAL, bond.arp_interval),
        (RESEND_IGMP, bond.resend_igmp),
        (MIN_LINKS, bond.min_links),
        (LP_INTERVAL, bond.learning_packet_interval),
        (PACKETS_PER_SLAVE, bond.packets_per_port),
    ];
    for (kind, value) in numbers {
        value.inspect(|value| out.u32(kind, *value));
    }
    if !bond.arp_targets.is_empty() {
        let mut targets = Vec::with_capacity(bond.arp_targets.len());
        for text in &bond.arp_targets {
            match address(text, "ARP target")? {
                IpAddr::V4(target) => targets.push(target),
                IpAddr::V6(_) => return Err(invalid(format!("ARP target {text} is not IPv4"))),
            }
        }
        out.nest(ARP_IP_TARGET, |out| {
            for (position, target) in (0u16..).zip(&targets) {
                out.put(position, &target.octets());
            }
        });
    }
    if let Some(value) = bond.arp_validate {
        out.u32(ARP_VALIDATE, number(&VALIDATES, value).into());
    }
    if let Some(name) = &bond.primary {
        let index = match name.as_str() {
            "" => 0,
            name => lookup(name)?,
        };
        out.u32(PRIMARY, index);
    }
    let small = [
        (
            PRIMARY_RESELECT,
            bond.primary_reselect.map(|v| number(&RESELECTS, v)),
        ),
        (FAIL_OVER_MAC, bond.fail_over_mac.map(|v| number(&MACS, v))),
        (
            XMIT_HASH_POLICY,
            bond.hash_policy.map(|v| number(&HASHES, v)),
        ),
        (NUM_PEER_NOTIF, bond.peer_notifications),
        (ALL_SLAVES_ACTIVE, bond.all_ports_active.map(u8::from)),
        (AD_LACP_RATE, bond.lacp_rate.map(|v| number(&RATES, v))),
        (AD_SELECT, bond.ad_select.map(|v| number(&SELECTS, v))),
        (TLB_DYNAMIC_LB, bond.dynamic_load_balancing.map(u8::from)),
    ];
    for (kind, value) in small {
        value.inspect(|value| out.u8(kind, *value));
    }
    if let Some(value) = bond.ad_actor_system_priority {
        out.u16(AD_ACTOR_SYS_PRIO, value);
    }
    Ok(())
}
