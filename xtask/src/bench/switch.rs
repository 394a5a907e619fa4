//! An ovsdb-server and an ovs-vswitchd of the bench's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::output;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Both daemons; they end with this.
pub struct Switch {
    directory: PathBuf,
    daemons: Vec<Child>,
}

impl Switch {
    /// Whether Open vSwitch is installed.
    pub fn is_installed() -> bool {
        Path::new(SCHEMA).exists()
    }

    /// Starts them in a network namespace, over an empty database.
    pub fn start(directory: PathBuf, namespace: &str) -> Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let mut switch = Self {
            directory,
            daemons: Vec::new(),
        };
        let database = switch.directory.join("conf.db");
        output(
            Command::new("ovsdb-tool")
                .arg("create")
                .arg(&database)
                .arg(SCHEMA),
        )?;
        let mut server = Command::new("ovsdb-server");
        server
            .arg(&database)
            .arg(format!("--remote=p{}", switch.remote()));
        switch.daemon(&mut server)?;
        let began = Instant::now();
        while std::os::unix::net::UnixStream::connect(switch.directory.join("db.sock")).is_err() {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("ovsdb-server does not listen");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        output(Command::new("ovs-vsctl").args(["--db", &switch.remote(), "--no-wait", "init"]))?;
        let mut daemon = Command::new("ip");
        daemon.args(["netns", "exec", namespace, "ovs-vswitchd", &switch.remote()]);
        switch.daemon(&mut daemon)?;
        // It has taken the database up when it confirms a configuration.
        let remote = switch.remote();
        output(Command::new("ovs-vsctl").args([
            "--db",
            &remote,
            "--timeout=60",
            "set",
            "Open_vSwitch",
            ".",
            "external_ids:bench=x",
        ]))?;
        Ok(switch)
    }

    /// Where the server listens.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.directory.join("db.sock").display())
    }

    fn daemon(&mut self, command: &mut Command) -> Result<()> {
        for name in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(name, &self.directory);
        }
        let quiet = command
            .args(["--no-chdir", "-vconsole:emer"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.daemons
            .push(quiet.spawn().context("cannot start Open vSwitch")?);
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            // One that has ended by itself is as good.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
