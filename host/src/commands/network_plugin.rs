//! Which of the plugins that change the host's network has the say, and what keeps the two from working against each other.

use anyhow::bail;

use super::session::Session;
use crate::config::NetworkPlugin;
use crate::contract::exports::op_dbus::plugin::state::CheckpointData;
use crate::contract::types::FailureCode;
use crate::gate::{Mode, Rehearsed, changed_links};
use crate::network_manager::{self, Managed, forget_checkpoints};
use crate::plugin::failure::to_error;
use crate::plugin::loader::Plugin;
use crate::secret_agent::{Registered, known, profiles};
use crate::transaction::book::Book;
use crate::transaction::checkpoints::Checkpoints;
use crate::transaction::plan::Part;
use crate::transaction::state_dir::StateDir;
use crate::transaction::{noting, recovery};

/// The plugin that speaks with NetworkManager.
pub(super) const NETWORK_MANAGER: &str = "networkmanager";

impl Session<'_> {
    /// The plugins of a verb that was told of none: `networkmanager` comes first where it has the say, and not at all where it has not.
    ///
    /// # Errors
    /// When the bus does not answer as it should.
    pub async fn default_plugins(&self) -> anyhow::Result<Vec<&str>> {
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
    pub async fn secret_agent(&self, state: &StateDir, parts: &[Part<'_>]) -> Option<Registered> {
        let part = parts
            .iter()
            .find(|part| part.name() == NETWORK_MANAGER && !part.actions.is_empty())?;
        self.agent_of(state, part.caller.plugin, &part.desired, None)
            .await
    }

    /// The same while a plugin brings its profiles back: those that earlier state files named, first those of that time.
    pub(super) async fn secret_agent_of_old(
        &self,
        plugin: &Plugin,
        to: &CheckpointData,
    ) -> Option<Registered> {
        if plugin.name != NETWORK_MANAGER {
            return None;
        }
        let state = self.state_dir().ok()?;
        self.agent_of(&state, plugin, "{}", Some(&to.state)).await
    }

    async fn agent_of(
        &self,
        state: &StateDir,
        plugin: &Plugin,
        section: &str,
        noted: Option<&str>,
    ) -> Option<Registered> {
        let secrets = &self.backends.secrets;
        let mut all = profiles(section);
        match known::recall(state, noted) {
            Ok(known) => all.extend(known),
            Err(error) => tracing::warn!("what earlier state files named of secrets: {error}"),
        }
        let (address, grant) = (self.bus.address().clone(), plugin.grant.clone());
        match Registered::new(address, all, grant, secrets.clone()).await {
            Ok(registered) => registered,
            Err(failure) => {
                // A profile that needs it fails by itself, and says so; most do not.
                tracing::warn!("no secret agent: {}", failure.message);
                None
            }
        }
    }

    /// Lets NetworkManager forget what it keeps for a transaction that died before anything of it was written down. The caller holds the lock.
    ///
    /// # Errors
    /// When the state directory cannot be read. What NetworkManager says to it is no obstacle: it is tried again by the next command.
    pub(super) async fn tidy(&self, state: &StateDir) -> anyhow::Result<()> {
        let Some(since) = noting::left(state)? else {
            return Ok(noting::end(state)?);
        };
        let kept = Checkpoints::of(state).list()?;
        let noted = kept.into_iter().flat_map(|checkpoint| checkpoint.plugins);
        let known: Vec<String> = noted.filter_map(|noted| noted.checkpoint.backend).collect();
        match forget_checkpoints(&self.bus, since, &known).await {
            Ok(forgotten) => {
                for path in forgotten {
                    let summary = format!(
                        "NetworkManager forgot {path}, which a dead process had left there"
                    );
                    recovery::audit(state, summary);
                }
                noting::end(state)?;
            }
            Err(failure) if failure.code == FailureCode::Unavailable => noting::end(state)?,
            Err(failure) => tracing::warn!(
                "what a dead process left with NetworkManager stays there: {}",
                failure.message
            ),
        }
        Ok(())
    }

    /// Remembers what holds now for [`Session::secret_agent_of_old`].
    pub fn remember_secrets(&self, state: &StateDir, section: &str) {
        let remembered = Checkpoints::of(state).list().and_then(|checkpoints| {
            let plugins = checkpoints.into_iter().flat_map(|it| it.plugins);
            let noted = plugins.filter(|noted| noted.plugin == NETWORK_MANAGER);
            let noted = noted.map(|noted| noted.checkpoint.state);
            Ok(known::remember(state, profiles(section), noted)?)
        });
        if let Err(error) = remembered {
            tracing::warn!("a rollback will not know the secrets that agents keep: {error}");
        }
    }

    /// Refuses a plan in which `net` changes a link that NetworkManager manages, unless the same state file hands it over before. The parts'
    /// callers keep their book with `book`, in which nothing is rehearsed yet.
    ///
    /// # Errors
    /// Names the links and the ways out. Nothing has been touched.
    pub async fn keep_apart(&self, parts: &[Part<'_>], book: &Book) -> anyhow::Result<()> {
        let through_kernel = |part: &Part<'_>| {
            let granted = part.caller.plugin.grant.netlink.is_some();
            granted && part.name() != NETWORK_MANAGER && !part.actions.is_empty()
        };
        if !parts.iter().any(through_kernel)
            || self.network_plugin() == NetworkPlugin::Netlink
            || !self.network_manager_runs().await?
        {
            return Ok(());
        }
        for (at, part) in parts.iter().enumerate() {
            if !through_kernel(part) {
                continue;
            }
            part.caller.apply(Mode::Rehearse, &part.actions).await?;
            let requests: Vec<_> = book
                .rehearsed()
                .into_iter()
                .filter_map(|(plugin, change)| match change {
                    Rehearsed::Netlink(request) if plugin == part.name() => Some(request),
                    _ => None,
                })
                .collect();
            let links: Vec<&str> = changed_links(&requests).into_iter().collect();
            let mut managed = network_manager::managing(&self.bus, &links)
                .await
                .map_err(to_error)?;
            let before = parts[..at]
                .iter()
                .find(|part| part.name() == NETWORK_MANAGER);
            if let Some(part) = before {
                let handed_over = network_manager::handed_over(&part.desired);
                managed.retain(|managed| !handed_over.contains(&managed.link));
            }
            refuse(part.name(), &managed)?;
        }
        Ok(())
    }
}

fn refuse(plugin: &str, managed: &[Managed]) -> anyhow::Result<()> {
    let Some(first) = managed.first() else {
        return Ok(());
    };
    let names: Vec<String> = managed.iter().map(ToString::to_string).collect();
    bail!(
        "NetworkManager manages {}: it would undo what {plugin} changes there, or build upon it; nothing was touched. Hand the interface over with \
         \"networkmanager\": {{\"devices\": [{{\"interface\": \"{}\", \"managed\": false}}]}} before {plugin} in the same file, describe a \
         connection there instead, or say --network-plugin=netlink",
        names.join(", "),
        first.link
    )
}
