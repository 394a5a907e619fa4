//! Keys that `query` shows and a state file cannot set.

use super::Problems;
use crate::section::port::PortSettings;
use crate::section::{Interface, Ip, Section};

const MESSAGE: &str = "this is only read: leave it out";

/// Read-only keys of an interface and of what hangs from it.
pub fn interface(i: &Interface, path: &str, problems: &mut Problems) {
    let given = [
        ("index", i.index.is_some()),
        ("running", i.running.is_some()),
        ("permanent_mac", i.permanent_mac.is_some()),
        ("unknown", i.unknown.is_some()),
        (
            "ovs-bridge/mtu_request",
            i.ovs_bridge
                .as_ref()
                .is_some_and(|bridge| bridge.mtu_request.is_some()),
        ),
        (
            "wireguard/public_key",
            i.wireguard
                .as_ref()
                .is_some_and(|wg| wg.public_key.is_some()),
        ),
        (
            "tun/persistent",
            i.tun.as_ref().is_some_and(|tun| tun.persistent.is_some()),
        ),
        (
            "tap/persistent",
            i.tap.as_ref().is_some_and(|tap| tap.persistent.is_some()),
        ),
    ];
    for (key, given) in given {
        problems.push_if(given, format!("{path}/{key}"), MESSAGE);
    }
    if let Some(port) = &i.port {
        self::port(port, &format!("{path}/port"), problems);
    }
    for (place, port) in i.ports.iter().flatten().enumerate() {
        self::port(&port.settings, &format!("{path}/ports/{place}"), problems);
    }
    for (family, family_ip) in [("ipv4", &i.ipv4), ("ipv6", &i.ipv6)] {
        if let Some(family_ip) = family_ip {
            ip(family_ip, &format!("{path}/{family}"), problems);
        }
    }
}

/// Read-only keys of a port of Open vSwitch.
fn port(port: &PortSettings, path: &str, problems: &mut Problems) {
    let bond = port.bond.as_ref();
    let given = [
        ("ofport", port.ofport.is_some()),
        ("link_state", port.link_state.is_some()),
        ("error", port.error.is_some()),
        ("vlan_mode", port.vlan_mode.is_some()),
        ("mtu_request", port.mtu_request.is_some()),
        ("mac_request", port.mac_request.is_some()),
        (
            "bond/active",
            bond.is_some_and(|bond| bond.active.is_some()),
        ),
        (
            "bond/members",
            bond.is_some_and(|bond| bond.members.is_some()),
        ),
    ];
    for (key, given) in given {
        problems.push_if(given, format!("{path}/{key}"), MESSAGE);
    }
}

/// Read-only keys of Open vSwitch as a whole.
pub fn database(desired: &Section, problems: &mut Problems) {
    let given = desired.ovs_db.as_ref();
    let given = given.is_some_and(|db| db.unavailable.is_some());
    problems.push_if(given, "/ovs-db/unavailable", MESSAGE);
}

fn ip(ip: &Ip, path: &str, problems: &mut Problems) {
    for (at, address) in ip.addresses.iter().flatten().enumerate() {
        let given = [
            ("kernel_made", address.kernel_made),
            ("tentative", address.tentative),
            ("duplicate", address.duplicate),
        ];
        for (key, given) in given {
            problems.push_if(
                given.is_some(),
                format!("{path}/addresses/{at}/{key}"),
                MESSAGE,
            );
        }
    }
    for (at, route) in ip.routes.iter().flatten().enumerate() {
        let path = format!("{path}/routes/{at}");
        problems.push_if(
            route.protocol.is_some(),
            format!("{path}/protocol"),
            MESSAGE,
        );
        problems.push_if(
            route.has_unknown.is_some(),
            format!("{path}/has_unknown"),
            MESSAGE,
        );
    }
}
