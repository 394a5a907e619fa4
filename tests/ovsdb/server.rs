//! A real ovsdb-server, and ovs-vswitchd on demand, for one test.

use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use op_dbus::backends::ovsdb::{Client, Options, Remote};
use serde_json::Value;

/// The database that these tests use.
pub const DATABASE: &str = "Open_vSwitch";

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// An ovsdb-server with an empty Open_vSwitch database in a directory of its own.
pub struct Server {
    directory: tempfile::TempDir,
    remotes: Vec<String>,
    server: Option<Child>,
    switch: Option<Child>,
    namespace: Option<String>,
    /// The namespace is somebody else's to delete.
    is_lent: bool,
}

impl Server {
    /// Starts one; `None`, and loudly so, where Open vSwitch is not installed.
    ///
    /// # Panics
    /// It is not installed and `CI=true`, or it does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one with more arguments.
    pub fn start_with(remotes: &[String]) -> Option<Self> {
        Self::start_as(remotes, |_| {})
    }

    /// Starts one whose schema is another.
    #[allow(dead_code, reason = "only the tests of the whole change the schema")]
    pub fn start_with_schema(change: impl FnOnce(&mut Value)) -> Option<Self> {
        Self::start_as(&[], change)
    }

    fn start_as(remotes: &[String], change: impl FnOnce(&mut Value)) -> Option<Self> {
        let is_installed = Path::new(SCHEMA).exists()
            && Command::new("ovsdb-server")
                .arg("--version")
                .stdout(Stdio::null())
                .status()
                .is_ok();
        if !is_installed {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "Open vSwitch is not installed");
            eprintln!("!! SKIPPED: Open vSwitch is not installed (Debian: openvswitch-switch)");
            return None;
        }
        let mut server = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            remotes: remotes.to_vec(),
            server: None,
            switch: None,
            namespace: None,
            is_lent: false,
        };
        let text = std::fs::read_to_string(SCHEMA).expect("the schema can be read");
        let mut schema = serde_json::from_str(&text).expect("the schema is JSON");
        change(&mut schema);
        let path = server.path("schema.json");
        std::fs::write(&path, schema.to_string()).expect("the schema can be written");
        let database = server.path("conf.db");
        run(Command::new("ovsdb-tool")
            .arg("create")
            .arg(database)
            .arg(path));
        server.start_server();
        server.vsctl(&["--no-wait", "init"]);
        Some(server)
    }

    /// A path in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where it listens.
    pub fn remote(&self) -> Remote {
        Remote::Unix(self.path("db.sock"))
    }

    /// Options with deadlines that a machine under load keeps.
    pub fn options(&self) -> Options {
        let patience = Duration::from_secs(120);
        Options {
            idle: patience,
            answer_within: patience,
            reconnect_within: patience,
            switch_restart: patience,
            ..Options::new(self.remote())
        }
    }

    /// A client of it.
    pub async fn client(&self) -> Client {
        Client::connect(self.options())
            .await
            .expect("ovsdb-server listens")
    }

    /// Runs `ovs-vsctl` on it.
    pub fn vsctl(&self, arguments: &[&str]) -> String {
        let remote = format!("--db={}", self.remote());
        run(Command::new("ovs-vsctl")
            .arg(remote)
            .arg("--timeout=60")
            .args(arguments))
    }

    /// Starts ovsdb-server (again) on the same database.
    pub fn start_server(&mut self) {
        let log = std::fs::File::create(self.path("server.log")).expect("a log");
        let mut command = Command::new("ovsdb-server");
        self.environment(&mut command)
            .arg(self.path("conf.db"))
            .arg(format!("--remote=p{}", self.remote()))
            .args(&self.remotes)
            .args(["-vconsole:info", "--no-chdir"])
            .stderr(log)
            .stdout(Stdio::null());
        let _ = std::fs::remove_file(self.path("db.sock"));
        self.server = Some(command.spawn().expect("ovsdb-server starts"));
        wait_until("ovsdb-server listens", || {
            std::os::unix::net::UnixStream::connect(self.path("db.sock")).is_ok()
        });
    }

    /// Kills ovsdb-server with SIGKILL.
    pub fn kill_server(&mut self) {
        kill(self.server.take());
    }

    /// Stops ovsdb-server where it stands (SIGSTOP); its sockets stay.
    pub fn freeze_server(&self) {
        let server = self.server.as_ref().expect("ovsdb-server runs");
        run(Command::new("kill").args(["-STOP", &server.id().to_string()]));
    }

    /// Stops ovs-vswitchd where it stands (SIGSTOP).
    pub fn freeze_switch(&self) {
        let switch = self.switch.as_ref().expect("ovs-vswitchd runs");
        run(Command::new("kill").args(["-STOP", &switch.id().to_string()]));
    }

    /// Lets an ovs-vswitchd that stands still go on.
    #[allow(dead_code, reason = "only the tests of the whole let it go on")]
    pub fn thaw_switch(&self) {
        let switch = self.switch.as_ref().expect("ovs-vswitchd runs");
        run(Command::new("kill").args(["-CONT", &switch.id().to_string()]));
    }

    /// The port that a remote `METHOD:0:ADDRESS` got, from ovsdb-server's log, which names the address alone.
    pub fn port(&self, address: &str) -> u16 {
        let listening = format!("{address}: listening on port");
        let mut port = None;
        wait_until("ovsdb-server tells its port", || {
            let log = std::fs::read_to_string(self.path("server.log")).unwrap_or_default();
            port = log
                .lines()
                .find(|line| line.contains(&listening))
                .and_then(|line| line.rsplit(' ').next()?.parse().ok());
            port.is_some()
        });
        port.expect("the wait is over")
    }

    /// Starts ovs-vswitchd in a network namespace that is there.
    #[allow(
        dead_code,
        reason = "only the tests of the whole put it into a namespace"
    )]
    pub fn start_switch_in(&mut self, namespace: &str) {
        self.namespace = Some(namespace.to_owned());
        self.is_lent = true;
        self.start_switch();
    }

    /// Starts ovs-vswitchd in a network namespace.
    pub fn start_switch(&mut self) {
        let namespace = self.namespace.get_or_insert_with(|| {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("opdbus-ovsdb-{}-{count}", process::id());
            run(Command::new("ip").args(["netns", "add", &name]));
            name
        });
        let log = std::fs::File::create(self.directory.path().join("switch.log")).expect("a log");
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, "ovs-vswitchd"])
            .arg(self.remote().to_string())
            .arg("--no-chdir")
            .stderr(log)
            .stdout(Stdio::null());
        self.environment(&mut command);
        self.switch = Some(command.spawn().expect("ovs-vswitchd starts"));
    }

    /// Kills ovs-vswitchd with SIGKILL.
    pub fn kill_switch(&mut self) {
        kill(self.switch.take());
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for name in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(name, self.directory.path());
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_switch();
        self.kill_server();
        if let Some(namespace) = self.namespace.as_ref().filter(|_| !self.is_lent) {
            let deleted = Command::new("ip")
                .args(["netns", "delete", namespace])
                .status();
            if !deleted.is_ok_and(|status| status.success()) {
                eprintln!("the namespace {namespace} is left behind");
            }
        }
    }
}

fn kill(child: Option<Child>) {
    if let Some(mut child) = child {
        child.kill().expect("the child is ours");
        child.wait().expect("the child ends");
    }
}

/// Runs a command and returns what it prints.
pub fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Looks until a program that cannot tell us has come so far.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed().as_secs() < 60, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Operations that add a bridge with its own port and interface, to be sent in one transaction.
pub fn add_bridge(name: &str) -> Vec<Value> {
    use serde_json::json;
    vec![
        json!({"op": "insert", "table": "Interface", "uuid-name": "interface",
               "row": {"name": name, "type": "internal"}}),
        json!({"op": "insert", "table": "Port", "uuid-name": "port",
               "row": {"name": name, "interfaces": ["named-uuid", "interface"]}}),
        json!({"op": "insert", "table": "Bridge", "uuid-name": "bridge",
               "row": {"name": name, "datapath_type": "netdev", "ports": ["named-uuid", "port"]}}),
        json!({"op": "mutate", "table": "Open_vSwitch", "where": [],
               "mutations": [["bridges", "insert", ["set", [["named-uuid", "bridge"]]]]]}),
    ]
}
