//! A NetworkManager of a test's own: in the test's network namespace, on a private bus.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::namespace::{Namespace, Run};

/// A dbus-daemon in the namespace's directory, which ends with it.
pub struct Bus {
    directory: PathBuf,
    daemon: Child,
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What passes on a bus, from its start on: busctl in the background, which ends with it.
pub struct Monitor {
    output: PathBuf,
    busctl: Child,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.busctl.kill();
        let _ = self.busctl.wait();
    }
}

impl Monitor {
    /// The messages that have passed so far, in the form that busctl prints: one a line, the last perhaps cut short.
    pub fn seen(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.output).expect("it writes there");
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a message that fits, and returns the first.
    ///
    /// # Panics
    /// None passes within a minute.
    pub fn wait_for(&self, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = self.seen().into_iter().find(&fits) {
                return found;
            }
            assert!(Instant::now() < give_up, "no such message passes");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A NetworkManager on a bus of its own; both end with it.
pub struct NetworkManager {
    bus: Bus,
    namespace: String,
    manager: Child,
}

impl Drop for NetworkManager {
    fn drop(&mut self) {
        let _ = self.manager.kill();
        let _ = self.manager.wait();
    }
}

impl Bus {
    /// Starts a bus that lets everybody do everything, but what `denied` says: rules of a policy (dbus-daemon(1)).
    pub fn start(namespace: &Namespace, denied: &str) -> Self {
        let directory = namespace.directory().join("nm");
        std::fs::create_dir_all(&directory).expect("the test's directory takes directories");
        let here = directory.display();
        let configuration = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={here}/socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow own="*"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy><policy context="mandatory">{denied}</policy>
<!-- nmcli asks for all profiles at once, and the bus would let it have 128 answers outstanding. -->
<limit name="max_replies_per_connection">4096</limit></busconfig>"#
        );
        std::fs::write(directory.join("bus.conf"), configuration).expect("a file");
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={here}/bus.conf"))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon starts");
        // It prints its address when it listens.
        let mut line = String::new();
        let stdout = daemon.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert!(line.starts_with("unix:"), "{line:?}");
        Self { directory, daemon }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("unix:path={}/socket", self.directory.display())
    }
}

impl NetworkManager {
    /// Starts both. `None`, and loudly so, where a program is missing; in CI that is a failure.
    pub fn start(namespace: &Namespace) -> Option<Self> {
        Self::start_denying(namespace, "")
    }

    /// The same on a bus with rules, see [`Bus::start`].
    pub fn start_denying(namespace: &Namespace, denied: &str) -> Option<Self> {
        if !installed(&["dbus-daemon", "NetworkManager", "nmcli"]) {
            return None;
        }
        let bus = Bus::start(namespace, denied);
        let here = bus.directory.display();
        for part in ["profiles", "conf.d", "state"] {
            std::fs::create_dir_all(bus.directory.join(part))
                .expect("the test's directory takes directories");
        }
        // The loopback left alone: a managed one has a profile that would be counted among the test's own.
        let configuration = format!(
            "[main]\nplugins=keyfile\nauth-polkit=false\ndns=none\ndhcp=internal\nno-auto-default=*\n\
             [keyfile]\npath={here}/profiles\nunmanaged-devices=interface-name:lo\n[logging]\nlevel=ERR\n"
        );
        std::fs::write(bus.directory.join("nm.conf"), configuration).expect("a file");
        let manager = manager(&bus.directory, namespace.name());
        let started = Self {
            bus,
            namespace: namespace.name().to_owned(),
            manager,
        };
        started.wait();
        Some(started)
    }

    /// Where the bus listens.
    pub fn address(&self) -> String {
        self.bus.address()
    }

