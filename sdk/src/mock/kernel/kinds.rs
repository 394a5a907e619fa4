//! Settings of the kinds: what they start with, and what may change.

use super::errno::{Result, errno, refuse};
use crate::netlink::{
    Bond, BondAdSelect, BondArpValidate, BondFailOverMac, BondHashPolicy, BondLacpRate, BondMode,
    BondPrimaryReselect, Bridge, DontFragment, IpvlanIsolation, IpvlanMode, Kind, MacvlanMode,
    VlanProtocol,
};

/// Overwrites what the newer one says.
fn set<T: Clone>(present: &mut Option<T>, newer: &Option<T>) {
    if newer.is_some() {
        present.clone_from(newer);
    }
}

/// Refuses another value of a setting that is fixed on creation.
fn fixed<T: PartialEq>(present: &Option<T>, newer: &Option<T>) -> Result {
    match newer {
        Some(_) if newer != present => errno("EOPNOTSUPP"),
        _ => Ok(()),
    }
}

/// br_dev_setup and br_vlan_init (net/bridge/br_device.c, br_vlan.c).
fn initial_bridge() -> Bridge {
    Bridge {
        stp: Some(false),
        forward_delay: Some(1500),
        hello_time: Some(200),
        max_age: Some(2000),
        ageing_time: Some(30000),
        priority: Some(32768),
        multicast_snooping: Some(true),
        multicast_querier: Some(false),
        vlan_filtering: Some(false),
        vlan_protocol: Some(VlanProtocol::Ieee8021q),
        default_pvid: Some(1),
        group_forward_mask: Some(0),
    }
}

/// bond_check_params with the module's defaults (drivers/net/bonding/bond_main.c).
fn initial_bond() -> Bond {
    Bond {
        mode: Some(BondMode::BalanceRr),
        miimon: Some(0),
        up_delay: Some(0),
        down_delay: Some(0),
        arp_interval: Some(0),
        arp_targets: Vec::new(),
        arp_validate: Some(BondArpValidate::None),
        primary: None,
        primary_reselect: Some(BondPrimaryReselect::Always),
        fail_over_mac: Some(BondFailOverMac::None),
        hash_policy: Some(BondHashPolicy::Layer2),
        lacp_rate: Some(BondLacpRate::Slow),
        ad_select: Some(BondAdSelect::Stable),
        ad_actor_system_priority: None,
        all_ports_active: Some(false),
        min_links: Some(0),
        peer_notifications: Some(1),
        resend_igmp: Some(1),
        packets_per_port: Some(1),
        learning_packet_interval: Some(1),
        dynamic_load_balancing: Some(true),
    }
}

/// The kind as it stands right after creation: what was asked for, the kernel's defaults elsewhere.
pub(super) fn initial(asked: &Kind) -> Result<Kind> {
    let mut kind = asked.clone();
    match &mut kind {
        Kind::Bridge(bridge) => {
            *bridge = initial_bridge();
            change(&mut kind, asked, false)?;
        }
        Kind::Bond(bond) => {
            *bond = initial_bond();
            change(&mut kind, asked, false)?;
        }
        Kind::Vlan(vlan) => {
            if !(1..=4094).contains(&vlan.id) {
                return refuse("ERANGE", "Invalid VLAN id");
            }
            vlan.protocol.get_or_insert(VlanProtocol::Ieee8021q);
            vlan.reorder_header.get_or_insert(true);
            for flag in [&mut vlan.gvrp, &mut vlan.mvrp, &mut vlan.loose_binding] {
                flag.get_or_insert(false);
            }
        }
        Kind::Vxlan(vxlan) => {
            if vxlan.id > 0xff_ffff {
                return refuse("ERANGE", "VXLAN network identifier out of range");
            }
            vxlan.port.get_or_insert(8472);
            vxlan.ttl.get_or_insert(0);
            vxlan.tos.get_or_insert(0);
            vxlan.learning.get_or_insert(true);
            vxlan.ageing.get_or_insert(300);
            vxlan.limit.get_or_insert(0);
            vxlan.udp_checksum.get_or_insert(true);
            vxlan.dont_fragment.get_or_insert(DontFragment::Unset);
            for flag in [
                &mut vxlan.proxy,
                &mut vxlan.route_short_circuit,
                &mut vxlan.collect_metadata,
            ] {
                flag.get_or_insert(false);
            }
        }
        Kind::Geneve(geneve) => {
            if geneve.id > 0xff_ffff {
                return errno("ERANGE");
            }
            geneve.port.get_or_insert(6081);
            geneve.ttl.get_or_insert(0);
            geneve.tos.get_or_insert(0);
            geneve.collect_metadata.get_or_insert(false);
        }
        Kind::Vrf(vrf) if vrf.table == 0 => return refuse("EINVAL", "Invalid VRF table id"),
        Kind::Macvlan(it) | Kind::Macvtap(it) => {
            it.mode.get_or_insert(MacvlanMode::Vepa);
        }
        Kind::Ipvlan(ipvlan) => {
            ipvlan.mode.get_or_insert(IpvlanMode::L3);
            ipvlan.isolation.get_or_insert(IpvlanIsolation::Bridge);
        }
        Kind::Tun(tun) => tun.persistent = Some(true),
        Kind::Wireguard(wireguard) => {
            wireguard.listen_port.get_or_insert(0);
            wireguard.firewall_mark.get_or_insert(0);
            wireguard.peers.get_or_insert_default();
        }
        _ => {}
    }
    Ok(kind)
}

