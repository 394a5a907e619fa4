//! IP networks and addresses as the kernel compares them.

use std::net::IpAddr;

use super::errno::{Result, refuse};
use crate::netlink::Prefix;

/// A network with its host bits cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) first: IpAddr,
    pub(super) length: u8,
}

pub(super) fn parse(text: &str) -> Result<IpAddr> {
    text.parse()
        .or_else(|_| refuse("EINVAL", "Malformed IP address"))
}

pub(super) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Network {
    /// The network of this length that holds `address`.
    pub(super) fn around(address: IpAddr, length: u8) -> Result<Self> {
        if length > bits(address) {
            return refuse("EINVAL", "Invalid prefix length");
        }
        let first = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Ok(Self { first, length })
    }

    pub(super) fn of(prefix: &Prefix) -> Result<Self> {
        Self::around(parse(&prefix.address)?, prefix.length)
    }

    pub(super) fn single(address: IpAddr) -> Self {
        Self {
            first: address,
            length: bits(address),
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4()
            && Self::around(address, self.length).is_ok_and(|network| network.first == self.first)
    }

    pub(super) fn prefix(&self) -> Prefix {
        Prefix {
            address: self.first.to_string(),
            length: self.length,
        }
    }

    /// The last address of an IPv4 network, where a broadcast goes.
    pub(super) fn broadcast(&self) -> Option<IpAddr> {
        let IpAddr::V4(first) = self.first else {
            return None;
        };
        let hosts = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
        Some(IpAddr::V4((first.to_bits() | hosts).into()))
    }
}
