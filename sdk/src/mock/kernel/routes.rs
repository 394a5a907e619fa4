//! Routes (net/ipv4/fib_semantics.c and fib_trie.c, net/ipv6/route.c and ip6_fib.c).

use std::net::IpAddr;

use super::Kernel;
use super::addresses::Assigned;
use super::errno::{Errno, Result, errno, refuse};
use super::network::{Network, parse};
use crate::netlink::{NextHop, Prefix, Route, RouteType, UnknownAttribute};

pub(super) const MAIN: u32 = 254;

/// A route as the kernel keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) network: Network,
    pub(super) table: u32,
    pub(super) metric: u32,
    pub(super) tos: u8,
    pub(super) kind: RouteType,
    pub(super) protocol: u8,
    pub(super) scope: u8,
    pub(super) source: Option<IpAddr>,
    /// Only for packets from this network.
    pub(super) from: Option<Prefix>,
    pub(super) mtu: Option<u32>,
    pub(super) lifetime: Option<u32>,
    pub(super) hops: Vec<Hop>,
    pub(super) unknown: Vec<UnknownAttribute>,
    /// The address that it came with (RTPROT_KERNEL).
    pub(super) of: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hop {
    pub(super) link: u32,
    pub(super) gateway: Option<IpAddr>,
    pub(super) weight: u16,
    pub(super) onlink: bool,
    pub(super) unknown: Vec<UnknownAttribute>,
}

impl Path {
    pub(super) fn uses(&self, link: u32) -> bool {
        self.hops.iter().any(|hop| hop.link == link)
    }

    fn same_identity(&self, other: &Self) -> bool {
        self.network == other.network
            && self.table == other.table
            && self.metric == other.metric
            && self.tos == other.tos
            && self.from == other.from
    }
}

fn leads_nowhere(kind: RouteType) -> bool {
    use RouteType::{Blackhole, Prohibit, Throw, Unreachable};
    matches!(kind, Blackhole | Prohibit | Throw | Unreachable)
}

impl Kernel {
    /// With `replace`, the first route of the same identity gives way (NLM_F_REPLACE), otherwise it is EEXIST (NLM_F_EXCL).
    pub(super) fn add_route(&mut self, asked: &Route, replace: bool) -> Result {
        let path = self.read_path(asked)?;
        match self.paths.iter_mut().find(|it| it.same_identity(&path)) {
            Some(old) if replace => *old = path,
            Some(_) => return errno("EEXIST"),
            None => self.paths.push(path),
        }
        Ok(())
    }

    pub(super) fn delete_route(&mut self, asked: &Route) -> Result {
        let network = Network::of(&asked.destination)?;
        let v4 = network.first.is_ipv4();
        let table = if asked.table == 0 { MAIN } else { asked.table };
        let tos = if v4 { asked.tos } else { 0 };
        // Without a metric the kernel takes the best one (fib_table_delete, ip6_route_del).
        let metric = asked.metric.filter(|metric| *metric != 0);
        let position = (0..self.paths.len())
            .filter(|position| {
                let it = &self.paths[*position];
                let metric_fits = match metric {
                    Some(metric) => it.metric == metric,
                    None => asked.metric.is_none() || it.metric == 0 || !v4,
                };
                it.network == network
                    && it.from == asked.source
                    && it.table == table
                    && it.tos == tos
                    && metric_fits
            })
            .min_by_key(|position| self.paths[*position].metric);
        match position {
            Some(position) => {
                self.paths.remove(position);
                Ok(())
            }
            None => errno("ESRCH"),
        }
    }

    /// Checks a route as fib_create_info and ip6_route_info_create do, and resolves its links.
    fn read_path(&self, asked: &Route) -> Result<Path> {
        let network = Network::of(&asked.destination)?;
        let v4 = network.first.is_ipv4();
        // IPv6 clears the host bits by itself.
        if v4 && network.first != parse(&asked.destination.address)? {
            return refuse("EINVAL", "Invalid prefix for given prefix length");
        }
        let table = if asked.table == 0 { MAIN } else { asked.table };
        let kind = asked.route_type;
        if leads_nowhere(kind) && !asked.next_hops.is_empty() {
            let text = "Gateway, device and multipath can not be specified for this route type";
            return refuse("EINVAL", text);
        }
        if !leads_nowhere(kind) && asked.next_hops.is_empty() {
            return errno("ENODEV");
        }
        let several = asked.next_hops.len() > 1;
        let hops = asked
            .next_hops
            .iter()
            .map(|hop| self.read_hop(hop, v4, table, several));
        let hops = hops.collect::<Result<Vec<Hop>>>()?;
        let source = asked.preferred_source.as_deref().map(parse).transpose()?;
        if let Some(source) = source
            && !self.addresses.iter().any(|it| it.local == source)
        {
            let text = if v4 {
                "Invalid prefsrc address"
            } else {
                "Invalid source address"
            };
            return refuse("EINVAL", text);
        }
        let direct = hops.iter().all(|hop| hop.gateway.is_none()) && !hops.is_empty();
        // The choice of ip-route(8), which the kernel itself would reject where it does not fit; IPv6 has no scopes.
        let scope = match kind {
            _ if !v4 => 0,
            RouteType::Local => asked.scope.unwrap_or(254),
            _ if direct => asked.scope.unwrap_or(253),
            _ => asked.scope.unwrap_or(0),
        };
        let least = if v4 { 0 } else { 1024 };
        Ok(Path {
            network,
            table,
            metric: asked.metric.filter(|metric| *metric != 0).unwrap_or(least),
            tos: if v4 { asked.tos } else { 0 },
            kind,
            protocol: asked.protocol,
            scope,
            source,
            from: asked.source.clone(),
            mtu: asked.mtu,
            lifetime: asked.lifetime,
            hops,
            unknown: asked.unknown.clone(),
            of: None,
        })
    }