/// Changes the settings of a kind. `busy` says that the link is up or has ports.
pub(super) fn change(present: &mut Kind, newer: &Kind, busy: bool) -> Result {
    match (present, newer) {
        (Kind::Bridge(present), Kind::Bridge(newer)) => change_bridge(present, newer),
        (Kind::Bond(present), Kind::Bond(newer)) => change_bond(present, newer, busy),
        // vlan_changelink (net/8021q/vlan_netlink.c) passes over another id in silence; the contract calls it fixed.
        (Kind::Vlan(present), Kind::Vlan(newer)) => {
            fixed(&Some(present.id), &Some(newer.id))?;
            fixed(&present.protocol, &newer.protocol)?;
            set(&mut present.reorder_header, &newer.reorder_header);
            set(&mut present.gvrp, &newer.gvrp);
            set(&mut present.mvrp, &newer.mvrp);
            set(&mut present.loose_binding, &newer.loose_binding);
            Ok(())
        }
        // vxlan_nl2conf (drivers/net/vxlan/vxlan_core.c).
        (Kind::Vxlan(present), Kind::Vxlan(newer)) => {
            if present.id != newer.id {
                return refuse("EOPNOTSUPP", "Cannot change VNI");
            }
            if newer.port.is_some() && newer.port != present.port {
                return refuse("EOPNOTSUPP", "Cannot change port");
            }
            if newer.source_ports.is_some() && newer.source_ports != present.source_ports {
                return refuse("EOPNOTSUPP", "Cannot change port range");
            }
            set(&mut present.dont_fragment, &newer.dont_fragment);
            fixed(&present.proxy, &newer.proxy)?;
            fixed(&present.route_short_circuit, &newer.route_short_circuit)?;
            fixed(&present.collect_metadata, &newer.collect_metadata)?;
            fixed(&present.udp_checksum, &newer.udp_checksum)?;
            set(&mut present.local, &newer.local);
            set(&mut present.remote, &newer.remote);
            set(&mut present.ttl, &newer.ttl);
            set(&mut present.tos, &newer.tos);
            set(&mut present.learning, &newer.learning);
            set(&mut present.ageing, &newer.ageing);
            set(&mut present.limit, &newer.limit);
            Ok(())
        }
        // geneve_nl2info (drivers/net/geneve.c).
        (Kind::Geneve(present), Kind::Geneve(newer)) => {
            fixed(&Some(present.id), &Some(newer.id))?;
            fixed(&present.port, &newer.port)?;
            fixed(&present.collect_metadata, &newer.collect_metadata)?;
            fixed(&present.udp_checksum, &newer.udp_checksum)?;
            set(&mut present.remote, &newer.remote);
            set(&mut present.ttl, &newer.ttl);
            set(&mut present.tos, &newer.tos);
            Ok(())
        }
        (Kind::Gre(present), Kind::Gre(newer))
        | (Kind::Gretap(present), Kind::Gretap(newer))
        | (Kind::Ip6gre(present), Kind::Ip6gre(newer))
        | (Kind::Ip6gretap(present), Kind::Ip6gretap(newer))
        | (Kind::Ipip(present), Kind::Ipip(newer))
        | (Kind::Sit(present), Kind::Sit(newer))
        | (Kind::Ip6tnl(present), Kind::Ip6tnl(newer)) => {
            set(&mut present.local, &newer.local);
            set(&mut present.remote, &newer.remote);
            set(&mut present.ttl, &newer.ttl);
            set(&mut present.tos, &newer.tos);
            set(&mut present.input_key, &newer.input_key);
            set(&mut present.output_key, &newer.output_key);
            set(&mut present.path_mtu_discovery, &newer.path_mtu_discovery);
            set(&mut present.encapsulation_limit, &newer.encapsulation_limit);
            set(&mut present.flow_label, &newer.flow_label);
            Ok(())
        }
        // macvlan_changelink (drivers/net/macvlan.c): into and out of passthru there is no way.
        (Kind::Macvlan(present), Kind::Macvlan(newer))
        | (Kind::Macvtap(present), Kind::Macvtap(newer)) => {
            let passthru = Some(MacvlanMode::Passthru);
            let crosses = (present.mode == passthru) != (newer.mode == passthru);
            if newer.mode.is_some() && crosses {
                return errno("EINVAL");
            }
            set(&mut present.mode, &newer.mode);
            Ok(())
        }
        (Kind::Ipvlan(present), Kind::Ipvlan(newer)) => {
            set(&mut present.mode, &newer.mode);
            set(&mut present.isolation, &newer.isolation);
            Ok(())
        }
        (Kind::Wireguard(present), Kind::Wireguard(newer)) => {
            set(&mut present.private_key, &newer.private_key);
            set(&mut present.listen_port, &newer.listen_port);
            set(&mut present.firewall_mark, &newer.firewall_mark);
            set(&mut present.peers, &newer.peers);
            Ok(())
        }
        // These have no `changelink`, so that nothing of theirs can change.
        (Kind::Vrf(present), Kind::Vrf(newer)) if present == newer => Ok(()),
        (Kind::Tun(present), Kind::Tun(newer)) => {
            let same = present.mode == newer.mode;
            fixed(&present.owner, &newer.owner)?;
            fixed(&present.group, &newer.group)?;
            if same { Ok(()) } else { errno("EOPNOTSUPP") }
        }
        (present, newer) if present == newer => Ok(()),
        (Kind::Veth(_), Kind::Veth(_)) => Ok(()),
        _ => errno("EOPNOTSUPP"),
    }
}

