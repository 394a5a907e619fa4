//! Why a call to the OVSDB server failed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::contract::types::{BackendError, Failure, FailureCode};

/// A failure of the server, of the way to it, or of what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OvsdbError {
    /// The text names no remote.
    #[error(
        "the OVSDB remote {text:?} is malformed: {reason}; valid are unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT (or tls:), \
         an IPv6 address in brackets, the port 6640 if left out"
    )]
    Remote {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no server for whoever asks. Nothing took effect.
    #[error(
        "no OVSDB server is named; name it in the configuration: remote = \"unix:PATH\" in the section `ovsdb`"
    )]
    Nowhere,
    /// Nobody answers at the remote. Nothing took effect.
    #[error("cannot reach the OVSDB server at {remote}: {cause}; is ovsdb-server running?")]
    Connect {
        /// The remote.
        remote: String,
        /// Why.
        cause: Arc<std::io::Error>,
    },
    /// A TLS file is unusable, or one side does not trust the other. Nothing took effect.
    #[error("cannot secure the connection to the OVSDB server at {remote}: {reason}")]
    Tls {
        /// The remote.
        remote: String,
        /// Why.
        reason: String,
    },
    /// The connection ended before the answer came. Nothing took effect: the call only read, or was not sent.
    #[error("the connection to the OVSDB server at {remote} ended before it answered: {reason}")]
    Lost {
        /// The remote.
        remote: String,
        /// How it ended.
        reason: String,
    },
    /// A transaction was sent and its answer never came. It is not repeated: it may have taken effect.
    #[error(
        "a transaction was sent, and whether it took effect is unknown: {cause}; read the database again to find out"
    )]
    EffectUnknown {
        /// Why there is no answer.
        cause: Box<OvsdbError>,
    },
    /// The server sent what RFC 7047 does not allow.
    #[error("the OVSDB server at {remote} broke the protocol: {reason}")]
    Protocol {
        /// The remote.
        remote: String,
        /// What is wrong.
        reason: String,
    },
    /// A message of either side exceeds a limit of ours.
    #[error("{reason}; ask for fewer rows or columns, or raise the limit")]
    Limit {
        /// Which, and how large it is.
        reason: String,
    },
    /// The server did not answer in time.
    #[error("the OVSDB server at {remote} did not answer {method} within {} s", .limit.as_secs_f64())]
    Deadline {
        /// The remote.
        remote: String,
        /// What was called.
        method: String,
        /// How long it had.
        limit: Duration,
    },
    /// The server refused the whole request (RFC 7047 section 4.1).
    #[error("the OVSDB server refused {method}: {error}{}", with_details(.details))]
    Refused {
        /// What was called.
        method: String,
        /// The server's word.
        error: String,
        /// The server's text.
        details: Option<String>,
    },
    /// An operation of a transaction failed, and with it the whole transaction (section 5.2). Nothing took effect.
    #[error("operation {number} ({operation}) of the OVSDB transaction failed: {error}{}", with_details(.details))]
    Operation {
        /// Its place, counted from 0.
        number: usize,
        /// Its `op`, with its table where it has one.
        operation: String,
        /// The server's word (section 3.1), e.g. `constraint violation`.
        error: String,
        /// The server's text.
        details: Option<String>,
    },
    /// All operations passed and the commit failed (section 4.1.3). Nothing took effect.
    #[error("the OVSDB server could not commit the transaction: {error}{}", with_details(.details))]
    Commit {
        /// The server's word, e.g. `referential integrity violation`.
        error: String,
        /// The server's text.
        details: Option<String>,
    },
    /// The condition of a `wait` did not come true in its time (section 5.2.6). Nothing took effect.
    #[error(
        "operation {number} ({operation}) of the OVSDB transaction waited in vain: the rows changed since they were read"
    )]
    Conflict {
        /// The place of the `wait`, counted from 0.
        number: usize,
        /// `wait` with its table.
        operation: String,
        /// The server's text.
        details: Option<String>,
    },
    /// An `abort` operation ended the transaction (section 5.2.8). Nothing took effect.
    #[error("the OVSDB transaction was aborted by its operation {number}")]
    Aborted {
        /// The place of the `abort`, counted from 0.
        number: usize,
    },
    /// What was asked for does not exist in this database.
    #[error("{what} does not exist in the OVSDB database {database}")]
    NotFound {
        /// A table or a column.
        what: String,
        /// The database.
        database: String,
    },
    /// The arguments of the call are malformed. Nothing was sent.
    #[error("{reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// ovs-vswitchd does not run: the database has the new configuration, and nobody carries it out.
    #[error(
        "ovs-vswitchd does not run: the database took the configuration, and nobody carries it out"
    )]
    NoSwitch,
    /// ovs-vswitchd runs and had not carried out the configuration at the deadline.
    #[error("ovs-vswitchd had not carried out configuration {wanted} after {} s; it is at {reached}", .limit.as_secs_f64())]
    Unsettled {
        /// `next_cfg` that was waited for.
        wanted: i64,
        /// `cur_cfg` that was seen last.
        reached: i64,
        /// How long it had.
        limit: Duration,
    },
}

