//! What `query` shows and a state file cannot set. It may stand in a file all the same, so that what is can be edited and applied: it is
//! passed over.

use std::borrow::Cow;

use super::{Interface, Ip, Route, Section};

/// A section without what is only read; what passes by itself stays, marked as it is.
pub fn forget(section: &Section) -> Cow<'_, Section> {
    let is_clean = section.interfaces().iter().all(is_clean)
        && section.routes().iter().all(is_clean_route)
        && section.rules().iter().all(|rule| rule.protocol.is_none());
    if is_clean {
        return Cow::Borrowed(section);
    }
    let mut section = section.clone();
    section.interfaces.iter_mut().flatten().for_each(interface);
    section.routes.iter_mut().flatten().for_each(route);
    for rule in section.rules.iter_mut().flatten() {
        rule.protocol = None;
    }
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

fn interface(i: &mut Interface) {
    (i.index, i.running, i.permanent_mac) = (None, None, None);
    (i.queueing_discipline, i.unknown) = (None, None);
    for ip in [&mut i.ipv4, &mut i.ipv6].into_iter().flatten() {
        family(ip);
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
