//! What `query` shows and a state file cannot set. It may stand in a file all the same, so that what is can be edited and applied: it is
//! passed over.

use std::borrow::Cow;

use super::ovs::OvsDb;
use super::port::PortSettings;
use super::{Interface, Ip, Route, Section};

/// A section without what is only read; what passes by itself stays, marked as it is.
pub fn forget(section: &Section) -> Cow<'_, Section> {
    let is_clean = section.interfaces().iter().all(is_clean)
        && section.routes().iter().all(is_clean_route)
        && section.rules().iter().all(|rule| rule.protocol.is_none())
        && section
            .ovs_db
            .as_ref()
            .is_none_or(|db| db.unavailable.is_none());
    if is_clean {
        return Cow::Borrowed(section);
    }
    let mut section = section.clone();
    section.interfaces.iter_mut().flatten().for_each(interface);
    section.routes.iter_mut().flatten().for_each(route);
    for rule in section.rules.iter_mut().flatten() {
        rule.protocol = None;
    }
    if let Some(db) = &mut section.ovs_db {
        db.unavailable = None;
    }
    section.ovs_db = section.ovs_db.filter(|db| *db != OvsDb::default());
    Cow::Owned(section)
}

fn is_clean(i: &Interface) -> bool {
    let ips = || [&i.ipv4, &i.ipv6].into_iter().flatten();
    let addresses = || ips().flat_map(|ip| ip.addresses.iter().flatten());
    let mut routes = ips().flat_map(|ip| ip.routes.iter().flatten());
    i.index.is_none()
        && i.running.is_none()
        && i.permanent_mac.is_none()
        && i.queueing_discipline.is_none()
        && i.unknown.is_none()
        && i.ovs_bridge
            .as_ref()
            .is_none_or(|bridge| bridge.mtu_request.is_none())
        && i.port.as_deref().is_none_or(is_clean_port)
        && i.ports
            .iter()
            .flatten()
            .all(|port| is_clean_port(&port.settings))
        && addresses().all(|address| {
            address.protocol.is_none() && address.tentative.is_none() && address.duplicate.is_none()
        })
        && routes.all(is_clean_route)
}

fn is_clean_route(route: &Route) -> bool {
    let mut hops = route.next_hops.iter().flatten();
    route.protocol.is_none()
        && route.lifetime.is_none()
        && route.unknown.is_none()
        && hops.all(|hop| hop.unknown.is_none())
}

/// Of a bond's ports the bond itself tells.
fn is_clean_port(port: &PortSettings) -> bool {
    port.ofport.is_none()
        && port.link_state.is_none()
        && port.error.is_none()
        && port.vlan_mode.is_none()
        && port.mtu_request.is_none()
        && port.mac_request.is_none()
        && port
            .bond
            .as_ref()
            .is_none_or(|bond| bond.active.is_none() && bond.members.is_none())
}

fn interface(i: &mut Interface) {
    (i.index, i.running, i.permanent_mac) = (None, None, None);
    (i.queueing_discipline, i.unknown) = (None, None);
    if let Some(bridge) = &mut i.ovs_bridge {
        bridge.mtu_request = None;
    }
    if let Some(settings) = &mut i.port {
        port(settings);
    }
    for one in i.ports.iter_mut().flatten() {
        port(&mut one.settings);
    }
    for ip in [&mut i.ipv4, &mut i.ipv6].into_iter().flatten() {
        family(ip);
    }
}

fn port(port: &mut PortSettings) {
    (port.ofport, port.link_state, port.error) = (None, None, None);
    (port.vlan_mode, port.mtu_request, port.mac_request) = (None, None, None);
    if let Some(bond) = &mut port.bond {
        (bond.active, bond.members) = (None, None);
    }
}

fn family(ip: &mut Ip) {
    for address in ip.addresses.iter_mut().flatten() {
        (address.protocol, address.tentative, address.duplicate) = (None, None, None);
    }
    ip.routes.iter_mut().flatten().for_each(route);
}

fn route(route: &mut Route) {
    if !route.is_passing() {
        route.protocol = None;
    }
    route.unknown = None;
    for hop in route.next_hops.iter_mut().flatten() {
        hop.unknown = None;
    }
}
