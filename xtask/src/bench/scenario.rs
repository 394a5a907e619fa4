//! Networks to begin with.

use std::fmt::Write;

/// A network to begin with.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// A loopback interface that is down.
    Empty,
    /// A NetworkManager with so many profiles `p0` and up, and no devices but `lo`.
    Profiles(u32),
    /// `interfaces` ends of veth pairs (an even number, `v0` and up) with an IPv4 address each, and
    /// `routes` routes through 192.0.2.2 over a further pair.
    Host {
        /// How many interfaces.
        interfaces: u32,
        /// How many routes beside the kernel's.
        routes: u32,
        /// Whose routes, by rtnetlink's number.
        protocol: u8,
    },
    /// So many ends of veth pairs (an even number, `v0` and up), with a permanent entry of the neighbour table on each.
    Neighbours(u32),
    /// `ports` ends of veth pairs (`p0` and up) and an Open vSwitch of its own, without bridges.
    OpenVswitch {
        /// How many.
        ports: u32,
    },
}

/// Routes of the operator (`RTPROT_STATIC`).
pub const STATIC: u8 = 4;
/// Routes of a routing daemon (`RTPROT_BIRD`).
pub const BIRD: u8 = 12;

impl Scenario {
    /// The commands of `ip -batch` that make links and addresses.
    pub fn batch(self) -> String {
        let mut text = String::new();
        if let Self::OpenVswitch { ports } = self {
            for number in 0..ports {
                _ = writeln!(text, "link add p{number} up type veth peer name q{number}");
            }
        }
        if let Self::Neighbours(count) = self {
            for number in (0..count).step_by(2) {
                _ = writeln!(
                    text,
                    "link add v{number} up type veth peer name v{}",
                    number + 1
                );
            }
            for number in 0..count {
                let mac = "02:00:5e:00:53:01";
                let address = address(number);
                _ = writeln!(
                    text,
                    "neighbour add {address} lladdr {mac} nud permanent dev v{number}"
                );
            }
        }
        let Self::Host {
            interfaces, routes, ..
        } = self
        else {
            return text;
        };
        for number in (0..interfaces).step_by(2) {
            let other = number + 1;
            _ = writeln!(text, "link add v{number} up type veth peer name v{other}");
            _ = writeln!(text, "link set v{other} up");
        }
        for number in 0..interfaces {
            _ = writeln!(text, "address add {}/24 dev v{number}", address(number));
        }
        if routes > 0 || interfaces == 0 {
            text.push_str(
                "link add up0 up type veth peer name up1\nlink set up1 up\n\
                 address add 192.0.2.1/24 dev up0\n",
            );
        }
        text
    }

    /// The arguments of `raw` that make the routes, if there are any. `ip -batch` would need half a
    /// gigabyte for each hundred thousand.
    pub fn routes(self) -> Option<Vec<String>> {
        match self {
            Self::Host {
                routes, protocol, ..
            } if routes > 0 => Some(vec![
                "routes".into(),
                routes.to_string(),
                protocol.to_string(),
            ]),
            _ => None,
        }
    }
}

/// The address of an interface: a network of its own for each, from 172.16.0.0 up.
pub fn address(number: u32) -> String {
    std::net::Ipv4Addr::from_bits(0xac10_0000 + (number << 8) + 1).to_string()
}

/// The destination of a route: the addresses from 10.0.0.0 up.
pub fn route_destination(number: u32) -> String {
    std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).to_string()
}
