//! The gate in front of a real server: what it lets through is written down, and so is what it notes for an undo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use op_dbus::backends::dbus::{Bus, BusAddress};
use op_dbus::backends::netlink::Kernel;
use op_dbus::backends::ovsdb::effect::is_configuration;
use op_dbus::backends::ovsdb::operation::{columns_of, row_json, uuid_of};
use op_dbus::backends::ovsdb::{Client, OvsdbError, Results, Schema, Server as Database};
use op_dbus::contract::dbus::MethodCall;
use op_dbus::contract::netlink::{
    Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope, Rule,
};
use op_dbus::contract::types::Failure;
use op_dbus::gate::budget::Budget;
use op_dbus::gate::grant::{Grant, OvsdbGrant};
use op_dbus::gate::{Backends, Gate, Mode, Recorder, Rehearsed};
use op_dbus::secrets::SecretStore;
use serde_json::{Value, json};

use crate::server::{DATABASE, Server};

/// A server that writes down the transactions that it gets.
pub struct Recording {
    client: Client,
    /// What may change something.
    pub changes: Mutex<Vec<Vec<Value>>>,
    /// The answer to the next of those is lost: after it took effect, or before.
    pub lose_next: Mutex<Option<Lost>>,
}

/// When the server dies.
#[derive(Clone, Copy, PartialEq)]
pub enum Lost {
    /// The transaction took effect.
    After,
    /// It did not.
    Before,
}

fn lost() -> OvsdbError {
    OvsdbError::EffectUnknown {
        cause: Box::new(OvsdbError::Lost {
            remote: "the test".into(),
            reason: "the server died".into(),
        }),
    }
}

#[async_trait]
impl Database for Recording {
    async fn databases(&self) -> Result<Vec<String>, OvsdbError> {
        self.client.list_dbs().await
    }

    async fn schema(&self, database: &str) -> Result<Arc<Schema>, OvsdbError> {
        self.client.schema(database).await
    }

    async fn transact(&self, database: &str, operations: &[Value]) -> Result<Results, OvsdbError> {
        let mut lose = false;
        let reads = ["select", "wait", "comment", "commit"];
        if operations
            .iter()
            .any(|operation| !reads.iter().any(|read| operation["op"] == *read))
        {
            self.changes.lock().unwrap().push(operations.to_vec());
            match self.lose_next.lock().unwrap().take() {
                Some(Lost::Before) => return Err(lost()),
                Some(Lost::After) => lose = true,
                None => {}
            }
        }
        if lose {
            self.client.transact(database, operations).await?;
            return Err(lost());
        }
        self.client.transact(database, operations).await
    }

    async fn settle(&self, database: &str) -> Result<(), OvsdbError> {
        // To ask anew changes something.
        let asks = json!({"op": "mutate", "table": "Open_vSwitch"});
        self.changes.lock().unwrap().push(vec![asks]);
        self.client
            .settle(database, std::time::Duration::from_secs(60))
            .await
    }

    async fn settled(&self, database: &str, wanted: i64) -> Result<(), OvsdbError> {
        let patience = std::time::Duration::from_secs(60);
        self.client.settled(database, wanted, patience).await
    }
}

/// Keeps what the gate notes.
#[derive(Default)]
pub struct Notes {
    /// Images of rows, in order.
    pub images: Mutex<Vec<Value>>,
    /// Links that come or go with rows.
    pub links: Mutex<Vec<String>>,
    /// Lines about operations.
    pub lines: Mutex<Vec<String>>,
    /// What was only rehearsed.
    pub rehearsed: Mutex<Vec<Rehearsed>>,
    /// Denials.
    pub denied: Mutex<Vec<String>>,
}

#[async_trait]
impl Recorder for Notes {
    async fn before_netlink(&self, _: &str, _: &dyn Kernel, _: &[Request]) -> Result<(), Failure> {
        Ok(())
    }

    async fn before_ovsdb(
        &self,
        _plugin: &str,
        _database: &str,
        operations: &[String],
        images: Value,
    ) -> Result<(), Failure> {
        self.images.lock().unwrap().push(images);
        self.lines
            .lock()
            .unwrap()
            .extend(operations.iter().cloned());
        Ok(())
    }

    async fn before_links_change(
        &self,
        _plugin: &str,
        _kernel: &dyn Kernel,
        links: &[String],
    ) -> Result<(), Failure> {
        self.links.lock().unwrap().extend(links.iter().cloned());
        Ok(())
    }

    async fn before_dbus(&self, _: &str, _: &[MethodCall]) -> Result<(), Failure> {
        Ok(())
    }

    fn rehearsed(&self, _plugin: &str, change: Rehearsed) {
        self.rehearsed.lock().unwrap().push(change);
    }

    fn progress(&self, _: &str, _: u32, _: u32) {}

    fn denied(&self, _plugin: &str, failure: &Failure) {
        self.denied.lock().unwrap().push(failure.message.clone());
    }
}

/// A kernel in which there is nothing: these tests are about the database.
pub struct NoKernel;

#[async_trait]
impl Kernel for NoKernel {
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
        requests.iter().map(|_| Ok(())).collect()
    }
}

