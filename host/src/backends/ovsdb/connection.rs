//! One connection to the server, as callers see it: [`super::task`] serves it.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::remote::Stream;
use super::schema::Schema;
use super::task::Task;

/// Requests that may wait to be taken up by the task. More wait with their callers.
const QUEUE: usize = 64;
/// Updates that one monitor may leave unread; so many bytes of them, too, as one message may have.
const UNREAD_UPDATES: usize = 4096;

/// How a connection ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// Either side hung up, the network failed, or the server went silent.
    Lost(String),
    /// The server sent nonsense.
    Protocol(String),
    /// The server sent too large a message.
    Limit(String),
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// The server says so: the error as JSON text.
    Refused(Box<RawValue>),
    /// The connection ended first. `sent`: the whole request had gone out, so that the server may have acted on it.
    Ended { sent: bool, end: End },
}

pub(super) type Answer = Result<Box<RawValue>, CallError>;

/// A notification on its way to the monitor that it is for.
pub(super) struct Notice {
    pub(super) method: String,
    pub(super) params: Box<RawValue>,
    /// What it weighs, for the monitor to give back once it is read.
    pub(super) bytes: usize,
}

/// Where the notifications of one monitor go.
pub(super) struct Feed {
    /// The monitor's id: the `<json-value>` of RFC 7047 section 4.1.5.
    pub(super) monitor: String,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) unread: Arc<AtomicUsize>,
}

impl Feed {
    /// A feed, and the end to read it from.
    pub(super) fn new(monitor: String) -> (Self, mpsc::Receiver<Notice>, Arc<AtomicUsize>) {
        let (notices, receiver) = mpsc::channel(UNREAD_UPDATES);
        let unread = Arc::new(AtomicUsize::new(0));
        let feed = Self {
            monitor,
            notices,
            unread: unread.clone(),
        };
        (feed, receiver, unread)
    }
}

/// What callers want of the task.
pub(super) enum Command {
    Call {
        method: &'static str,
        params: String,
        feed: Option<Feed>,
        answer: oneshot::Sender<Answer>,
    },
    Forget {
        monitor: String,
    },
}

/// What the task must keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of one message, either way.
    pub(super) message: usize,
    /// Silence after which the server is asked for a sign of life, and then again until it is taken for dead.
    pub(super) idle: Duration,
}

/// A connection. Its task ends when this is dropped.
pub(super) struct Connection {
    commands: mpsc::Sender<Command>,
    end: Arc<Mutex<Option<End>>>,
    /// Schemas that were read over this connection: the server hangs up when it converts one.
    pub(super) schemas: Mutex<HashMap<String, Arc<Schema>>>,
}

impl Connection {
    /// Starts to serve a stream.
    pub(super) fn start(stream: Box<dyn Stream>, limits: Limits) -> Self {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let end = Arc::new(Mutex::new(None));
        let (reader, writer) = tokio::io::split(stream);
        let task = Task::new(limits);
        tokio::spawn(task.run(reader, writer, receiver, end.clone()));
        Self {
            commands,
            end,
            schemas: Mutex::default(),
        }
    }

    /// Whether the task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.commands.is_closed()
    }

    /// Sends a request and waits for its answer. With a feed, the notifications of that monitor go there from the first.
    pub(super) async fn call(
        &self,
        method: &'static str,
        params: String,
        feed: Option<Feed>,
    ) -> Answer {
        let (answer, receiver) = oneshot::channel();
        let command = Command::Call {
            method,
            params,
            feed,
            answer,
        };
        if self.commands.send(command).await.is_err() {
            return Err(self.ended(false));
        }
        match receiver.await {
            Ok(answer) => answer,
            // It was in the queue still when the task ended.
            Err(_) => Err(self.ended(false)),
        }
    }

    /// Ends a monitor without waiting (RFC 7047 section 4.1.7).
    pub(super) fn forget(&self, monitor: &str) {
        let monitor = monitor.to_owned();
        // With a full queue the task finds out by itself, at the monitor's next update.
        let _ = self.commands.try_send(Command::Forget { monitor });
    }

    fn ended(&self, sent: bool) -> CallError {
        let end = self.end.lock().unwrap_or_else(|broken| broken.into_inner());
        let end = end
            .clone()
            .unwrap_or_else(|| End::Lost("the connection's task is gone".to_owned()));
        CallError::Ended { sent, end }
    }
}
