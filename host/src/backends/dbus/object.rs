//! An object of the host's own on a bus, for services that call back.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};
use zbus::Message;
use zbus::message::Flags;

use super::body::{body_of, for_builder};
use super::value::{Order, Secrets, Signature, from_json};
use crate::contract::dbus::Reply;

/// Calls that may be answered at once. Services call back one at a time; more of them are a flood.
const AT_ONCE: usize = 16;

/// The largest body of a call that comes in, in bytes of JSON: a profile of NetworkManager's has some kilobytes.
const LARGEST: usize = 1 << 20;

/// A call that came in.
pub struct Incoming {
    /// Unique name of the caller's connection; the bus vouches for it.
    pub sender: String,
    /// Method.
    pub member: String,
    /// Signature of the arguments.
    pub signature: String,
    /// The arguments, a JSON array with one item for each complete type.
    pub arguments: String,
}

/// Why a call was not carried out.
pub struct ErrorReply {
    /// A D-Bus error name.
    pub name: &'static str,
    /// For a person.
    pub text: String,
}

/// What answers calls to one interface of one object.
#[async_trait]
pub trait Object: Send + Sync {
    /// The object's path.
    fn path(&self) -> &str;

    /// The interface.
    fn interface(&self) -> &str;

    /// Answers a call. The values of the reply may hold references to secrets.
    async fn answer(&self, call: Incoming) -> Result<Reply, ErrorReply>;

    /// What is secret of the replies.
    fn secrets(&self) -> &dyn Secrets;
}

/// Answers what comes in for an object.
pub(super) struct Server {
    object: Arc<dyn Object>,
    outgoing: mpsc::UnboundedSender<Vec<Message>>,
    room: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(
        object: Arc<dyn Object>,
        outgoing: mpsc::UnboundedSender<Vec<Message>>,
    ) -> Self {
        Self {
            object,
            outgoing,
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Starts to answer a call, and waits for nothing.
    pub(super) fn take(&self, call: Message) {
        let (object, outgoing) = (self.object.clone(), self.outgoing.clone());
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            let full = ErrorReply {
                name: "org.freedesktop.DBus.Error.LimitsExceeded",
                text: "too many calls at once".into(),
            };
            let _ = outgoing.send(refusal(&call, &full).into_iter().collect());
            return;
        };
        tokio::spawn(async move {
            let answer = reply(&*object, &call).await;
            let silent = call
                .primary_header()
                .flags()
                .contains(Flags::NO_REPLY_EXPECTED);
            if !silent {
                let message = answer.or_else(|error| refusal(&call, &error).ok_or(error));
                let _ = outgoing.send(message.into_iter().collect());
            }
            drop(permit);
        });
    }
}

async fn reply(object: &dyn Object, call: &Message) -> Result<Message, ErrorReply> {
    let header = call.header();
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let unknown = |name, what: &str| ErrorReply {
        name,
        text: format!("there is no such {what}"),
    };
    if header.path().map(|path| path.as_str()) != Some(object.path()) {
        return Err(unknown(
            "org.freedesktop.DBus.Error.UnknownObject",
            "object",
        ));
    }
    if header.interface().map(|name| name.as_str()) != Some(object.interface()) {
        return Err(unknown(
            "org.freedesktop.DBus.Error.UnknownInterface",
            "interface",
        ));
    }
    let (signature, arguments) =
        body_of(call, LARGEST, object.secrets()).map_err(|error| ErrorReply {
            name: "org.freedesktop.DBus.Error.InvalidArgs",
            text: error.to_string(),
        })?;
    let incoming = Incoming {
        sender: text(header.sender().map(|name| name.as_str())),
        member: text(header.member().map(|name| name.as_str())),
        signature,
        arguments,
    };
    let Reply { signature, values } = object.answer(incoming).await?;
    let failed = |text: String| ErrorReply {
        name: "org.freedesktop.DBus.Error.Failed",
        text,
    };
    let parsed =
        Signature::parse(signature.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let body = from_json(parsed, &values, Order::Little, object.secrets())
        .map_err(|error| failed(error.to_string()))?;
    let builder = Message::method_return(&header).endian(zbus::wire::Endian::Little);
    // SAFETY: the body was laid out along this very signature, little end first, and holds no file descriptors.
    for_builder(parsed)
        .and_then(|signature| unsafe { builder.build_raw_body(&body, signature, Vec::new()) })
        .map_err(|error| failed(error.to_string()))
}

fn refusal(call: &Message, error: &ErrorReply) -> Option<Message> {
    Message::error(&call.header(), error.name)
        .build(&error.text)
        .ok()
}
