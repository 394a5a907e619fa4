//! Routes.

use std::net::IpAddr;

use super::{Addr, Network, RouteType, State, Unknown};

/// The routing table that is meant where none is named.
pub const MAIN_TABLE: u32 = 254;

keys! {
    /// A route.
    pub struct Route {
        /// The first address of the destination; `0.0.0.0` or `::` with prefix 0 for all.
        dest: Addr,
        /// The length of the destination's prefix.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(max = 128)))]
        prefix: u8,
    }
    optional {
        /// IPv6: only for packets from this network.
        from: Network,
        /// The router; absent where the destination is on the link itself.
        next_hop: IpAddr,
        /// Lower wins. The kernel's default is 0 for IPv4, 1024 for IPv6.
        metric: u32,
        /// The routing table, 254 (main) by default.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1)))]
        table: u32,
        /// `unicast` unless it leads nowhere.
        r#type: RouteType,
        /// The router is reachable although no address says so.
        onlink: bool,
        /// The source address of what this host sends.
        preferred_source: IpAddr,
        /// Several ways at once (ECMP).
        next_hops: Vec<NextHop>,
        /// The largest packet, in bytes.
        mtu: u32,
        /// Only this type of service, IPv4.
        tos: u8,
        /// `absent` removes it; only in the list beside the interfaces.
        state: State,
        /// Read only: who made it, by number (rtnetlink(7)), where that is not the operator.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        protocol: u8,
        /// Read only: seconds left of a route that expires.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        lifetime: u32,
        /// Read only: attributes that op-dbus has no name for, by place, in hexadecimal. They are kept when the route changes or is put back.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        unknown: Vec<Unknown>,
    }
}

keys! {
    /// One of several ways.
    pub struct NextHop {}
    optional {
        /// The router; absent where the destination is on the link itself.
        next_hop: IpAddr,
        /// The interface; the one that the route stands at by default.
        interface: String,
        /// Its share, 1 to 256; 1 by default.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1, max = 256)))]
        weight: u16,
        /// The router is reachable although no address says so.
        onlink: bool,
        /// Read only: attributes that op-dbus has no name for.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        unknown: Vec<Unknown>,
    }
}

/// What tells one route from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey {
    /// The destination.
    pub destination: Network,
    /// The routing table.
    pub table: u32,
    /// The metric, the kernel's default filled in.
    pub metric: u32,
    /// The type of service.
    pub tos: u8,
    /// The network that packets come from.
    pub from: Option<Network>,
}

impl Route {
    /// The destination with its prefix length.
    pub fn destination(&self) -> Network {
        Network {
            address: self.dest.0,
            prefix: self.prefix,
        }
    }

    /// What tells it from others.
    pub fn key(&self) -> RouteKey {
        let default = if self.dest.0.is_ipv4() { 0 } else { 1024 };
        RouteKey {
            destination: self.destination(),
            table: self.table.unwrap_or(MAIN_TABLE),
            // Metric 0 asks IPv6 for its default.
            metric: match self.metric {
                None | Some(0) => default,
                Some(metric) => metric,
            },
            tos: self.tos.unwrap_or(0),
            // A network of length 0 is every packet's.
            from: self.from.filter(|from| from.prefix > 0),
        }
    }

    /// Whether the operator put it there to stay: protocol static, which is not shown, or boot (3).
    pub fn is_static(&self) -> bool {
        matches!(self.protocol, None | Some(3)) && self.lifetime.is_none()
    }

    /// Whether the file wants it gone.
    pub fn is_absent(&self) -> bool {
        self.state == Some(State::Absent)
    }

    /// Whether it comes and goes by the doing of the kernel or of a router (redirects, rtnetlink(7)'s protocols 1, 2 and 9, and what
    /// expires): in a file, no wish.
    pub fn is_passing(&self) -> bool {
        matches!(self.protocol, Some(1 | 2 | 9)) || self.lifetime.is_some()
    }

    /// Whether a route is one that this entry, `"state": "absent"`, wants gone, whoever made it but the kernel: what the entry does not say
    /// matches anything, but the table, which is the main one.
    pub fn means(&self, route: &Self) -> bool {
        fn agrees<T: PartialEq>(want: &Option<T>, is: Option<T>) -> bool {
            want.is_none() || *want == is
        }
        let (own, key) = (self.key(), route.key());
        let hop_agrees = self.next_hop.is_none()
            || route
                .ways(None)
                .iter()
                .any(|way| way.next_hop == self.next_hop);
        !route.is_passing()
            && own.destination == key.destination
            && own.table == key.table
            && (self.metric.is_none() || own.metric == key.metric)
            && agrees(&self.tos, Some(key.tos))
            && agrees(&self.from, key.from)
            && agrees(&self.r#type, Some(route.kind()))
            && hop_agrees
    }

    /// The default route that the key `gateway` speaks of.
    pub fn of_gateway(gateway: IpAddr) -> Self {
        let dest = match gateway {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        Self {
            dest: Addr(dest),
            next_hop: Some(gateway),
            ..Self::default()
        }
    }

    /// Whether it is the route that the key `gateway` speaks of: the default one, main table, usual metric.
    pub fn is_gateways(&self) -> bool {
        let key = self.key();
        self.prefix == 0
            && key
                == Self {
                    dest: self.dest,
                    ..Self::default()
                }
                .key()
    }

    /// The type, with the default filled in.
    pub fn kind(&self) -> RouteType {
        self.r#type.unwrap_or(RouteType::Unicast)
    }

    /// The ways, in one form: `interface` stands for those that name none. Empty for types that lead nowhere.
    pub fn ways(&self, interface: Option<&str>) -> Vec<NextHop> {
        if matches!(
            self.kind(),
            RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
        ) {
            return Vec::new();
        }
        let filled = |hop: &NextHop| NextHop {
            next_hop: hop.next_hop,
            interface: hop.interface.clone().or(interface.map(str::to_owned)),
            weight: Some(hop.weight.unwrap_or(1)),
            onlink: Some(hop.onlink.unwrap_or(false)),
            unknown: hop.unknown.clone(),
        };
        match &self.next_hops {
            Some(hops) if !hops.is_empty() => hops.iter().map(filled).collect(),
            _ => vec![filled(&NextHop {
                next_hop: self.next_hop,
                onlink: self.onlink,
                ..NextHop::default()
            })],
        }
    }
    /// With the link of each way written out, a single way as the one entry of the list.
    pub fn on_link(&self, link: &str) -> Self {
        let ways = self.ways(Some(link)).into_iter().map(|way| NextHop {
            onlink: way.onlink.filter(|onlink| *onlink),
            weight: way.weight.filter(|weight| *weight != 1),
            ..way
        });
        Self {
            next_hop: None,
            onlink: None,
            next_hops: Some(ways.collect()),
            ..self.clone()
        }
    }
}
