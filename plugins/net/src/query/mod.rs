//! Reading: what a section concerns, or everything, in few passes.

mod ip;
mod links;
mod scope;
mod switch;

use std::collections::HashMap;

use op_dbus_plugin::{Failure, netlink as nl};

use crate::section::vlans::{Entry, Range};
use crate::section::{Interface, Ip, LinkType, Method, OvsDb, Route, Rule, Section, Vlans};

pub use scope::{Read, read, within};

/// Everything that the plugin may see.
///
/// # Errors
/// What the host answered.
pub fn everything() -> Result<Section, Failure> {
    let mut reading = Reading::default();
    reading.add_links(nl::links(&[])?);
    switch::everything(&mut reading)?;
    reading.add_addresses(nl::addresses(&[])?)?;
    reading.add_routes(nl::routes(&whole())?)?;
    reading.add_neighbours(nl::neighbours(&[])?)?;
    reading.add_vlans(nl::bridge_vlans(&[])?);
    reading.add_rules(nl::rules(&[])?);
    Ok(reading.section())
}

/// All routes.
fn whole() -> nl::RouteScope {
    nl::RouteScope {
        families: Vec::new(),
        links: Vec::new(),
        tables: Vec::new(),
        protocols: Vec::new(),
        destinations: Vec::new(),
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
    places: HashMap<String, usize>,
    ovs_db: Option<OvsDb>,
}

impl Reading {
    /// Adds links that are not there yet; their names.
    fn add_links(&mut self, links: Vec<nl::Link>) -> Vec<String> {
        let mut new = Vec::new();
        for link in links {
            if !self.places.contains_key(&link.name) {
                self.places.insert(link.name.clone(), self.interfaces.len());
                new.push(link.name.clone());
                self.interfaces.push(links::interface(link));
            }
        }
        new
    }

    fn get(&mut self, link: &str) -> Option<&mut Interface> {
        self.places
            .get(link)
            .map(|place| &mut self.interfaces[*place])
    }

    fn ip(&mut self, link: &str, v6: bool) -> Option<&mut Ip> {
        let interface = self.get(link)?;
        let ip = if v6 {
            &mut interface.ipv6
        } else {
            &mut interface.ipv4
        };
        Some(ip.get_or_insert_default())
    }

    fn add_addresses(&mut self, addresses: Vec<nl::Address>) -> Result<(), Failure> {
        for wire in addresses {
            let link = wire.link.clone();
            let address = ip::address(wire)?;
            if let Some(ip) = self.ip(&link, address.address.0.is_ipv6()) {
                ip.addresses.get_or_insert_default().push(address);
            }
        }
        Ok(())
    }

    fn add_routes(&mut self, routes: Vec<nl::Route>) -> Result<(), Failure> {
        /// The table of the kernel's own routes to this host's addresses.
        const LOCAL: u32 = 255;
        /// RTPROT_KERNEL.
        const KERNEL: u8 = 2;
        for wire in routes {
            if wire.table == LOCAL && wire.protocol == KERNEL {
                continue;
            }
            let (link, mut route) = ip::route(wire)?;
            let ip = link
                .as_ref()
                .and_then(|link| self.ip(link, route.dest.0.is_ipv6()));
            match ip {
                Some(ip) if is_plain_gateway(&route) && ip.gateway.is_none() => {
                    ip.gateway = Some(route.next_hop)
                }
                Some(ip) => ip.routes.get_or_insert_default().push(route),
                None => {
                    // Here every way names its link.
                    if link.is_some() && route.next_hops.is_none() {
                        route.next_hops = Some(vec![crate::section::NextHop {
                            next_hop: route.next_hop.take(),
                            interface: link,
                            weight: None,
                            onlink: route.onlink.take(),
                            unknown: None,
                        }]);
                    }
                    self.routes.push(route);
                }
            }
        }
        Ok(())
    }

    fn add_neighbours(&mut self, neighbours: Vec<nl::Neighbour>) -> Result<(), Failure> {
        for wire in neighbours {
            let link = wire.link.clone();
            let Some(neighbour) = ip::neighbour(wire)? else {
                continue;
            };
            if let Some(ip) = self.ip(&link, neighbour.address.0.is_ipv6()) {
                ip.neighbours.get_or_insert_default().push(neighbour);
            }
        }
        Ok(())
    }

    fn add_vlans(&mut self, vlans: Vec<nl::BridgeVlan>) {
        let mut entries: HashMap<(String, bool), Vec<Entry>> = HashMap::new();
        for vlan in vlans {
            let list = entries.entry((vlan.link, vlan.on_bridge)).or_default();
            list.extend((vlan.first..=vlan.last).map(|id| Entry {
                range: Range {
                    first: id,
                    last: id,
                },
                pvid: vlan.pvid,
                untagged: vlan.untagged,
            }));
        }
        for ((link, on_bridge), mut list) in entries {
            list.sort();
            let vlans = Vlans::of_entries(&list);
            let Some(interface) = self.get(&link) else {
                continue;
            };
            if on_bridge {
                interface.vlans = Some(Box::new(vlans));
            } else {
                interface.port.get_or_insert_default().vlans = Some(vlans);
            }
        }
    }

    fn add_rules(&mut self, rules: Vec<nl::Rule>) {
        self.rules.extend(rules.into_iter().map(Rule::of_wire));
    }

    /// The section: ports listed at their controllers, the method of each family said.
    fn section(mut self) -> Section {
        for place in 0..self.interfaces.len() {
            let name = self.interfaces[place].name.clone();
            if let Some(Some(controller)) = self.interfaces[place].controller.clone()
                && let Some(controller) = self.get(&controller)
                // The links of a bond of Open vSwitch are listed in the bond's own settings.
                && controller.r#type != Some(LinkType::OvsPort)
            {
                let port = crate::section::Port {
                    name,
                    ..Default::default()
                };
                controller.ports.get_or_insert_default().push(port);
            }
        }
        for interface in &mut self.interfaces {
            for ip in [&mut interface.ipv4, &mut interface.ipv6]
                .into_iter()
                .flatten()
            {
                ip.method = method(ip);
            }
        }
        let some = |empty: bool| (!empty).then_some(());
        Section {
            interfaces: Some(self.interfaces),
            routes: some(self.routes.is_empty()).map(|()| self.routes),
            rules: some(self.rules.is_empty()).map(|()| self.rules),
            ovs_db: self.ovs_db,
        }
    }
}

/// Whether the key `gateway` says all of a route.
fn is_plain_gateway(route: &Route) -> bool {
    let plain = route.next_hop.map(Route::of_gateway);
    plain.is_some_and(|plain| plain == *route)
}

/// How a family got its addresses, as far as they tell.
fn method(ip: &Ip) -> Option<Method> {
    let addresses = ip.addresses.as_deref()?;
    if addresses.iter().any(|address| address.is_static()) {
        Some(Method::Manual)
    } else if addresses
        .iter()
        .all(|address| address.kernel_made == Some(true) && address.address.0.is_ipv6())
    {
        Some(Method::LinkLocal)
    } else {
        None
    }
}
