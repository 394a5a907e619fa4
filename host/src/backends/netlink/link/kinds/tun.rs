//! TUN and TAP devices as rtnetlink shows them (IFLA_TUN_*); they are made by ioctl(2), see [`crate::backends::netlink`].

use super::Unknown;
use crate::backends::netlink::attribute::{Attributes, Fault};
use crate::contract::netlink::{Tun, TunMode};

const OWNER: u16 = 1;
const GROUP: u16 = 2;
const TYPE: u16 = 3;
const PI: u16 = 4;
const VNET_HDR: u16 = 5;
const PERSIST: u16 = 6;
const MULTI_QUEUE: u16 = 7;

pub fn decode(data: Attributes<'_>, mut unknown: Unknown<'_>) -> Result<Tun, Fault> {
    let mut tun = Tun {
        mode: TunMode::Tun,
        owner: None,
        group: None,
        packet_information: None,
        vnet_header: None,
        multi_queue: None,
        persistent: None,
    };
    for item in data {
        let item = item?;
        match item.kind {
            OWNER => tun.owner = Some(item.u32()?),
            GROUP => tun.group = Some(item.u32()?),
            TYPE => {
                tun.mode = match item.u8()? {
                    1 => TunMode::Tun,
                    2 => TunMode::Tap,
                    other => return Err(Fault::new(format!("{other} is no mode of tun"))),
                };
            }
            PI => tun.packet_information = Some(item.flag()?),
            VNET_HDR => tun.vnet_header = Some(item.flag()?),
            PERSIST => tun.persistent = Some(item.flag()?),
            MULTI_QUEUE => tun.multi_queue = Some(item.flag()?),
            // How many queues are open.
            8 | 9 => {}
            _ => unknown.note(&item),
        }
    }
    Ok(tun)
}
