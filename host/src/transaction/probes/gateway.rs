//! Whether a default gateway answers an echo request (RFC 792, RFC 4443 section 4).

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send,
    socket_with,
};
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use super::Probes;
use super::probe::Families;
use crate::contract::netlink::{Family, LinkSelector, Prefix, RouteScope};
use crate::transaction::watched::watched;

/// The main routing table.
const MAIN: u32 = 254;

/// A request is repeated when there is no answer for so long.
const REPEAT: Duration = Duration::from_secs(1);

/// ICMP's message types, and where its messages begin in what a raw socket receives.
struct Protocol {
    request: u8,
    reply: u8,
    /// A raw IPv4 socket gets the IP header as well (raw(7)); an IPv6 one does not.
    has_header: bool,
}

const V4: Protocol = Protocol {
    request: 8,
    reply: 0,
    has_header: true,
};
const V6: Protocol = Protocol {
    request: 128,
    reply: 129,
    has_header: false,
};

/// A router of a default route.
struct Gateway {
    address: IpAddr,
    link: String,
    index: u32,
}

/// Asks the gateways of all default routes in the main table; one that answers is enough.
///
/// # Errors
/// That there is none, or why the last one does not answer.
pub async fn answers(probes: &Probes, families: Families) -> Result<(), String> {
    let gateways = gateways(probes, families).await?;
    let mut why = "there is no default route with a gateway".to_owned();
    // One after the other, each for a while: the probe's own time bounds them all.
    for gateway in &gateways {
        let asked = echo(probes, gateway);
        let asked = match gateways.len() {
            1 => asked.await,
            _ => timeout(2 * REPEAT, asked)
                .await
                .unwrap_or_else(|_| Err("no answer".into())),
        };
        match asked {
            Ok(()) => return Ok(()),
            Err(reason) => why = format!("{} on {}: {reason}", gateway.address, gateway.link),
        }
    }
    Err(why)
}

async fn gateways(probes: &Probes, families: Families) -> Result<Vec<Gateway>, String> {
    let any = |address: &str| Prefix {
        address: address.to_owned(),
        length: 0,
    };
    let (families, destinations) = match families {
        Families::Any => (
            vec![Family::Ipv4, Family::Ipv6],
            vec![any("0.0.0.0"), any("::")],
        ),
        Families::Ipv4 => (vec![Family::Ipv4], vec![any("0.0.0.0")]),
        Families::Ipv6 => (vec![Family::Ipv6], vec![any("::")]),
    };
    let scope = RouteScope {
        families,
        links: Vec::new(),
        tables: vec![MAIN],
        protocols: Vec::new(),
        destinations,
    };
    let routes = probes.kernel.routes(&scope).await;
    let mut routes = routes.map_err(|failure| failure.message)?;
    routes.sort_by_key(|route| route.metric.unwrap_or(0));
    let mut found = Vec::new();
    for hop in routes.into_iter().flat_map(|route| route.next_hops) {
        let (Some(address), Some(link)) = (hop.gateway, hop.link) else {
            continue;
        };
        let named = [LinkSelector::Name(link.clone())];
        let links = probes.kernel.links(&named).await;
        let links = links.map_err(|failure| failure.message)?;
        let Some(index) = links.first().map(|link| link.index) else {
            continue;
        };
        let address = address
            .parse()
            .map_err(|_| format!("the kernel names {address:?} as a gateway"))?;
        found.push(Gateway {
            address,
            link,
            index,
        });
    }
    Ok(found)
}

async fn echo(probes: &Probes, gateway: &Gateway) -> Result<(), String> {
    let words = |error: io::Error| error.to_string();
    let open = || -> io::Result<OwnedFd> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (family, protocol) = match gateway.address {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let socket = socket_with(family, SocketType::RAW, flags, Some(protocol))?;
        // Connected, it receives what comes from there only, and learns of errors on the way.
        match gateway.address {
            IpAddr::V4(address) => connect(&socket, &SocketAddrV4::new(address, 0))?,
            IpAddr::V6(address) => {
                connect(
                    &socket,
                    &SocketAddrV6::new(address, 0, 0, scope(address, gateway)),
                )?;
            }
        }
        Ok(socket)
    };
    let socket = probes
        .place
        .within("open a raw socket", open)
        .map_err(|failure| failure.message)?;
    let socket = watched(socket).map_err(words)?;
    let protocol = match gateway.address {
        IpAddr::V4(_) => V4,
        IpAddr::V6(_) => V6,
    };
    let request = request(&protocol);
    loop {
        send(&socket, &request, SendFlags::empty()).map_err(|errno| words(errno.into()))?;
        match timeout(REPEAT, reply(&socket, &protocol, &request)).await {
            Ok(answered) => return answered.map_err(words),
            Err(_) => continue,
        }
    }
}

/// A link-local address means nothing without its link.
fn scope(address: Ipv6Addr, gateway: &Gateway) -> u32 {
    match address.is_unicast_link_local() {
        true => gateway.index,
        false => 0,
    }
}

/// An echo request that nobody else sends: process and moment are in it.
fn request(protocol: &Protocol) -> Vec<u8> {
    let moment = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let mut message = vec![protocol.request, 0, 0, 0];
    message.extend(std::process::id().to_be_bytes());
    message.extend(moment.to_be_bytes());
    // The kernel computes the sum of ICMPv6 itself (RFC 3542 section 3.1).
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = message
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

async fn reply(socket: &AsyncFd<OwnedFd>, protocol: &Protocol, request: &[u8]) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let mut ready = socket.readable().await?;
        let received = ready.try_io(|socket| {
            let (count, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
            Ok(count)
        });
        match received {
            Ok(Ok(count)) if is_reply(&buffer[..count], protocol, request) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
}

fn is_reply(packet: &[u8], protocol: &Protocol, request: &[u8]) -> bool {
    let start = match protocol.has_header {
        // The header's length, in words of four bytes (RFC 791 section 3.1).
        true => usize::from(packet.first().unwrap_or(&0) & 0xf) * 4,
        false => 0,
    };
    let message = packet.get(start..).unwrap_or_default();
    message.len() >= request.len()
        && message[0] == protocol.reply
        && message[1] == 0
        && message[4..request.len()] == request[4..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_ones_own_question_is_told_from_others() {
        let asked = request(&V6);
        let mut answer = asked.clone();
        answer[0] = V6.reply;
        assert!(is_reply(&answer, &V6, &asked));
        assert!(!is_reply(&asked, &V6, &asked), "the request itself");
        assert!(!is_reply(&answer[..10], &V6, &asked), "cut off");
        assert!(!is_reply(&[], &V4, &asked));
        let mut other = answer.clone();
        other[5] ^= 1;
        assert!(!is_reply(&other, &V6, &asked), "somebody else's");
        let with_header = [&[0x45; 20][..], &{
            let mut answer = asked.clone();
            answer[0] = V4.reply;
            answer
        }]
        .concat();
        assert!(is_reply(&with_header, &V4, &asked));
    }

    #[test]
    fn a_message_with_its_sum_in_it_sums_to_nothing() {
        assert_eq!(checksum(&request(&V4)), 0);
    }
}
