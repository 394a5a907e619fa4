//! Calls to the server, and the next connection when one has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connection::{CallError, Connection, End, Feed, Limits};
use super::error::{OvsdbError, words};
use super::json;
use super::remote::{self, Remote};
use super::schema::Schema;
use super::tls::TlsFiles;

/// The first pause between two attempts to connect; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause: that of Open vSwitch's own clients.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How often a read is sent again over a new connection before the server is given up.
const READ_ATTEMPTS: u32 = 3;

/// Where the server is and what it must keep to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub remote: Remote,
    /// For an `ssl:` remote.
    pub tls: Option<TlsFiles>,
    /// The largest message in bytes, either way. 64 MiB: all there is of 10,000 ports takes 16.
    pub max_message: usize,
    /// Silence after which the server is asked for a sign of life; after twice this it is taken for dead. 15 s, so that a
    /// server busy with a huge request, which answers nothing meanwhile, has as long as for the answer itself.
    pub idle: Duration,
    /// How long an answer may take. 30 s.
    pub answer_within: Duration,
    /// How long to try for a new connection, once one was lost. 10 s: ovsdb-server is back from a restart in less.
    pub reconnect_within: Duration,
    /// How long an ovs-vswitchd that does not run may take to come before [`Client::settle`] gives up: it may be in the
    /// middle of a restart. 5 s.
    pub switch_restart: Duration,
}

impl Options {
    /// The defaults for a remote.
    pub fn new(remote: Remote) -> Self {
        Self {
            remote,
            tls: None,
            max_message: 64 << 20,
            idle: Duration::from_secs(15),
            answer_within: Duration::from_secs(30),
            reconnect_within: Duration::from_secs(10),
            switch_restart: Duration::from_secs(5),
        }
    }
}

/// A client of one server. Clones share the connection.
///
/// When the connection ends, calls that only read are sent again over a new one. A transaction is sent again only if it
/// had not gone out; otherwise the call fails with [`OvsdbError::EffectUnknown`].
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    connection: Mutex<Arc<Connection>>,
    monitors: AtomicU64,
}

/// Whether a call may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It only reads.
    Safe,
    /// It may change something.
    Unsafe,
}

