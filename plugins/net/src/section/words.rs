//! Enumerations, by the words that iproute2 and the kernel's documentation use.

use op_dbus_plugin::netlink as nl;
use op_dbus_plugin::words;

pub use op_dbus_plugin::section::RouteType;

words! {
    /// The tag of a VLAN: a customer's (C-tag) or a service provider's (S-tag).
    pub enum VlanProtocol = nl::VlanProtocol { Ieee8021q = "802.1q", Ieee8021ad = "802.1ad", }
}
words! {
    /// How a bond spreads traffic over its ports.
    pub enum BondMode = nl::BondMode {
        BalanceRr = "balance-rr",
        ActiveBackup = "active-backup",
        BalanceXor = "balance-xor",
        Broadcast = "broadcast",
        Lacp = "802.3ad",
        BalanceTlb = "balance-tlb",
        BalanceAlb = "balance-alb",
    }
}
words! {
    /// Whether a tunnel's outer packets may be fragmented.
    pub enum DontFragment = nl::DontFragment { Unset = "unset", Set = "set", Inherit = "inherit", }
}
words! {
    /// What a bond hashes to choose a port.
    pub enum BondHashPolicy = nl::BondHashPolicy {
        Layer2 = "layer2",
        Layer34 = "layer3+4",
        Layer23 = "layer2+3",
        Encap23 = "encap2+3",
        Encap34 = "encap3+4",
        VlanSrcmac = "vlan+srcmac",
    }
}
words! {
    /// How often a LACP partner is to send: every 30 seconds or every second.
    pub enum BondLacpRate = nl::BondLacpRate { Slow = "slow", Fast = "fast", }
}
words! {
    /// When the primary port becomes active again.
    pub enum BondPrimaryReselect = nl::BondPrimaryReselect { Always = "always", Better = "better", Failure = "failure", }
}
words! {
    /// Whose MAC address an active-backup bond uses.
    pub enum BondFailOverMac = nl::BondFailOverMac { None = "none", Active = "active", Follow = "follow", }
}
words! {
    /// How a LACP bond chooses its aggregator.
    pub enum BondAdSelect = nl::BondAdSelect { Stable = "stable", Bandwidth = "bandwidth", Count = "count", }
}
words! {
    /// Which ports check ARP answers.
    pub enum BondArpValidate = nl::BondArpValidate {
        None = "none",
        Active = "active",
        Backup = "backup",
        All = "all",
        Filter = "filter",
        FilterActive = "filter_active",
        FilterBackup = "filter_backup",
    }
}
words! {
    /// What the links of one MACVLAN parent may say to each other.
    pub enum MacvlanMode = nl::MacvlanMode {
        Private = "private",
        Vepa = "vepa",
        Bridge = "bridge",
        Passthru = "passthru",
        Source = "source",
    }
}
words! {
    /// At which layer an IPVLAN separates its links.
    pub enum IpvlanMode = nl::IpvlanMode { L2 = "l2", L3 = "l3", L3s = "l3s", }
}
words! {
    /// What the links of one IPVLAN parent may say to each other.
    pub enum IpvlanIsolation = nl::IpvlanIsolation { Bridge = "bridge", Private = "private", Vepa = "vepa", }
}
words! {
    /// How IPv6 link-local addresses come to be.
    pub enum AddressGeneration = nl::AddressGeneration {
        Eui64 = "eui64",
        None = "none",
        StablePrivacy = "stable-privacy",
        Random = "random",
    }
}
words! {
    /// An address family.
    pub enum Family = nl::Family { Ipv4 = "ipv4", Ipv6 = "ipv6", }
}
