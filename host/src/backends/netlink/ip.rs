//! IP addresses and prefixes between their text and their bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::Fault;
use super::errno::invalid;
use crate::contract::netlink::{Family, Prefix};
use crate::contract::types::Failure;

pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;
pub const AF_BRIDGE: u8 = 7;

/// The address family of an address.
pub fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

/// The numbers of these address families; of both for none.
pub fn families(wanted: &[Family]) -> Vec<u8> {
    let both = [(Family::Ipv4, AF_INET), (Family::Ipv6, AF_INET6)];
    both.iter()
        .filter(|(family, _)| wanted.is_empty() || wanted.contains(family))
        .map(|(_, number)| *number)
        .collect()
}

/// The unspecified address of a family: what a default route leads to.
pub fn unspecified(family: u8) -> Result<IpAddr, Fault> {
    match family {
        AF_INET => Ok(Ipv4Addr::UNSPECIFIED.into()),
        AF_INET6 => Ok(Ipv6Addr::UNSPECIFIED.into()),
        other => Err(Fault::new(format!(
            "address family {other} is not an IP version"
        ))),
    }
}

/// The address of this text; `field` names it in the error.
pub fn parse(text: &str, field: &str) -> Result<IpAddr, Failure> {
    text.parse()
        .map_err(|_| invalid(format!("{field} {text:?} is not an IP address")))
}

/// The bits of an address, from its most significant one.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address and length of a prefix. Bits beyond the length must be zero.
pub fn parse_prefix(prefix: &Prefix, field: &str) -> Result<(IpAddr, u8), Failure> {
    let address = parse(&prefix.address, field)?;
    check_length(address, prefix.length, field)?;
    let beyond = u128::MAX.checked_shr(prefix.length.into()).unwrap_or(0);
    match bits(address) & beyond {
        0 => Ok((address, prefix.length)),
        _ => Err(invalid(format!(
            "{field} {}/{} has bits set beyond its length",
            prefix.address, prefix.length
        ))),
    }
}

/// Checks a prefix length against the address's own.
pub fn check_length(address: IpAddr, length: u8, field: &str) -> Result<(), Failure> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    match length <= most {
        true => Ok(()),
        false => Err(invalid(format!(
            "{field} {address}/{length}: the length is at most {most}"
        ))),
    }
}

/// The prefix of these parts, as the contract has it.
pub fn prefix(address: IpAddr, length: u8) -> Prefix {
    Prefix {
        address: address.to_string(),
        length,
    }
}
