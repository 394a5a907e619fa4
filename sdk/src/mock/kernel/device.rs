//! A link as the kernel keeps it: relations by index, so that they survive a renaming.

use crate::netlink::{AddressGeneration, Kind, Link, TunMode};

#[derive(Clone, Debug)]
pub(super) struct Device {
    /// As shown, except that names of other links and `running` are filled in when it is read.
    pub(super) link: Link,
    /// The link below.
    pub(super) parent: Option<u32>,
    /// The other end of a veth pair.
    pub(super) peer: Option<u32>,
    pub(super) controller: Option<u32>,
    /// Whether the cable of an Ethernet link is plugged in.
    pub(super) carrier: bool,
    /// Somebody chose the MAC address (NET_ADDR_SET), so a bridge or bond no longer takes its ports'.
    pub(super) mac_chosen: bool,
}

impl Device {
    /// A link of this kind with the settings that the kernel starts with.
    pub(super) fn new(index: u32, name: &str, kind: Kind) -> Self {
        let mac = has_mac(&kind).then(|| {
            let [a, b, c, d] = index.to_be_bytes();
            format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
        });
        let permanent_mac = mac.clone().filter(|_| kind == Kind::Ethernet);
        let quiet = matches!(kind, Kind::Dummy | Kind::Vrf(_) | Kind::Wireguard(_));
        let link = Link {
            index,
            name: name.to_owned(),
            alternative_names: Vec::new(),
            up: false,
            running: false,
            mtu: default_mtu(&kind),
            mac,
            permanent_mac,
            description: None,
            transmit_queue_length: 1000,
            group: 0,
            queueing_discipline: None,
            arp: !quiet && has_mac(&kind),
            all_multicast: false,
            promiscuous: false,
            address_generation: Some(AddressGeneration::Eui64),
            controller: None,
            port: None,
            unknown: Vec::new(),
            kind,
        };
        Self {
            link,
            parent: None,
            peer: None,
            controller: None,
            carrier: true,
            mac_chosen: false,
        }
    }

    pub(super) fn loopback() -> Self {
        let mut device = Self::new(1, "lo", Kind::Loopback);
        device.link.mac = Some("00:00:00:00:00:00".into());
        device.link.arp = true;
        device
    }

    pub(super) fn is_bridge(&self) -> bool {
        matches!(self.link.kind, Kind::Bridge(_))
    }

    pub(super) fn is_bond(&self) -> bool {
        matches!(self.link.kind, Kind::Bond(_))
    }

    /// The table of a VRF.
    pub(super) fn vrf_table(&self) -> Option<u32> {
        match &self.link.kind {
            Kind::Vrf(vrf) => Some(vrf.table),
            _ => None,
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.link.kind == Kind::Loopback
    }
}

/// Whether links of this kind have an Ethernet address (ARPHRD_ETHER).
pub(super) fn has_mac(kind: &Kind) -> bool {
    match kind {
        Kind::Loopback | Kind::Gre(_) | Kind::Ip6gre(_) | Kind::Ipip(_) => false,
        Kind::Sit(_) | Kind::Ip6tnl(_) | Kind::Wireguard(_) => false,
        Kind::Tun(tun) => tun.mode == TunMode::Tap,
        _ => true,
    }
}

/// The kernel's word for a kind (IFLA_INFO_KIND); hardware and loopback have none.
pub(super) fn word(kind: &Kind) -> Option<&str> {
    Some(match kind {
        Kind::Ethernet | Kind::Loopback => return None,
        Kind::Dummy => "dummy",
        Kind::Ifb => "ifb",
        Kind::Veth(_) => "veth",
        Kind::Bridge(_) => "bridge",
        Kind::Bond(_) => "bond",
        Kind::Vlan(_) => "vlan",
        Kind::Vxlan(_) => "vxlan",
        Kind::Geneve(_) => "geneve",
        Kind::Gre(_) => "gre",
        Kind::Gretap(_) => "gretap",
        Kind::Ip6gre(_) => "ip6gre",
        Kind::Ip6gretap(_) => "ip6gretap",
        Kind::Ipip(_) => "ipip",
        Kind::Sit(_) => "sit",
        Kind::Ip6tnl(_) => "ip6tnl",
        Kind::Vrf(_) => "vrf",
        Kind::Macvlan(_) => "macvlan",
        Kind::Macvtap(_) => "macvtap",
        Kind::Ipvlan(_) => "ipvlan",
        Kind::Tun(_) => "tun",
        Kind::Wireguard(_) => "wireguard",
        Kind::Other(word) => word,
    })
}

/// What the kinds' setup functions give; those on top of a parent take its MTU on creation.
fn default_mtu(kind: &Kind) -> u32 {
    match kind {
        Kind::Loopback => 65536,
        Kind::Vrf(_) => 65575,
        Kind::Wireguard(_) => 1420,
        Kind::Geneve(_) => 1450,
        Kind::Gre(_) => 1476,
        Kind::Gretap(_) => 1462,
        Kind::Ip6gre(_) => 1448,
        Kind::Ip6gretap(_) => 1434,
        Kind::Ipip(_) | Kind::Sit(_) => 1480,
        Kind::Ip6tnl(_) => 1452,
        _ => 1500,
    }
}

/// The least and greatest MTU (`min_mtu`, `max_mtu` of struct net_device).
pub(super) fn mtu_limits(kind: &Kind) -> (u32, u32) {
    match kind {
        Kind::Loopback | Kind::Dummy => (0, u32::MAX),
        Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_) => (0, 65535),
        Kind::Vrf(_) => (1280, 65575),
        _ => (68, 65535),
    }
}

/// Six bytes of a MAC address in hexadecimal, in the kernel's spelling.
pub(super) fn mac(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    (parts.len() == 6 && parts.iter().all(hex)).then(|| text.to_ascii_lowercase())
}

/// Whether a MAC address is a group's, or nobody's (`is_valid_ether_addr` in linux/etherdevice.h says neither may be a link's).
pub(super) fn unusable(mac: &str) -> bool {
    mac == "00:00:00:00:00:00"
        || u8::from_str_radix(&mac[..2], 16).is_ok_and(|first| first & 1 == 1)
}
