//! `netlink`: the kernel's network configuration.

use super::Ctx;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Host, Link, LinkSelector, Neighbour, Request, Route, RouteScope,
    Rule,
};
use crate::contract::types::Failure;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for Ctx {
    async fn links(&mut self, selectors: Vec<LinkSelector>) -> Answer<Vec<Link>> {
        Ok(self.gate.links(&selectors).await)
    }

    async fn addresses(&mut self, links: Vec<String>) -> Answer<Vec<Address>> {
        Ok(self.gate.addresses(&links).await)
    }

    async fn routes(&mut self, within: RouteScope) -> Answer<Vec<Route>> {
        Ok(self.gate.routes(&within).await)
    }

    async fn rules(&mut self, families: Vec<Family>) -> Answer<Vec<Rule>> {
        Ok(self.gate.rules(&families).await)
    }

    async fn neighbours(&mut self, links: Vec<String>) -> Answer<Vec<Neighbour>> {
        Ok(self.gate.neighbours(&links).await)
    }

    async fn bridge_vlans(&mut self, links: Vec<String>) -> Answer<Vec<BridgeVlan>> {
        Ok(self.gate.bridge_vlans(&links).await)
    }

    async fn execute(
        &mut self,
        requests: Vec<Request>,
    ) -> wasmtime::Result<Vec<Result<(), Failure>>> {
        Ok(self.gate.execute(requests).await)
    }
}

impl crate::contract::types::Host for Ctx {}
