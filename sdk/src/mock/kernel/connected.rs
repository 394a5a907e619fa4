//! The routes that the kernel makes for addresses and takes away again.

use std::net::{IpAddr, Ipv6Addr};

use super::Kernel;
use super::addresses::primary_of;
use super::network::Network;
use super::routes::{Hop, MAIN, Path};
use crate::netlink::{AddressGeneration, RouteType};

const LOCAL: u32 = 255;
const KERNEL: u8 = 2;

fn made(network: Network, table: u32, kind: RouteType, scope: u8, link: u32) -> Path {
    Path {
        network,
        table,
        metric: 0,
        tos: 0,
        kind,
        protocol: KERNEL,
        scope,
        source: None,
        from: None,
        mtu: None,
        lifetime: None,
        hops: vec![Hop {
            link,
            gateway: None,
            weight: 1,
            onlink: false,
            unknown: Vec::new(),
        }],
        unknown: Vec::new(),
        of: None,
    }
}

impl Kernel {
    /// fib_add_ifaddr (net/ipv4/fib_frontend.c); addrconf_prefix_route and addrconf_f6i_alloc for IPv6. Idempotent.
    pub(super) fn connect(&mut self, position: usize) {
        let paths = self.connected_paths(position);
        for path in paths {
            let same = |it: &Path| {
                it.network == path.network
                    && it.table == path.table
                    && it.kind == path.kind
                    && it.protocol == KERNEL
                    && it.hops == path.hops
            };
            if !self.paths.iter().any(same) {
                self.paths.push(path);
            }
        }
    }

    fn connected_paths(&self, position: usize) -> Vec<Path> {
        let it = &self.addresses[position];
        let device = self.device(it.link);
        let main = self.table_of(it.link);
        let local = if main == MAIN { LOCAL } else { main };
        let v4 = it.local.is_ipv4();
        let mut paths = Vec::new();
        let scope = |asked| if v4 { asked } else { 0 };
        if v4 || device.link.up {
            let own = Network::single(it.local);
            paths.push(made(own, local, RouteType::Local, scope(254), it.link));
        }
        let secondary = it.is_secondary(&self.addresses);
        let single = it.network == Network::single(it.local);
        if device.link.up && !secondary && !single {
            let loopback = v4 && device.is_loopback();
            let (table, kind) = if loopback {
                (local, RouteType::Local)
            } else {
                (main, RouteType::Unicast)
            };
            if !it.shown.no_prefix_route {
                let reach = scope(if loopback { 254 } else { 253 });
                let mut path = made(it.network, table, kind, reach, it.link);
                path.metric = if v4 { 0 } else { 256 };
                paths.push(path);
            }
            if let Some(last) = it.network.broadcast().filter(|_| it.network.length < 31) {
                let all = Network::single(last);
                paths.push(made(all, local, RouteType::Broadcast, 253, it.link));
            }
        }
        for path in &mut paths {
            path.source = Some(primary_of(it, &self.addresses)).filter(|_| v4);
            path.of = Some(it.local);
        }
        paths
    }

    /// fe80::/64 and ff00::/8 of a link with IPv6 (addrconf_add_mroute in net/ipv6/addrconf.c).
    pub(super) fn make_multicast_route(&mut self, link: u32) {
        let device = self.device(link);
        let none = device.link.address_generation == Some(AddressGeneration::None);
        if device.is_loopback() || device.link.mtu < 1280 || !self.link_local || none {
            return;
        }
        let first = IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0));
        let network = Network { first, length: 8 };
        let table = Some(self.table_of(link))
            .filter(|table| *table != MAIN)
            .unwrap_or(LOCAL);
        let mut path = made(network, table, RouteType::Multicast, 0, link);
        path.metric = 256;
        self.paths.push(path);
    }

    /// The routes that came with an address go. Those that another address of the link needs are made again by the caller.
    pub(super) fn drop_connected_paths(&mut self, link: u32, network: Network, local: IpAddr) {
        self.paths.retain(|path| {
            let own = path.of == Some(local) && path.uses(link);
            let of_network = path.network == network || path.network == Network::single(local);
            let broadcast = network.broadcast().map(Network::single) == Some(path.network);
            !(own && (of_network || broadcast))
        });
    }

    /// fib_sync_down_addr: IPv4 routes that prefer an address which nobody has any more. IPv6 keeps the route, without its source
    /// (rt6_remove_prefsrc).
    pub(super) fn drop_paths_from(&mut self, source: IpAddr) {
        if self.addresses.iter().any(|it| it.local == source) {
            return;
        }
        if source.is_ipv4() {
            self.paths.retain(|path| path.source != Some(source));
        }
        for path in &mut self.paths {
            path.source = path.source.filter(|it| *it != source);
        }
    }

    pub(super) fn drop_ipv4_paths(&mut self, link: u32) {
        self.drop_paths(link, |path| path.network.first.is_ipv4());
    }

    pub(super) fn drop_ipv6_paths(&mut self, link: u32) {
        self.drop_paths(link, |path| path.network.first.is_ipv6());
    }

    /// fib_sync_down_dev without `force`: all but those to the host itself.
    pub(super) fn drop_paths_of_down_link(&mut self, link: u32) {
        self.drop_paths(link, |path| path.kind != RouteType::Local);
    }

    pub(super) fn drop_paths_of_gone_link(&mut self, link: u32) {
        self.drop_paths(link, |_| true);
    }

    /// A route with several next hops loses those through the link, and goes with the last. (IPv4 would show them as `dead` until the link
    /// comes back or goes; the contract has no word for it.)
    fn drop_paths(&mut self, link: u32, concerned: impl Fn(&Path) -> bool) {
        for path in self
            .paths
            .iter_mut()
            .filter(|path| concerned(path) && path.uses(link))
        {
            path.hops.retain(|hop| hop.link != link);
            if path.hops.is_empty() {
                // Marked for the sweep below: table 0 is no table.
                path.table = 0;
            }
        }
        self.paths.retain(|path| path.table != 0);
    }

    /// The routes to the host's own addresses follow a link into another routing domain.
    pub(super) fn move_local_paths(&mut self, link: u32) {
        self.paths
            .retain(|path| !(path.of.is_some() && path.uses(link)));
        for position in 0..self.addresses.len() {
            if self.addresses[position].link == link {
                self.connect(position);
            }
        }
    }
}
