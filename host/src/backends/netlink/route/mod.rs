//! Routes (linux/rtnetlink.h, `struct rtmsg`): the numbers, and what a dump is narrowed to. `decode` and `encode` are the two ways.

mod decode;
mod encode;

use super::message::Message;
use crate::contract::netlink::RouteType;

pub use decode::{Wanted, attach_names, decode, wanted_destination};
pub use encode::{Verb, encode};

pub const RTM_NEWROUTE: u16 = 24;
pub const RTM_DELROUTE: u16 = 25;
pub const RTM_GETROUTE: u16 = 26;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_EXPIRES: u16 = 23;
const RTA_PAD: u16 = 24;
/// A next hop object (ip-nexthop(8)) that leads the way instead of hops of the route's own.
const RTA_NH_ID: u16 = 30;
const RTAX_MTU: u16 = 2;

/// Attributes of a route that have a field, or stand for nothing that can be asked for.
const NAMED: [u16; 13] = [
    RTA_DST,
    RTA_SRC,
    RTA_IIF,
    RTA_OIF,
    RTA_GATEWAY,
    RTA_PRIORITY,
    RTA_PREFSRC,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_CACHEINFO,
    RTA_TABLE,
    RTA_VIA,
    RTA_EXPIRES,
];
/// USER_HZ: how many of the kernel's ticks for user space make a second.
const TICKS: u32 = 100;

const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_ONLINK: u8 = 4;

const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const SCOPE_NOWHERE: u8 = 255;
const TABLE_COMPAT: u8 = 252;

const TYPES: [(u8, RouteType); 9] = [
    (1, RouteType::Unicast),
    (2, RouteType::Local),
    (3, RouteType::Broadcast),
    (4, RouteType::Anycast),
    (5, RouteType::Multicast),
    (6, RouteType::Blackhole),
    (7, RouteType::Unreachable),
    (8, RouteType::Prohibit),
    (9, RouteType::Throw),
];

/// `struct rtmsg`.
#[derive(Default)]
pub struct Rtmsg {
    pub family: u8,
    pub length: u8,
    pub source_length: u8,
    pub tos: u8,
    pub table: u8,
    pub protocol: u8,
    pub scope: u8,
    pub kind: u8,
    pub flags: u32,
}

impl Rtmsg {
    fn bytes(&self) -> [u8; 12] {
        let mut bytes = [
            self.family,
            self.length,
            self.source_length,
            self.tos,
            self.table,
            self.protocol,
            self.scope,
            self.kind,
            0,
            0,
            0,
            0,
        ];
        bytes[8..].copy_from_slice(&self.flags.to_ne_bytes());
        bytes
    }
}

/// What the kernel itself narrows a dump to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub family: u8,
    pub table: Option<u32>,
    pub protocol: Option<u8>,
    pub link: Option<u32>,
}

/// A dump of routes.
pub fn dump(filter: Filter) -> Message {
    let header = Rtmsg {
        family: filter.family,
        protocol: filter.protocol.unwrap_or(0),
        ..Rtmsg::default()
    };
    let mut message = Message::new(RTM_GETROUTE, 0, &header.bytes());
    if let Some(table) = filter.table {
        message.u32(RTA_TABLE, table);
    }
    if let Some(index) = filter.link {
        message.u32(RTA_OIF, index);
    }
    message
}
