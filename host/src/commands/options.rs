//! Options that every verb takes.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use clap::Args;

use super::network_plugin::NetworkPlugin;
use crate::backends::dbus::BusAddress;
use crate::backends::ovsdb::Remote;
use crate::output::{ColorChoice, Style};

/// Options that every verb takes.
#[derive(Args)]
pub struct Options {
    /// Network namespace to work in: a name as in `ip netns`, or a path
    #[arg(long, global = true, value_name = "NAME")]
    pub netns: Option<String>,
    /// Where journal, checkpoints and audit log are kept
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/var/lib/op-dbus",
        env = "OP_DBUS_STATE_DIR"
    )]
    pub state_dir: PathBuf,
    /// Where compiled plugins are kept
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/var/cache/op-dbus",
        env = "OP_DBUS_CACHE_DIR"
    )]
    pub cache_dir: PathBuf,
    /// Where secrets are read from: files that only their owner may read
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/etc/op-dbus/secrets",
        env = "OP_DBUS_SECRETS_DIR"
    )]
    pub secrets_dir: PathBuf,
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
    #[arg(
        long,
        global = true,
        value_name = "PLUGIN",
        value_enum,
        default_value_t
    )]
    pub network_plugin: NetworkPlugin,
    /// OVSDB server: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT; by default the socket db.sock in OVS_RUNDIR or /var/run/openvswitch
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
}

impl Options {
    /// How results are written.
    pub fn style(&self) -> Style {
        Style::of(self.color, std::io::stdout())
    }

    /// How talk is written.
    pub fn talk_style(&self) -> Style {
        Style::of(self.color, std::io::stderr())
    }
}
