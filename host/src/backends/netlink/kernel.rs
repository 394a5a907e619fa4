//! What can be asked of a kernel.

use async_trait::async_trait;

use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use crate::contract::types::Failure;

/// What can be read from and asked of a kernel. One namespace each; the real one, and simulated ones in tests.
#[async_trait]
pub trait Kernel: Send + Sync {
    /// Links that match one of the selectors; all, when there is none.
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure>;
    /// Addresses of these links, or of all.
    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure>;
    /// Routes within a scope.
    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure>;
    /// Routing rules of these families, or of both.
    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure>;
    /// Neighbour entries on these links, or on all.
    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure>;
    /// Bridge VLANs on these links, or on all.
    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure>;
    /// Carries out requests in order; an answer for each.
    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>>;
}

/// A kernel that lies over another one: it shows what that shows, and does something of its own when it is to change something.
#[async_trait]
pub trait Layer: Send + Sync {
    /// The one beneath.
    fn beneath(&self) -> &dyn Kernel;
    /// See [`Kernel::execute`].
    async fn change(&self, requests: &[Request]) -> Vec<Result<(), Failure>>;
}

#[async_trait]
impl<T: Layer> Kernel for T {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        self.beneath().links(selectors).await
    }

    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        self.beneath().addresses(links).await
    }

    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        self.beneath().routes(within).await
    }

    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        self.beneath().rules(families).await
    }

    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        self.beneath().neighbours(links).await
    }

    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        self.beneath().bridge_vlans(links).await
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        self.change(requests).await
    }
}
