//! An in-memory kernel that behaves like Linux as far as the contract shows.
//!
//! What it does follows the kernel's sources, which are named where a behaviour is decided. Time does not pass: lifetimes do not run
//! down, duplicate address detection has always just succeeded, nothing is learnt. A link change that fails half way leaves its earlier
//! parts in place, as `do_setlink` (net/core/rtnetlink.c) does; every other request takes effect whole or not at all.

mod addresses;
mod change;
mod connected;
mod create;
mod device;
mod errno;
mod kinds;
mod links;
mod neighbours;
mod network;
mod routes;
mod rules;
mod seed;
mod select;
mod state;
mod switch;
mod vlans;

use std::collections::BTreeMap;

use addresses::Assigned;
use device::Device;
use errno::{Errno, Result};
use neighbours::Entry;
use routes::Path;
use vlans::Membership;

use crate::Failure;
use crate::netlink::{Request, Rule};

/// The network configuration of one in-memory namespace.
///
/// It is seeded with methods that return the kernel again (`add_ethernet`, `set_up`, `add_address` and so on, which panic where the kernel
/// refuses) and inspected with the reads of the contract.
#[derive(Clone, Debug)]
pub struct Kernel {
    devices: BTreeMap<u32, Device>,
    addresses: Vec<Assigned>,
    paths: Vec<Path>,
    rules: Vec<Rule>,
    neighbours: Vec<Entry>,
    vlans: BTreeMap<(u32, u16), Membership>,
    next_index: u32,
    link_local: bool,
    promote_secondaries: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// A new network namespace: `lo`, down, and the routing rules that the kernel starts with.
    pub fn new() -> Self {
        Self {
            devices: BTreeMap::from([(1, Device::loopback())]),
            addresses: Vec::new(),
            paths: Vec::new(),
            rules: rules::initial(),
            neighbours: Vec::new(),
            vlans: BTreeMap::new(),
            next_index: 2,
            link_local: true,
            promote_secondaries: false,
        }
    }

    /// Carries out one request.
    ///
    /// # Errors
    /// What Linux answers, as the host would pass it on.
    pub fn execute(&mut self, request: &Request) -> std::result::Result<(), Failure> {
        let failed = |tried: String| move |errno: Errno| errno.of(&tried);
        match request {
            Request::CreateLink(spec) => self
                .create_link(spec)
                .map_err(failed(format!("create link {}", spec.name))),
            Request::ChangeLink(change) => self
                .change_link(change)
                .map_err(failed(format!("change link {}", change.link))),
            Request::DeleteLink(name) => self
                .delete_link(name)
                .map_err(failed(format!("delete link {name}"))),
            Request::AddAlternativeName(it) => self
                .add_alternative_name(&it.link, &it.name)
                .map_err(failed(format!(
                    "add alternative name {} of {}",
                    it.name, it.link
                ))),
            Request::DeleteAlternativeName(it) => self
                .delete_alternative_name(&it.link, &it.name)
                .map_err(failed(format!(
                    "delete alternative name {} of {}",
                    it.name, it.link
                ))),
            Request::PutAddress(it) => self.put_address(it).map_err(failed(format!(
                "put address {} on {}",
                cidr(it),
                it.link
            ))),
            Request::DeleteAddress(it) => self.delete_address(it).map_err(failed(format!(
                "delete address {} from {}",
                cidr(it),
                it.link
            ))),
            Request::AddRoute(route) => self
                .add_route(route, false)
                .map_err(failed(format!("add {}", words(route)))),
            Request::PutRoute(route) => self
                .add_route(route, true)
                .map_err(failed(format!("put {}", words(route)))),
            Request::DeleteRoute(route) => self
                .delete_route(route)
                .map_err(failed(format!("delete {}", words(route)))),
            Request::AddRule(rule) => self.add_rule(rule).map_err(failed("add rule".into())),
            Request::DeleteRule(rule) => {
                self.delete_rule(rule).map_err(failed("delete rule".into()))
            }
            Request::PutNeighbour(it) => self.put_neighbour(it).map_err(failed(format!(
                "put neighbour {} on {}",
                it.address, it.link
            ))),
            Request::DeleteNeighbour(it) => self.delete_neighbour(it).map_err(failed(format!(
                "delete neighbour {} from {}",
                it.address, it.link
            ))),
            Request::PutBridgeVlan(it) => self.put_vlan(it).map_err(failed(format!(
                "put VLAN {}-{} on {}",
                it.first, it.last, it.link
            ))),
            Request::DeleteBridgeVlan(it) => self.delete_vlan(it).map_err(failed(format!(
                "delete VLAN {}-{} from {}",
                it.first, it.last, it.link
            ))),
        }
    }

    /// The index of the link with this name or alternative name.
    fn index_of(&self, name: &str) -> Option<u32> {
        let named = |device: &&Device| {
            device.link.name == name || device.link.alternative_names.iter().any(|it| it == name)
        };
        self.devices
            .values()
            .find(named)
            .map(|device| device.link.index)
    }

    fn find(&self, name: &str) -> Result<u32> {
        self.index_of(name).ok_or(Errno("ENODEV", None))
    }

    /// A device that is there: indices come from [`Self::find`] or from other devices.
    fn device(&self, index: u32) -> &Device {
        &self.devices[&index]
    }

    fn device_mut(&mut self, index: u32) -> &mut Device {
        self.devices
            .get_mut(&index)
            .expect("indices of devices are of devices that exist")
    }

    fn name_of(&self, index: u32) -> String {
        self.device(index).link.name.clone()
    }
}

fn cidr(address: &crate::netlink::Address) -> String {
    format!("{}/{}", address.address, address.prefix_length)
}

fn words(route: &crate::netlink::Route) -> String {
    let to = &route.destination;
    format!(
        "route {}/{} in table {}",
        to.address, to.length, route.table
    )
}