    fn read_hop(&self, asked: &NextHop, v4: bool, table: u32, several: bool) -> Result<Hop> {
        let named = asked
            .link
            .as_deref()
            .map(|name| self.find(name))
            .transpose()?;
        let gateway = asked.gateway.as_deref().map(parse).transpose()?;
        if several && !(1..=256).contains(&asked.weight) {
            return errno("EINVAL");
        }
        let link = match gateway {
            None => named.ok_or(Errno("ENODEV", None))?,
            Some(gateway) if !v4 && gateway.is_ipv4() => {
                return refuse("EINVAL", "Invalid gateway family");
            }
            Some(gateway) => self.reach(gateway, named, table, asked.onlink)?,
        };
        if !self.device(link).link.up {
            let text = match (v4, gateway) {
                (true, None) => "Device for nexthop is not up",
                _ => "Nexthop device is not up",
            };
            return refuse("ENETDOWN", text);
        }
        Ok(Hop {
            link,
            gateway,
            weight: if several { asked.weight } else { 1 },
            onlink: asked.onlink,
            unknown: asked.unknown.clone(),
        })
    }

    /// The link through which a gateway is a neighbour: fib_check_nh_v4_gw, ip6_validate_gw.
    fn reach(&self, gateway: IpAddr, named: Option<u32>, table: u32, onlink: bool) -> Result<u32> {
        let v4 = gateway.is_ipv4();
        if onlink {
            return named.map_or_else(
                || refuse("ENODEV", "Nexthop device required for onlink"),
                Ok,
            );
        }
        let own = |it: &&Assigned| it.local == gateway && named.is_none_or(|link| it.link == link);
        let own = self.addresses.iter().find(own).map(|it| it.link);
        match gateway {
            IpAddr::V4(v4) if v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified() => {
                return refuse("EINVAL", "Nexthop has invalid gateway");
            }
            // An own address passes as a gateway of IPv4.
            IpAddr::V4(_) if own.is_some() => return own.ok_or(Errno("EINVAL", None)),
            _ if own.is_some() => return refuse("EINVAL", "Gateway can not be a local address"),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                return named.map_or_else(|| refuse("EINVAL", "Egress device not specified"), Ok);
            }
            IpAddr::V6(v6) if v6.is_multicast() => {
                return refuse("EINVAL", "Invalid gateway address");
            }
            _ => {}
        }
        let direct = |path: &&Path, table: u32| {
            path.table == table
                && path.kind == RouteType::Unicast
                && path.network.contains(gateway)
                && path.hops.iter().all(|hop| hop.gateway.is_none())
                && named.is_none_or(|link| path.uses(link))
        };
        let on = |table: u32| {
            let found = self.paths.iter().filter(|path| direct(path, table));
            found.max_by_key(|path| path.network.length)
        };
        let domain = named.map_or(MAIN, |link| self.table_of(link));
        let path = on(table).or_else(|| on(domain)).or_else(|| on(MAIN));
        match path.and_then(|path| path.hops.first()) {
            Some(hop) => Ok(named.unwrap_or(hop.link)),
            None if v4 => refuse("ENETUNREACH", "Nexthop has invalid gateway"),
            None => errno("EHOSTUNREACH"),
        }
    }

    /// The table in which a link's connected routes stand: its VRF's, or main (l3mdev_fib_table).
    pub(super) fn table_of(&self, link: u32) -> u32 {
        let device = self.device(link);
        let vrf = device
            .controller
            .and_then(|above| self.device(above).vrf_table());
        device.vrf_table().or(vrf).unwrap_or(MAIN)
    }
}
