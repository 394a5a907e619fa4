//! The kernel, with a transaction's book between: for what the host itself changes in a transaction.

use async_trait::async_trait;

use super::book::Book;
use crate::backends::netlink::Kernel;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use crate::contract::types::Failure;
use crate::gate::Recorder;

/// The name under which the host's own changes are recorded.
pub const HOST: &str = "host";

/// A kernel whose changes are journalled.
pub struct Journalled<'a> {
    /// Whose journal.
    pub book: &'a Book,
    /// Where the calls go.
    pub kernel: &'a dyn Kernel,
}

#[async_trait]
impl Kernel for Journalled<'_> {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        self.kernel.links(selectors).await
    }

    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        self.kernel.addresses(links).await
    }

    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        self.kernel.routes(within).await
    }

    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        self.kernel.rules(families).await
    }

    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        self.kernel.neighbours(links).await
    }

    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        self.kernel.bridge_vlans(links).await
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        match self.book.before_netlink(HOST, self.kernel, requests).await {
            Ok(()) => self.kernel.execute(requests).await,
            Err(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}
