//! The simulated kernel.

use async_trait::async_trait;
use op_dbus_plugin::netlink;

use super::{Mock, all, answer, carried};
use crate::backends::netlink::Kernel;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use crate::contract::types::Failure;

/// The kernel of a simulated host.
pub struct SimulatedKernel(pub Mock);

#[async_trait]
impl Kernel for SimulatedKernel {
    async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        let selectors: Vec<netlink::LinkSelector> = all(selectors);
        answer(self.0.within(move |_| netlink::links(&selectors)))
    }

    async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        let links = links.to_vec();
        answer(self.0.within(move |_| netlink::addresses(&links)))
    }

    async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        let within: netlink::RouteScope = carried(within);
        answer(self.0.within(move |_| netlink::routes(&within)))
    }

    async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        let families: Vec<netlink::Family> = all(families);
        answer(self.0.within(move |_| netlink::rules(&families)))
    }

    async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        let links = links.to_vec();
        answer(self.0.within(move |_| netlink::neighbours(&links)))
    }

    async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        let links = links.to_vec();
        answer(self.0.within(move |_| netlink::bridge_vlans(&links)))
    }

    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        let asked: Vec<netlink::Request> = all(requests);
        match self.0.within(move |_| netlink::execute(&asked)) {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| answer.map_err(|failure| carried(&failure)))
                .collect(),
            Err(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}
