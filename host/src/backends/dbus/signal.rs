//! Signals, by match rule (D-Bus specification, "Match Rules").

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::Instant;
use zbus::message::Flags;
use zbus::names::{BusName, InterfaceName, MemberName};
use zbus::{Message, ObjectPath};

use super::body::body_of;
use super::bus::Limits;
use super::error::{failure, of_received};
use super::link::Link;
use super::owners::{BUS, Owners, is_literal};
use super::value::{NoSecrets, Secrets};
use crate::contract::dbus::{Signal, SignalMatch};
use crate::contract::types::{Failure, FailureCode};

/// What one subscription listens to and what came in for it.
pub(super) struct Listener {
    to: SignalMatch,
    limits: Limits,
    queue: Mutex<Queue>,
    /// Something came in, or the connection is gone.
    news: Notify,
}

#[derive(Default)]
struct Queue {
    signals: VecDeque<Message>,
    bytes: usize,
    overflowed: bool,
    closed: bool,
}

impl Listener {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock panics")
    }

    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.news.notify_one();
    }

    /// Queues a signal that matches.
    pub(super) fn offer(&self, signal: &Message, owners: &Owners) {
        if !self.matches(signal, owners) {
            return;
        }
        let mut queue = self.queue();
        let size = signal.data().len();
        if queue.overflowed {
            return;
        }
        if queue.signals.len() >= self.limits.signals
            || queue.bytes + size > self.limits.signal_bytes
        {
            // The listener must read the state anew; what happened before that is of no use to it.
            *queue = Queue {
                overflowed: true,
                closed: queue.closed,
                ..Queue::default()
            };
        } else {
            queue.bytes += size;
            queue.signals.push_back(signal.clone());
        }
        drop(queue);
        self.news.notify_one();
    }

    fn matches(&self, signal: &Message, owners: &Owners) -> bool {
        fn fits(wanted: &Option<String>, found: Option<&str>) -> bool {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        }
        let header = signal.header();
        fits(&self.to.member, header.member().map(|name| name.as_str()))
            && fits(
                &self.to.interface,
                header.interface().map(|name| name.as_str()),
            )
            && fits(&self.to.path, header.path().map(|path| path.as_str()))
            && header
                .sender()
                .is_some_and(|sender| owners.is(&self.to.sender, sender.as_str()))
    }
}

/// Signals that match, from the moment of subscribing on. Dropping it removes the match rule.
pub struct Subscription {
    link: Arc<Link>,
    id: u64,
    listener: Arc<Listener>,
    rules: Vec<String>,
    subject: String,
}

