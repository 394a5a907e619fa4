//! A network namespace for a test, and short ways to write requests.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use op_dbus::backends::netlink::Netlink;
use op_dbus::contract::netlink::*;
use op_dbus::contract::types::Failure;
use op_dbus::secrets::SecretStore;

/// A network namespace that goes with its test.
pub struct Space {
    pub name: String,
}

impl Space {
    /// Makes one. Needs root, and says so: a test that passes without having run is worse than none.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("opdnl-{}-{number}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        let made = made.expect("this test needs ip(8), package iproute2");
        assert!(
            made.status.success(),
            "this test makes a network namespace and must run as root: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Self { name }
    }

    /// The backend in this namespace.
    pub fn open(&self) -> Netlink {
        let secrets = SecretStore::open(Vec::new(), None).unwrap();
        Netlink::open(Some(&self.name), Arc::new(secrets)).unwrap()
    }

    /// What `ip -j` says in this namespace.
    pub fn ip(&self, arguments: &str) -> serde_json::Value {
        let output = self.run(&format!("ip -j {arguments}"));
        match output.is_empty() {
            true => serde_json::Value::Array(Vec::new()),
            false => serde_json::from_str(&output).unwrap(),
        }
    }

    /// Runs a command in this namespace; it must succeed.
    pub fn run(&self, command: &str) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "sh", "-c", command])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

pub fn all_done(answers: &[Result<(), Failure>]) {
    for (position, answer) in answers.iter().enumerate() {
        assert_eq!(answer, &Ok(()), "request {position}");
    }
}

pub fn keep() -> LinkSettings {
    LinkSettings::default()
}

pub fn spec(name: &str, kind: Kind) -> LinkSpec {
    LinkSpec {
        name: name.into(),
        index: None,
        kind,
        alternative_names: Vec::new(),
        settings: keep(),
    }
}

pub fn change(link: &str) -> LinkChange {
    LinkChange {
        link: link.into(),
        new_name: None,
        kind: None,
        settings: keep(),
    }
}

pub fn veth(peer: &str) -> Kind {
    Kind::Veth(Veth {
        peer: Some(peer.into()),
        peer_index: None,
    })
}

pub fn no_bridge() -> Bridge {
    Bridge {
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

pub fn no_bridge_port() -> BridgePort {
    BridgePort {
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

pub fn address(link: &str, address: &str, prefix_length: u8) -> Address {
    Address {
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

pub fn prefix(address: &str, length: u8) -> Prefix {
    Prefix {
        address: address.into(),
        length,
    }
}

pub fn hop(gateway: Option<&str>, link: Option<&str>) -> NextHop {
    NextHop {
        gateway: gateway.map(str::to_owned),
        link: link.map(str::to_owned),
        weight: 1,
        onlink: false,
        unknown: Vec::new(),
    }
}

pub fn route(to: &str, length: u8, gateway: Option<&str>, link: Option<&str>) -> Route {
    Route {
        destination: prefix(to, length),
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
        next_hops: vec![hop(gateway, link)],
        unknown: Vec::new(),
    }
}

pub fn scope() -> RouteScope {
    RouteScope {
        families: Vec::new(),
        links: Vec::new(),
        tables: Vec::new(),
        protocols: Vec::new(),
        destinations: Vec::new(),
    }
}

pub fn rule(family: Family, priority: u32, action: RuleAction) -> Rule {
    Rule {
        family,
        priority: Some(priority),
        invert: false,
        source: None,
        destination: None,
        input_link: None,
        output_link: None,
        firewall_mark: None,
        firewall_mask: None,
        tos: 0,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        user_ids: None,
        l3mdev: false,
        suppress_prefix_length: None,
        action,
        protocol: 4,
    }
}

pub fn neighbour(link: &str, address: &str, mac: Option<&str>, proxy: bool) -> Neighbour {
    Neighbour {
        link: link.into(),
        address: address.into(),
        mac: mac.map(str::to_owned),
        state: NeighbourState::Permanent,
        proxy,
        router: false,
    }
}

pub fn none_vxlan(id: u32) -> Vxlan {
    Vxlan {
        id,
        parent: None,
        local: None,
        remote: None,
        port: None,
        source_ports: None,
        dont_fragment: None,
        ttl: None,
        tos: None,
        learning: None,
        ageing: None,
        limit: None,
        proxy: None,
        route_short_circuit: None,
        collect_metadata: None,
        udp_checksum: None,
    }
}

pub fn no_tunnel() -> Tunnel {
    Tunnel {
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

pub fn no_bond() -> Bond {
    Bond {
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