    /// Watches what passes on the bus from now on.
    pub fn monitor(&self) -> Monitor {
        let output = self.bus.directory.join("monitor");
        let file = std::fs::File::create(&output).expect("a file");
        let mut busctl = Command::new("busctl")
            .arg(format!("--address={}", self.address()))
            .args(["--json=short", "monitor"])
            .stdout(file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("busctl starts");
        // It says so when it has begun.
        let mut line = String::new();
        let stderr = busctl.stderr.take().expect("it is piped");
        BufReader::new(stderr).read_line(&mut line).expect("a line");
        assert!(line.starts_with("Monitoring"), "{line:?}");
        Monitor { output, busctl }
    }

    /// Runs `nmcli` and returns what it prints.
    ///
    /// # Panics
    /// `nmcli` fails.
    pub fn nmcli(&self, arguments: &[&str]) -> String {
        self.try_nmcli(arguments).success().stdout
    }

    /// Runs `nmcli`, where it may fail.
    pub fn try_nmcli(&self, arguments: &[&str]) -> Run {
        Run::of(
            Command::new("nmcli")
                .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
                .env("LC_ALL", "C.UTF-8")
                .args(arguments),
        )
    }

    /// What a profile keeps secret in one of its settings, in the form that busctl prints; `None` without that setting or
    /// any secret in it.
    ///
    /// Not by `nmcli --show-secrets`: NetworkManager says that a profile was updated when its secrets were asked for, and nmcli, if it
    /// hears that in time, reads the profile anew and shows it without them.
    pub fn secrets(&self, profile: &str, setting: &str) -> Option<String> {
        let settings = "/org/freedesktop/NetworkManager/Settings";
        let uuid = self.nmcli(&[
            "--get-values",
            "connection.uuid",
            "connection",
            "show",
            profile,
        ]);
        let call = |path: &str, arguments: &[&str]| {
            Run::of(
                Command::new("busctl")
                    .arg(format!("--address={}", self.address()))
                    .args(["--json=short", "call", "org.freedesktop.NetworkManager"])
                    .arg(path)
                    .args(arguments),
            )
        };
        let found = call(
            settings,
            &[
                "org.freedesktop.NetworkManager.Settings",
                "GetConnectionByUuid",
                "s",
                uuid.trim(),
            ],
        )
        .success();
        let found: serde_json::Value = serde_json::from_str(&found.stdout).expect("JSON");
        let path = found["data"][0].as_str().expect("an object path");
        let run = call(
            path,
            &[
                "org.freedesktop.NetworkManager.Settings.Connection",
                "GetSecrets",
                "s",
                setting,
            ],
        );
        let none = ["have requested setting", "No agents were available"];
        if none.iter().any(|words| run.stderr.contains(words)) {
            return None;
        }
        Some(run.success().stdout)
    }

    /// The state of a device, by its name.
    pub fn device_state(&self, device: &str) -> String {
        let shown = self.try_nmcli(&[
            "--terse",
            "--get-values",
            "GENERAL.STATE",
            "device",
            "show",
            device,
        ]);
        shown.stdout.trim().to_owned()
    }

    /// Waits until a device is in a state whose words contain `state`.
    ///
    /// # Panics
    /// It is not within a minute.
    pub fn wait_for(&self, device: &str, state: &str) {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.device_state(device);
            if found.contains(state) {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "{device} is {found:?} and not {state:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills NetworkManager and waits for its end.
    pub fn kill(&mut self) {
        self.manager.kill().expect("it can be killed");
        self.manager.wait().expect("it ends");
    }

    /// Starts it again, on the same profiles.
    pub fn restart(&mut self) {
        self.kill();
        self.manager = manager(&self.bus.directory, &self.namespace);
        self.wait();
    }

    /// Waits until it answers: it owns its name before its objects are there.
    fn wait(&self) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !self.try_nmcli(&["general", "status"]).is_success() {
            assert!(Instant::now() < give_up, "NetworkManager does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn manager(directory: &std::path::Path, namespace: &str) -> Child {
    let option = |name: &str, file: &str| format!("--{name}={}", directory.join(file).display());
    // `ip netns exec` gives it mounts of its own: what it keeps in these directories must neither meet another test nor stay. With /sys read-only
    // it does as in a container, without udev: where none runs, it would wait for it for ever and call devices unmanaged.
    let alone = "mkdir -p /run/NetworkManager /var/lib/NetworkManager \
        && mount -t tmpfs none /run/NetworkManager && mount -t tmpfs none /var/lib/NetworkManager \
        && mount -o remount,ro /sys && exec NetworkManager --no-daemon \"$@\"";
    Command::new("ip")
        .args(["netns", "exec", namespace, "sh", "-c", alone, "sh"])
        .arg(option("config", "nm.conf"))
        .arg(option("config-dir", "conf.d"))
        .arg(option("system-config-dir", "conf.d"))
        .arg(option("state-file", "state/state"))
        .arg(option("intern-config", "state/intern.conf"))
        .arg(option("pid-file", "state/pid"))
        .env(
            "DBUS_SYSTEM_BUS_ADDRESS",
            format!("unix:path={}/socket", directory.display()),
        )
        .stdin(Stdio::null())
        .spawn()
        .expect("ip starts")
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
