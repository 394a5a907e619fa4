//! The task that serves one connection.
//!
//! It alone reads and writes. Requests go out as they come, without waiting for each other's answers; replies find
//! their request by its id (RFC 7047 section 4). It answers the server's `echo`, and asks with an `echo` of its own when
//! nothing came for a while (section 4.1.11). When the connection ends, for whatever reason, every request that waits is
//! told, and told whether it had gone out.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::connection::{Answer, CallError, Command, End, Feed, Limits, Notice};
use super::frame::{FrameError, Framer};
use super::message::{self, Message};
use super::remote::Stream;

/// Requests that may wait for their answers at once. More wait in the queue before them.
const IN_FLIGHT: usize = 256;
/// No more requests are taken up while this many bytes wait to be written.
const UNSENT: usize = 1 << 20;
/// How much is read at once.
const PIECE: usize = 1 << 16;

struct Waiting {
    answer: oneshot::Sender<Answer>,
    /// Where in the stream of what we write the request ends.
    ends_at: u64,
    /// The monitor that it starts.
    monitor: Option<String>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    waiting: HashMap<u64, Waiting>,
    feeds: HashMap<String, Feed>,
    unsent: Vec<u8>,
    /// How much of `unsent` has gone out.
    gone: usize,
    /// How many bytes have gone out in all.
    written: u64,
}

impl State {
    fn write(&mut self, text: &str) {
        self.unsent.extend_from_slice(text.as_bytes());
    }

    /// Where the stream of what we write ends by now.
    fn end_of_stream(&self) -> u64 {
        self.written + (self.unsent.len() - self.gone) as u64
    }

    fn request(&mut self, method: &str, params: &str) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.write(&message::request(id, method, params));
        id
    }

    fn has_gone(&mut self, count: usize) {
        self.gone += count;
        self.written += count as u64;
        if self.gone == self.unsent.len() {
            self.gone = 0;
            self.unsent.clear();
            self.unsent.shrink_to(UNSENT);
        }
    }

    fn take_up(&mut self, command: Command) {
        match command {
            Command::Call {
                method,
                params,
                feed,
                answer,
            } => {
                if answer.is_closed() {
                    return;
                }
                let monitor = feed.as_ref().map(|feed| feed.monitor.clone());
                if let Some(feed) = feed {
                    self.feeds.insert(feed.monitor.clone(), feed);
                }
                let id = self.request(method, &params);
                let ends_at = self.end_of_stream();
                self.waiting.insert(
                    id,
                    Waiting {
                        answer,
                        ends_at,
                        monitor,
                    },
                );
            }
            Command::Forget { monitor } => self.forget(&monitor),
        }
    }

    fn forget(&mut self, monitor: &str) {
        if self.feeds.remove(monitor).is_some() {
            let params = serde_json::json!([monitor]).to_string();
            self.request("monitor_cancel", &params);
        }
    }

    fn has_room(&mut self) -> bool {
        if self.waiting.len() >= IN_FLIGHT {
            self.waiting
                .retain(|_, waiting| !waiting.answer.is_closed());
        }
        self.waiting.len() < IN_FLIGHT && self.unsent.len() - self.gone < UNSENT
    }
}

/// Serves one connection until it ends.
pub(super) struct Task {
    framer: Framer,
    limits: Limits,
    state: State,
}

impl Task {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            framer: Framer::new(limits.message),
            limits,
            state: State::default(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut reader: ReadHalf<Box<dyn Stream>>,
        mut writer: WriteHalf<Box<dyn Stream>>,
        mut commands: mpsc::Receiver<Command>,
        ended: Arc<Mutex<Option<End>>>,
    ) {
        let end = self.serve(&mut reader, &mut writer, &mut commands).await;
        tracing::debug!(?end, "an OVSDB connection ended");
        *ended.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(end.clone());
        commands.close();
        for (_, waiting) in self.state.waiting.drain() {
            let _ = waiting.answer.send(Err(CallError::Ended {
                sent: waiting.ends_at <= self.state.written,
                end: end.clone(),
            }));
        }
    }

