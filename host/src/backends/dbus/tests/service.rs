//! A small service for the tests: it echoes, and it can misbehave.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use tokio::task::JoinHandle;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::wire::Endian;
use zbus::{Connection, Message, MessageStream, OwnedFd};

use super::fixture::method;
use crate::backends::dbus::body::{body_of, for_builder};
use crate::backends::dbus::value::{NoSecrets, Order, Signature, from_json};
use crate::contract::dbus::MethodCall;

pub const NAME: &str = "org.example.Echo";
pub const PATH: &str = "/org/example/Echo";

/// A service under one name, until it is dropped.
pub struct Service {
    pub connection: Connection,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    pub async fn start(address: &str, name: &'static str) -> Self {
        let connection = Builder::address(address).build().await.unwrap();
        let incoming = MessageStream::from(&connection);
        connection.request_name(name).await.unwrap();
        let task = tokio::spawn(serve(incoming, connection.clone()));
        Self { connection, task }
    }

    /// Its unique name on the bus.
    pub fn unique_name(&self) -> String {
        self.connection.unique_name().unwrap().to_string()
    }

    /// Sends a signal, broadcast or to one connection alone.
    pub async fn emit(&self, member: &str, number: u32, to: Option<&str>) {
        let mut signal = Message::signal(PATH, NAME, member);
        if let Some(to) = to {
            signal = signal.destination(to);
        }
        self.connection
            .send(&signal.build(&number).unwrap())
            .await
            .unwrap();
    }
}

/// A call of the service.
pub fn ask(member: &str, signature: &str, arguments: impl Into<String>) -> MethodCall {
    method(NAME, PATH, NAME, member, signature, arguments)
}

async fn serve(mut incoming: MessageStream, connection: Connection) {
    while let Some(Ok(message)) =
        poll_fn(|context| Pin::new(&mut incoming).poll_next(context)).await
    {
        if message.message_type() == Type::MethodCall
            && let Some(reply) = answer(&message)
        {
            connection.send(&reply).await.unwrap();
        }
    }
}

fn answer(call: &Message) -> Option<Message> {
    let header = call.header();
    let reply = |signature: &str, body: &[u8], fds: Vec<OwnedFd>| {
        let signature = for_builder(Signature::parse(signature.as_bytes()).unwrap()).unwrap();
        // SAFETY: bad bodies are what some of these replies are for; nothing here reads them as they are.
        unsafe { Message::method_return(&header).build_raw_body(body, signature, fds) }.unwrap()
    };
    Some(match header.member()?.as_str() {
        "Echo" => {
            let (signature, _) = body_of(call, usize::MAX, &NoSecrets).unwrap();
            reply(&signature, call.body().data(), Vec::new())
        }
        // Values come as text, and the reply is in the byte order of other machines.
        "BigEndian" => {
            let body = call.body();
            let (signature, text): (&str, &str) = body.deserialize().unwrap();
            let parsed = Signature::parse(signature.as_bytes()).unwrap();
            let body = from_json(parsed, text, Order::Big, &NoSecrets).unwrap();
            let signature = for_builder(parsed).unwrap();
            let builder = Message::method_return(&header).endian(Endian::Big);
            // SAFETY: the body was laid out along this signature, big end first.
            unsafe { builder.build_raw_body(&body, signature, Vec::new()) }.unwrap()
        }
        "Fail" => Message::error(&header, "org.example.Error.Odd")
            .build(&"the moon is \"wrong\"")
            .unwrap(),
        "FailSilently" => Message::error(&header, "org.freedesktop.DBus.Error.UnknownObject")
            .build(&())
            .unwrap(),
        "Huge" => {
            let size = 4_u32 << 20;
            let mut body = size.to_le_bytes().to_vec();
            body.resize(4 + size as usize, 200);
            reply("ay", &body, Vec::new())
        }
        "Descriptor" => {
            let null = std::fs::File::open("/dev/null").unwrap();
            reply("h", &[0; 4], vec![std::os::fd::OwnedFd::from(null).into()])
        }
        "Deep" => {
            let mut body = b"\x01v\0".repeat(70);
            body.extend(b"\x01y\0\x07");
            reply("v", &body, Vec::new())
        }
        "Malformed" => reply("b", &[7, 0, 0, 0], Vec::new()),
        "Get" => reply("s", b"\x01\0\0\0x\0", Vec::new()),
        // "Silent" and all others: no answer, ever.
        _ => return None,
    })
}
