//! One connection: what is written, who waits for which reply, who listens.
//!
//! Two tasks serve it. The writer owns the sending side, so that a caller who gives up never leaves half a message behind. The router
//! takes every message in the order of its arrival and never waits, so that neither a slow listener nor a full queue stops a reply.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

use super::object::{Object, Server};
use super::owners::Owners;
use super::signal::Listener;

/// How many calls may be without a reply at once. dbus-daemon refuses the 129th on a system bus (dbus-daemon(1),
/// `max_replies_per_connection`, and `bus/config-parser.c` for its default of 128).
pub(super) const WINDOW: usize = 120;

/// So many calls that nobody waits for any longer make a connection stale: their replies may never come.
const STALE: usize = WINDOW / 2;

/// The connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    /// Whether the call had been handed to the bus, so that it may have taken effect.
    pub(super) sent: bool,
}

pub(super) type Answer = Result<Message, Lost>;

/// A call on its way.
struct Waiting {
    reply: oneshot::Sender<Answer>,
    sent: bool,
    /// The reply says who owns this name.
    owner_of: Option<String>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
pub(super) struct State {
    closed: bool,
    calls: HashMap<NonZeroU32, Waiting>,
    pub(super) listeners: HashMap<u64, Arc<Listener>>,
    pub(super) owners: Owners,
}

/// One connection to a bus.
pub(super) struct Link {
    state: Arc<Mutex<State>>,
    window: Arc<Semaphore>,
    outgoing: mpsc::UnboundedSender<Vec<Message>>,
    tasks: [AbortHandle; 2],
}

impl Link {
    /// Starts to serve a connection; calls that come in go to `object`.
    pub(super) fn new(connection: Connection, object: Option<Arc<dyn Object>>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        // Bounded by the window: all that is queued waits for a reply, save for what unsubscribes.
        let (outgoing, queue) = mpsc::unbounded_channel();
        let server = object.map(|object| Server::new(object, outgoing.clone()));
        // Made before anything is sent, so that it misses nothing.
        let incoming = MessageStream::from(&connection);
        let router = tokio::spawn(route(incoming, state.clone(), server)).abort_handle();
        let writer = tokio::spawn(write(connection, queue, state.clone())).abort_handle();
        Self {
            state,
            window: Arc::new(Semaphore::new(WINDOW)),
            outgoing,
            tasks: [router, writer],
        }
    }

    /// Whether the next call should go over a new connection.
    pub(super) fn is_spent(&self) -> bool {
        let state = self.state();
        let abandoned = state.calls.values().filter(|call| call.reply.is_closed());
        state.closed || abandoned.count() >= STALE
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Sends calls in order, as many at once as the window has room for, and waits for none of the replies.
    pub(super) async fn send(&self, calls: Vec<Message>) -> Vec<oneshot::Receiver<Answer>> {
        let calls = calls.into_iter().map(|call| (call, None)).collect();
        self.send_marked(calls).await
    }

    /// As [`Self::send`]; a call may be marked with the name whose owner its reply tells.
    pub(super) async fn send_marked(
        &self,
        calls: Vec<(Message, Option<String>)>,
    ) -> Vec<oneshot::Receiver<Answer>> {
        let mut replies = Vec::with_capacity(calls.len());
        let mut calls = calls.into_iter();
        while calls.len() > 0 {
            let room = self.window.available_permits().clamp(1, calls.len());
            let mut permits = self
                .window
                .clone()
                .acquire_many_owned(room as u32)
                .await
                .expect("the window is never closed");
            let mut batch = Vec::with_capacity(room);
            let mut state = self.state();
            for (message, owner_of) in calls.by_ref().take(room) {
                let (reply, receiver) = oneshot::channel();
                replies.push(receiver);
                if state.closed {
                    let _ = reply.send(Err(Lost { sent: false }));
                    continue;
                }
                let waiting = Waiting {
                    reply,
                    sent: false,
                    owner_of,
                    _permit: permits.split(1).expect("one permit for each call"),
                };
                state
                    .calls
                    .insert(message.primary_header().serial_num(), waiting);
                batch.push(message);
            }
            drop(state);
            // A writer that is gone has failed all calls already.
            let _ = self.outgoing.send(batch);
        }
        replies
    }

    /// Sends what gets no reply.
    pub(super) fn tell(&self, messages: Vec<Message>) {
        let _ = self.outgoing.send(messages);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        close(&self.state);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no holder of this lock panics")
}

/// Fails every call and wakes every listener.
fn close(state: &Mutex<State>) {
    let mut state = lock(state);
    state.closed = true;
    for (_, call) in state.calls.drain() {
        let _ = call.reply.send(Err(Lost { sent: call.sent }));
    }
    for listener in state.listeners.values() {
        listener.close();
    }
}

async fn write(
    connection: Connection,
    mut queue: mpsc::UnboundedReceiver<Vec<Message>>,
    state: Arc<Mutex<State>>,
) {
    while let Some(batch) = queue.recv().await {
        {
            let mut state = lock(&state);
            for message in &batch {
                let serial = message.primary_header().serial_num();
                if let Some(call) = state.calls.get_mut(&serial) {
                    call.sent = true;
                }
            }
        }
        if let Err(error) = connection.send_all(&batch).await {
            tracing::debug!("writing to the message bus: {error}");
            close(&state);
            return;
        }
    }
}

async fn route(mut incoming: MessageStream, state: Arc<Mutex<State>>, server: Option<Server>) {
    loop {
        match poll_fn(|context| Pin::new(&mut incoming).poll_next(context)).await {
            Some(Ok(message)) => match message.message_type() {
                Type::MethodReturn | Type::Error => answer(&state, message),
                Type::Signal => {
                    let mut state = lock(&state);
                    state.owners.note(&message);
                    for listener in state.listeners.values() {
                        listener.offer(&message, &state.owners);
                    }
                }
                Type::MethodCall => {
                    if let Some(server) = &server {
                        server.take(message);
                    }
                }
            },
            Some(Err(error)) => {
                tracing::debug!("reading from the message bus: {error}");
                break;
            }
            None => break,
        }
    }
    close(&state);
}

fn answer(state: &Mutex<State>, message: Message) {
    let Some(serial) = message.header().reply_serial() else {
        return;
    };
    let mut state = lock(state);
    let Some(call) = state.calls.remove(&serial) else {
        return;
    };
    if let Some(name) = call.owner_of {
        state.owners.learn(&name, &message);
    }
    let _ = call.reply.send(Ok(message));
}
