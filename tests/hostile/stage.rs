//! Hostile components, ready to be called.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use op_dbus::backends::dbus::{Bus, BusAddress};
use op_dbus::backends::netlink::Kernel;
use op_dbus::backends::ovsdb::{Lazy, Options, Remote};
use op_dbus::contract::dbus::MethodCall;
use op_dbus::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use op_dbus::contract::types::Failure;
use op_dbus::digest::Digest;
use op_dbus::gate::grant::Grant;
use op_dbus::gate::{Backends, Recorder, Rehearsed};
use op_dbus::plugin::cache::Cache;
use op_dbus::plugin::failure::PluginError;
use op_dbus::plugin::instance::Caller;
use op_dbus::plugin::limits::Limits;
use op_dbus::plugin::loader::Plugin;
use op_dbus::secrets::SecretStore;

/// The program, which compiles what others wrote.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_op-dbus"))
}

/// What a hostile guest may use: little, so that it comes to an end soon.
pub fn limits() -> Limits {
    Limits {
        memory: 64 << 20,
        crossing: 1 << 20,
        document: 1 << 20,
        // What is honest must fit on a slow machine as well.
        deadline: Duration::from_secs(100),
        compile_deadline: Duration::from_secs(170),
        ..Limits::default()
    }
}

/// What a guest may use that is to run into its deadline.
pub const SOON: Duration = Duration::from_millis(300);

/// A plugin, and what its calls reach.
pub struct Guest {
    pub plugin: Plugin,
    pub witness: Arc<Witness>,
    ovsdb: PathBuf,
}

impl Guest {
    /// The plugin of a component, which is granted bridges whose names begin with `h`, and Open vSwitch's database.
    pub fn new(wasm: &[u8]) -> Self {
        let grant = r#"
            netlink = {change = ["h*"], kinds = ["bridge"]}
            ovsdb = {databases = ["Open_vSwitch"], bridges = ["*"], ports = ["*"], tables = {"*" = ["select"]}}
        "#;
        Self::granted(wasm, toml::from_str(grant).expect("a grant"))
    }

    /// The plugin of a component with a grant.
    pub fn granted(wasm: &[u8], grant: Grant) -> Self {
        let limits = limits();
        // Compiled code is shared by all tests of a build.
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        let cache = Cache::new(Some(directory)).compiled_by(program());
        let plugin = Plugin::compiled("hostile", wasm, Digest::of(wasm), &cache, grant, limits);
        Self {
            plugin: plugin.expect("it is a plugin"),
            witness: Arc::default(),
            ovsdb: "/nowhere".into(),
        }
    }

    /// The same with a deadline that comes soon.
    pub fn hurried(mut self) -> Self {
        self.plugin.limits.deadline = SOON;
        self
    }

    /// The same with as much time as an honest call needs.
    pub fn patient(mut self) -> Self {
        self.plugin.limits.deadline = limits().deadline;
        self
    }

    /// The same with an OVSDB server at this socket.
    pub fn with_ovsdb(mut self, socket: PathBuf) -> Self {
        self.ovsdb = socket;
        self
    }

    /// A way to call it.
    pub fn caller(&self) -> Caller<'_> {
        let remote = Remote::Unix(self.ovsdb.clone());
        Caller {
            plugin: &self.plugin,
            backends: Backends {
                kernel: self.witness.clone(),
                ovsdb: Arc::new(Lazy::new(Options::new(remote))),
                bus: Arc::new(Bus::connect(BusAddress::Explicit(
                    "unix:path=/nowhere".to_owned(),
                ))),
                secrets: Arc::new(SecretStore::open(Vec::new(), None).expect("no directory")),
                is_tenant: false,
            },
            recorder: self.witness.clone(),
            listener: None,
        }
    }

    /// Lets it validate a section. What it does wrong stands there, or is chosen by the first letter.
    pub async fn validate(&self, section: &str) -> Result<Vec<String>, PluginError> {
        let found = in_time(self.caller().validate(&section.to_owned())).await?;
        Ok(found.into_iter().map(|problem| problem.message).collect())
    }
}

/// Waits for what must come to an end by itself.
///
/// # Panics
/// It does not: the host hangs.
pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let generous = Duration::from_secs(150);
    let done = tokio::time::timeout(generous, work).await;
    done.expect("the host hangs")
}

/// An empty kernel, and a book in which everything stands that came through the gate.
#[derive(Default)]
pub struct Witness {
    pub requests: Mutex<Vec<Request>>,
    pub denied: Mutex<Vec<String>>,
    pub progress: Mutex<usize>,
}

#[async_trait]
impl Kernel for Witness {
    async fn links(&self, _: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        Ok(Vec::new())
    }
    async fn addresses(&self, _: &[String]) -> Result<Vec<Address>, Failure> {
        Ok(Vec::new())
    }
    async fn routes(&self, _: &RouteScope) -> Result<Vec<Route>, Failure> {
        Ok(Vec::new())
    }
    async fn rules(&self, _: &[Family]) -> Result<Vec<Rule>, Failure> {
        Ok(Vec::new())
    }
    async fn neighbours(&self, _: &[String]) -> Result<Vec<Neighbour>, Failure> {
        Ok(Vec::new())
    }
    async fn bridge_vlans(&self, _: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        Ok(Vec::new())
    }
    async fn execute(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        self.requests.lock().unwrap().extend_from_slice(requests);
        requests.iter().map(|_| Ok(())).collect()
    }
}

#[async_trait]
impl Recorder for Witness {
    async fn before_netlink(&self, _: &str, _: &dyn Kernel, _: &[Request]) -> Result<(), Failure> {
        Ok(())
    }
    async fn before_ovsdb(
        &self,
        _: &str,
        _: &str,
        _: &[String],
        _: serde_json::Value,
    ) -> Result<(), Failure> {
        Ok(())
    }
    async fn before_links_change(
        &self,
        _: &str,
        _: &dyn Kernel,
        _: &[String],
    ) -> Result<(), Failure> {
        Ok(())
    }
    async fn before_dbus(&self, _: &str, _: &[MethodCall]) -> Result<(), Failure> {
        Ok(())
    }
    fn rehearsed(&self, _: &str, _: Rehearsed) {}
    fn progress(&self, _: &str, _: u32, _: u32) {
        *self.progress.lock().unwrap() += 1;
    }
    fn denied(&self, _: &str, failure: &Failure) {
        self.denied.lock().unwrap().push(failure.message.clone());
    }
}

/// Asserts that a call came to an error of this kind.
macro_rules! assert_error {
    ($result:expr, $kind:pat $(if $guard:expr)?) => {{
        let result = $result;
        assert!(matches!(&result, Err($kind) $(if $guard)?), "{result:?}");
    }};
}
pub(crate) use assert_error;

/// How much memory this process has taken at most, in bytes.
pub fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: usize = number
        .and_then(|number| number.parse().ok())
        .expect("the kernel tells VmHWM");
    kib << 10
}

/// Keeps tests apart that measure memory, where they share a process.
pub static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
