//! Holds the addresses of the machine against a plan of networks. It changes nothing: a section of it in a state file, beside that of
//! `net`, lets an apply fail, and be undone, after which an address stands where it should not.
//!
//! `{"networks": {"192.0.2.0/24": ["vmbr0"], "2001:db8::/32": []}}`: IPv4 addresses of the first network on `vmbr0` alone, IPv6 addresses
//! on any link, and no others anywhere. What the kernel makes (loopback, link-local) is of no concern.

mod network;

use std::collections::BTreeMap;
use std::net::IpAddr;

use op_dbus_plugin::netlink::{self, Address};
use op_dbus_plugin::{
    Action, CheckpointData, Description, Failure, Features, Mismatch, Outcome, Plugin, Pointer,
    Problem, Watch,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use network::Network;

/// The plan; what `query` shows is the plan that the present addresses would fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// By network: the links that may have addresses in it, any where there is none.
    #[serde(default)]
    pub networks: BTreeMap<String, Vec<String>>,
}

/// The plugin.
pub struct IpamCheck;

/// Addresses that somebody gave the machine, as numbers.
fn given() -> Result<Vec<(IpAddr, Address)>, Failure> {
    let parsed = netlink::addresses(&[])?.into_iter().map(|it| {
        let number: IpAddr = it
            .address
            .parse()
            .map_err(|_| Failure::internal(format!("{:?} is no address", it.address)))?;
        Ok((number, it))
    });
    let all: Vec<_> = parsed.collect::<Result<_, Failure>>()?;
    let concerns = |number: &IpAddr, it: &Address| {
        let is_local = match number {
            IpAddr::V4(number) => number.is_loopback(),
            IpAddr::V6(number) => number.is_loopback() || number.is_unicast_link_local(),
        };
        !is_local && !it.kernel_made
    };
    Ok(all
        .into_iter()
        .filter(|(number, it)| concerns(number, it))
        .collect())
}

impl Section {
    fn parsed(&self) -> impl Iterator<Item = (&String, &Vec<String>, Result<Network, String>)> {
        self.networks
            .iter()
            .map(|(text, links)| (text, links, Network::parse(text)))
    }

    /// What is wrong with an address, if anything is.
    fn judge(&self, number: IpAddr, address: &Address) -> Option<Mismatch> {
        let shown = format!(
            "{}/{} on {}",
            address.address, address.prefix_length, address.link
        );
        let networks = Pointer::root().key("networks");
        let home = self
            .parsed()
            .find(|(_, _, network)| network.as_ref().is_ok_and(|it| it.contains(number)));
        let (path, want) = match home {
            None => (networks, json!(self.networks.keys().collect::<Vec<_>>())),
            Some((_, links, _)) if links.is_empty() || links.contains(&address.link) => {
                return None;
            }
            Some((text, links, _)) => (networks.key(text), json!(links)),
        };
        Some(Mismatch {
            path: path.into(),
            want: want.to_string(),
            have: Some(json!(shown).to_string()),
        })
    }
}

impl Plugin for IpamCheck {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "ipam-check".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Fails a change after which an address stands outside of the plan".into(),
            schema: include_str!("../schema.json").into(),
            supports: Features {
                checkpoints: true,
                atomic: true,
                scoped_query: false,
            },
            asks: include_str!("../asks.json").into(),
        }
    }

    fn watches() -> Vec<Watch> {
        vec![Watch::Addresses]
    }

    fn validate(desired: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut known: Vec<(&String, Network)> = Vec::new();
        for (text, _, network) in desired.parsed() {
            let mut tell = |message: String| {
                problems.push(Problem {
                    path: Pointer::root().key("networks").key(text).into(),
                    message,
                });
            };
            match network {
                Err(message) => tell(message),
                Ok(network) => {
                    if let Some((other, _)) = known.iter().find(|(_, it)| it.overlaps(&network)) {
                        tell(format!(
                            "{text} and {other} overlap; which one an address belongs to cannot be told"
                        ));
                    }
                    known.push((text, network));
                }
            }
        }
        problems
    }

    fn query(_within: Option<&Section>) -> Result<Section, Failure> {
        let mut section = Section::default();
        for (number, address) in given()? {
            let network = Network::around(number, address.prefix_length);
            let links = section.networks.entry(network).or_default();
            if !links.contains(&address.link) {
                links.push(address.link);
            }
        }
        section.networks.values_mut().for_each(|links| links.sort());
        Ok(section)
    }

    fn diff(_current: &Section, _desired: &Section) -> Result<Vec<Action>, Failure> {
        // Addresses are for others to change: what does not fit shows when the system is read back.
        Ok(Vec::new())
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        match actions.is_empty() {
            true => Ok(Vec::new()),
            false => Err(Failure::invalid("this plugin has no steps to carry out")),
        }
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        let judged = given()?
            .into_iter()
            .filter_map(|(number, it)| desired.judge(number, &it));
        Ok(judged.collect())
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        // Nothing was changed. A checkpoint that is none is still told from one.
        serde_json::from_str::<Section>(&to.state)?;
        Ok(Vec::new())
    }
}

op_dbus_plugin::export!(IpamCheck);

#[cfg(test)]
mod tests;
