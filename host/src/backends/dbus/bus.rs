//! A message bus, connected when it is first used and again when the connection was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use zbus::message::Flags;

use super::address::BusAddress;
use super::call::{answer_of, message_of, reply_of, subject_of};
use super::error::failure;
use super::link::Link;
use super::signal::{Subscription, to_bus};
use super::value::Reveal;
use crate::contract::dbus::{MethodCall, Property, Reply, SignalMatch};
use crate::contract::types::{Failure, FailureCode};

/// How much may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The JSON of one reply, or of one signal, in bytes.
    pub reply: usize,
    /// Signals that wait in one subscription.
    pub signals: usize,
    /// Their messages together, in bytes.
    pub signal_bytes: usize,
}

impl Default for Limits {
    /// The contract's size of a document; a burst of signals such as a restart of a service with hundreds of objects makes.
    fn default() -> Self {
        Self {
            reply: 64 << 20,
            signals: 4096,
            signal_bytes: 16 << 20,
        }
    }
}

/// A message bus.
pub struct Bus {
    address: BusAddress,
    limits: Limits,
    link: Mutex<Option<Arc<Link>>>,
    subscriptions: AtomicU64,
}

impl Bus {
    /// The bus at this address. Nothing happens before it is used.
    pub fn connect(address: BusAddress) -> Self {
        Self::with_limits(address, Limits::default())
    }

    /// As [`Self::connect`], with other limits.
    pub fn with_limits(address: BusAddress, limits: Limits) -> Self {
        Self {
            address,
            limits,
            link: Mutex::default(),
            subscriptions: AtomicU64::new(0),
        }
    }

    /// Calls a method and waits for its reply. A service that is not running but can be activated is started.
    ///
    /// # Errors
    /// - `invalid`: a name, the signature or an argument is wrong; the message names the place inside the arguments.
    /// - `unavailable`: there is no bus, or nobody there owns the destination. Nothing took effect.
    /// - `timeout`: the service or the connection went away before the reply came. Whether it took effect is unknown.
    /// - `not-found`, `exists`, `unsupported`, `refused`: an error reply, with its name and text in `backend`.
    /// - `refused` without `backend`: the reply breaks the rules of D-Bus or holds a file descriptor.
    /// - `limit`: the reply is larger than [`Limits::reply`].
    /// - what `reveal` answers for a secret.
    pub async fn call(&self, call: &MethodCall, reveal: &Reveal<'_>) -> Result<Reply, Failure> {
        let message = message_of(call, reveal)?;
        let subject = subject_of(call);
        let mut replies = self.link().await?.send(vec![message]).await;
        let reply = replies.pop().expect("one reply for each call");
        reply_of(
            &subject,
            &answer_of(&subject, reply).await?,
            self.limits.reply,
        )
    }

    /// Sends all calls without waiting for replies between; the answers stand in the order of the calls.
    ///
    /// No more are on their way at once than dbus-daemon lets a connection have on a system bus, 120; the rest follow reply by reply.
    pub async fn call_all(
        &self,
        calls: &[MethodCall],
        reveal: &Reveal<'_>,
    ) -> Vec<Result<Reply, Failure>> {
        let mut messages = Vec::with_capacity(calls.len());
        let mut answers: Vec<Option<Failure>> = Vec::with_capacity(calls.len());
        for call in calls {
            match message_of(call, reveal) {
                Ok(message) => {
                    messages.push(message);
                    answers.push(None);
                }
                Err(failure) => answers.push(Some(failure)),
            }
        }
        let mut replies = if messages.is_empty() {
            Vec::new().into_iter()
        } else {
            match self.link().await {
                Ok(link) => link.send(messages).await.into_iter(),
                Err(failure) => {
                    let each = |answer: Option<Failure>| Err(answer.unwrap_or(failure.clone()));
                    return answers.into_iter().map(each).collect();
                }
            }
        };
        let mut results = Vec::with_capacity(calls.len());
        for (call, answer) in calls.iter().zip(answers) {
            results.push(match answer {
                Some(failure) => Err(failure),
                None => {
                    let subject = subject_of(call);
                    let reply = replies.next().expect("one reply for each message");
                    answer_of(&subject, reply)
                        .await
                        .and_then(|message| reply_of(&subject, &message, self.limits.reply))
                }
            });
        }
        results
    }

    /// Reads a property: its value as a variant, `{"type": SIGNATURE, "data": VALUE}`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn get_property(&self, of: &Property) -> Result<String, Failure> {
        let names = [&of.interface, &of.name];
        let call = MethodCall {
            destination: of.destination.clone(),
            path: of.path.clone(),
            interface: "org.freedesktop.DBus.Properties".into(),
            member: "Get".into(),
            signature: "ss".into(),
            arguments: serde_json::to_string(&names).expect("strings are JSON"),
        };
        let subject = format!(
            "the property {}.{} of {} at {}",
            of.interface, of.name, of.path, of.destination
        );
        let message = message_of(&call, &|_| {
            Err(failure(FailureCode::Invalid, "a name is no secret"))
        })?;
        let mut replies = self.link().await?.send(vec![message]).await;
        let reply = replies.pop().expect("one reply for each call");
        let reply = answer_of(&subject, reply).await?;
        let Reply { signature, values } = reply_of(&subject, &reply, self.limits.reply)?;
        match values
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(variant) if signature == "v" => Ok(variant.to_owned()),
            _ => Err(failure(
                FailureCode::Refused,
                format!(
                    "{subject}: the service answered with the signature {signature:?} in place of a variant"
                ),
            )),
        }
    }

    /// Whether somebody owns the name now; that it could be activated is not enough, and nothing is activated.
    ///
    /// # Errors
    /// `invalid` for what is no bus name, `unavailable` when there is no bus.
    pub async fn has_owner(&self, name: &str) -> Result<bool, Failure> {
        let subject = format!("the owner of {name:?}");
        let question = match zbus::names::BusName::try_from(name) {
            Ok(_) => to_bus("NameHasOwner", name, Flags::NO_AUTO_START)?,
            Err(error) => return Err(failure(FailureCode::Invalid, format!("{subject}: {error}"))),
        };
        let mut replies = self.link().await?.send(vec![question]).await;
        let reply = replies.pop().expect("one reply for each call");
        let message = answer_of(&subject, reply).await?;
        message
            .body()
            .deserialize()
            .map_err(|error| failure(FailureCode::Refused, format!("{subject}: {error}")))
    }

    /// Subscribes to signals; it holds from the moment that this returns.
    ///
    /// # Errors
    /// `invalid` for a name or path that is none, `unavailable` when there is no bus, `refused` when the bus will not have it.
    pub async fn subscribe(&self, to: SignalMatch) -> Result<Subscription, Failure> {
        let id = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        Subscription::new(self.link().await?, id, to, self.limits).await
    }

    /// The connection, a new one if there is none that serves.
    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let mut slot = self.link.lock().await;
        match &*slot {
            Some(link) if !link.is_spent() => Ok(link.clone()),
            _ => {
                let link = Arc::new(Link::new(self.address.connect().await?));
                *slot = Some(link.clone());
                Ok(link)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host awaits these on any thread.
    #[test]
    fn its_futures_may_move_between_threads() {
        fn movable(_: impl Send) {}
        let bus = Bus::connect(BusAddress::System);
        let name = "org.example.Any";
        movable(bus.has_owner(name));
        movable(bus.call_all(&[], &|_| unreachable!()));
        movable(bus.subscribe(SignalMatch {
            sender: name.into(),
            path: None,
            interface: None,
            member: None,
        }));
    }
}
