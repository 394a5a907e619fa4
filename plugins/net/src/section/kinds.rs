//! Settings of the kinds of links that switch, join or split; tunnels have a file of their own.

use op_dbus_plugin::netlink as nl;
use op_dbus_plugin::{keys, settings};

use super::text::{EndPoint, Seconds};
use super::words::*;
use op_dbus_plugin::section::{Peer, Secret, Wire};

keys! {
    /// A virtual Ethernet pair, veth(4).
    pub struct Veth {}
    optional {
        /// The other end. Required when the pair is made, in the entry of one of the two ends. Changing it makes the pair anew.
        peer: String,
    }
}

/// The index of the other end is said where that is an interface of its own.
impl Wire<nl::Veth> for Veth {
    fn to_wire(&self) -> nl::Veth {
        nl::Veth {
            peer: self.peer.clone(),
            peer_index: None,
        }
    }

    fn of_wire(wire: nl::Veth) -> Self {
        Self { peer: wire.peer }
    }
}

settings! {
    /// A Linux bridge. Times are in seconds.
    pub struct Bridge = nl::Bridge {
        /// Spanning tree protocol (IEEE 802.1D).
        stp: bool,
        /// Seconds in each of the states listening and learning, 2 to 30.
        forward_delay: Seconds,
        /// Seconds between hello packets, 1 to 10.
        hello_time: Seconds,
        /// Seconds until a lost root bridge counts as lost, 6 to 40.
        max_age: Seconds,
        /// Seconds that a learnt address lives without traffic; 0 means for ever.
        ageing_time: Seconds,
        /// Spanning tree priority of the bridge; lower wins.
        priority: u16,
        /// Sends multicast only to where it was asked for.
        multicast_snooping: bool,
        /// Asks for multicast memberships itself.
        multicast_querier: bool,
        /// Keeps VLANs apart on the ports.
        vlan_filtering: bool,
        /// The tag that VLAN filtering looks at.
        vlan_protocol: VlanProtocol,
        /// The VLAN of untagged frames on new ports, 0 for none.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 4094)))]
        default_pvid: u16,
        /// Link-local groups that are forwarded, as the kernel's bit mask.
        group_forward_mask: u16,
    }
}
settings! {
    /// A bond. Times are in milliseconds, as in the kernel's documentation.
    pub struct Bond = nl::Bond {
        /// How traffic is spread. Changing it makes the bond anew.
        mode: BondMode,
        /// Milliseconds between looks at the link state, 0 for never.
        miimon: u32,
        /// Milliseconds that a port must be up before it is used.
        up_delay: u32,
        /// Milliseconds that a port must be down before it is dropped.
        down_delay: u32,
        /// Milliseconds between ARP probes, 0 for none.
        arp_interval: u32,
        /// IPv4 addresses to probe.
        arp_targets: Vec<EndPoint>,
        /// Which ports check the answers.
        arp_validate: BondArpValidate,
        /// The preferred port; an empty text for none.
        primary: String,
        /// When the primary port becomes active again.
        primary_reselect: BondPrimaryReselect,
        /// Whose MAC address is used. Changing it makes the bond anew.
        fail_over_mac: BondFailOverMac,
        /// What is hashed to choose a port.
        hash_policy: BondHashPolicy,
        /// How often the LACP partner is to send.
        lacp_rate: BondLacpRate,
        /// How the aggregator is chosen.
        ad_select: BondAdSelect,
        /// The system's LACP priority, 1 to 65535.
        ad_actor_system_priority: u16,
        /// Delivers frames that inactive ports receive.
        all_ports_active: bool,
        /// Ports that must be up before the bond is.
        min_links: u32,
        /// Gratuitous ARPs and neighbour advertisements after a fail-over.
        peer_notifications: u8,
        /// IGMP reports after a fail-over.
        resend_igmp: u32,
        /// Packets through one port before the next, for balance-rr.
        packets_per_port: u32,
        /// Seconds between learning packets.
        learning_packet_interval: u32,
        /// Shuffles active flows by load, for balance-tlb.
        dynamic_load_balancing: bool,
    }
}
settings! {
    /// A VLAN on top of another link.
    pub struct Vlan = nl::Vlan {
        /// The link below. Changing it makes the VLAN anew.
        parent: String,
        /// The VLAN's number. Changing it makes the VLAN anew.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1, max = 4094)))]
        id: u16,
        /// The tag. Changing it makes the VLAN anew.
        protocol: VlanProtocol,
        /// Takes the tag off received frames.
        reorder_header: bool,
        /// Registers the VLAN with GVRP.
        gvrp: bool,
        /// Registers the VLAN with MVRP.
        mvrp: bool,
        /// Does not follow the parent's operational state.
        loose_binding: bool,
    }
}
settings! {
    /// A routing domain of its own.
    pub struct Vrf = nl::Vrf {
        /// Its routing table. Changing it makes the VRF anew.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1)))]
        table: u32,
    }
}
settings! {
    /// A link with a MAC address of its own on another link.
    pub struct Macvlan = nl::Macvlan {
        /// The link below. Changing it makes the link anew.
        parent: String,
        /// What the links of the same parent may say to each other. To and from `passthru` makes the link anew.
        mode: MacvlanMode,
    }
}
settings! {
    /// A link that shares the MAC address of another link.
    pub struct Ipvlan = nl::Ipvlan {
        /// The link below. Changing it makes the link anew.
        parent: String,
        /// At which layer links are kept apart.
        mode: IpvlanMode,
        /// What the links of the same parent may say to each other.
        isolation: IpvlanIsolation,
    }
}

keys! {
    /// A persistent TUN or TAP device. Changing any of it makes the device anew.
    pub struct Tun {}
    optional {
        /// User id that may open it.
        owner: u32,
        /// Group id that may open it.
        group: u32,
        /// Puts four bytes of packet information before each packet.
        packet_information: bool,
        /// Puts a virtio-net header before each packet.
        vnet_header: bool,
        /// Allows several queues.
        multi_queue: bool,
        /// Read only: whether it outlives the process that made it.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        persistent: bool,
    }
}

impl Tun {
    /// For a request.
    pub fn to_wire(&self, mode: nl::TunMode) -> nl::Tun {
        nl::Tun {
            mode,
            owner: self.owner,
            group: self.group,
            packet_information: self.packet_information,
            vnet_header: self.vnet_header,
            multi_queue: self.multi_queue,
            persistent: None,
        }
    }

    /// From an answer.
    pub fn of_wire(wire: nl::Tun) -> Self {
        Self {
            owner: wire.owner,
            group: wire.group,
            packet_information: wire.packet_information,
            vnet_header: wire.vnet_header,
            multi_queue: wire.multi_queue,
            persistent: wire.persistent,
        }
    }
}

settings! {
    /// A WireGuard device.
    pub struct Wireguard = nl::Wireguard {
        /// Read only: what belongs to the private key, in base64.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        public_key: String,
        /// The private key, by the name of a secret.
        private_key: Secret,
        /// UDP port, 0 for one that the kernel chooses.
        listen_port: u16,
        /// Mark of the packets that it sends, 0 for none.
        firewall_mark: u32,
        /// Exactly these peers.
        peers: Vec<Peer>,
    }
}
