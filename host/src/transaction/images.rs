//! Images of kernel objects: what was there, absence included, by identity.
//!
//! The same type holds what was before a transaction and what is now; undoing is the way from the one to the other. Names of links are
//! those from before the transaction: what a transaction renames is found by its index.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::contract::netlink::{Address, BridgeVlan, Family, Link, Neighbour, Prefix, Route, Rule};

/// Objects by identity, in the order in which they were first seen. Nothing stands for one that does not exist.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    entries: Vec<(K, Option<V>)>,
    index: HashMap<K, usize>,
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// The image of an object: nothing if there is no image, `Some(None)` if it did not exist.
    pub fn get(&self, key: &K) -> Option<Option<&V>> {
        self.index.get(key).map(|at| self.entries[*at].1.as_ref())
    }

    /// Whether there is an image.
    pub fn contains(&self, key: &K) -> bool {
        self.index.contains_key(key)
    }

    /// Keeps an image, unless there is an earlier one. Says whether it is new.
    pub fn insert(&mut self, key: K, value: Option<V>) -> bool {
        if self.contains(&key) {
            return false;
        }
        self.index.insert(key.clone(), self.entries.len());
        self.entries.push((key, value));
        true
    }

    /// All images, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, Option<&V>)> {
        self.entries
            .iter()
            .map(|(key, value)| (key, value.as_ref()))
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: HashMap::new(),
        }
    }
}

/// In any order.
impl<K: Clone + Eq + Hash, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Table<K, V>
where
    K: Deserialize<'de> + Clone + Eq + Hash,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::default();
        for (key, value) in Vec::<(K, Option<V>)>::deserialize(deserializer)? {
            table.insert(key, value);
        }
        Ok(table)
    }
}

/// Identity of an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AddressKey {
    /// The link's name before the transaction.
    pub link: String,
    /// The address, in its normal form.
    pub address: String,
    /// Bits of the prefix.
    pub prefix_length: u8,
}

/// An IPv4 network on a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetworkKey {
    /// The link's name before the transaction.
    pub link: String,
    /// Its first address.
    pub network: String,
    /// Bits of the prefix.
    pub prefix_length: u8,
}

/// Identity of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// First address of the destination, in its normal form.
    pub destination: String,
    /// Its length.
    pub length: u8,
    /// Routing table.
    pub table: u32,
    /// With the kernel's default in place of none.
    pub metric: u32,
    /// Type of service.
    pub tos: u8,
    /// The network that packets come from, as `address/length`, of an IPv6 route that asks for it.
    #[serde(default)]
    pub source: Option<String>,
    /// The outgoing link of a route that the kernel made: it makes one for each link, of the same destination and metric.
    pub link: Option<String>,
}

/// Identity of a neighbour entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NeighbourKey {
    /// The link's name before the transaction.
    pub link: String,
    /// The address, in its normal form.
    pub address: String,
    /// Whether this host answers for it.
    pub proxy: bool,
}

/// Identity of one VLAN of a port or bridge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VlanKey {
    /// The link's name before the transaction.
    pub link: String,
    /// Whether it is the bridge's own.
    pub on_bridge: bool,
    /// 1 to 4094.
    pub id: u16,
}

/// Identity of an alternative name of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AlternativeNameKey {
    /// The link's name before the transaction.
    pub link: String,
    /// The alternative name.
    pub name: String,
}

/// Rules that requests asked for, and those that were there. A rule is its own identity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleImages {
    /// Rules that the transaction adds or deletes, as it named them.
    pub touched: Vec<Rule>,
    /// All rules before, of the families of those.
    pub before: Vec<Rule>,
    /// Whether `before` holds IPv4's.
    pub ipv4: bool,
    /// Whether `before` holds IPv6's.
    pub ipv6: bool,
}

impl RuleImages {
    /// Whether the rules of a family are imaged.
    pub fn has(&self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }
}

/// What was there of each object that a transaction touches or takes along.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Images {
    /// By name.
    pub links: Table<String, Link>,
    /// Addresses.
    pub addresses: Table<AddressKey, Address>,
    /// The primary address of an IPv4 network on a link: the first, of which the others are secondaries.
    pub primaries: Table<NetworkKey, String>,
    /// Routes.
    pub routes: Table<RouteKey, Route>,
    /// Neighbour entries that somebody put there; those that the kernel learns come and go.
    pub neighbours: Table<NeighbourKey, Neighbour>,
    /// VLANs, one by one.
    pub vlans: Table<VlanKey, BridgeVlan>,
    /// Rules.
    pub rules: RuleImages,
    /// Alternative names that requests add or delete; always true where there was one.
    pub alternative_names: Table<AlternativeNameKey, bool>,
    /// Indices of links that requests rename: to be looked for by index.
    pub renamed: Vec<u32>,
    /// Links all of whose addresses, routes, neighbours and VLANs are imaged; true where that includes what the kernel makes itself.
    pub whole: Table<String, bool>,
}