    async fn serve(
        &mut self,
        reader: &mut ReadHalf<Box<dyn Stream>>,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> End {
        let mut piece = vec![0; PIECE];
        let mut heard = Instant::now();
        let mut asked = false;
        let mut flushed = true;
        loop {
            let patience = self.limits.idle * if asked { 2 } else { 1 };
            let has_room = self.state.has_room();
            let unsent = &self.state.unsent[self.state.gone..];
            let has_unsent = !unsent.is_empty();
            tokio::select! {
                read = reader.read(&mut piece) => match read {
                    Ok(0) if self.framer.pending() > 0 => {
                        return End::Lost("the server hung up in the middle of a message".to_owned());
                    }
                    Ok(0) => return End::Lost("the server hung up".to_owned()),
                    Ok(count) => match self.take_in(&piece[..count]) {
                        Ok(false) => {}
                        Ok(true) => {
                            heard = Instant::now();
                            asked = false;
                        }
                        Err(end) => return end,
                    },
                    Err(error) => return End::Lost(error.to_string()),
                },
                sent = send(writer, unsent), if has_unsent || !flushed => match sent {
                    Ok(0) if has_unsent => {
                        return End::Lost("the server takes nothing more".to_owned());
                    }
                    Ok(count) => {
                        self.state.has_gone(count);
                        flushed = !has_unsent;
                    }
                    Err(error) => return End::Lost(error.to_string()),
                },
                command = commands.recv(), if has_room => match command {
                    Some(command) => self.state.take_up(command),
                    None => return End::Lost("the client closed it".to_owned()),
                },
                () = tokio::time::sleep_until(heard + patience) => {
                    if asked {
                        let silence = patience.as_secs_f64();
                        return End::Lost(format!("the server was silent for {silence} s"));
                    }
                    asked = true;
                    self.state.request("echo", "[]");
                }
            }
        }
    }

    /// Takes in bytes. Returns whether they are a sign of life: blanks between messages are none.
    fn take_in(&mut self, bytes: &[u8]) -> Result<bool, End> {
        self.framer.push(bytes);
        let mut alive = false;
        loop {
            let message = match self.framer.next() {
                Ok(Some(text)) => Message::parse(text).map_err(End::Protocol)?,
                Ok(None) => return Ok(alive || self.framer.pending() > 0),
                Err(error @ FrameError::TooLarge { .. }) => {
                    return Err(End::Limit(error.to_string()));
                }
                Err(error) => return Err(End::Protocol(error.to_string())),
            };
            alive = true;
            match message {
                Message::Reply { id, outcome } => self.reply(&id, outcome)?,
                Message::Request { id, method, params } => self.answer(&id, &method, &params)?,
                Message::Notification { method, params } => self.notify(method, params),
            }
        }
    }

    fn reply(
        &mut self,
        id: &RawValue,
        outcome: Result<Box<RawValue>, Box<RawValue>>,
    ) -> Result<(), End> {
        let known = id.get().parse::<u64>().ok();
        let Some(id) = known.filter(|id| *id < self.state.next_id) else {
            let reason = format!(
                "it answered a request {} that was never made",
                shorten(id.get())
            );
            return Err(End::Protocol(reason));
        };
        // Nobody may wait any more: our own echo, or a caller whose deadline has passed.
        if let Some(waiting) = self.state.waiting.remove(&id) {
            if let (Err(_), Some(monitor)) = (&outcome, &waiting.monitor) {
                self.state.feeds.remove(monitor);
            }
            let answer = outcome.map_err(CallError::Refused);
            if waiting.answer.send(answer).is_err()
                && let Some(monitor) = waiting.monitor
            {
                self.state.forget(&monitor);
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: &RawValue, method: &str, params: &RawValue) -> Result<(), End> {
        // A server that asks and never reads must not fill our memory.
        if self.state.unsent.len() - self.state.gone > self.limits.message + UNSENT {
            let reason = "it sends requests and reads no answers".to_owned();
            return Err(End::Protocol(reason));
        }
        if method == "echo" {
            self.state.write(&message::reply(id.get(), params.get()));
        } else {
            let refusal = format!(
                r#"{{"id":{},"result":null,"error":"unknown method"}}"#,
                id.get()
            );
            self.state.write(&refusal);
        }
        Ok(())
    }

    fn notify(&mut self, method: String, params: Box<RawValue>) {
        let Some(monitor) = subject(&params) else {
            tracing::debug!(method = shorten(&method), "a notification for nobody");
            return;
        };
        let Some(feed) = self.state.feeds.get(&monitor) else {
            tracing::debug!(
                method = shorten(&method),
                monitor = shorten(&monitor),
                "a notification for a monitor that is no more"
            );
            return;
        };
        let bytes = params.get().len();
        let notice = Notice {
            method,
            params,
            bytes,
        };
        let unread = feed.unread.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // One that nobody reads, or not fast enough: its reader sees the feed end and starts anew from a snapshot.
        if unread > self.limits.message || feed.notices.try_send(notice).is_err() {
            self.state.forget(&monitor);
        }
    }
}

/// Writes what can be written now, or flushes if there is nothing to write: a TLS stream may hold back a record that the
/// socket had no room for.
async fn send(writer: &mut WriteHalf<Box<dyn Stream>>, unsent: &[u8]) -> std::io::Result<usize> {
    if unsent.is_empty() {
        writer.flush().await.map(|()| 0)
    } else {
        writer.write(unsent).await
    }
}

/// The monitor that a notification is about: the first of its parameters, which we gave it as a string.
fn subject(params: &RawValue) -> Option<String> {
    let text = params.get().trim_start().strip_prefix('[')?;
    serde_json::Deserializer::from_str(text)
        .into_iter::<String>()
        .next()?
        .ok()
}

/// The beginning of a text that the server chose the length of.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}
