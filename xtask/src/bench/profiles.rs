//! A NetworkManager of the bench's own, on a private bus, with profiles laid down as files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::command::succeeds;

/// Both daemons end with this.
pub struct NetworkManager {
    daemons: Vec<Child>,
    directory: PathBuf,
}

impl Drop for NetworkManager {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl NetworkManager {
    /// Starts it in a namespace with `count` profiles `p0` and up.
    pub fn start(namespace: &str, count: u32) -> Result<Self> {
        // Short, for the path of a socket has 107 bytes at most (unix(7)).
        let directory = std::env::temp_dir().join(namespace);
        let here = directory.as_path();
        fs::create_dir(here)?;
        fs::set_permissions(here, fs::Permissions::from_mode(0o700))?;
        for part in ["profiles", "conf.d", "state"] {
            fs::create_dir(here.join(part))?;
        }
        for number in 0..count {
            let file = here
                .join("profiles")
                .join(format!("p{number}.nmconnection"));
            fs::write(&file, keyfile(number))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        fs::write(here.join("bus.conf"), bus_configuration(here))?;
        fs::write(
            here.join("nm.conf"),
            format!(
                "[main]\nplugins=keyfile\nauth-polkit=false\ndns=none\ndhcp=internal\nno-auto-default=*\n[keyfile]\npath={}/profiles\n\
                 [logging]\nlevel=ERR\n",
                here.display()
            ),
        )?;
        let mut started = Self {
            daemons: Vec::new(),
            directory,
        };
        started.bus()?;
        started.manager(namespace)?;
        Ok(started)
    }

    /// What programs are told to find the bus.
    pub fn address(&self) -> String {
        format!("unix:path={}/socket", self.directory.display())
    }

    fn bus(&mut self) -> Result<()> {
        let configuration = self.directory.join("bus.conf");
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start dbus-daemon")?;
        let stdout = daemon.stdout.take().context("its output is piped")?;
        self.daemons.push(daemon);
        // It prints its address when it listens.
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.starts_with("unix:"), "dbus-daemon says {line:?}");
        Ok(())
    }

    fn manager(&mut self, namespace: &str) -> Result<()> {
        let here = &self.directory;
        let option = |name: &str, file: &str| format!("--{name}={}", here.join(file).display());
        // `ip netns exec` gives it mounts of its own: what it keeps there must not stay.
        let alone = "mkdir -p /run/NetworkManager /var/lib/NetworkManager && mount -t tmpfs none /run/NetworkManager \
                     && mount -t tmpfs none /var/lib/NetworkManager && exec NetworkManager --no-daemon \"$@\"";
        let manager = Command::new("ip")
            .args(["netns", "exec", namespace, "sh", "-c", alone, "sh"])
            .arg(option("config", "nm.conf"))
            .arg(option("config-dir", "conf.d"))
            .arg(option("system-config-dir", "conf.d"))
            .arg(option("state-file", "state/state"))
            .arg(option("intern-config", "state/intern.conf"))
            .arg(option("pid-file", "state/pid"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .spawn()
            .context("cannot start NetworkManager")?;
        self.daemons.push(manager);
        let give_up = Instant::now() + Duration::from_secs(60);
        let mut nmcli = Command::new("nmcli");
        nmcli
            .args(["general", "status"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address());
        while !succeeds(&mut nmcli) {
            ensure!(Instant::now() < give_up, "NetworkManager does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn keyfile(number: u32) -> String {
    format!(
        "[connection]\nid=p{number}\nuuid=00000000-0000-4000-8000-{number:012}\ntype=ethernet\ninterface-name=e{number}\nautoconnect=false\n\
         [ipv4]\nmethod=manual\naddress1=192.0.2.1/24\n"
    )
}

fn bus_configuration(here: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={}/socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow own="*"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy>
<limit name="max_replies_per_connection">50000</limit></busconfig>"#,
        here.display()
    )
}
