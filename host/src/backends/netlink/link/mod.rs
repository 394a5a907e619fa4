//! Links: their messages both ways (linux/if_link.h).

mod decode;
mod encode;
mod kinds;
mod port;

pub use decode::{Decoded, IFINFOMSG, attach_names, decode, mac as show_mac};
pub use encode::{
    Target, alternative_names, change, check_name, create, finish_tun, ifinfomsg, mac as parse_mac,
};
pub use kinds::{Lookup, parent, parent_mut, word};

/// IFF_* of netdevice(7), as they stand in `ifi_flags`.
pub mod flag {
    pub const UP: u32 = 0x1;
    pub const LOOPBACK: u32 = 0x8;
    pub const RUNNING: u32 = 0x40;
    pub const NOARP: u32 = 0x80;
    pub const PROMISC: u32 = 0x100;
    pub const ALLMULTI: u32 = 0x200;
}

/// IFLA_* attributes that this module reads or writes.
pub mod ifla {
    pub const ADDRESS: u16 = 1;
    pub const IFNAME: u16 = 3;
    pub const MTU: u16 = 4;
    pub const LINK: u16 = 5;
    pub const QDISC: u16 = 6;
    pub const MASTER: u16 = 10;
    pub const TXQLEN: u16 = 13;
    pub const LINKINFO: u16 = 18;
    pub const IFALIAS: u16 = 20;
    pub const AF_SPEC: u16 = 26;
    pub const GROUP: u16 = 27;
    pub const EXT_MASK: u16 = 29;
    pub const LINK_NETNSID: u16 = 37;
    pub const PROP_LIST: u16 = 52;
    pub const ALT_IFNAME: u16 = 53;
    pub const PERM_ADDRESS: u16 = 54;

    pub const INFO_KIND: u16 = 1;
    pub const INFO_DATA: u16 = 2;
    pub const INFO_SLAVE_KIND: u16 = 4;
    pub const INFO_SLAVE_DATA: u16 = 5;

    pub const INET6_ADDR_GEN_MODE: u16 = 8;
}

pub const RTM_NEWLINK: u16 = 16;
pub const RTM_DELLINK: u16 = 17;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_SETLINK: u16 = 19;
pub const RTM_NEWLINKPROP: u16 = 108;
pub const RTM_DELLINKPROP: u16 = 109;

/// Leaves statistics out of what the kernel says of links: they cost it more than all the rest.
pub const RTEXT_FILTER_SKIP_STATS: u32 = 8;