impl Subscription {
    /// Subscribes on this connection; the bus must have answered by `until`.
    pub(super) async fn new(
        link: Arc<Link>,
        id: u64,
        to: SignalMatch,
        limits: Limits,
        until: Instant,
    ) -> Result<Self, Failure> {
        let subject = format!("signals of {}", to.sender);
        let rules = rules(&to)
            .map_err(|problem| failure(FailureCode::Invalid, format!("{subject}: {problem}")))?;
        let watched = (!is_literal(&to.sender)).then(|| to.sender.clone());
        let mut calls = Vec::new();
        for rule in &rules {
            calls.push((to_bus("AddMatch", rule, Flags::empty())?, None));
        }
        if let Some(name) = &watched {
            // The owner is known before the first signal can match: the bus answers in order.
            let question = to_bus("GetNameOwner", name, Flags::NO_AUTO_START)?;
            calls.insert(1, (question, Some(name.clone())));
        }
        let listener = Arc::new(Listener {
            to,
            limits,
            queue: Mutex::default(),
            news: Notify::new(),
        });
        // From here on, dropping it tidies up, even in the middle of what follows.
        let subscription = Self {
            link,
            id,
            listener,
            rules,
            subject,
        };
        subscription.register();
        let asks_owner = |at: usize| watched.is_some() && at == 1;
        let replies = subscription.link.send_marked(calls).await;
        for (at, reply) in replies.into_iter().enumerate() {
            match super::call::answer_of(&subscription.subject, reply, until, &NoSecrets).await {
                Ok(_) => {}
                // Nobody owns the name yet.
                Err(_) if asks_owner(at) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(subscription)
    }

    fn register(&self) {
        let mut state = self.link.state();
        state.listeners.insert(self.id, self.listener.clone());
        if !is_literal(&self.listener.to.sender) {
            state.owners.watch(&self.listener.to.sender);
        }
    }

    /// Waits for the next signal, however long; `secrets` says what is secret of it. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// - `limit` when more came in than the queue holds; they are gone, and the state must be read anew. Later signals follow.
    /// - `unavailable` when the connection was lost: subscribe anew.
    /// - `refused` when a signal is not what D-Bus allows.
    pub async fn next(&mut self, secrets: &dyn Secrets) -> Result<Signal, Failure> {
        loop {
            let news = self.listener.news.notified();
            if let Some(result) = self.ready(secrets) {
                return result;
            }
            news.await;
        }
    }

    fn ready(&self, secrets: &dyn Secrets) -> Option<Result<Signal, Failure>> {
        let limits = &self.listener.limits;
        let mut queue = self.listener.queue();
        if std::mem::take(&mut queue.overflowed) {
            return Some(Err(failure(
                FailureCode::Limit,
                format!(
                    "{}: more than {} signals or {} bytes came in before they were taken; read the state anew",
                    self.subject, limits.signals, limits.signal_bytes
                ),
            )));
        }
        if let Some(message) = queue.signals.pop_front() {
            queue.bytes -= message.data().len();
            drop(queue);
            return Some(self.convert(&message, secrets));
        }
        queue.closed.then(|| {
            Err(failure(
                FailureCode::Unavailable,
                format!(
                    "{}: the connection to the bus was lost; subscribe anew",
                    self.subject
                ),
            ))
        })
    }

    fn convert(&self, message: &Message, secrets: &dyn Secrets) -> Result<Signal, Failure> {
        let largest = self.listener.limits.reply;
        let (signature, arguments) = body_of(message, largest, secrets)
            .map_err(|error| of_received(&self.subject, *error, largest))?;
        let header = message.header();
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        Ok(Signal {
            sender: text(header.sender().map(|name| name.as_str())),
            path: text(header.path().map(|path| path.as_str())),
            interface: text(header.interface().map(|name| name.as_str())),
            member: text(header.member().map(|name| name.as_str())),
            signature,
            arguments,
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.listeners.remove(&self.id);
        if !is_literal(&self.listener.to.sender) {
            state.owners.unwatch(&self.listener.to.sender);
        }
        drop(state);
        let farewell = self
            .rules
            .iter()
            .filter_map(|rule| to_bus("RemoveMatch", rule, Flags::NO_REPLY_EXPECTED).ok());
        self.link.tell(farewell.collect());
    }
}

/// The match rules of a subscription: first the one for changes of the sender's owner, if it needs one.
///
/// Every part is checked before it is put in, so none holds a quote.
fn rules(to: &SignalMatch) -> Result<Vec<String>, zbus::Error> {
    let sender = BusName::try_from(to.sender.as_str())?;
    let mut rule = format!("type='signal',sender='{sender}'");
    if let Some(path) = &to.path {
        rule += &format!(",path='{}'", ObjectPath::try_from(path.as_str())?);
    }
    if let Some(interface) = &to.interface {
        rule += &format!(
            ",interface='{}'",
            InterfaceName::try_from(interface.as_str())?
        );
    }
    if let Some(member) = &to.member {
        rule += &format!(",member='{}'", MemberName::try_from(member.as_str())?);
    }
    let owner = (!is_literal(&to.sender)).then(|| {
        format!(
            "type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{sender}'"
        )
    });
    Ok(owner.into_iter().chain([rule]).collect())
}

/// A call to the bus itself with one string.
pub(super) fn to_bus(member: &str, argument: &str, flags: Flags) -> Result<Message, Failure> {
    Message::method_call("/org/freedesktop/DBus", member)
        .destination(BUS)
        .interface(BUS)
        .with_flags(flags)
        .build(&argument)
        .map_err(|error| {
            failure(
                FailureCode::Invalid,
                format!("{member} of {argument:?}: {error}"),
            )
        })
}
