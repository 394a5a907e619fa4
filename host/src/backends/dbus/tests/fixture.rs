//! A message bus of a test's own.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::backends::dbus::{Bus, BusAddress, Limits, Outgoing, Terms};
use crate::contract::dbus::MethodCall;

/// A dbus-daemon in a temporary directory; both go with it.
pub struct PrivateBus {
    directory: tempfile::TempDir,
    daemon: Child,
    pub address: String,
}

/// Whether these programs are installed. If not, says so loudly; in CI that is a failure.
pub fn installed(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<_> = std::env::split_paths(&path).collect();
    directories.push("/usr/sbin".into());
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| !directories.iter().any(|place| place.join(program).exists()))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!ci, "{missing:?} are missing, and in CI that is a failure");
    eprintln!("SKIPPED, NOTHING WAS TESTED: {missing:?} are missing");
    false
}

impl PrivateBus {
    /// A bus that lets everybody do everything, save for calls to `org.example.Locked`. `None`, and loudly so, without dbus-daemon.
    pub async fn start() -> Option<Self> {
        if !installed(&["dbus-daemon"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let daemon = Self::daemon(directory.path());
        let mut bus = Self {
            address: format!("unix:path={}/socket", directory.path().display()),
            directory,
            daemon,
        };
        bus.ready().await;
        Some(bus)
    }

    fn daemon(directory: &Path) -> Child {
        let configuration = directory.join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={}/socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow own="*"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<deny send_destination="org.example.Locked" send_interface="org.example.Locked" send_member="Open"/></policy></busconfig>"#,
            directory.display()
        );
        std::fs::write(&configuration, text).unwrap();
        Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Waits until the daemon listens: it prints its address then.
    async fn ready(&mut self) {
        let stdout = self.daemon.stdout.take().unwrap();
        let line = BufReader::new(stdout).lines().next_line().await.unwrap();
        assert!(line.is_some_and(|line| line.starts_with("unix:")));
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn bus(&self) -> Bus {
        Bus::connect(BusAddress::Explicit(self.address.clone()))
    }

    pub fn bus_with(&self, limits: Limits) -> Bus {
        Bus::with_limits(BusAddress::Explicit(self.address.clone()), limits)
    }

    /// Kills the daemon and waits for its end.
    pub async fn kill(&mut self) {
        self.daemon.kill().await.unwrap();
        let _ = std::fs::remove_file(self.directory.path().join("socket"));
    }

    /// Starts another one at the same address.
    pub async fn restart(&mut self) {
        self.daemon = Self::daemon(self.directory.path());
        self.ready().await;
    }

    /// A command that talks to this bus.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// Calls on the plain terms.
pub fn plain(calls: &[MethodCall]) -> Vec<Outgoing<'_>> {
    let terms = Terms::PLAIN;
    calls.iter().map(|call| Outgoing { call, terms }).collect()
}

pub fn method(
    destination: &str,
    path: &str,
    interface: &str,
    member: &str,
    signature: &str,
    arguments: impl Into<String>,
) -> MethodCall {
    MethodCall {
        destination: destination.into(),
        path: path.into(),
        interface: interface.into(),
        member: member.into(),
        signature: signature.into(),
        arguments: arguments.into(),
    }
}