impl Client {
    /// Connects, in one attempt: where no server listens, this says so at once.
    ///
    /// # Errors
    /// `Connect` or `Tls`; `Deadline` if the server accepts and is silent.
    pub async fn connect(options: Options) -> Result<Self, OvsdbError> {
        let connection = open(&options).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                connection: Mutex::new(Arc::new(connection)),
                monitors: AtomicU64::new(0),
            }),
        })
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// The names of the databases (RFC 7047 section 4.1.1).
    ///
    /// # Errors
    /// As [`Client::schema`].
    pub async fn list_dbs(&self) -> Result<Vec<String>, OvsdbError> {
        let (_, result) = self.read("list_dbs", "[]".to_owned()).await?;
        serde_json::from_str(result.get())
            .map_err(|error| self.protocol(format!("list_dbs: {error}")))
    }

    /// The schema of a database (section 4.1.2), kept as long as the connection lasts.
    ///
    /// # Errors
    /// `Refused` if the server has no such database, `Lost` or `Connect` if it is gone and does not come back,
    /// `Protocol`, `Limit` and `Deadline` if it misbehaves.
    pub async fn schema(&self, database: &str) -> Result<Arc<Schema>, OvsdbError> {
        let connection = self.connection().await?;
        let kept = connection
            .schemas
            .lock()
            .ok()
            .and_then(|schemas| schemas.get(database).cloned());
        if let Some(schema) = kept {
            return Ok(schema);
        }
        let params = serde_json::json!([database]).to_string();
        let (connection, result) = self.read("get_schema", params).await?;
        let schema = Schema::parse(result.get())
            .map_err(|reason| self.protocol(format!("the schema of {database}: {reason}")))?;
        let schema = Arc::new(schema);
        if let Ok(mut schemas) = connection.schemas.lock() {
            schemas.insert(database.to_owned(), schema.clone());
        }
        Ok(schema)
    }

    /// A call that only reads. Returns the connection that answered with the result.
    pub(super) async fn read(
        &self,
        method: &'static str,
        params: String,
    ) -> Result<(Arc<Connection>, Box<RawValue>), OvsdbError> {
        self.call(method, params, Repeat::Safe, || None).await
    }

    /// A call. `feed` makes a new feed for each attempt.
    pub(super) async fn call(
        &self,
        method: &'static str,
        params: String,
        repeat: Repeat,
        mut feed: impl FnMut() -> Option<Feed>,
    ) -> Result<(Arc<Connection>, Box<RawValue>), OvsdbError> {
        let options = &self.shared.options;
        if params.len() > options.max_message {
            let (size, limit) = (params.len(), options.max_message);
            return Err(OvsdbError::Limit {
                reason: format!(
                    "a request of {size} bytes is larger than the limit of {limit} bytes"
                ),
            });
        }
        let mut attempt = 1;
        loop {
            let connection = self.connection().await?;
            let call = connection.call(method, params.clone(), feed());
            let answer = tokio::time::timeout(options.answer_within, call).await;
            let unknown = |cause: OvsdbError| match repeat {
                Repeat::Safe => cause,
                Repeat::Unsafe => OvsdbError::EffectUnknown {
                    cause: Box::new(cause),
                },
            };
            match answer {
                Ok(Ok(result)) => return Ok((connection, result)),
                Ok(Err(CallError::Refused(error))) => {
                    let error = json::parse(error.get())
                        .map_err(|error| self.protocol(format!("{method}: {error}")))?;
                    let (error, details) = words(&error);
                    return Err(OvsdbError::Refused {
                        method: method.to_owned(),
                        error,
                        details,
                    });
                }
                Ok(Err(CallError::Ended { sent, end })) => {
                    let may_repeat = matches!(end, End::Lost(_)) && attempt < READ_ATTEMPTS;
                    let error = self.ended(end);
                    match (repeat, sent) {
                        (Repeat::Unsafe, true) => return Err(unknown(error)),
                        _ if may_repeat => attempt += 1,
                        _ => return Err(error),
                    }
                }
                Err(_) => {
                    return Err(unknown(OvsdbError::Deadline {
                        remote: options.remote.to_string(),
                        method: method.to_owned(),
                        limit: options.answer_within,
                    }));
                }
            }
        }
    }

    /// The connection, or a new one if it has ended.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, OvsdbError> {
        let options = &self.shared.options;
        let mut current = self.shared.connection.lock().await;
        if !current.has_ended() {
            return Ok(current.clone());
        }
        let give_up = Instant::now() + options.reconnect_within;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match open(options).await {
                Ok(connection) => {
                    *current = Arc::new(connection);
                    return Ok(current.clone());
                }
                Err(error) => error,
            };
            // Waiting mends neither certificates nor key files.
            if matches!(error, OvsdbError::Tls { .. }) || Instant::now() + pause > give_up {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A name for a monitor that no other monitor of this client has.
    pub(super) fn new_monitor_name(&self) -> String {
        let number = self.shared.monitors.fetch_add(1, Ordering::Relaxed);
        format!("monitor-{number}")
    }

    pub(super) fn protocol(&self, reason: String) -> OvsdbError {
        OvsdbError::Protocol {
            remote: self.shared.options.remote.to_string(),
            reason,
        }
    }

    fn ended(&self, end: End) -> OvsdbError {
        match end {
            End::Lost(reason) => OvsdbError::Lost {
                remote: self.shared.options.remote.to_string(),
                reason,
            },
            End::Protocol(reason) => self.protocol(reason),
            End::Limit(reason) => OvsdbError::Limit { reason },
        }
    }

    /// Reads a result strictly.
    pub(super) fn parse(&self, method: &str, result: &RawValue) -> Result<Value, OvsdbError> {
        json::parse(result.get()).map_err(|error| self.protocol(format!("{method}: {error}")))
    }
}

/// Opens a connection, once.
async fn open(options: &Options) -> Result<Connection, OvsdbError> {
    let opening = remote::open(&options.remote, options.tls.as_ref());
    let stream = tokio::time::timeout(options.answer_within, opening)
        .await
        .map_err(|_| OvsdbError::Deadline {
            remote: options.remote.to_string(),
            method: "the attempt to connect".to_owned(),
            limit: options.answer_within,
        })??;
    let limits = Limits {
        message: options.max_message,
        idle: options.idle,
    };
    Ok(Connection::start(stream, limits))
}
