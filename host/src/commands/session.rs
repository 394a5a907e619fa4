//! What a verb works with: plugins, backends, the state directory.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};

use super::options::Options;
use super::report;
use super::talk::say;
use crate::backends::dbus::Bus;
use crate::backends::netlink::{Netlink, Place};
use crate::backends::ovsdb::Lazy;
use crate::boundary::Listener;
use crate::config::component::Component;
use crate::config::{NetworkPlugin, PluginConfig};
use crate::contract::types::Secret;
use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::gate::{Backends, Recorder};
use crate::output::escape::escape;
use crate::plugin::builtin::Builtin;
use crate::plugin::cache::Cache;
use crate::plugin::failure::to_error;
use crate::plugin::instance::Caller;
use crate::plugin::limits::Limits;
use crate::plugin::loader::Plugin;
use crate::plugin::source;
use crate::secrets::SecretStore;
use crate::state_file::nearest::nearest;
use crate::state_file::{Problem, Problems, Section, StateFile};
use crate::tenant::namespaces;
use crate::timing;
use crate::trace::recording::{Recording, Tape};
use crate::transaction::book::Book;
use crate::transaction::denials::Denials;
use crate::transaction::escrow;
use crate::transaction::lock::{Lock, LockError};
use crate::transaction::ovsdb_undo::OvsdbUndo;
use crate::transaction::plan::Part;
use crate::transaction::probes::Probes;
use crate::transaction::record::PluginDigest;
use crate::transaction::recovery::{Recovered, keep, recover};
use crate::transaction::state_dir::{Namespace, StateDir, audit_directory};

/// What a verb works with.
pub struct Session<'a> {
    options: &'a Options,
    builtins: &'a [Builtin],
    cache: Cache,
    /// Plugins that an undo or a rollback called.
    pub(super) loaded: Mutex<Vec<Arc<Plugin>>>,
    /// Where calls of plugins go.
    pub backends: Backends,
    /// The kernel itself, for events.
    pub kernel: Arc<Netlink>,
    /// The OVSDB server itself, for undo and events.
    pub ovsdb: Arc<Lazy>,
    /// The message bus itself, for questions of the host's own.
    pub bus: Arc<Bus>,
    /// What brings rows of it back.
    pub(super) ovsdb_undo: OvsdbUndo,
    pub(super) secrets: Arc<SecretStore>,
    /// The network namespace that it works in, held open.
    place: Arc<Place>,
    /// What tells it from every other.
    pub namespace: Namespace,
    /// The plugins that were loaded so far.
    digests: Arc<Mutex<Vec<PluginDigest>>>,
    /// Who listens to what plugins and host say to each other.
    pub listener: Option<Arc<dyn Listener>>,
}

