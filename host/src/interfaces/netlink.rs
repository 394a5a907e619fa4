//! `netlink`: the kernel's network configuration.

use super::Ctx;
use crate::boundary::cross;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Host, Link, LinkSelector, Neighbour, Request, Route, RouteScope,
    Rule,
};
use crate::contract::types::Failure;

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Host for Ctx {
    async fn links(&mut self, selectors: Vec<LinkSelector>) -> Answer<Vec<Link>> {
        let gate = &self.gate;
        cross!(
            self,
            "netlink.links",
            [selectors],
            gate.links(&selectors).await
        )
    }

    async fn addresses(&mut self, links: Vec<String>) -> Answer<Vec<Address>> {
        let gate = &self.gate;
        cross!(
            self,
            "netlink.addresses",
            [links],
            gate.addresses(&links).await
        )
    }

    async fn routes(&mut self, within: RouteScope) -> Answer<Vec<Route>> {
        let gate = &self.gate;
        cross!(self, "netlink.routes", [within], gate.routes(&within).await)
    }

    async fn rules(&mut self, families: Vec<Family>) -> Answer<Vec<Rule>> {
        let gate = &self.gate;
        cross!(
            self,
            "netlink.rules",
            [families],
            gate.rules(&families).await
        )
    }

    async fn neighbours(&mut self, links: Vec<String>) -> Answer<Vec<Neighbour>> {
        let gate = &self.gate;
        cross!(
            self,
            "netlink.neighbours",
            [links],
            gate.neighbours(&links).await
        )
    }

    async fn bridge_vlans(&mut self, links: Vec<String>) -> Answer<Vec<BridgeVlan>> {
        let gate = &self.gate;
        cross!(
            self,
            "netlink.bridge-vlans",
            [links],
            gate.bridge_vlans(&links).await
        )
    }

    async fn execute(
        &mut self,
        requests: Vec<Request>,
    ) -> wasmtime::Result<Vec<Result<(), Failure>>> {
        let gate = &self.gate;
        cross!(
            self,
            "netlink.execute",
            [requests],
            gate.execute(requests).await
        )
    }
}

impl crate::contract::types::Host for Ctx {}
