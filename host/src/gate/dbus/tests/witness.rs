//! A service that notes what reaches it, and a gate to reach it through.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_core::Stream;
use tokio::task::JoinHandle;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

use crate::backends::dbus::tests::fixture::PrivateBus;
use crate::backends::dbus::{Bus, BusAddress};
use crate::backends::netlink::Kernel;
use crate::backends::ovsdb::{Lazy, Options, Remote};
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::Request;
use crate::contract::types::{Failure, FailureCode};
use crate::gate::budget::Budget;
use crate::gate::grant::Grant;
use crate::gate::{Backends, Gate, Mode, Recorder, Rehearsed};
use crate::secrets::SecretStore;
use crate::transaction::simulated::Simulated;

pub const NAME: &str = "org.example.Witness";
pub const PATH: &str = "/org/example/Witness";

/// A service that answers every call with a variant and notes it.
pub struct Witness {
    connection: Connection,
    heard: Arc<Mutex<Vec<Message>>>,
    /// What it says instead of an answer.
    failure: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Witness {
    pub async fn start(private: &PrivateBus, name: &'static str) -> Self {
        let connection = Builder::address(private.address.as_str())
            .build()
            .await
            .unwrap();
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let mut incoming = MessageStream::from(&connection);
        connection.request_name(name).await.unwrap();
        let failure = Arc::<Mutex<Option<String>>>::default();
        let (answering, notes, says) = (connection.clone(), heard.clone(), failure.clone());
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) =
                poll_fn(|context| Pin::new(&mut incoming).poll_next(context)).await
            {
                if message.message_type() == Type::MethodCall {
                    let header = message.header();
                    let reply = match says.lock().unwrap().as_ref() {
                        Some(text) => Message::error(&header, "org.example.Error.Told").build(text),
                        None => Message::method_return(&header).build(&zbus::Variant::U32(7)),
                    };
                    let reply = reply.unwrap();
                    notes.lock().unwrap().push(message);
                    answering.send(&reply).await.unwrap();
                }
            }
        });
        Self {
            connection,
            heard,
            failure,
            task,
        }
    }

    /// Answers with an error from now on.
    pub fn fail_with(&self, text: &str) {
        *self.failure.lock().unwrap() = Some(text.to_owned());
    }

    pub fn unique_name(&self) -> String {
        self.connection.unique_name().unwrap().to_string()
    }

    pub async fn take_name(&self, name: &'static str) {
        self.connection.request_name(name).await.unwrap();
    }

    pub async fn release(&self, name: &'static str) {
        self.connection.release_name(name).await.unwrap();
    }

    /// Sends a signal to everybody.
    pub async fn emit(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &(impl serde::Serialize + zbus::Type),
    ) {
        let signal = Message::signal(path, interface, member);
        self.connection
            .send(&signal.build(body).unwrap())
            .await
            .unwrap();
    }

    /// The messages since the last time.
    pub fn messages(&self) -> Vec<Message> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// The methods that were called since the last time.
    pub fn take(&self) -> Vec<String> {
        let messages = self.messages().into_iter();
        messages
            .map(|message| message.header().member().unwrap().to_string())
            .collect()
    }
}

#[derive(Default)]
struct Notes {
    changes: Vec<String>,
    rehearsed: Vec<String>,
    denials: usize,
}

/// A recorder that only notes.
#[derive(Clone, Default)]
pub struct Book {
    notes: Arc<Mutex<Notes>>,
    closed: bool,
}

impl Book {
    /// One that refuses every change.
    pub fn closed() -> Self {
        Self {
            closed: true,
            ..Self::default()
        }
    }

    /// Methods that were about to change something, and those that were rehearsed.
    pub fn members(&self) -> (Vec<String>, Vec<String>) {
        let notes = self.notes.lock().unwrap();
        (notes.changes.clone(), notes.rehearsed.clone())
    }

    pub fn denials(&self) -> usize {
        self.notes.lock().unwrap().denials
    }
}

#[async_trait]
impl Recorder for Book {
    async fn before_netlink(&self, _: &str, _: &dyn Kernel, _: &[Request]) -> Result<(), Failure> {
        unreachable!("nothing here concerns the kernel")
    }

    async fn before_ovsdb(
        &self,
        _: &str,
        _: &str,
        _: &[String],
        _: serde_json::Value,
    ) -> Result<(), Failure> {
        unreachable!("nothing here concerns OVSDB")
    }

    async fn before_links_change(
        &self,
        _: &str,
        _: &dyn Kernel,
        _: &[String],
    ) -> Result<(), Failure> {
        unreachable!("nothing here concerns OVSDB")
    }

    async fn before_dbus(&self, _: &str, calls: &[MethodCall]) -> Result<(), Failure> {
        if self.closed {
            return Err(Failure {
                code: FailureCode::Cancelled,
                message: "closed".into(),
                backend: None,
            });
        }
        let members = calls.iter().map(|call| call.member.clone());
        self.notes.lock().unwrap().changes.extend(members);
        Ok(())
    }

    fn rehearsed(&self, _: &str, change: Rehearsed) {
        if let Rehearsed::Dbus { call } = change {
            self.notes.lock().unwrap().rehearsed.push(call.member);
        }
    }

    fn progress(&self, _: &str, _: u32, _: u32) {}

    fn denied(&self, _: &str, _: &Failure) {
        self.notes.lock().unwrap().denials += 1;
    }
}

/// A gate before this bus.
pub fn gate(private: &PrivateBus, grant: &str, mode: Mode, book: &Book) -> Gate {
    gate_at(private.address.clone(), grant, mode, book)
}

/// A gate before the bus at this address.
pub fn gate_at(address: String, grant: &str, mode: Mode, book: &Book) -> Gate {
    gate_with(address, toml::from_str(grant).unwrap(), mode, book)
}

/// A gate with a grant that is no text.
pub fn gate_with(address: String, grant: Grant, mode: Mode, book: &Book) -> Gate {
    Gate {
        plugin: "tested".into(),
        grant: Arc::new(grant),
        mode,
        backends: Backends {
            kernel: Arc::new(Simulated::default()),
            ovsdb: Arc::new(Lazy::new(Options::new(Remote::Unix("/nowhere".into())))),
            bus: Arc::new(Bus::connect(BusAddress::Explicit(address))),
            secrets: Arc::new(SecretStore::open(Vec::new(), None).unwrap()),
            is_tenant: false,
        },
        recorder: Arc::new(book.clone()),
        budget: Budget::new(1000, 1 << 20, 16),
        progress_of_ovsdb: Default::default(),
    }
}
