//! Options that every verb takes, and the configuration behind them.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use clap::Args;

use crate::backends::dbus::BusAddress;
use crate::backends::ovsdb::Remote;
use crate::config::{Config, NetworkPlugin};
use crate::output::{ColorChoice, Style};
use crate::transaction::state_dir;

/// Options that every verb takes.
#[derive(Args)]
pub struct Options {
    /// Network namespace to work in: a name as in `ip netns`, or a path
    #[arg(long, global = true, value_name = "NAME")]
    pub netns: Option<String>,
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
    /// Message bus: `system`, `session` or an address
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        default_value = "system",
        value_parser = BusAddress::from_str
    )]
    pub dbus_address: BusAddress,
    /// Who changes the host's network where a state file leaves that open; `netlink` also changes what NetworkManager manages
    #[arg(long, global = true, value_name = "PLUGIN", value_enum)]
    network_plugin: Option<NetworkPlugin>,
    /// OVSDB server: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT (with the files of `[ovsdb]` in the configuration); by default the socket db.sock in OVS_RUNDIR or /var/run/openvswitch
    #[arg(long, global = true, value_name = "REMOTE", env = "OP_DBUS_OVSDB")]
    pub ovsdb: Option<Remote>,
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
    /// What the configuration file says.
    #[arg(skip)]
    pub configuration: Config,
}

impl Options {
    /// Where journal, checkpoints and audit log are kept.
    pub fn state_dir(&self) -> &Path {
        choose(
            &self.state_dir,
            &self.configuration.state_dir,
            state_dir::DEFAULT_ROOT,
        )
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
