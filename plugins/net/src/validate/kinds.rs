//! Settings of kinds: that they fit the type, and each other.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::Problems;
use crate::kind;
use crate::section::kinds::{Bond, Wireguard};
use crate::section::rule::NumberRange;
use crate::section::text::EndPoint;
use crate::section::tunnels::Tunnel;
use crate::section::words::BondMode;
use crate::section::{Interface, LinkType, Network};

/// Checks the settings of an interface's kind.
pub fn check(i: &Interface, path: &str, problems: &mut Problems) {
    let given = kind::given(i);
    let of = i.r#type.as_ref().or(given.first());
    for other in given.iter().filter(|given| Some(*given) != of) {
        let one = of.map_or_else(String::new, LinkType::one);
        problems.push(
            format!("{path}/{}", other.word()),
            format!(
                "these are settings of {}, but {} is to be {one}: take one of the two away",
                other.one(),
                i.name
            ),
        );
    }
    let mut together = |key: &str, parts: &[(&str, bool)]| {
        if parts.iter().any(|part| part.1) {
            for (missing, _) in parts.iter().filter(|part| !part.1) {
                problems.push(
                    format!("{path}/{key}"),
                    format!("a {key} needs its `{missing}` as well"),
                );
            }
        }
    };
    if let Some(vlan) = &i.vlan {
        together(
            "vlan",
            &[("parent", vlan.parent.is_some()), ("id", vlan.id.is_some())],
        );
    }
    if let Some(vlan) = &i.vlan
        && let Some(id) = vlan.id
    {
        problems.push_if(
            !(1..=4094).contains(&id),
            format!("{path}/vlan/id"),
            format!("{id} is no VLAN: they go from 1 to 4094"),
        );
    }
    for (key, id) in [
        ("vxlan", i.vxlan.as_ref().and_then(|vxlan| vxlan.id)),
        ("geneve", i.geneve.as_ref().and_then(|geneve| geneve.id)),
    ] {
        problems.push_if(
            id.is_some_and(|id| id > 0xff_ffff),
            format!("{path}/{key}/id"),
            "a network identifier has 24 bits: 0 to 16777215",
        );
    }
    problems.push_if(
        i.vrf.as_ref().is_some_and(|vrf| vrf.table == Some(0)),
        format!("{path}/vrf/table"),
        "a VRF needs a routing table other than 0",
    );
    if let Some(bridge) = &i.bridge {
        // The kernel's limits, net/bridge/br_private_stp.h.
        for (key, value, low, high) in [
            ("forward_delay", bridge.forward_delay, 2, 30),
            ("hello_time", bridge.hello_time, 1, 10),
            ("max_age", bridge.max_age, 6, 40),
        ] {
            problems.push_if(
                value.is_some_and(|value| !(low * 100..=high * 100).contains(&value.0)),
                format!("{path}/bridge/{key}"),
                format!("between {low} and {high} seconds"),
            );
        }
    }
    if let Some(bond) = &i.bond {
        self::bond(bond, i, &format!("{path}/bond"), problems);
    }
    tunnels(i, path, problems);
    if let Some(wireguard) = &i.wireguard {
        self::wireguard(wireguard, &format!("{path}/wireguard"), problems);
    }
}

fn bond(bond: &Bond, i: &Interface, path: &str, problems: &mut Problems) {
    let on = |time: Option<u32>| time.is_some_and(|time| time > 0);
    problems.push_if(
        on(bond.miimon) && on(bond.arp_interval),
        format!("{path}/arp_interval"),
        "a bond watches its ports by `miimon` or by ARP, not both: set one of the two to 0",
    );
    problems.push_if(
        on(bond.arp_interval) && bond.arp_targets.as_ref().is_some_and(Vec::is_empty),
        format!("{path}/arp_targets"),
        "ARP probes need targets",
    );
    for (at, target) in bond.arp_targets.iter().flatten().enumerate() {
        let is_v4 = target
            .0
            .parse()
            .is_ok_and(|address: IpAddr| address.is_ipv4());
        problems.push_if(
            !is_v4,
            format!("{path}/arp_targets/{at}"),
            format!("`{}` is no IPv4 address", target.0),
        );
    }
    if let Some(mode) = bond.mode {
        let lacp_only = [
            ("lacp_rate", bond.lacp_rate.is_some()),
            ("ad_select", bond.ad_select.is_some()),
            (
                "ad_actor_system_priority",
                bond.ad_actor_system_priority.is_some(),
            ),
        ];
        for (key, given) in lacp_only {
            problems.push_if(
                given && mode != BondMode::Lacp,
                format!("{path}/{key}"),
                "only in mode 802.3ad: change `mode`, or leave this out",
            );
        }
        let has_primary = matches!(
            mode,
            BondMode::ActiveBackup | BondMode::BalanceTlb | BondMode::BalanceAlb
        );
        problems.push_if(
            bond.primary
                .as_ref()
                .is_some_and(|primary| !primary.is_empty())
                && !has_primary,
            format!("{path}/primary"),
            "only in the modes active-backup, balance-tlb and balance-alb",
        );
    }
    if let (Some(primary), Some(ports)) = (&bond.primary, &i.ports) {
        problems.push_if(
            !primary.is_empty() && !ports.iter().any(|port| port.name == *primary),
            format!("{path}/primary"),
            format!("{primary} is not among the `ports`"),
        );
    }
}