/// br_changelink (net/bridge/br_netlink.c); the bounds of times are those of IEEE 802.1D.
fn change_bridge(present: &mut Bridge, newer: &Bridge) -> Result {
    let outside = |value: Option<u32>, low, high| value.is_some_and(|it| it < low || it > high);
    // Without the spanning tree protocol any delay goes (br_set_forward_delay).
    let delayed = newer.stp.or(present.stp) == Some(true);
    if (delayed && outside(newer.forward_delay, 200, 3000))
        || outside(newer.hello_time, 100, 1000)
        || outside(newer.max_age, 600, 4000)
    {
        return errno("ERANGE");
    }
    if newer.default_pvid.is_some_and(|pvid| pvid > 4094)
        || newer.group_forward_mask.is_some_and(|mask| mask & 7 != 0)
    {
        return errno("EINVAL");
    }
    set(&mut present.stp, &newer.stp);
    set(&mut present.forward_delay, &newer.forward_delay);
    set(&mut present.hello_time, &newer.hello_time);
    set(&mut present.max_age, &newer.max_age);
    set(&mut present.ageing_time, &newer.ageing_time);
    set(&mut present.priority, &newer.priority);
    set(&mut present.multicast_snooping, &newer.multicast_snooping);
    set(&mut present.multicast_querier, &newer.multicast_querier);
    set(&mut present.vlan_filtering, &newer.vlan_filtering);
    set(&mut present.vlan_protocol, &newer.vlan_protocol);
    set(&mut present.default_pvid, &newer.default_pvid);
    set(&mut present.group_forward_mask, &newer.group_forward_mask);
    Ok(())
}

/// bond_changelink (drivers/net/bonding/bond_netlink.c); the mode may change only without ports and down (bond_options.c).
fn change_bond(present: &mut Bond, newer: &Bond, busy: bool) -> Result {
    if busy && newer.mode.is_some() && newer.mode != present.mode {
        return refuse(
            "EPERM",
            "option cannot be set while the bond is up or has ports",
        );
    }
    let asked = |value: Option<u32>| value.is_some_and(|it| it != 0);
    if asked(newer.miimon) && asked(newer.arp_interval) {
        return refuse(
            "EINVAL",
            "ARP monitoring cannot be used with MII monitoring",
        );
    }
    set(&mut present.mode, &newer.mode);
    set(&mut present.miimon, &newer.miimon);
    set(&mut present.arp_interval, &newer.arp_interval);
    // Setting one of the two monitors turns the other off (bond_option_miimon_set, bond_option_arp_interval_set).
    if asked(newer.miimon) {
        present.arp_interval = Some(0);
    } else if asked(newer.arp_interval) {
        present.miimon = Some(0);
    }
    set(&mut present.up_delay, &newer.up_delay);
    set(&mut present.down_delay, &newer.down_delay);
    if !newer.arp_targets.is_empty() {
        present.arp_targets.clone_from(&newer.arp_targets);
    }
    set(&mut present.arp_validate, &newer.arp_validate);
    if let Some(primary) = &newer.primary {
        present.primary = Some(primary.clone()).filter(|name| !name.is_empty());
    }
    set(&mut present.primary_reselect, &newer.primary_reselect);
    set(&mut present.fail_over_mac, &newer.fail_over_mac);
    set(&mut present.hash_policy, &newer.hash_policy);
    set(&mut present.lacp_rate, &newer.lacp_rate);
    set(&mut present.ad_select, &newer.ad_select);
    set(
        &mut present.ad_actor_system_priority,
        &newer.ad_actor_system_priority,
    );
    set(&mut present.all_ports_active, &newer.all_ports_active);
    set(&mut present.min_links, &newer.min_links);
    set(&mut present.peer_notifications, &newer.peer_notifications);
    set(&mut present.resend_igmp, &newer.resend_igmp);
    set(&mut present.packets_per_port, &newer.packets_per_port);
    set(
        &mut present.learning_packet_interval,
        &newer.learning_packet_interval,
    );
    set(
        &mut present.dynamic_load_balancing,
        &newer.dynamic_load_balancing,
    );
    Ok(())
}