/// A real server with the gate in front of it.
pub struct Stage {
    /// The daemons.
    pub server: Server,
    /// A way past the gate.
    pub client: Client,
    /// The gate's way.
    pub recording: Arc<Recording>,
    /// What the gate notes.
    pub notes: Arc<Notes>,
}

impl Stage {
    /// A stage; `None` where Open vSwitch is not installed.
    pub async fn set() -> Option<Self> {
        let server = Server::start()?;
        let client = server.client().await;
        let recording = Arc::new(Recording {
            client: server.client().await,
            changes: Mutex::default(),
            lose_next: Mutex::default(),
        });
        Some(Self {
            server,
            client,
            recording,
            notes: Arc::default(),
        })
    }

    /// A gate for one call into a plugin.
    pub fn gate(&self, grant: OvsdbGrant, mode: Mode) -> Gate {
        let grant = Grant {
            ovsdb: Some(grant),
            ..Grant::default()
        };
        Gate {
            plugin: "net".to_owned(),
            grant: Arc::new(grant),
            mode,
            backends: Backends {
                kernel: Arc::new(NoKernel),
                ovsdb: self.recording.clone(),
                bus: Arc::new(Bus::connect(BusAddress::Explicit(
                    "unix:path=/nowhere".to_owned(),
                ))),
                secrets: Arc::new(SecretStore::open(Vec::new(), None).expect("no directory")),
                is_tenant: false,
            },
            recorder: self.notes.clone(),
            budget: Budget::new(1000, 256 << 20, 0),
            progress_of_ovsdb: Default::default(),
        }
    }

    /// Lets the built-in plugin's gate run operations, and returns their results.
    pub async fn transact(&self, operations: Value) -> Result<Value, Failure> {
        let gate = self.gate(OvsdbGrant::of_net(), Mode::Change);
        let results = gate.transact(DATABASE, &operations.to_string()).await?;
        Ok(serde_json::from_str(&results).expect("the gate returns JSON"))
    }

    /// Runs operations past the gate.
    pub async fn directly(&self, operations: Value) -> Results {
        let operations = operations.as_array().expect("an array");
        self.client
            .transact(DATABASE, operations)
            .await
            .expect("the server takes it")
    }

    /// The configuration in all tables: rows by table and UUID.
    pub async fn everything(&self) -> BTreeMap<(String, String), Value> {
        let schema = self.client.schema(DATABASE).await.expect("a schema");
        let tables: Vec<&String> = schema.tables.keys().collect();
        let selects: Vec<Value> = tables
            .iter()
            .map(|table| json!({"op": "select", "table": table, "where": []}))
            .collect();
        let results = self
            .client
            .transact(DATABASE, &selects)
            .await
            .expect("selects");
        let mut rows = BTreeMap::new();
        for (number, table) in tables.iter().enumerate() {
            for row in results.rows(number) {
                let mut columns =
                    columns_of(&schema, table, row).expect("a row as the schema has it");
                columns.retain(|column, _| is_configuration(&schema, table, column));
                let uuid = uuid_of(row).expect("every row has one");
                rows.insert(((*table).clone(), uuid), row_json(&columns));
            }
        }
        rows
    }
}

/// Runs a test that needs more stack than a test's thread has: futures of builds without optimisation within a property test.
pub fn with_room(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let running = thread.spawn(test).expect("a thread");
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Asserts that two answers of [`Stage::everything`] say the same, and shows what differs.
#[track_caller]
pub fn assert_same(
    now: &BTreeMap<(String, String), Value>,
    before: &BTreeMap<(String, String), Value>,
) {
    let only = |these: &BTreeMap<_, Value>, those: &BTreeMap<_, Value>, sign: &str| -> String {
        these
            .iter()
            .filter(|(key, row)| those.get(*key) != Some(*row))
            .map(|(key, row): (&(String, String), &Value)| format!("{sign} {key:?} {row}\n"))
            .collect()
    };
    assert!(
        now == before,
        "the database is not as it was:\n{}{}",
        only(before, now, "-"),
        only(now, before, "+")
    );
}

/// Operations that add a bridge with ports, each with an interface of its name; the first is the bridge's own.
pub fn bridge(name: &str, ports: &[&str]) -> Vec<Value> {
    let mut operations = Vec::new();
    let mut named = Vec::new();
    for (number, port) in [name].iter().chain(ports).enumerate() {
        let (port_name, interface) = (
            format!("{name}_p{number}").replace('-', "_"),
            format!("{name}_i{number}").replace('-', "_"),
        );
        let kind = if number == 0 { "internal" } else { "" };
        operations.push(
            json!({"op": "insert", "table": "Interface", "uuid-name": interface,
                               "row": {"name": port, "type": kind}}),
        );
        operations.push(
            json!({"op": "insert", "table": "Port", "uuid-name": port_name,
                               "row": {"name": port, "interfaces": ["named-uuid", interface]}}),
        );
        named.push(json!(["named-uuid", port_name]));
    }
    let bridge = format!("{name}_b").replace('-', "_");
    operations.push(json!({"op": "insert", "table": "Bridge", "uuid-name": bridge,
                           "row": {"name": name, "datapath_type": "netdev", "ports": ["set", named]}}));
    operations.push(json!({"op": "mutate", "table": "Open_vSwitch", "where": [],
                           "mutations": [["bridges", "insert", ["named-uuid", bridge]]]}));
    operations
}