fn with_details(details: &Option<String>) -> String {
    details
        .as_ref()
        .map(|details| format!(" ({details})"))
        .unwrap_or_default()
}

/// The server's `error` and `details`, from an error object (RFC 7047 section 3.1) or a bare string.
pub(super) fn words(error: &Value) -> (String, Option<String>) {
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    match (error, text("error")) {
        (Value::String(word), _) => (word.clone(), None),
        (_, Some(word)) => (word, text("details")),
        _ => (error.to_string(), None),
    }
}

impl OvsdbError {
    /// What a plugin is told about it.
    fn code(&self) -> FailureCode {
        match self {
            Self::Remote { .. } | Self::Invalid { .. } => FailureCode::Invalid,
            Self::Nowhere
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Lost { .. }
            | Self::NoSwitch => FailureCode::Unavailable,
            Self::EffectUnknown { .. } | Self::Deadline { .. } | Self::Unsettled { .. } => {
                FailureCode::Timeout
            }
            Self::Limit { .. } => FailureCode::Limit,
            Self::Conflict { .. } => FailureCode::Conflict,
            Self::Aborted { .. } => FailureCode::Cancelled,
            Self::NotFound { .. } => FailureCode::NotFound,
            Self::Refused { error, .. } if error == "unknown database" => FailureCode::NotFound,
            Self::Refused { error, .. } if error == "unknown method" => FailureCode::Unsupported,
            Self::Refused { .. }
            | Self::Operation { .. }
            | Self::Commit { .. }
            | Self::Protocol { .. } => FailureCode::Refused,
        }
    }

    /// The message without the server's words, where those travel beside it.
    fn sentence(&self) -> String {
        match self {
            Self::Refused { method, .. } => format!("the OVSDB server refused {method}"),
            Self::Operation {
                number, operation, ..
            } => format!("operation {number} ({operation}) of the OVSDB transaction failed"),
            Self::Commit { .. } => "the OVSDB server could not commit the transaction".to_owned(),
            other => other.to_string(),
        }
    }

    fn backend(&self) -> Option<BackendError> {
        let (name, text) = match self {
            Self::Refused { error, details, .. }
            | Self::Operation { error, details, .. }
            | Self::Commit { error, details } => (error.as_str(), details.clone()),
            Self::Conflict { details, .. } => ("timed out", details.clone()),
            Self::Aborted { .. } => ("aborted", None),
            _ => return None,
        };
        Some(BackendError {
            name: name.to_owned(),
            text,
        })
    }
}

impl From<OvsdbError> for Failure {
    fn from(error: OvsdbError) -> Self {
        Self {
            code: error.code(),
            backend: error.backend(),
            message: error.sentence(),
        }
    }
}
