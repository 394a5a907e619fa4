//! Options that every verb takes, and the configuration behind them.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Error, bail};
use clap::Args;

use crate::backends::dbus::BusAddress;
use crate::backends::ovsdb::{Lazy, Remote};
use crate::config::{Config, NetworkPlugin};
use crate::output::{ColorChoice, Style};
use crate::tenant::{Quota, Tenant, TenantName};
use crate::transaction::room::Room;
use crate::transaction::state_dir::{self, Bounds, Namespace, StateDir};

/// Options that every verb takes.
#[derive(Args)]
pub struct Options {
    /// Work for this tenant of the configuration: in its network namespace, with its plugins, grants, quotas and state
    #[arg(id = "tenant", long = "tenant", global = true, value_name = "NAME")]
    tenant_name: Option<String>,
    /// Network namespace to work in: a name as in `ip netns`, or a path
    #[arg(long, global = true, value_name = "NAME")]
    netns: Option<String>,
    /// Configuration; what the command line says comes before it [default: /etc/op-dbus/op-dbus.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "OP_DBUS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where journal, checkpoints and audit log are kept [default: /var/lib/op-dbus]
    #[arg(long, global = true, value_name = "DIR", env = "OP_DBUS_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Where compiled plugins are kept [default: /var/cache/op-dbus]
    #[arg(long, global = true, value_name = "DIR", env = "OP_DBUS_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Where secrets are read from: files that only their owner may read [default: /etc/op-dbus/secrets]
    #[arg(long, global = true, value_name = "DIR", env = "OP_DBUS_SECRETS_DIR")]
    secrets_dir: Option<PathBuf>,
    /// Message bus: `system`, `session` or an address [default: system]
    #[arg(long, global = true, value_name = "ADDRESS", value_parser = BusAddress::from_str)]
    dbus_address: Option<BusAddress>,
    /// Who changes the host's network where a state file leaves that open; `netlink` also changes what NetworkManager manages
    #[arg(long, global = true, value_name = "PLUGIN", value_enum)]
    network_plugin: Option<NetworkPlugin>,
    /// OVSDB server: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT (with the files of `[ovsdb]` in the configuration); by default the socket db.sock in OVS_RUNDIR or /var/run/openvswitch
    #[arg(long, global = true, value_name = "REMOTE", env = "OP_DBUS_OVSDB")]
    ovsdb: Option<Remote>,
    /// Colours in the output
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorChoice,
    /// Tell more of what happens; twice for all
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print how long each phase took, as one line of JSON on standard error
    #[arg(long, global = true, hide = true)]
    pub timings: bool,
    /// When the command line was read
    #[arg(skip = Instant::now())]
    pub started: Instant,
    /// What the configuration file says, for the tenant if there is one.
    #[arg(skip)]
    pub configuration: Config,
    #[arg(skip)]
    tenant: Option<Tenant>,
}

impl Options {
    /// An option that a tenant leaves no room for: what it would say, the configuration says for the tenant.
    pub fn conflict(&self) -> Option<String> {
        let tenant = self.tenant_name.as_ref()?;
        let given = [
            ("--netns", self.netns.is_some()),
            (
                "--state-dir (or OP_DBUS_STATE_DIR)",
                self.state_dir.is_some(),
            ),
            (
                "--secrets-dir (or OP_DBUS_SECRETS_DIR)",
                self.secrets_dir.is_some(),
            ),
            ("--ovsdb (or OP_DBUS_OVSDB)", self.ovsdb.is_some()),
            ("--dbus-address", self.dbus_address.is_some()),
        ];
        let (option, _) = given.into_iter().find(|(_, given)| *given)?;
        Some(format!(
            "--tenant and {option} cannot be used together: of a tenant, the configuration says it, in [tenants.{tenant}]; leave one of them \
             out\n"
        ))
    }

    /// Takes on what the configuration says, and of that what holds for the tenant where one was named.
    ///
    /// # Errors
    /// There is no such tenant, or this process may not work for one.
    pub fn configure(&mut self, configuration: Config) -> anyhow::Result<()> {
        self.configuration = configuration;
        let Some(name) = &self.tenant_name else {
            return Ok(());
        };
        if !rustix::process::geteuid().is_root() {
            bail!("only root works for tenants: run it with sudo");
        }
        let (configuration, tenant) = self.configuration.of_tenant(name).map_err(Error::msg)?;
        self.configuration = configuration;
        self.tenant = Some(tenant);
        Ok(())
    }

