//! Keys of Open vSwitch that `query` shows and a state file cannot set.

use super::Problems;
use crate::section::port::PortSettings;
use crate::section::{Interface, Section};

const MESSAGE: &str = "this is only read: leave it out";

/// Read-only keys of an interface and of its ports.
pub fn interface(i: &Interface, path: &str, problems: &mut Problems) {
    let bridge = i.ovs_bridge.as_ref();
    problems.push_if(
        bridge.is_some_and(|bridge| bridge.mtu_request.is_some()),
        format!("{path}/ovs-bridge/mtu_request"),
        MESSAGE,
    );
    if let Some(port) = &i.port {
        self::port(port, &format!("{path}/port"), problems);
    }
    for (place, port) in i.ports.iter().flatten().enumerate() {
        self::port(&port.settings, &format!("{path}/ports/{place}"), problems);
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
