//! Method calls and their replies.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use zbus::Message;
use zbus::message::{Flags, Type};

use super::body::{body_of, for_builder};
use super::error::{failure, of_received, of_reply};
use super::link::{Answer, Lost};
use super::value::{NoSecrets, Order, Secrets, Signature, from_json};
use crate::contract::dbus::{MethodCall, Property, Reply};
use crate::contract::types::{Failure, FailureCode};

/// The interface that every object with properties has.
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// On what terms a call is made.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Whether the bus may start a service that does not run (D-Bus specification, "Message Format", NO_AUTO_START).
    pub start: bool,
    /// What is secret of the arguments and of the reply.
    pub secrets: &'a dyn Secrets,
}

impl Terms<'static> {
    /// For calls without secrets, to services that run.
    pub const PLAIN: Self = Self {
        start: false,
        secrets: &NoSecrets,
    };
}

/// A call and its terms.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// What is asked of whom.
    pub call: &'a MethodCall,
    /// On what terms.
    pub terms: Terms<'a>,
}

/// A call for a person: what is asked of whom.
pub fn subject_of(call: &MethodCall) -> String {
    format!(
        "{}.{} of {} at {}",
        call.interface, call.member, call.path, call.destination
    )
}

/// A call as a message.
///
/// # Errors
/// `invalid` when a name, the signature or the arguments are wrong; nothing was sent.
pub(super) fn message_of(outgoing: &Outgoing<'_>) -> Result<Message, Failure> {
    let Outgoing { call, terms } = outgoing;
    let subject = || subject_of(call);
    let signature = Signature::parse(call.signature.as_bytes())
        .map_err(|error| error.into_failure(&subject()))?;
    let body = from_json(signature, &call.arguments, Order::Little, terms.secrets)
        .map_err(|error| error.into_failure(&format!("the arguments of {}", subject())))?;
    let builder = Message::method_call(call.path.as_str(), call.member.as_str())
        .destination(call.destination.as_str())
        .interface(call.interface.as_str())
        .with_flags(match terms.start {
            true => Flags::empty(),
            false => Flags::NO_AUTO_START,
        })
        .endian(zbus::wire::Endian::Little);
    // SAFETY: the body was laid out along this very signature, little end first, and holds no file descriptors.
    let built = for_builder(signature)
        .and_then(|signature| unsafe { builder.build_raw_body(&body, signature, Vec::new()) });
    built.map_err(|error| match error {
        zbus::Error::ExcessData => failure(
            FailureCode::Limit,
            format!("{}: a D-Bus message holds 128 MiB at most", subject()),
        ),
        error => failure(FailureCode::Invalid, format!("{}: {error}", subject())),
    })
}

/// Whether a call could be sent: its names, and its arguments along its signature.
///
/// # Errors
/// As sending it would: `invalid`, and what the terms answer for a secret.
pub fn check(outgoing: &Outgoing<'_>) -> Result<(), Failure> {
    message_of(outgoing).map(drop)
}

/// Waits for the reply of a call, until a moment; an error reply is a failure.
pub(super) async fn answer_of(
    subject: &str,
    reply: oneshot::Receiver<Answer>,
    until: Instant,
    secrets: &dyn Secrets,
) -> Result<Message, Failure> {
    let Ok(reply) = timeout_at(until, reply).await else {
        return Err(failure(
            FailureCode::Timeout,
            format!("{subject}: no reply came in time; whether the call took effect is unknown"),
        ));
    };
    match reply {
        Ok(Ok(message)) if message.message_type() == Type::Error => {
            Err(of_reply(subject, &message, secrets))
        }
        Ok(Ok(message)) => Ok(message),
        Ok(Err(Lost { sent: false })) => Err(failure(
            FailureCode::Unavailable,
            format!("{subject}: the connection to the bus was lost before the call was sent"),
        )),
        Ok(Err(Lost { sent: true })) | Err(_) => Err(failure(
            FailureCode::Timeout,
            format!(
                "{subject}: the connection to the bus was lost before the reply came; whether the call took effect is unknown"
            ),
        )),
    }
}

/// A reply in the contract's form.
pub(super) fn reply_of(
    subject: &str,
    message: &Message,
    largest: usize,
    secrets: &dyn Secrets,
) -> Result<Reply, Failure> {
    let (signature, values) = body_of(message, largest, secrets)
        .map_err(|error| of_received(&format!("the reply to {subject}"), *error, largest))?;
    Ok(Reply { signature, values })
}

/// The call that reads a property (D-Bus specification, "org.freedesktop.DBus.Properties").
pub fn get_of(property: &Property) -> MethodCall {
    let names = [&property.interface, &property.name];
    MethodCall {
        destination: property.destination.clone(),
        path: property.path.clone(),
        interface: PROPERTIES.into(),
        member: "Get".into(),
        signature: "ss".into(),
        arguments: serde_json::to_string(&names).expect("strings are JSON"),
    }
}

/// The variant in the reply to [`get_of`].
///
/// # Errors
/// `refused` when the reply is anything else.
pub fn variant_of(property: &Property, reply: Reply) -> Result<String, Failure> {
    let Reply { signature, values } = reply;
    match values
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(variant) if signature == "v" => Ok(variant.to_owned()),
        _ => Err(failure(
            FailureCode::Refused,
            format!(
                "the property {}.{} of {} at {}: the service answered with the signature {signature:?} in place of a variant",
                property.interface, property.name, property.path, property.destination
            ),
        )),
    }
}
