//! Addresses of links (linux/if_addr.h).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use super::attribute::{Fault, attributes};
use super::errno::invalid;
use super::ip;
use super::message::{Message, NLM_F_CREATE, NLM_F_REPLACE};
use crate::contract::netlink::Address;
use crate::contract::types::Failure;

pub const RTM_NEWADDR: u16 = 20;
pub const RTM_DELADDR: u16 = 21;
pub const RTM_GETADDR: u16 = 22;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

const IFA_F_NODAD: u32 = 0x02;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_HOMEADDRESS: u32 = 0x10;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_PERMANENT: u32 = 0x80;
const IFA_F_MANAGETEMPADDR: u32 = 0x100;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;
const IFA_F_MCAUTOJOIN: u32 = 0x400;
/// An address that privacy extensions made (RFC 8981).
const IFA_F_TEMPORARY: u32 = 0x01;

/// IFAPROT_KERNEL_LO, _RA and _LL.
const KERNEL_FIRST: u8 = 1;
const KERNEL_LAST: u8 = 3;

const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const FOREVER: u32 = u32::MAX;

/// `struct ifaddrmsg`.
fn ifaddrmsg(family: u8, length: u8, scope: u8, index: u32) -> [u8; 8] {
    let mut bytes = [family, length, 0, scope, 0, 0, 0, 0];
    bytes[4..].copy_from_slice(&index.to_ne_bytes());
    bytes
}

/// A dump of the addresses of one family, of one link or (0) of all.
pub fn dump(family: u8, index: u32) -> Message {
    Message::new(RTM_GETADDR, 0, &ifaddrmsg(family, 0, 0, index))
}

/// Decodes the body of an RTM_NEWADDR; none for a link that `name` does not know.
pub fn decode(
    body: &[u8],
    name: impl FnOnce(u32) -> Option<String>,
) -> Result<Option<Address>, Fault> {
    inner(body, name).map_err(|fault| fault.within("RTM_NEWADDR"))
}

fn inner(body: &[u8], name: impl FnOnce(u32) -> Option<String>) -> Result<Option<Address>, Fault> {
    let (header, rest) = body
        .split_first_chunk::<8>()
        .ok_or_else(|| Fault::new("shorter than struct ifaddrmsg"))?;
    let [family, length, flags, scope, index @ ..] = *header;
    let Some(link) = name(u32::from_ne_bytes(index)) else {
        return Ok(None);
    };
    if !matches!(family, ip::AF_INET | ip::AF_INET6) {
        return Ok(None);
    }
    let mut flags = u32::from(flags);
    let (mut address, mut local): (Option<IpAddr>, Option<IpAddr>) = (None, None);
    let (mut broadcast, mut label, mut protocol) = (None, None, 0);
    let (mut valid, mut preferred, mut metric) = (None, None, None);
    for item in attributes(rest) {
        let item = item?;
        match item.kind {
            IFA_ADDRESS => address = Some(item.ip()?),
            IFA_LOCAL => local = Some(item.ip()?),
            IFA_LABEL => label = Some(item.text()?.to_owned()),
            IFA_BROADCAST => broadcast = Some(item.ip()?.to_string()),
            IFA_FLAGS => flags = item.u32()?,
            IFA_PROTO => protocol = item.u8()?,
            IFA_RT_PRIORITY => metric = Some(item.u32()?).filter(|metric| *metric != 0),
            IFA_CACHEINFO => {
                let words = item
                    .value
                    .first_chunk::<8>()
                    .ok_or_else(|| Fault::new("short").within("IFA_CACHEINFO"))?;
                let [a, b, c, d, e, f, g, h] = *words;
                preferred = Some(u32::from_ne_bytes([a, b, c, d])).filter(|s| *s != FOREVER);
                valid = Some(u32::from_ne_bytes([e, f, g, h])).filter(|s| *s != FOREVER);
            }
            _ => {}
        }
    }
    // IFA_LOCAL is ours when it is there; IFA_ADDRESS is then the other end, if it is another one.
    let own = local
        .or(address)
        .ok_or_else(|| Fault::new("has neither IFA_LOCAL nor IFA_ADDRESS"))?;
    let peer = address.filter(|other| *other != own);
    let temporary = family == ip::AF_INET6 && flags & IFA_F_TEMPORARY != 0;
    let kernel_made = match protocol {
        KERNEL_FIRST..=KERNEL_LAST => true,
        _ => {
            temporary
                || loopback(own, length)
                || !says_who_made() && looks_kernel_made(own, length, flags)
        }
    };
    Ok(Some(Address {
        link,
        address: own.to_string(),
        prefix_length: length,
        peer: peer.map(|p| p.to_string()),
        broadcast,
        label,
        scope: Some(scope),
        valid_lifetime: valid,
        preferred_lifetime: preferred,
        metric,
        no_prefix_route: flags & IFA_F_NOPREFIXROUTE != 0,
        no_duplicate_detection: flags & IFA_F_NODAD != 0,
        home: flags & IFA_F_HOMEADDRESS != 0,
        manage_temporary: flags & IFA_F_MANAGETEMPADDR != 0,
        join_multicast: flags & IFA_F_MCAUTOJOIN != 0,
        protocol,
        kernel_made,
        tentative: flags & IFA_F_TENTATIVE != 0,
        duplicate: flags & IFA_F_DADFAILED != 0,
    }))
}