fn tunnels(i: &Interface, path: &str, problems: &mut Problems) {
    let v4 = [
        ("gre", &i.gre),
        ("gretap", &i.gretap),
        ("ipip", &i.ipip),
        ("sit", &i.sit),
    ];
    let v6 = [
        ("ip6gre", &i.ip6gre),
        ("ip6gretap", &i.ip6gretap),
        ("ip6tnl", &i.ip6tnl),
    ];
    let all = v4.into_iter().map(|(key, tunnel)| (key, tunnel, true));
    for (key, tunnel, is_v4) in all.chain(v6.into_iter().map(|(key, tunnel)| (key, tunnel, false)))
    {
        let Some(tunnel) = tunnel.as_deref() else {
            continue;
        };
        let path = format!("{path}/{key}");
        end_points(
            &[("local", &tunnel.local), ("remote", &tunnel.remote)],
            Some(is_v4),
            &path,
            problems,
        );
        tunnel_keys(tunnel, key, is_v4, &path, problems);
    }
    if let Some(vxlan) = &i.vxlan {
        let ends = [("local", &vxlan.local), ("remote", &vxlan.remote)];
        end_points(&ends, None, &format!("{path}/vxlan"), problems);
        // The kernel takes 0 for "choose yourself".
        let fits = |range: &NumberRange| {
            range.first >= 1 && range.first <= range.last && range.last <= u16::MAX.into()
        };
        problems.push_if(
            vxlan
                .source_ports
                .as_ref()
                .is_some_and(|range| !fits(range)),
            format!("{path}/vxlan/source_ports"),
            "not a range between 1 and 65535",
        );
    }
    if let Some(geneve) = &i.geneve {
        end_points(
            &[("remote", &geneve.remote)],
            None,
            &format!("{path}/geneve"),
            problems,
        );
    }
}

fn tunnel_keys(tunnel: &Tunnel, key: &str, is_v4: bool, path: &str, problems: &mut Problems) {
    let is_gre = key.contains("gre");
    let given = [
        (
            "input_key",
            tunnel.input_key.is_some(),
            is_gre,
            "only GRE has keys",
        ),
        (
            "output_key",
            tunnel.output_key.is_some(),
            is_gre,
            "only GRE has keys",
        ),
        (
            "encapsulation_limit",
            tunnel.encapsulation_limit.is_some(),
            !is_v4,
            "only over IPv6",
        ),
        (
            "flow_label",
            tunnel.flow_label.is_some(),
            !is_v4,
            "only over IPv6",
        ),
        (
            "path_mtu_discovery",
            tunnel.path_mtu_discovery.is_some(),
            is_v4,
            "only over IPv4",
        ),
    ];
    for (key, given, fits, message) in given {
        problems.push_if(
            given && !fits,
            format!("{path}/{key}"),
            format!("{message}: leave it out"),
        );
    }
}

fn end_points(
    ends: &[(&str, &Option<EndPoint>)],
    v4: Option<bool>,
    path: &str,
    problems: &mut Problems,
) {
    let mut family = v4;
    for (key, end) in ends {
        let Some(end) = end else { continue };
        let path = format!("{path}/{key}");
        match (end.0.parse::<IpAddr>(), family) {
            (Err(_), _) => problems.push(path, format!("`{}` is no IP address", end.0)),
            (Ok(address), Some(v4)) if address.is_ipv4() != v4 => problems.push(
                path,
                format!(
                    "{address} is not an {} address, as it has to be here",
                    if v4 { "IPv4" } else { "IPv6" }
                ),
            ),
            (Ok(address), _) => family = Some(address.is_ipv4()),
        }
    }
}

fn wireguard(wireguard: &Wireguard, path: &str, problems: &mut Problems) {
    const HINT: &str = "name a secret of the secret store: {\"secret\": \"NAME\"}";
    problems.push_if(
        wireguard
            .private_key
            .as_ref()
            .is_some_and(|key| key.secret.is_none()),
        format!("{path}/private_key"),
        HINT,
    );
    let mut keys = HashMap::new();
    let mut networks: HashMap<Network, usize> = HashMap::new();
    for (at, peer) in wireguard.peers.iter().flatten().enumerate() {
        let path = format!("{path}/peers/{at}");
        if let Some(first) = keys.insert(&peer.public_key, at) {
            problems.push(
                format!("{path}/public_key"),
                format!("the same peer as peers/{first}"),
            );
        }
        problems.push_if(
            peer.preshared_key
                .as_ref()
                .is_some_and(|key| key.secret.is_none()),
            format!("{path}/preshared_key"),
            HINT,
        );
        if let Some(endpoint) = &peer.endpoint {
            problems.push_if(
                endpoint.parse::<SocketAddr>().is_err(),
                format!("{path}/endpoint"),
                format!("`{endpoint}` is not an address with a port like 192.0.2.1:51820 or [2001:db8::1]:51820"),
            );
        }
        for (place, network) in peer.allowed_ips.iter().flatten().enumerate() {
            let path = format!("{path}/allowed_ips/{place}");
            super::routes::network(*network, &path, problems);
            if let Some(first) = networks.insert(*network, at) {
                problems.push(
                    path,
                    format!(
                        "{network} is given to peers/{first} already: only one peer can have it"
                    ),
                );
            }
        }
    }
}
