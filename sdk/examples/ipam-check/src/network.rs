//! IP networks.

use std::net::IpAddr;

/// An IP network: its first address and the number of leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(it) => (u32::from(it).into(), 32),
        IpAddr::V6(it) => (it.into(), 128),
    }
}

/// What is left of an address when all but its leading bits are cut off.
fn leading(address: IpAddr, length: u8) -> u128 {
    let (number, most) = bits(address);
    number
        .checked_shr(u32::from(most.saturating_sub(length)))
        .unwrap_or(0)
}

impl Network {
    /// Reads `192.0.2.0/24`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (first, length) = text.split_once('/').unwrap_or((text, ""));
        let network = match (first.parse(), length.parse()) {
            (Ok(first), Ok(length)) => Self { first, length },
            _ => {
                return Err(format!(
                    "{text:?} is no network; write one like 192.0.2.0/24"
                ));
            }
        };
        let (number, most) = bits(network.first);
        if network.length > most {
            return Err(format!("{text:?}: an address has {most} bits"));
        }
        let shift = u32::from(most - network.length);
        let back = leading(network.first, network.length)
            .checked_shl(shift)
            .unwrap_or(0);
        if back != number {
            return Err(format!(
                "{text:?} names an address within a network; clear the bits after the prefix"
            ));
        }
        Ok(network)
    }

    /// The network that an address with this prefix length lies in.
    pub fn around(address: IpAddr, length: u8) -> String {
        let (_, most) = bits(address);
        let first = leading(address, length)
            .checked_shl(u32::from(most.saturating_sub(length)))
            .unwrap_or(0);
        let first: IpAddr = match address {
            // A number of 32 bits, shifted down and up again, is one.
            IpAddr::V4(_) => IpAddr::V4((first as u32).into()),
            IpAddr::V6(_) => IpAddr::V6(first.into()),
        };
        format!("{first}/{length}")
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4()
            && leading(self.first, self.length) == leading(address, self.length)
    }

    /// Whether it has addresses in common with another.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("::/0", "ffff::", "0.0.0.0"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn what_is_no_network_says_so() {
        for text in [
            "192.0.2.0",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "::1/64",
            "x/8",
            "",
            "1.2.3.4/-1",
        ] {
            assert!(Network::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_knows_its_network() {
        for (address, length, network) in [
            ("192.0.2.77", 24, "192.0.2.0/24"),
            ("2001:db8::5", 64, "2001:db8::/64"),
            ("10.9.8.7", 0, "0.0.0.0/0"),
        ] {
            assert_eq!(Network::around(address.parse().unwrap(), length), network);
        }
    }
}
