//! The server as those see it who have none open yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::client::{Client, Options};
use super::error::OvsdbError;
use super::remote::Remote;
use super::schema::Schema;
use super::transact::Results;

/// Where Open vSwitch keeps its sockets, unless OVS_RUNDIR says otherwise (ovs-vswitchd(8)).
const RUN_DIRECTORY: &str = "/var/run/openvswitch";

/// How long ovs-vswitchd may take to carry out a configuration. Five hundred ports take it two seconds.
const SETTLING: Duration = Duration::from_secs(60);

/// A server of databases.
#[async_trait]
pub trait Server: Send + Sync {
    /// See [`Client::list_dbs`].
    ///
    /// # Errors
    /// As there; so for all.
    async fn databases(&self) -> Result<Vec<String>, OvsdbError>;

    /// See [`Client::schema`].
    async fn schema(&self, database: &str) -> Result<Arc<Schema>, OvsdbError>;

    /// See [`Client::transact`].
    async fn transact(&self, database: &str, operations: &[Value]) -> Result<Results, OvsdbError>;

    /// See [`Client::settle`].
    async fn settle(&self, database: &str) -> Result<(), OvsdbError>;

    /// See [`Client::settled`].
    async fn settled(&self, database: &str, wanted: i64) -> Result<(), OvsdbError>;
}

/// A server that is connected to at its first use: most transactions have nothing to do with Open vSwitch, and most machines have none.
pub struct Lazy {
    options: Option<Options>,
    client: OnceCell<Client>,
}

impl Lazy {
    /// The server at this remote.
    pub fn new(options: Options) -> Self {
        Self {
            options: Some(options),
            client: OnceCell::new(),
        }
    }

    /// No server: for whoever is not given one. Nothing stands in for it.
    pub fn nowhere() -> Self {
        Self {
            options: None,
            client: OnceCell::new(),
        }
    }

    /// A client that is connected, or was.
    ///
    /// # Errors
    /// As [`Client::connect`]; [`OvsdbError::Nowhere`] without a server.
    pub async fn client(&self) -> Result<&Client, OvsdbError> {
        let options = self.options.as_ref().ok_or(OvsdbError::Nowhere)?;
        self.client
            .get_or_try_init(|| Client::connect(options.clone()))
            .await
    }

    /// Where it is, if anywhere.
    pub fn remote(&self) -> Option<&Remote> {
        self.options.as_ref().map(|options| &options.remote)
    }

    /// Whether it has been connected to.
    pub fn was_used(&self) -> bool {
        self.client.initialized()
    }
}

/// The remote of this machine's own Open vSwitch.
pub fn local_remote() -> Remote {
    let directory = std::env::var_os("OVS_RUNDIR").filter(|path| !path.is_empty());
    let directory = directory.map_or_else(|| PathBuf::from(RUN_DIRECTORY), PathBuf::from);
    Remote::Unix(directory.join("db.sock"))
}

#[async_trait]
impl Server for Lazy {
    async fn databases(&self) -> Result<Vec<String>, OvsdbError> {
        self.client().await?.list_dbs().await
    }

    async fn schema(&self, database: &str) -> Result<Arc<Schema>, OvsdbError> {
        self.client().await?.schema(database).await
    }

    async fn transact(&self, database: &str, operations: &[Value]) -> Result<Results, OvsdbError> {
        self.client().await?.transact(database, operations).await
    }

    async fn settle(&self, database: &str) -> Result<(), OvsdbError> {
        self.client().await?.settle(database, SETTLING).await
    }

    async fn settled(&self, database: &str, wanted: i64) -> Result<(), OvsdbError> {
        let client = self.client().await?;
        client.settled(database, wanted, SETTLING).await
    }
}