impl Images {
    /// Whether nothing is imaged.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
            && self.addresses.is_empty()
            && self.routes.is_empty()
            && self.neighbours.is_empty()
            && self.vlans.is_empty()
            && self.rules.touched.is_empty()
    }

    /// Adds another's images; of an object that both hold, the one that is here already stays.
    pub fn merge(&mut self, later: Images) {
        merge(&mut self.links, later.links);
        merge(&mut self.addresses, later.addresses);
        merge(&mut self.primaries, later.primaries);
        merge(&mut self.routes, later.routes);
        merge(&mut self.neighbours, later.neighbours);
        merge(&mut self.vlans, later.vlans);
        merge(&mut self.alternative_names, later.alternative_names);
        merge(&mut self.whole, later.whole);
        self.renamed.extend(later.renamed);
        let rules = &mut self.rules;
        rules.touched.extend(later.rules.touched);
        let (ipv4, ipv6) = (rules.ipv4, rules.ipv6);
        rules.before.extend(
            later
                .rules
                .before
                .into_iter()
                .filter(|rule| match rule.family {
                    Family::Ipv4 => !ipv4,
                    Family::Ipv6 => !ipv6,
                }),
        );
        rules.ipv4 |= later.rules.ipv4;
        rules.ipv6 |= later.rules.ipv6;
    }

    /// The name that the link of this index had before, if it is imaged.
    pub fn names_by_index(&self) -> HashMap<u32, &str> {
        let present = self
            .links
            .iter()
            .filter_map(|(name, link)| Some((link?.index, name.as_str())));
        present.collect()
    }

    /// Whether a link is known not to have existed: nothing hung from it.
    pub fn was_absent(&self, link: &str) -> bool {
        matches!(self.links.get(&link.to_owned()), Some(None))
    }
}

fn merge<K: Clone + Eq + Hash, V>(into: &mut Table<K, V>, from: Table<K, V>) {
    for (key, value) in from.entries {
        into.insert(key, value);
    }
}

/// An address in its normal form; text that is none stays as it is, and no kernel will take it.
pub fn normal_address(text: &str) -> String {
    text.parse::<IpAddr>()
        .map_or_else(|_| text.to_owned(), |address| address.to_string())
}

/// Whether an address is one of IPv6.
pub fn is_ipv6(address: &str) -> bool {
    address.contains(':')
}

/// First address of the network of `length` bits that holds an address.
pub fn network(address: &str, length: u8) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(length.min(32)))
                .unwrap_or(0);
            std::net::Ipv4Addr::from_bits(address.to_bits() & mask).to_string()
        }
        Ok(IpAddr::V6(address)) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            std::net::Ipv6Addr::from_bits(address.to_bits() & mask).to_string()
        }
        Err(_) => address.to_owned(),
    }
}

impl AddressKey {
    /// The network that the address lies in.
    pub fn network(&self) -> NetworkKey {
        NetworkKey {
            link: self.link.clone(),
            network: network(&self.address, self.prefix_length),
            prefix_length: self.prefix_length,
        }
    }

    /// Identity of an address.
    pub fn of(address: &Address) -> Self {
        Self {
            link: address.link.clone(),
            address: normal_address(&address.address),
            prefix_length: address.prefix_length,
        }
    }
}

/// Made by the kernel itself (RTPROT_KERNEL): it comes back with the address or link that it follows.
pub const PROTOCOL_KERNEL: u8 = 2;
/// Made from a router advertisement (RTPROT_RA).
pub const PROTOCOL_RA: u8 = 9;

impl RouteKey {
    /// Identity of a route.
    pub fn of(route: &Route) -> Self {
        let Prefix { address, length } = &route.destination;
        let kernel_made = matches!(route.protocol, PROTOCOL_KERNEL | PROTOCOL_RA);
        Self {
            destination: network(address, *length),
            length: *length,
            table: route.table,
            // rtnetlink(7): IPv6 takes 0 as "the default" too.
            metric: match route.metric {
                None | Some(0) if is_ipv6(address) => 1024,
                metric => metric.unwrap_or(0),
            },
            tos: route.tos,
            source: route.source.as_ref().map(|source| {
                let Prefix { address, length } = source;
                format!("{}/{length}", network(address, *length))
            }),
            link: route
                .next_hops
                .first()
                .and_then(|hop| hop.link.clone())
                .filter(|_| kernel_made),
        }
    }
}

impl NeighbourKey {
    /// Identity of a neighbour entry.
    pub fn of(neighbour: &Neighbour) -> Self {
        Self {
            link: neighbour.link.clone(),
            address: normal_address(&neighbour.address),
            proxy: neighbour.proxy,
        }
    }
}

/// The VLANs of a range, one by one.
pub fn single_vlans(range: &BridgeVlan) -> impl Iterator<Item = (VlanKey, BridgeVlan)> {
    (range.first..=range.last).map(|id| {
        let key = VlanKey {
            link: range.link.clone(),
            on_bridge: range.on_bridge,
            id,
        };
        (
            key,
            BridgeVlan {
                first: id,
                last: id,
                ..range.clone()
            },
        )
    })
}
