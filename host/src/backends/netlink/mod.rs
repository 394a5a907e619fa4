//! The kernel's network configuration over netlink (rtnetlink(7)).
//!
//! # Layout
//! - [`Kernel`]: what can be asked of a kernel; [`Netlink`] is the real one.
//! - `socket`, `message`, `attribute`: the transport, messages out, attributes in.
//! - `namespace`, `errno`: where the sockets live; what the kernel's refusals mean.
//! - `resolve`: names and indices. `read`: which dumps a question takes. `execute`: batches of changes.
//! - `link/`, `address`, `route`: the objects, both ways.
//!
//! The crates of rust-netlink lend the socket; messages are encoded and decoded here. Their full decode fails on what it does not know inside
//! attributes that nobody asked for, costs several times as much for a dump of thousands of links, and does not keep the bytes of what it has no
//! name for, which are needed to tell what a recreated link would lose.

mod address;
mod attribute;
mod describe;
mod errno;
mod execute;
mod ip;
mod kernel;
mod link;
mod message;
mod namespace;
mod read;
mod resolve;
mod route;
mod socket;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use netlink_sys::protocols::NETLINK_ROUTE;
use tokio::sync::Mutex;

use self::execute::{Pipeline, nothing_tried};
use self::namespace::Namespace;
use self::socket::Channel;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use crate::contract::types::Failure;
use crate::secrets::SecretStore;

pub use kernel::Kernel;

/// The kernel, in one network namespace. Cheap to clone; calls from several tasks take turns.
#[derive(Clone)]
pub struct Netlink(Arc<Shared>);

struct Shared {
    namespace: Namespace,
    secrets: Arc<SecretStore>,
    route: Mutex<Channel>,
    next_index: AtomicU32,
}

impl Netlink {
    /// Opens the kernel in the namespace of this name (as in ip-netns(8)), or at this path when it has a `/`; in ours for none.
    ///
    /// # Errors
    /// `not-found` when the namespace does not exist, `refused` when this process may not enter it.
    pub fn open(namespace: Option<&str>, secrets: Arc<SecretStore>) -> Result<Self, Failure> {
        let namespace = Namespace::open(namespace)?;
        let route = namespace.within("open a netlink socket", || socket::open(NETLINK_ROUTE))?;
        Ok(Self(Arc::new(Shared {
            namespace,
            secrets,
            route: Mutex::new(Channel::new(route)),
            next_index: AtomicU32::new(0),
        })))
    }

    /// What names this network namespace for as long as it exists: the inode of its file, as in `net:[4026531840]`.
    pub fn identity(&self) -> u64 {
        self.0.namespace.inode()
    }
}

#[async_trait]
impl Kernel for Netlink {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        let mut channel = self.0.route.lock().await;
        read::links(self, &mut channel, selectors)
            .await
            .map_err(|trouble| trouble.failure("read links"))
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

    async fn rules(&self, _families: &[Family]) -> Result<Vec<Rule>, Failure> {
        Ok(Vec::new())
    }

    async fn neighbours(&self, _links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        Ok(Vec::new())
    }

    async fn bridge_vlans(&self, _links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        Ok(Vec::new())
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        let mut channel = self.0.route.lock().await;
        match Pipeline::open(self, &mut channel, requests).await {
            Ok(pipeline) => pipeline.run().await,
            Err(trouble) => nothing_tried(requests, &trouble.failure("look up the links of a batch")),
        }
    }
}
