//! Which of the plugins that change the host's network has the say, and what keeps the two from working against each other.

use anyhow::bail;

use super::session::Session;
use crate::config::NetworkPlugin;
use crate::gate::{Mode, Rehearsed, changed_links};
use crate::network_manager::{self, Managed};
use crate::plugin::failure::to_error;
use crate::secret_agent::Registered;
use crate::transaction::book::Book;
use crate::transaction::plan::Part;

/// The plugin that speaks with NetworkManager.
const NETWORK_MANAGER: &str = "networkmanager";
/// The plugin that speaks with the kernel.
const NET: &str = "net";

impl Session<'_> {
    /// The plugins of a verb that was told of none: `networkmanager` comes first where it has the say, and not at all where it has not.
    ///
    /// # Errors
    /// When the bus does not answer as it should.
    pub async fn default_plugins(&self) -> anyhow::Result<Vec<&'static str>> {
        let mut names = self.plugin_names();
        let first = match self.network_plugin() {
            NetworkPlugin::Nm => true,
            NetworkPlugin::Netlink => false,
            NetworkPlugin::Auto => self.network_manager_runs().await?,
        };
        if first {
            names.sort_by_key(|name| *name != NETWORK_MANAGER);
        } else {
            names.retain(|name| *name != NETWORK_MANAGER);
        }
        Ok(names)
    }

    async fn network_manager_runs(&self) -> anyhow::Result<bool> {
        network_manager::runs_in(&self.bus, self.kernel.identity())
            .await
            .map_err(to_error)
    }

    /// While it is held, NetworkManager gets the secrets that it asks agents for: those that the section `networkmanager` names.
    pub async fn secret_agent(&self, parts: &[Part<'_>]) -> Option<Registered> {
        let part = parts
            .iter()
            .find(|part| part.name() == NETWORK_MANAGER && !part.actions.is_empty())?;
        let secrets = &self.backends.secrets;
        let grant = part.caller.plugin.grant.clone();
        let address = self.bus.address().clone();
        match Registered::new(address, &part.desired, grant, secrets.clone()).await {
            Ok(registered) => registered,
            Err(failure) => {
                // A profile that needs it fails by itself, and says so; most do not.
                tracing::warn!("no secret agent: {}", failure.message);
                None
            }
        }
    }

    /// Refuses a plan in which `net` changes a link that NetworkManager manages, unless the same state file hands it over before. The parts'
    /// callers keep their book with `book`, in which nothing is rehearsed yet.
    ///
    /// # Errors
    /// Names the links and the ways out. Nothing has been touched.
    pub async fn keep_apart(&self, parts: &[Part<'_>], book: &Book) -> anyhow::Result<()> {
        let net = parts
            .iter()
            .position(|part| part.name() == NET && !part.actions.is_empty());
        let Some(net) = net else { return Ok(()) };
        if self.network_plugin() == NetworkPlugin::Netlink || !self.network_manager_runs().await? {
            return Ok(());
        }
        let part = &parts[net];
        part.caller.apply(Mode::Rehearse, &part.actions).await?;
        let requests: Vec<_> = book
            .rehearsed()
            .into_iter()
            .filter_map(|(_, change)| match change {
                Rehearsed::Netlink(request) => Some(request),
                Rehearsed::Ovsdb { .. } | Rehearsed::Dbus { .. } => None,
            })
            .collect();
        let links: Vec<&str> = changed_links(&requests).into_iter().collect();
        let mut managed = network_manager::managing(&self.bus, &links)
            .await
            .map_err(to_error)?;
        let before = parts[..net]
            .iter()
            .find(|part| part.name() == NETWORK_MANAGER);
        if let Some(part) = before {
            let handed_over = network_manager::handed_over(&part.desired);
            managed.retain(|managed| !handed_over.contains(&managed.link));
        }
        refuse(&managed)
    }
}

fn refuse(managed: &[Managed]) -> anyhow::Result<()> {
    let Some(first) = managed.first() else {
        return Ok(());
    };
    let names: Vec<String> = managed.iter().map(ToString::to_string).collect();
    bail!(
        "NetworkManager manages {}: it would undo what net changes there, or build upon it; nothing was touched. Hand the interface over with \
         \"networkmanager\": {{\"devices\": [{{\"interface\": \"{}\", \"managed\": false}}]}} before net in the same file, describe a \
         connection there instead, or say --network-plugin=netlink",
        names.join(", "),
        first.link
    )
}
