//! Who owns the names that somebody listens to.
//!
//! Anybody on a bus may send a signal straight to our connection, and a signal carries its sender's unique name alone. So a subscription
//! to a well-known name must know the owner of that name, in the order in which the bus tells of its changes.

use std::collections::HashMap;

use zbus::Message;
use zbus::message::Type;

/// The bus itself: the name that its own signals carry (D-Bus specification, "Message Bus Messages").
pub const BUS: &str = "org.freedesktop.DBus";

/// Owners of well-known names, as far as somebody watches them.
#[derive(Default)]
pub(super) struct Owners {
    watched: HashMap<String, Watched>,
}

#[derive(Default)]
struct Watched {
    owner: Option<String>,
    watchers: usize,
}

/// Whether signals of this name carry the name itself: that of the bus, and unique names.
pub(super) fn is_literal(name: &str) -> bool {
    name == BUS || name.starts_with(':')
}

impl Owners {
    /// One watcher more.
    pub(super) fn watch(&mut self, name: &str) {
        self.watched.entry(name.to_owned()).or_default().watchers += 1;
    }

    /// One watcher less.
    pub(super) fn unwatch(&mut self, name: &str) {
        if let Some(watched) = self.watched.get_mut(name) {
            watched.watchers -= 1;
            if watched.watchers == 0 {
                self.watched.remove(name);
            }
        }
    }

    /// Whether `unique` is the sender that `name` stands for now.
    pub(super) fn is(&self, name: &str, unique: &str) -> bool {
        match is_literal(name) {
            true => name == unique,
            false => self
                .watched
                .get(name)
                .is_some_and(|watched| watched.owner.as_deref() == Some(unique)),
        }
    }

    /// Takes in the reply of `GetNameOwner`. An error reply means that there is none.
    pub(super) fn learn(&mut self, name: &str, reply: &Message) {
        if let Some(watched) = self.watched.get_mut(name) {
            let body = reply.body();
            watched.owner = match reply.message_type() {
                Type::MethodReturn => body.deserialize::<&str>().ok().map(str::to_owned),
                _ => None,
            };
        }
    }

    /// Takes in a signal, if it is `NameOwnerChanged` from the bus.
    pub(super) fn note(&mut self, signal: &Message) {
        let header = signal.header();
        let from_bus = header.sender().is_some_and(|sender| sender.as_str() == BUS)
            && header.interface().is_some_and(|name| name.as_str() == BUS)
            && header
                .member()
                .is_some_and(|member| member.as_str() == "NameOwnerChanged");
        if !from_bus {
            return;
        }
        let body = signal.body();
        if let Ok((name, _, new)) = body.deserialize::<(&str, &str, &str)>()
            && let Some(watched) = self.watched.get_mut(name)
        {
            watched.owner = Some(new.to_owned()).filter(|owner| !owner.is_empty());
        }
    }
}