impl<'a> Session<'a> {
    /// Connects to the backends.
    ///
    /// # Errors
    /// When the namespace cannot be entered or a backend not be reached.
    pub async fn open(options: &'a Options, builtins: &'a [Builtin]) -> anyhow::Result<Self> {
        let place = Arc::new(Place::open(options.netns()).map_err(to_error)?);
        let tenant = options.tenant();
        namespaces::check(&place, tenant, &options.configuration.tenants)?;
        let namespace = place
            .within("look around", Namespace::current)
            .map_err(to_error)?;
        let mut directories = vec![options.secrets_dir().to_owned()];
        if tenant.is_none() {
            directories.extend(std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into));
        }
        let escrow = options.state_dir().join("secrets");
        // Who may not write there can still look: fingerprints then hold for this process alone.
        let secrets = SecretStore::open(directories.clone(), Some(escrow))
            .or_else(|_| SecretStore::open(directories, None))?;
        let secrets = Arc::new(secrets);
        let kernel = Arc::new(Netlink::within(place.clone(), secrets.clone()).map_err(to_error)?);
        let ovsdb = Arc::new(options.ovsdb());
        let bus = Arc::new(Bus::connect(options.dbus_address()));
        Ok(Self {
            options,
            builtins,
            cache: Cache::new(Some(options.cache_dir().to_owned())),
            loaded: Mutex::default(),
            backends: Backends {
                kernel: kernel.clone(),
                ovsdb: ovsdb.clone(),
                bus: bus.clone(),
                secrets: secrets.clone(),
                is_tenant: tenant.is_some(),
            },
            ovsdb_undo: OvsdbUndo {
                server: ovsdb.clone(),
                kernel: kernel.clone(),
            },
            kernel,
            ovsdb,
            bus,
            secrets,
            place,
            namespace,
            digests: Arc::default(),
            listener: None,
        })
    }

    /// Keeps every call between plugins and host in a new file from now on.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub fn record(&mut self, path: &Path) -> anyhow::Result<Arc<Recording>> {
        let recording = Recording::begin(path, &super::command_line(), self.secrets.clone())
            .with_context(|| format!("the trace {} cannot be begun", path.display()))?;
        let recording = Arc::new(recording);
        self.listener = Some(Arc::new(Tape(recording.clone())));
        Ok(recording)
    }

    /// The state directory of the namespace.
    ///
    /// # Errors
    /// When it cannot be made or is not private.
    pub fn state_dir(&self) -> anyhow::Result<StateDir> {
        self.options.state(self.namespace.clone())
    }

    /// The state directory of the namespace, if there has been a transaction in it; makes nothing.
    ///
    /// # Errors
    /// As [`Session::state_dir`].
    pub fn existing_state_dir(&self) -> anyhow::Result<Option<StateDir>> {
        self.options.existing_state(self.namespace.clone())
    }

    /// Where references to secrets lead.
    pub fn secrets(&self) -> &SecretStore {
        &self.secrets
    }

    /// Names of all plugins: the built-in ones, then those that the configuration adds. A tenant has those that it was given.
    pub fn plugin_names(&self) -> Vec<&'a str> {
        let configured = &self.options.configuration.plugins;
        let builtin = |name: &str| self.builtins.iter().any(|builtin| builtin.name == name);
        let given = |name: &&str| self.options.tenant().is_none() || configured.contains_key(*name);
        let added = configured.keys().map(String::as_str);
        let added = added.filter(|name| !builtin(name));
        let builtins = self.builtins.iter().map(|builtin| builtin.name);
        builtins.filter(given).chain(added).collect()
    }

    /// Who changes the host's network where a state file leaves that open.
    pub fn network_plugin(&self) -> NetworkPlugin {
        self.options.network_plugin()
    }

    /// Loads one plugin.
    ///
    /// # Errors
    /// When there is none of that name, naming the nearest; when it does not load.
    pub fn plugin(&self, name: &str) -> anyhow::Result<Plugin> {
        let plugin = self.load(name)?;
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(PluginDigest {
            plugin: plugin.name.clone(),
            digest: plugin.digest.clone(),
        });
        Ok(plugin)
    }

    fn load(&self, name: &str) -> anyhow::Result<Plugin> {
        let started = Instant::now();
        if let Some(tenant) = self.options.tenant()
            && !self.plugin_names().contains(&name)
        {
            bail!(
                "tenant {0} has no plugin {name:?}; it has: {1}. [tenants.{0}.plugins.{name}] in the configuration gives it one",
                tenant.name,
                self.plugin_names().join(", ")
            );
        }
        let configuration = &self.options.configuration;
        let mut grant = configuration.grant(name);
        let mut limits = configuration.limits(name);
        if let Some(tenant) = self.options.tenant() {
            limits = tenant.quota.cap(limits);
        }
        let builtin = match configuration.plugins.get(name) {
            Some(PluginConfig {
                component: Some(Component::File(path)),
                digest: Some(pin),
                ..
            }) => {
                let grant = grant.unwrap_or_default();
                let trust = &configuration.trust;
                let plugin = source::load(name, (path, *pin), trust, &self.cache, grant, limits)?;
                timing::took("load", started);
                return Ok(plugin);
            }
            Some(PluginConfig {
                component: Some(Component::Builtin(builtin)),
                ..
            }) => builtin,
            _ => name,
        };
        let builtin = self.builtin(builtin)?;
        if let Some(tenant) = self.options.tenant()
            && builtin.name == name
        {
            grant.get_or_insert_with(|| builtin.grant_in_tenant(tenant.dbus_address.as_ref()));
        }
        let plugin = builtin.load(name, &self.cache, grant, limits)?;
        timing::took("load", started);
        Ok(plugin)
    }

    /// A plugin that is part of the program.
    ///
    /// # Errors
    /// When there is none of that name, naming the nearest.
    pub fn builtin(&self, name: &str) -> anyhow::Result<&'a Builtin> {
        let found = self.builtins.iter().find(|known| known.name == name);
        found.ok_or_else(|| {
            let names = self.plugin_names();
            match nearest(name, &names) {
                Some(near) => anyhow!("there is no plugin {name:?}; did you mean {near:?}?"),
                None => anyhow!(
                    "there is no plugin {name:?}; there are: {}",
                    names.join(", ")
                ),
            }
        })
    }

    /// Loads a component that the configuration does not have. It is granted nothing, and may use what the configuration says of all.
    ///
    /// # Errors
    /// When it does not fit the contract.
    pub fn unlisted(&self, name: &str, wasm: &[u8], digest: Digest) -> anyhow::Result<Plugin> {
        let limits = self.options.configuration.limits.over(Limits::default());
        let grant = Grant::default();
        Ok(Plugin::compiled(
            name,
            wasm,
            digest,
            &self.cache,
            grant,
            limits,
        )?)
    }

    /// What built-in plugins are granted unless the configuration says otherwise; of a tenant, those that it was given.
    pub fn built_in_grants(&self) -> Vec<(&'a str, Grant)> {
        let Some(tenant) = self.options.tenant() else {
            return super::built_in_grants(self.builtins);
        };
        let configured = &self.options.configuration.plugins;
        let given = self
            .builtins
            .iter()
            .filter(|builtin| configured.contains_key(builtin.name));
        let bus = tenant.dbus_address.as_ref();
        given
            .map(|builtin| (builtin.name, builtin.grant_in_tenant(bus)))
            .collect()
    }

    /// Loads the named plugin, or all.
    ///
    /// # Errors
    /// As [`Session::plugin`].
    pub fn plugins(&self, name: Option<&str>) -> anyhow::Result<Vec<Plugin>> {
        match name {
            Some(name) => Ok(vec![self.plugin(name)?]),
            None => self
                .plugin_names()
                .iter()
                .map(|name| self.plugin(name))
                .collect(),
        }
    }

    /// Loads the named plugin, or those that have something to say on this host.
    ///
    /// # Errors
    /// As [`Session::plugin`] and [`Session::default_plugins`].
    pub async fn plugins_here(&self, name: Option<&str>) -> anyhow::Result<Vec<Plugin>> {
        match name {
            Some(name) => Ok(vec![self.plugin(name)?]),
            None => {
                let names = self.default_plugins().await?;
                names.into_iter().map(|name| self.plugin(name)).collect()
            }
        }
    }

    /// A book for verbs that change nothing, and for planning: what plugins are denied goes into the audit log.
    pub fn reading(&self) -> Arc<Book> {
        let bounds = self.options.bounds();
        let bounds = bounds.inspect_err(|error| tracing::warn!("{error:#}"));
        Arc::new(match bounds {
            Ok(bounds) => Book::watching(Denials {
                directory: audit_directory(self.options.state_dir()),
                bounds,
                plugins: self.digests.clone(),
            }),
            Err(_) => Book::reading(),
        })
    }

    /// Ways to call a plugin, on behalf of `recorder`.
    pub fn caller<'p>(&self, plugin: &'p Plugin, recorder: Arc<dyn Recorder>) -> Caller<'p> {
        Caller {
            plugin,
            backends: self.backends.clone(),
            recorder,
            listener: self.listener.clone(),
        }
    }

    /// Loads the plugins that a state file has sections for.
    ///
    /// # Errors
    /// A section without a plugin is shown at its place.
    pub fn plugins_of(&self, file: &StateFile) -> anyhow::Result<Vec<Plugin>> {
        reject(file.unknown_plugins(&self.plugin_names()))?;
        file.plugins
            .iter()
            .map(|(name, _)| self.plugin(name))
            .collect()
    }

    /// Checks the sections of a state file, first against their schemas, then by the plugins themselves. The parts have no steps yet.
    ///
    /// # Errors
    /// Whatever is wrong in a section, each at its place; what a plugin answers.
    pub async fn ready<'p>(
        &self,
        file: &StateFile,
        plugins: &'p [Plugin],
        recorder: Arc<dyn Recorder>,
    ) -> anyhow::Result<Vec<Part<'p>>> {
        let mut parts = Vec::new();
        for ((name, section), plugin) in file.plugins.iter().zip(plugins) {
            let caller = self.caller(plugin, recorder.clone());
            let description = caller.describe().await?;
            reject(crate::state_file::schema::check(
                name,
                section,
                &description.schema,
            )?)?;
            let desired = self.desired(section)?;
            let found = caller.validate(&desired).await?;
            let problems = found
                .into_iter()
                .map(|problem| Problem::at(section.nearest_place(&problem.path), problem.message))
                .collect();
            reject(Problems::new(section.source().clone(), problems, 0))?;
            parts.push(Part {
                caller,
                desired,
                current: String::new(),
                actions: Vec::new(),
            });
        }
        Ok(parts)
    }

    /// Checks the sections of a state file and computes the steps.
    ///
    /// # Errors
    /// As [`Session::ready`], and what a backend answers.
    pub async fn plan<'p>(
        &self,
        file: &StateFile,
        plugins: &'p [Plugin],
        recorder: Arc<dyn Recorder>,
    ) -> anyhow::Result<Vec<Part<'p>>> {
        let mut parts = self.ready(file, plugins, recorder).await?;
        for part in &mut parts {
            part.plan().await?;
        }
        Ok(parts)
    }

    /// Takes the lock of the namespace and undoes what a dead process left.
    ///
    /// # Errors
    /// When a live process has the lock, or something is left that cannot be undone.
    pub async fn lock(&self) -> anyhow::Result<(StateDir, Lock)> {
        let (state, lock, _) = self.lock_and_recover().await?;
        Ok((state, lock))
    }

    /// As [`Session::lock`], and says what had been left.
    ///
    /// # Errors
    /// As [`Session::lock`].
    pub async fn lock_and_recover(&self) -> anyhow::Result<(StateDir, Lock, Option<Recovered>)> {
        let state = self.state_dir()?;
        let lock = Lock::acquire(&state, &super::command_line())?;
        let otherwise = self.built_in_grants();
        let wider = crate::config::noted::note(&self.options.configuration, &state, &otherwise)
            .context("the load of the configuration cannot be noted in the audit log")?;
        say(&report::wider(&wider, self.options.talk_style()));
        let recovered = self
            .undo(&state, "its process had died before its end")
            .await?;
        if let Some(recovered) = &recovered {
            say(&report::recovered(recovered, self.options.talk_style()));
        }
        self.tidy(&state).await?;
        if let Err(error) = escrow::prune(&state, &self.secrets) {
            tracing::warn!("what is needed no more stays in the escrow of secrets: {error}");
        }
        Ok((state, lock, recovered))
    }

    /// Undoes what is open, if anything is. The caller holds the lock.
    ///
    /// # Errors
    /// When the journal or the kernel cannot be read.
    pub async fn undo(&self, state: &StateDir, why: &str) -> anyhow::Result<Option<Recovered>> {
        Ok(recover(state, &self.undoers(), why).await?)
    }

    /// Commits what awaits confirmation. The caller holds the lock.
    ///
    /// # Errors
    /// When that cannot be written down: then it does not hold.
    pub async fn keep(&self, state: &StateDir, why: &str) -> anyhow::Result<Vec<String>> {
        keep(state, &self.undoers(), why).await
    }

    /// Probes of the configuration and of a state file, for this namespace.
    ///
    /// # Errors
    /// What is wrong in the state file, at its place; when the namespace cannot be entered.
    pub fn probes(&self, file: &StateFile) -> anyhow::Result<Arc<Probes>> {
        let configured = &self.options.configuration.probes;
        let named = super::probes::all(configured, file.probes.as_ref()).map_err(Rejected)?;
        Ok(Arc::new(Probes {
            named,
            place: self.place.clone(),
            kernel: self.kernel.clone(),
        }))
    }

    /// For verbs that change nothing: undoes what a dead process left, if there is anything. A live process that has the lock is at work
    /// itself, and who may not write to the state directory cannot have left anything.
    ///
    /// # Errors
    /// When something is left that cannot be undone.
    pub async fn recover(&self) -> anyhow::Result<()> {
        let Some(state) = self.existing_state_dir()? else {
            return Ok(());
        };
        if !state.journal().exists() {
            return Ok(());
        }
        match self.lock().await.map(drop) {
            Err(error) => match error.downcast_ref() {
                Some(LockError::Held(_) | LockError::Awaiting(_) | LockError::HeldByUnknown(_)) => {
                    Ok(())
                }
                Some(_) => {
                    let error = escape(&format!("{error:#}")).into_owned();
                    say(&format!(
                        "an unfinished transaction is here and cannot be undone: {error}\n"
                    ));
                    Ok(())
                }
                None => Err(error),
            },
            done => done,
        }
    }

    /// The section as the plugin gets it: references to secrets carry fingerprints.
    fn desired(&self, section: &Section) -> anyhow::Result<String> {
        section.json_with_fingerprints(|place| {
            let secret = Secret {
                name: Some(place.name.clone()),
                fingerprint: None,
            };
            match self.secrets.reveal(&secret) {
                Ok(text) => Ok(self.secrets.fingerprint(&text)),
                Err(failure) => {
                    let problem = Problem::at(place.span, failure.message);
                    Err(
                        reject(Problems::new(section.source().clone(), vec![problem], 0))
                            .unwrap_err(),
                    )
                }
            }
        })
    }

    /// Writes what was masked so far into the escrow, so that a later rollback can put it back.
    ///
    /// # Errors
    /// When the escrow cannot be written.
    pub fn keep_secrets(&self) -> anyhow::Result<()> {
        self.secrets
            .keep()
            .context("the escrow of secrets cannot be written")
    }
}

/// Problems in a state file, to be shown with their lines.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(pub Problems);

/// Fails if there are problems.
fn reject(problems: Problems) -> anyhow::Result<()> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Rejected(problems).into())
    }
}