/// The addresses that the loopback gets by itself.
fn loopback(own: IpAddr, length: u8) -> bool {
    match own {
        IpAddr::V4(v4) => v4 == Ipv4Addr::LOCALHOST && length == 8,
        IpAddr::V6(v6) => v6.is_loopback() && length == 128,
    }
}

/// Whether this kernel says who made an address: since 5.18.
fn says_who_made() -> bool {
    static SAYS: OnceLock<bool> = OnceLock::new();
    *SAYS.get_or_init(|| {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy();
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0u32));
        (numbers.next(), numbers.next()) >= (Some(5), Some(18))
    })
}

/// On older kernels: link-local by stateless configuration, or with a lifetime and a prefix route as from a router advertisement.
fn looks_kernel_made(own: IpAddr, length: u8, flags: u32) -> bool {
    let IpAddr::V6(own) = own else {
        return false;
    };
    match flags & IFA_F_PERMANENT {
        0 => flags & (IFA_F_NOPREFIXROUTE | IFA_F_MANAGETEMPADDR) == 0,
        _ => own.is_unicast_link_local() && length == 64,
    }
}

/// The scope that ip-address(8) gives an address by itself.
fn natural_scope(address: IpAddr) -> u8 {
    match address {
        address if address.is_loopback() => SCOPE_HOST,
        IpAddr::V4(v4) if v4.is_link_local() => SCOPE_LINK,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SCOPE_LINK,
        _ => 0,
    }
}

fn start(kind: u16, flags: u16, address: &Address, index: u32) -> Result<Message, Failure> {
    let own = ip::parse(&address.address, "address")?;
    ip::check_length(own, address.prefix_length, "address")?;
    let scope = address.scope.unwrap_or_else(|| natural_scope(own));
    let header = ifaddrmsg(ip::family(own), address.prefix_length, scope, index);
    let mut message = Message::new(kind, flags, &header);
    message.ip(IFA_LOCAL, own);
    let other = match &address.peer {
        None => own,
        Some(text) => ip::parse(text, "peer")?,
    };
    if other.is_ipv4() != own.is_ipv4() {
        return Err(invalid(format!(
            "peer {other} and address {own} differ in IP version"
        )));
    }
    message.ip(IFA_ADDRESS, other);
    Ok(message)
}

/// The message that adds an address, or brings the one that is there to these lifetimes and flags.
pub fn put(address: &Address, index: u32) -> Result<Message, Failure> {
    let mut message = start(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address, index)?;
    if let Some(text) = &address.broadcast {
        match ip::parse(text, "broadcast")? {
            v4 @ IpAddr::V4(_) => message.ip(IFA_BROADCAST, v4),
            IpAddr::V6(_) => return Err(invalid("IPv6 has no broadcast address".into())),
        }
    }
    if let Some(label) = &address.label {
        if label.is_empty() || label.len() > 15 || label.contains('\0') {
            return Err(invalid(format!(
                "label {label:?} does not have 1 to 15 bytes"
            )));
        }
        message.text(IFA_LABEL, label);
    }
    let flags = [
        (IFA_F_NOPREFIXROUTE, address.no_prefix_route),
        (IFA_F_NODAD, address.no_duplicate_detection),
        (IFA_F_HOMEADDRESS, address.home),
        (IFA_F_MANAGETEMPADDR, address.manage_temporary),
        (IFA_F_MCAUTOJOIN, address.join_multicast),
    ];
    let flags = flags.into_iter().filter(|(_, set)| *set);
    match flags.fold(0, |all, (flag, _)| all | flag) {
        0 => {}
        flags => message.u32(IFA_FLAGS, flags),
    }
    if let Some(metric) = address.metric {
        message.u32(IFA_RT_PRIORITY, metric);
    }
    if address.protocol != 0 {
        message.u8(IFA_PROTO, address.protocol);
    }
    // Always said, so that an address that had a lifetime can become permanent.
    let valid = address.valid_lifetime.unwrap_or(FOREVER);
    let preferred = address.preferred_lifetime.unwrap_or(valid);
    let mut cache = [0; 16];
    cache[..4].copy_from_slice(&preferred.to_ne_bytes());
    cache[4..8].copy_from_slice(&valid.to_ne_bytes());
    message.put(IFA_CACHEINFO, &cache);
    Ok(message)
}

/// The message that takes an address away.
pub fn delete(address: &Address, index: u32) -> Result<Message, Failure> {
    start(RTM_DELADDR, 0, address, index)
}
