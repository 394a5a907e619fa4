//! The single place where a call from a plugin is checked, journalled and audited before it takes effect.
//!
//! A [`Gate`] belongs to one call into one plugin. It knows the plugin's grant, what the call is for ([`Mode`]), and the backends.

pub mod budget;
pub mod dbus;
pub mod grant;
mod netlink;
pub mod network;
pub mod ovsdb;
pub mod pattern;
mod recorder;

use std::collections::HashMap;
use std::sync::Arc;

use crate::backends::dbus::MessageBus;
use crate::backends::netlink::Kernel;
use crate::backends::ovsdb::Server;
use crate::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use crate::contract::types::{Failure, FailureCode};
use crate::measure::json_length;
use crate::secrets::SecretStore;
use budget::{Budget, Noting};
use grant::{Grant, NetlinkGrant};

pub use netlink::changed_links;
pub use recorder::{Recorder, Rehearsed};

/// What a call into a plugin may do with its capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: `describe`, `watches`, `validate` and `diff` are pure.
    Pure,
    /// Read: `query`, `verify`.
    Read,
    /// Read, and let a backend keep a state to go back to: `checkpoint`.
    Checkpoint,
    /// Read and change: `apply`, `rollback`, `release`.
    Change,
    /// Read, and tell what would be changed.
    Rehearse,
}

/// The native sides of the capabilities.
#[derive(Clone)]
pub struct Backends {
    /// The kernel, in the namespace that the operator named.
    pub kernel: Arc<dyn Kernel>,
    /// The message bus, connected when it is first used.
    pub bus: Arc<dyn MessageBus>,
    /// Secrets by reference.
    pub secrets: Arc<SecretStore>,
    /// The OVSDB server that the operator named, connected to when a plugin first calls it.
    pub ovsdb: Arc<dyn Server>,
    /// Whether they are a tenant's: then what lies beyond its network namespace is somebody else's.
    pub is_tenant: bool,
}

/// Stands between one call into a plugin and the backends.
pub struct Gate {
    /// Name of the plugin, for records and errors.
    pub plugin: String,
    /// What the operator grants it.
    pub grant: Arc<Grant>,
    /// What the call is for.
    pub mode: Mode,
    /// Where calls go.
    pub backends: Backends,
    /// Who keeps book.
    pub recorder: Arc<dyn Recorder>,
    /// How much more the plugin may ask for.
    pub budget: Budget,
    /// What the call has done in OVSDB so far.
    pub progress_of_ovsdb: ovsdb::Progress,
}

/// So many requests are checked in one go. Between them the deadline of the call is heard, and whoever else has something to do.
const WITHOUT_A_PAUSE: usize = 1000;

fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure {
        code,
        message: message.into(),
        backend: None,
    }
}

