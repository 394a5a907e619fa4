//! Method calls and their replies.

use tokio::sync::oneshot;
use zbus::Message;
use zbus::message::Type;

use super::body::{body_of, for_builder};
use super::error::{failure, of_received, of_reply};
use super::link::{Answer, Lost};
use super::value::{Order, Reveal, Signature, from_json};
use crate::contract::dbus::{MethodCall, Reply};
use crate::contract::types::{Failure, FailureCode};

/// A call for a person: what is asked of whom.
pub(super) fn subject_of(call: &MethodCall) -> String {
    format!(
        "{}.{} of {} at {}",
        call.interface, call.member, call.path, call.destination
    )
}

/// A call as a message.
///
/// # Errors
/// `invalid` when a name, the signature or the arguments are wrong; nothing was sent.
pub(super) fn message_of(call: &MethodCall, reveal: &Reveal<'_>) -> Result<Message, Failure> {
    let subject = || subject_of(call);
    let signature = Signature::parse(call.signature.as_bytes())
        .map_err(|error| error.into_failure(&subject()))?;
    let body = from_json(signature, &call.arguments, Order::Little, reveal)
        .map_err(|error| error.into_failure(&format!("the arguments of {}", subject())))?;
    let builder = Message::method_call(call.path.as_str(), call.member.as_str())
        .destination(call.destination.as_str())
        .interface(call.interface.as_str())
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

/// Waits for the reply of a call; an error reply is a failure.
pub(super) async fn answer_of(
    subject: &str,
    reply: oneshot::Receiver<Answer>,
) -> Result<Message, Failure> {
    match reply.await {
        Ok(Ok(message)) if message.message_type() == Type::Error => {
            Err(of_reply(subject, &message))
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
pub(super) fn reply_of(subject: &str, message: &Message, largest: usize) -> Result<Reply, Failure> {
    let (signature, values) = body_of(message, largest)
        .map_err(|error| of_received(&format!("the reply to {subject}"), *error, largest))?;
    Ok(Reply { signature, values })
}
