//! The kernel's network configuration over netlink (rtnetlink(7)).
//!
//! # Layout
//! - [`Kernel`]: what can be asked of a kernel; [`Netlink`] is the real one.
//! - `socket`, `message`, `answer`, `attribute`: the transport; messages out, answers and their attributes in.
//! - `namespace`, `errno`: where the sockets live; what the kernel's refusals mean.
//! - `resolve`, `names`: names and indices. `read`: which dumps a question takes. `execute`: batches of changes.
//! - `link/`, `address`, `route`, `rule`, `neighbour`, `vlan`, `wireguard`: the objects, both ways; `tun` makes what takes ioctl(2).
//! - `events`: what the kernel says of itself.
//!
//! The crates of rust-netlink lend the socket; messages are encoded and decoded here. Their full decode fails on what it does not know inside
//! attributes that nobody asked for, costs several times as much for a dump of thousands of links, and does not keep the bytes of what it has no
//! name for, which are needed to tell what a recreated link would lose.

mod address;
mod answer;
mod attribute;
mod describe;
mod errno;
mod events;
mod execute;
#[cfg(test)]
mod hostile;
mod ip;
mod kernel;
mod link;
mod message;
mod names;
mod namespace;
mod neighbour;
mod read;
mod resolve;
mod route;
mod rule;
mod socket;
mod tun;
mod unknown;
mod vlan;
mod wireguard;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};
use tokio::sync::Mutex;

use self::execute::{Pipeline, nothing_tried};
use self::names::LinkNames;
use self::namespace::Namespace;
use self::socket::Channel;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Kind, Link, LinkSelector, Neighbour, Request, Route, RouteScope,
    Rule,
};
use crate::contract::types::{Failure, FailureCode};
use crate::secrets::SecretStore;

pub use describe::describe;
pub use events::{Event, Events, Group};
pub use kernel::{Kernel, Layer};
pub use link::{parent, parent_mut, word};
pub use namespace::Namespace as Place;

/// The kernel, in one network namespace. Cheap to clone; calls from several tasks take turns.
#[derive(Clone)]
pub struct Netlink(Arc<Shared>);

struct Shared {
    namespace: Arc<Namespace>,
    secrets: Arc<SecretStore>,
    route: Mutex<Channel>,
    /// Taken after `route` where both are needed.
    generic: Mutex<Channel>,
    /// An index above all that were seen, 0 when none was: new links look for free ones from here.
    next_index: AtomicU32,
}

impl Netlink {
    /// Opens the kernel in the namespace of this name (as in ip-netns(8)), or at this path when it has a `/`; in ours for none.
    ///
    /// # Errors
    /// `not-found` when the namespace does not exist, `refused` when this process may not enter it.
    pub fn open(namespace: Option<&str>, secrets: Arc<SecretStore>) -> Result<Self, Failure> {
        Self::within(Arc::new(Namespace::open(namespace)?), secrets)
    }

    /// The kernel in a namespace that was opened before.
    ///
    /// # Errors
    /// As [`Netlink::open`].
    pub fn within(namespace: Arc<Namespace>, secrets: Arc<SecretStore>) -> Result<Self, Failure> {
        let (route, events, generic) = namespace.within("open netlink sockets", || {
            let route = || socket::open(NETLINK_ROUTE);
            Ok((route()?, route()?, socket::open(NETLINK_GENERIC)?))
        })?;
        let mut route = Channel::new(route);
        route.names = LinkNames::new(events);
        Ok(Self(Arc::new(Shared {
            namespace,
            secrets,
            route: Mutex::new(route),
            generic: Mutex::new(Channel::new(generic)),
            next_index: AtomicU32::new(0),
        })))
    }

    /// What names this network namespace for as long as it exists: the inode of its file, as in `net:[4026531840]`.
    pub fn identity(&self) -> u64 {
        self.0.namespace.inode()
    }

    /// A stream of events of these groups, from now on. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn watch(&self, groups: &[Group]) -> Result<Events, Failure> {
        let open = || {
            let socket = socket::open(NETLINK_ROUTE)?;
            for number in groups.iter().flat_map(|group| group.numbers()) {
                socket.add_membership(*number)?;
            }
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        Events::new(self.0.namespace.within("watch for netlink events", open)?)
    }
}

#[async_trait]
impl Kernel for Netlink {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        let mut channel = self.0.route.lock().await;
        let mut links = read::links(self, &mut channel, selectors)
            .await
            .map_err(|trouble| trouble.failure("read links"))?;
        let devices: Vec<_> = links
            .iter()
            .filter(|link| matches!(link.kind, Kind::Wireguard(_)))
            .map(|link| (link.index, link.name.clone()))
            .collect();
        if !devices.is_empty() {
            let mut generic = self.0.generic.lock().await;
            let settings = wireguard::read(&mut generic, &self.0.secrets, &devices).await?;
            for (index, wireguard) in settings {
                if let Ok(place) = links.binary_search_by_key(&index, |link| link.index) {
                    links[place].kind = Kind::Wireguard(wireguard);
                }
            }
        }
        Ok(links)
    }

    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        let mut channel = self.0.route.lock().await;
        read::addresses(&mut channel, links)
            .await
            .map_err(|trouble| trouble.failure("read addresses"))
    }

    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        let mut channel = self.0.route.lock().await;
        read::routes(&mut channel, within).await
    }

    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        let mut channel = self.0.route.lock().await;
        read::rules(&mut channel, families)
            .await
            .map_err(|trouble| trouble.failure("read rules"))
    }

    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        let mut channel = self.0.route.lock().await;
        read::neighbours(&mut channel, links)
            .await
            .map_err(|trouble| trouble.failure("read neighbours"))
    }

    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        let mut channel = self.0.route.lock().await;
        read::bridge_vlans(&mut channel, links)
            .await
            .map_err(|trouble| trouble.failure("read bridge VLANs"))
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        // An undo, in a later process even, must be able to put back the keys that are about to be replaced.
        if let Err(error) = self.0.secrets.keep() {
            let failure = Failure {
                code: FailureCode::Internal,
                message: format!("the escrow of secrets cannot be written: {error}"),
                backend: None,
            };
            return nothing_tried(requests, &failure);
        }
        let mut channel = self.0.route.lock().await;
        match Pipeline::open(self, &mut channel, requests).await {
            Ok(pipeline) => pipeline.run().await,
            Err(trouble) => {
                nothing_tried(requests, &trouble.failure("look up the links of a batch"))
            }
        }
    }
}
