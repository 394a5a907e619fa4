//! The requests of an apply.

use std::ffi::CString;
use std::io::{Error, Result};

use crate::netlink::{Request, Socket};

/// Requests in one message. Each is answered while the message is sent, and the socket's receive
/// buffer must hold all answers.
const BATCH: u32 = 64;

const CREATE: i32 = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// linux/veth.h: attribute of the kind's data that holds the other end.
const VETH_INFO_PEER: u16 = 1;

/// As many ports as the bench gives to a bridge; the kernel takes 1023 (`BR_MAX_PORTS`).
const PORTS: u32 = 1000;

/// The bridges `br0` and up, and the veth pairs `p0`-`q0`, `p1`-`q1`…, each p up and a port of a bridge, a thousand to each.
pub fn ports(socket: &mut Socket, count: u32) -> Result<()> {
    let mut controllers = Vec::new();
    for number in 0..count.div_ceil(PORTS) {
        let name = format!("br{number}");
        let mut bridge = Request::new(libc::RTM_NEWLINK, CREATE, &link_header(0, true));
        bridge.attribute(libc::IFLA_IFNAME, format!("{name}\0").as_bytes());
        bridge.nest(libc::IFLA_LINKINFO, |info| {
            info.attribute(libc::IFLA_INFO_KIND, b"bridge\0");
        });
        socket.execute(bridge.finish(), 1)?;
        controllers.push(index_of(&name)?);
    }
    pipelined(socket, count, |number| {
        let controller = controllers[(number / PORTS) as usize];
        let mut port = Request::new(libc::RTM_NEWLINK, CREATE, &link_header(0, true));
        port.attribute(libc::IFLA_IFNAME, format!("p{number}\0").as_bytes());
        port.attribute(libc::IFLA_MASTER, &controller.to_ne_bytes());
        port.nest(libc::IFLA_LINKINFO, |info| {
            info.attribute(libc::IFLA_INFO_KIND, b"veth\0");
            info.nest(libc::IFLA_INFO_DATA, |veth| {
                veth.nest(VETH_INFO_PEER, |peer| {
                    peer.plain(&link_header(0, false));
                    peer.attribute(libc::IFLA_IFNAME, format!("q{number}\0").as_bytes());
                });
            });
        });
        port
    })
}

/// Routes to 10.0.0.0/32 and the following addresses through 192.0.2.2 on `up0`.
pub fn routes(socket: &mut Socket, count: u32, protocol: u8) -> Result<()> {
    let device = index_of("up0")?;
    pipelined(socket, count, |number| {
        // struct rtmsg: family, two prefix lengths, TOS, table, protocol, scope, type, flags.
        let mut header = [0; 12];
        header[0] = libc::AF_INET as u8;
        header[1] = 32;
        header[4] = libc::RT_TABLE_MAIN;
        header[5] = protocol;
        header[6] = libc::RT_SCOPE_UNIVERSE;
        header[7] = libc::RTN_UNICAST;
        let mut route = Request::new(libc::RTM_NEWROUTE, CREATE, &header);
        route.attribute(libc::RTA_DST, &(0x0a00_0000 + number).to_be_bytes());
        route.attribute(libc::RTA_GATEWAY, &[192, 0, 2, 2]);
        route.attribute(libc::RTA_OIF, &device.to_ne_bytes());
        route
    })
}

/// Sends `count` requests in batches.
fn pipelined(socket: &mut Socket, count: u32, make: impl Fn(u32) -> Request) -> Result<()> {
    let mut batch = Vec::new();
    for start in (0..count).step_by(BATCH as usize) {
        let end = count.min(start + BATCH);
        batch.clear();
        for number in start..end {
            batch.extend_from_slice(make(number).finish());
        }
        socket.execute(&batch, (end - start) as usize)?;
    }
    Ok(())
}

/// struct ifinfomsg: family, padding, type, index, flags, mask of flags.
fn link_header(index: u32, up: bool) -> [u8; 16] {
    let mut header = [0; 16];
    let flags = if up { libc::IFF_UP as u32 } else { 0 };
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&flags.to_ne_bytes());
    header
}

fn index_of(name: &str) -> Result<u32> {
    let name = CString::new(name).expect("names here have no zero byte");
    // SAFETY: the pointer is that of a live string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Error::last_os_error()),
        index => Ok(index),
    }
}
