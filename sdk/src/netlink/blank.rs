//! Records that ask for nothing, to be filled in with `..Default::default()`.
//!
//! An absent field means the kernel's default on creation and the present value on change, so the blank record is the neutral element
//! of both.

use super::{Address, Bond, Bridge};
use super::{
    BondPort, BridgePort, ControllerChange, LinkSettings, NextHop, Prefix, Route, RouteScope,
    RouteType, Tunnel, Wireguard,
};

impl Default for LinkSettings {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            up: None,
            mtu: None,
            mac: None,
            description: None,
            transmit_queue_length: None,
            group: None,
            arp: None,
            all_multicast: None,
            promiscuous: None,
            address_generation: None,
            controller: ControllerChange::Keep,
            port: None,
            unknown: Vec::new(),
        }
    }
}

impl Default for Bridge {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            stp: None,
            forward_delay: None,
            hello_time: None,
            max_age: None,
            ageing_time: None,
            priority: None,
            multicast_snooping: None,
            multicast_querier: None,
            vlan_filtering: None,
            vlan_protocol: None,
            default_pvid: None,
            group_forward_mask: None,
        }
    }
}

impl Default for Bond {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            mode: None,
            miimon: None,
            up_delay: None,
            down_delay: None,
            arp_interval: None,
            arp_targets: Vec::new(),
            arp_validate: None,
            primary: None,
            primary_reselect: None,
            fail_over_mac: None,
            hash_policy: None,
            lacp_rate: None,
            ad_select: None,
            ad_actor_system_priority: None,
            all_ports_active: None,
            min_links: None,
            peer_notifications: None,
            resend_igmp: None,
            packets_per_port: None,
            learning_packet_interval: None,
            dynamic_load_balancing: None,
        }
    }
}

impl Default for Tunnel {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            parent: None,
            local: None,
            remote: None,
            ttl: None,
            tos: None,
            input_key: None,
            output_key: None,
            path_mtu_discovery: None,
            encapsulation_limit: None,
            flow_label: None,
        }
    }
}

impl Default for Wireguard {
    /// Leaves every setting as it is, the peers included.
    fn default() -> Self {
        Self {
            public_key: None,
            private_key: None,
            listen_port: None,
            firewall_mark: None,
            peers: None,
        }
    }
}

impl Default for BridgePort {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            cost: None,
            priority: None,
            hairpin: None,
            isolated: None,
            learning: None,
            unicast_flood: None,
            multicast_flood: None,
            broadcast_flood: None,
            neighbour_suppression: None,
            bpdu_guard: None,
            root_block: None,
            fast_leave: None,
        }
    }
}

impl Default for BondPort {
    /// Leaves every setting as it is.
    fn default() -> Self {
        Self {
            queue_id: None,
            priority: None,
        }
    }
}

impl Default for RouteScope {
    /// Every route that the plugin may see.
    fn default() -> Self {
        Self {
            families: Vec::new(),
            links: Vec::new(),
            tables: Vec::new(),
            protocols: Vec::new(),
            destinations: Vec::new(),
        }
    }
}

impl Default for NextHop {
    /// Leads nowhere yet; weight 1.
    fn default() -> Self {
        Self {
            gateway: None,
            link: None,
            weight: 1,
            onlink: false,
            unknown: Vec::new(),
        }
    }
}

impl Route {
    /// A static route in the main table, to be given its next hops.
    pub fn new(destination: Prefix) -> Self {
        Self {
            destination,
            source: None,
            table: 254,
            metric: None,
            tos: 0,
            route_type: RouteType::Unicast,
            protocol: 4,
            scope: None,
            preferred_source: None,
            mtu: None,
            lifetime: None,
            next_hops: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

impl Address {
    /// An address for ever, with the kernel's route for its prefix.
    pub fn new(link: impl Into<String>, address: impl Into<String>, prefix_length: u8) -> Self {
        Self {
            link: link.into(),
            address: address.into(),
            prefix_length,
            peer: None,
            broadcast: None,
            label: None,
            scope: None,
            valid_lifetime: None,
            preferred_lifetime: None,
            metric: None,
            no_prefix_route: false,
            no_duplicate_detection: false,
            home: false,
            manage_temporary: false,
            join_multicast: false,
            protocol: 0,
            kernel_made: false,
            tentative: false,
            duplicate: false,
        }
    }
}