    /// The tenant that is worked for.
    pub fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// The network namespace to work in; the present one for none.
    pub fn netns(&self) -> Option<&str> {
        match &self.tenant {
            Some(tenant) => Some(&tenant.netns),
            None => self.netns.as_deref(),
        }
    }

    /// The message bus to work on.
    pub fn dbus_address(&self) -> BusAddress {
        match &self.tenant {
            Some(tenant) => tenant.dbus_address.clone().unwrap_or(BusAddress::Nowhere),
            None => self.dbus_address.clone().unwrap_or(BusAddress::System),
        }
    }

    /// The OVSDB server that the command line names.
    pub fn named_ovsdb(&self) -> Option<&Remote> {
        self.ovsdb.as_ref()
    }

    /// The OVSDB server to work on.
    pub fn ovsdb(&self) -> Lazy {
        let ovsdb = &self.configuration.ovsdb;
        match &self.tenant {
            Some(_) if ovsdb.remote.is_none() => Lazy::nowhere(),
            _ => Lazy::new(ovsdb.options(self.ovsdb.as_ref())),
        }
    }

    /// Opens the state directory of a namespace, and makes what is missing.
    ///
    /// # Errors
    /// When it cannot be made or is not private, or what is in it not be counted.
    pub fn state(&self, namespace: Namespace) -> anyhow::Result<StateDir> {
        let root = self.state_dir();
        match &self.tenant {
            None => Ok(StateDir::open(root, namespace)?),
            Some(_) => Ok(StateDir::of_tenant(root, namespace, self.bounds()?)?),
        }
    }

    /// What may be kept in the state directory.
    ///
    /// # Errors
    /// When what a tenant has there cannot be counted.
    pub fn bounds(&self) -> anyhow::Result<Bounds> {
        let Some(tenant) = &self.tenant else {
            return Ok(Bounds::default());
        };
        let root = self.state_dir();
        let Quota {
            state, checkpoints, ..
        } = &tenant.quota;
        let room = Room::of(root, state.0 as u64, tenant.setting("state"));
        Ok(Bounds {
            tenant: Some(tenant.name.clone()),
            room: room.with_context(|| root.display().to_string())?,
            checkpoints: Some(*checkpoints),
        })
    }

    /// The state directory of a namespace, if there has been a transaction in it; makes nothing.
    ///
    /// # Errors
    /// As [`Options::state`].
    pub fn existing_state(&self, namespace: Namespace) -> anyhow::Result<Option<StateDir>> {
        match &self.tenant {
            None => Ok(StateDir::existing(self.state_dir(), namespace)),
            Some(_) if !self.state_dir().join("checkpoints").is_dir() => Ok(None),
            Some(_) => self.state(namespace).map(Some),
        }
    }

    /// Where journal, checkpoints and audit log are kept.
    pub fn state_dir(&self) -> &Path {
        choose(
            &self.state_dir,
            &self.configuration.state_dir,
            state_dir::DEFAULT_ROOT,
        )
    }

    /// Where a tenant's state lies; of itself, when a tenant is worked for.
    pub fn state_dir_of(&self, tenant: &TenantName) -> PathBuf {
        match &self.tenant {
            Some(_) => self.state_dir().to_owned(),
            None => tenant.state_under(self.state_dir()),
        }
    }

    /// Who changes the host's network where a state file leaves that open.
    pub fn network_plugin(&self) -> NetworkPlugin {
        self.network_plugin
            .or(self.configuration.network_plugin)
            .unwrap_or_default()
    }

    /// Where compiled plugins are kept.
    pub fn cache_dir(&self) -> &Path {
        choose(
            &self.cache_dir,
            &self.configuration.cache_dir,
            "/var/cache/op-dbus",
        )
    }

    /// Where secrets are read from.
    pub fn secrets_dir(&self) -> &Path {
        choose(
            &self.secrets_dir,
            &self.configuration.secrets_dir,
            "/etc/op-dbus/secrets",
        )
    }

    /// How results are written.
    pub fn style(&self) -> Style {
        Style::of(self.color, std::io::stdout())
    }

    /// How talk is written.
    pub fn talk_style(&self) -> Style {
        Style::of(self.color, std::io::stderr())
    }
}

/// The command line before the configuration, and that before the default.
fn choose<'a>(
    option: &'a Option<PathBuf>,
    configured: &'a Option<PathBuf>,
    default: &'a str,
) -> &'a Path {
    option
        .as_deref()
        .or(configured.as_deref())
        .unwrap_or(Path::new(default))
}