/// Shortens a message to what a record may hold: it repeats words of the plugin's.
fn clip(message: &mut String) {
    const LONGEST: usize = 1024;
    if message.len() > LONGEST {
        let mut end = LONGEST;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
}

impl Gate {
    /// Counts a call and finds the netlink part of the grant.
    fn netlink(&self) -> Result<&NetlinkGrant, Failure> {
        self.lent(self.grant.netlink.as_ref(), "netlink")
    }

    /// Counts a call of a capability; `part` is what the grant says of it.
    fn lent<'g, T>(&self, part: Option<&'g T>, capability: &str) -> Result<&'g T, Failure> {
        self.budget.call()?;
        if self.mode == Mode::Pure {
            return Err(self.refuse(failure(
                FailureCode::Denied,
                "describe, watches, validate and diff are pure: they may call no capability",
            )));
        }
        part.ok_or_else(|| {
            self.refuse(failure(
                FailureCode::Denied,
                format!(
                    "plugin {} has no grant for {capability}; the operator writes one as grant.{capability} in its section of the configuration",
                    self.plugin
                ),
            ))
        })
    }

    /// The answer of a capability that this host was built without.
    pub fn without(&self, capability: &str) -> Failure {
        failure(
            FailureCode::Unsupported,
            format!("this version of op-dbus does not lend {capability} yet"),
        )
    }

    /// Tells how far the plugin has come.
    pub fn progress(&self, done: u32, total: u32) {
        self.recorder.progress(&self.plugin, done, total);
    }

    /// Notes a denial on its way to the plugin.
    fn refuse(&self, failure: Failure) -> Failure {
        if failure.code == FailureCode::Denied {
            let noting = self.budget.denial();
            if noting != Noting::Not {
                let mut noted = failure.clone();
                clip(&mut noted.message);
                if noting == Noting::Last {
                    noted
                        .message
                        .push_str("; what else is denied to this call is not recorded");
                }
                self.recorder.denied(&self.plugin, &noted);
            }
        }
        failure
    }

    /// Links that match one of the selectors, as far as the plugin may see them.
    ///
    /// # Errors
    /// `denied` without a netlink grant; else what the backend says.
    pub async fn links(&self, selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        let grant = self.netlink()?;
        let links = self.backends.kernel.links(selectors).await?;
        if grant.covers_all_links() {
            return Ok(links);
        }
        Ok(links
            .into_iter()
            .filter_map(|link| netlink::show_link(grant, link))
            .collect())
    }

    /// Addresses of these links, or of all that the plugin may see.
    ///
    /// # Errors
    /// As [`Gate::links`].
    pub async fn addresses(&self, links: &[String]) -> Result<Vec<Address>, Failure> {
        let grant = self.netlink()?;
        let mut found = self.backends.kernel.addresses(links).await?;
        found.retain(|address| netlink::sees(grant, &address.link));
        Ok(found)
    }

    /// Routes within a scope, as far as the plugin may see them.
    ///
    /// # Errors
    /// As [`Gate::links`].
    pub async fn routes(&self, within: &RouteScope) -> Result<Vec<Route>, Failure> {
        let grant = self.netlink()?;
        let mut found = self.backends.kernel.routes(within).await?;
        found.retain(|route| netlink::sees_route(grant, route));
        Ok(found)
    }

    /// Routing rules, as far as the plugin may see them.
    ///
    /// # Errors
    /// As [`Gate::links`].
    pub async fn rules(&self, families: &[Family]) -> Result<Vec<Rule>, Failure> {
        let grant = self.netlink()?;
        let mut found = self.backends.kernel.rules(families).await?;
        found.retain(|rule| netlink::sees_rule(grant, rule));
        Ok(found)
    }

    /// Neighbour entries on these links, or on all that the plugin may see.
    ///
    /// # Errors
    /// As [`Gate::links`].
    pub async fn neighbours(&self, links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        let grant = self.netlink()?;
        let mut found = self.backends.kernel.neighbours(links).await?;
        found.retain(|neighbour| netlink::sees_neighbour(grant, neighbour));
        Ok(found)
    }

    /// Bridge VLANs on these links, or on all that the plugin may see.
    ///
    /// # Errors
    /// As [`Gate::links`].
    pub async fn bridge_vlans(&self, links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        let grant = self.netlink()?;
        let mut found = self.backends.kernel.bridge_vlans(links).await?;
        found.retain(|vlan| netlink::sees(grant, &vlan.link));
        Ok(found)
    }

    /// Carries out requests: checks each against the grant, lets the recorder note what they touch, sends those that are covered.
    pub async fn execute(&self, requests: Vec<Request>) -> Vec<Result<(), Failure>> {
        match self.check(&requests).await {
            Err(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
            Ok(refused) if refused.is_empty() => self.send(&requests).await,
            Ok(mut refused) => {
                let covered: Vec<_> = requests
                    .into_iter()
                    .enumerate()
                    .filter(|(number, _)| !refused.contains_key(number))
                    .map(|(_, request)| request)
                    .collect();
                let mut answers = self.send(&covered).await.into_iter();
                (0..refused.len() + covered.len())
                    .map(|number| match refused.remove(&number) {
                        Some(failure) => Err(failure),
                        None => answers
                            .next()
                            .expect("an answer for each request that was sent"),
                    })
                    .collect()
            }
        }
    }

    /// The requests, by number, that the grant does not cover.
    async fn check(&self, requests: &[Request]) -> Result<HashMap<usize, Failure>, Failure> {
        let netlink = self.netlink()?;
        if matches!(self.mode, Mode::Read | Mode::Checkpoint) {
            return Err(self.refuse(failure(
                FailureCode::Denied,
                "query, verify and checkpoint may read only; changes belong into apply and rollback",
            )));
        }
        self.budget
            .requests(requests.len(), json_length(requests))?;
        let mut real = HashMap::new();
        if !netlink.covers_all_links() {
            let selectors: Vec<_> = netlink::names(requests)
                .into_iter()
                .map(|name| LinkSelector::Name(name.to_owned()))
                .collect();
            if !selectors.is_empty() {
                for link in self.backends.kernel.links(&selectors).await? {
                    for alternative in link.alternative_names {
                        real.insert(alternative, link.name.clone());
                    }
                    real.insert(link.name.clone(), link.name);
                }
            }
        }
        let mut standing = Vec::new();
        let mut deletions = netlink::Deletions::default();
        let kernel = &*self.backends.kernel;
        if !netlink.covers_all_links()
            && let Some(scope) = netlink::at_stake(requests)
        {
            standing = kernel.routes(&scope).await?;
        }
        // What a tenant is granted ends with its namespace, even where it is everything.
        if !netlink.covers_all_links() || self.backends.is_tenant {
            deletions = netlink::Deletions::look_up(requests, kernel, netlink).await?;
        }
        let check = netlink::Check {
            grant: &self.grant,
            netlink,
            real: &real,
            standing: &netlink::Standing::of(standing, netlink),
            store: &self.backends.secrets,
            deletions: &deletions,
        };
        let mut refused = HashMap::new();
        for (number, request) in requests.iter().enumerate() {
            if number % WITHOUT_A_PAUSE == WITHOUT_A_PAUSE - 1 {
                tokio::task::yield_now().await;
            }
            if let Err(failure) = check.request(request) {
                refused.insert(number, self.refuse(failure));
            }
        }
        Ok(refused)
    }

    async fn send(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        if requests.is_empty() {
            return Vec::new();
        }
        if self.mode == Mode::Rehearse {
            for request in requests {
                let change = Rehearsed::Netlink(request.clone());
                self.recorder.rehearsed(&self.plugin, change);
            }
            return requests.iter().map(|_| Ok(())).collect();
        }
        let kernel = &*self.backends.kernel;
        match self
            .recorder
            .before_netlink(&self.plugin, kernel, requests)
            .await
        {
            Ok(()) => {
                let answers = kernel.execute(requests).await;
                let failed = answers.iter().filter(|answer| answer.is_err()).count();
                self.recorder
                    .answered(&self.plugin, answers.len() - failed, failed);
                answers
            }
            Err(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}
