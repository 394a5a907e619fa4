//! IP networks and number ranges, as grants use them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An IP network, `192.0.2.0/24` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// The leading `length` bits of an address, as a number to compare; both families use the upper bits.
fn leading(address: IpAddr, length: u8) -> u128 {
    let bits = match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => u128::from(v6),
    };
    bits.checked_shr(128 - u32::from(length)).unwrap_or(0)
}

impl Network {
    /// The network that an address lies in, when so many leading bits count; `None` for more bits than it has.
    pub fn around(address: IpAddr, length: u8) -> Option<Self> {
        let keep = |longest: u8| longest.checked_sub(length).map(u32::from);
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(keep(32)?).unwrap_or(0);
                (v4 & Ipv4Addr::from(mask)).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(keep(128)?).unwrap_or(0);
                (v6 & Ipv6Addr::from(mask)).into()
            }
        };
        Some(Self { address, length })
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether the network `address/length` lies within this one. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) lies in none: the
    /// kernel does not take it for the IPv4 address.
    pub fn contains(&self, address: IpAddr, length: u8) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && length >= self.length
            && leading(self.address, self.length) == leading(address, self.length)
    }

    /// Whether all of `other` lies within this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.contains(other.address, other.length)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no IP network; write it like 192.0.2.0/24 or 2001:db8::/32");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length
            .map_or(Ok(longest), str::parse)
            .map_err(|_| wrong())?;
        if length > longest {
            return Err(wrong());
        }
        let host_bits = leading(address, longest)
            & !(u128::MAX
                .checked_shl(u32::from(longest - length))
                .unwrap_or(0));
        if host_bits != 0 {
            return Err(format!(
                "{text:?} names an address within a network; clear the bits after /{length}"
            ));
        }
        Ok(Self { address, length })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A range of numbers, `100` or `1000-1999`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: u32,
    last: u32,
}

impl Range {
    /// Every number.
    pub const ANY: Self = Self {
        first: 0,
        last: u32::MAX,
    };

    /// Whether `number` lies in the range.
    pub fn contains(&self, number: u32) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// Whether all of `other` lies within this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!(
                "{text:?} is no range of numbers; write it like 100 or 1000-1999"
            )),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Both are written as text in a grant.
macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(de::Error::custom)
            }
        }
    };
}
as_text!(Network);
as_text!(Range);

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str, length: u8) -> bool {
        network
            .parse::<Network>()
            .unwrap()
            .contains(address.parse().unwrap(), length)
    }

    #[test]
    fn a_network_contains_its_subnets_only() {
        assert!(contains("10.1.0.0/16", "10.1.2.3", 32));
        assert!(contains("10.1.0.0/16", "10.1.0.0", 16));
        assert!(!contains("10.1.0.0/16", "10.0.0.0", 8));
        assert!(!contains("10.1.0.0/16", "10.2.0.1", 32));
        assert!(contains("0.0.0.0/0", "255.255.255.255", 32));
        assert!(contains("::/0", "2001:db8::", 32));
        assert!(!contains("2001:db8::/32", "2001:db9::", 32));
    }

    #[test]
    fn the_network_around_an_address_has_its_leading_bits_alone() {
        for (address, length, network) in [
            ("172.16.0.1", 1, "128.0.0.0/1"),
            ("10.1.2.3", 0, "0.0.0.0/0"),
            ("10.1.2.3", 32, "10.1.2.3/32"),
            ("fd00::1:2", 112, "fd00::1:0/112"),
            ("fd00::1", 0, "::/0"),
        ] {
            let around = Network::around(address.parse().unwrap(), length);
            assert_eq!(around, Some(network.parse().unwrap()), "{address}/{length}");
        }
        assert_eq!(Network::around("10.0.0.1".parse().unwrap(), 33), None);
        assert_eq!(Network::around("::".parse().unwrap(), 129), None);
    }

    #[test]
    fn families_do_not_mix() {
        assert!(!contains("0.0.0.0/0", "::", 128));
        assert!(!contains("10.0.0.0/8", "::ffff:10.0.0.1", 128));
        assert!(!contains("::/0", "10.0.0.1", 32));
    }

    #[test]
    fn what_is_no_network_says_how_to_write_one() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.1/8",
            "::1/0",
            "a/8",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
        assert!("9-1".parse::<Range>().is_err());
        assert!("100-200".parse::<Range>().unwrap().contains(200));
    }
}
