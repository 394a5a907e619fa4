//! D-Bus calls against a grant: whom a call reaches, what it asks for and what that does.
//!
//! A grant speaks of well-known names; where a plugin names a connection (`:1.5`), the bus is asked which of the names that the grant speaks
//! of that connection owns. A call to a well-known name reaches whoever owns it when the bus hands the call over; who may own it is the
//! bus's own policy.

mod kept;
mod property;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use super::grant::{Bid, DbusGrant, DbusRule, Effect, covering};
use super::pattern::{Pattern, any_matches};
use super::{Gate, Mode, Rehearsed, failure};
use crate::backends::dbus::{
    self as backend, BUS, Outgoing, PROPERTIES, Terms, get_of, subject_of, variant_of,
};
use crate::contract::dbus::{MethodCall, Property, Reply, Signal, SignalMatch};
use crate::contract::types::{Failure, FailureCode};
use crate::secrets::of_object;
use kept::Kept;
use property::{Asked, PropertyCall};

/// The signal that tells of changed properties.
const PROPERTIES_CHANGED: &str = "PropertiesChanged";

/// The bus's own methods that change nothing, neither for others nor for the host's connection (D-Bus specification, "Message Bus
/// Messages"). The others are the host's alone, whatever a grant says: with them a plugin could take names or listen to everybody.
const HARMLESS: [&str; 11] = [
    "GetConnectionCredentials",
    "GetConnectionUnixProcessID",
    "GetConnectionUnixUser",
    "GetId",
    "GetMachineId",
    "GetNameOwner",
    "Introspect",
    "ListActivatableNames",
    "ListNames",
    "NameHasOwner",
    "Ping",
];

/// A call that the grant covers.
struct Covered<'g> {
    call: MethodCall,
    effect: Effect,
    rule: &'g DbusRule,
}

/// Signals that the grant covers. Counts against the plugin's limit until it is dropped.
pub struct Subscription {
    signals: Box<dyn backend::Signals>,
    rules: Vec<DbusRule>,
    /// Where secrets stand in them.
    secrets: Vec<Pattern>,
}

impl Gate {
    /// Calls methods; the answers stand in the order of the calls. What the grant does not cover is not sent and stops nothing else. In a
    /// rehearsal what would change something is noted, and answered with an empty reply.
    pub async fn call_all(&self, calls: Vec<MethodCall>) -> Vec<Result<Reply, Failure>> {
        let grant = match self.dbus() {
            Ok(grant) => grant,
            Err(failure) => return calls.iter().map(|_| Err(failure.clone())).collect(),
        };
        let mut owned = HashMap::new();
        let mut checked = Vec::with_capacity(calls.len());
        for (number, call) in calls.into_iter().enumerate() {
            // The batch itself has been counted.
            let counted = if number == 0 {
                Ok(())
            } else {
                self.budget.call()
            };
            let counted = counted.and_then(|()| self.budget.requests(1, length(&call)));
            checked.push(match counted {
                Ok(()) => self.check_call(grant, call, &mut owned).await,
                Err(failure) => Err(failure),
            });
        }
        let changes = |covered: &&Covered<'_>| match covered.effect {
            Effect::Read => false,
            Effect::Keep => self.mode == Mode::Rehearse,
            Effect::Change => true,
        };
        let changing: Vec<MethodCall> = checked
            .iter()
            .flatten()
            .filter(changes)
            .map(|covered| covered.call.clone())
            .collect();
        let rehearsed = self.mode == Mode::Rehearse;
        if rehearsed {
            for call in changing {
                self.recorder
                    .rehearsed(&self.plugin, Rehearsed::Dbus { call });
            }
        } else if !changing.is_empty()
            && let Err(failure) = self.before(&changing).await
        {
            return checked.iter().map(|_| Err(failure.clone())).collect();
        }
        let sent: Vec<(&Covered<'_>, Kept<'_>)> = checked
            .iter()
            .flatten()
            .filter(|covered| !(rehearsed && changes(covered)))
            .map(|covered| (covered, self.kept(covered)))
            .collect();
        let sent: Vec<Outgoing<'_>> = sent
            .iter()
            .map(|(covered, secrets)| Outgoing {
                call: &covered.call,
                terms: Terms {
                    start: covered.rule.start,
                    secrets,
                },
            })
            .collect();
        let mut answers = self.backends.bus.call_all(&sent).await.into_iter();
        checked
            .iter()
            .map(|checked| match checked {
                Err(failure) => Err(failure.clone()),
                Ok(covered) if rehearsed && changes(&covered) => Ok(Reply {
                    signature: String::new(),
                    values: "[]".into(),
                }),
                Ok(_) => answers
                    .next()
                    .expect("an answer for each call that was sent"),
            })
            .collect()
    }

    /// What an undo needs is on disk when this returns: what the plugin noted, and the secrets that it may have noted by reference.
    async fn before(&self, calls: &[MethodCall]) -> Result<(), Failure> {
        self.backends.secrets.keep().map_err(|error| {
            failure(
                FailureCode::Internal,
                format!("the escrow of secrets cannot be written: {error}"),
            )
        })?;
        self.recorder.before_dbus(&self.plugin, calls).await
    }

    /// The secrets of a call, as far as the grant goes.
    fn kept<'g>(&'g self, covered: &'g Covered<'_>) -> Kept<'g> {
        let call = &covered.call;
        Kept {
            gate: self,
            places: &covered.rule.secrets,
            of: Some(of_object(&call.destination, &call.path)),
        }
    }

    /// Calls one method.
    ///
    /// # Errors
    /// `denied` for what the grant does not cover; else what the backend says.
    pub async fn call(&self, call: MethodCall) -> Result<Reply, Failure> {
        let mut answers = self.call_all(vec![call]).await;
        answers.pop().expect("an answer for each call")
    }

    /// Reads a property: its value as a variant.
    ///
    /// # Errors
    /// As [`Gate::call`].
    pub async fn get_property(&self, of: &Property) -> Result<String, Failure> {
        variant_of(of, self.call(get_of(of)).await?)
    }

    /// Whether somebody owns a name that the grant speaks of.
    ///
    /// # Errors
    /// As [`Gate::call`].
    pub async fn has_owner(&self, name: &str) -> Result<bool, Failure> {
        let grant = self.dbus()?;
        if self
            .rules_for(grant, name, &mut HashMap::new())
            .await?
            .is_empty()
        {
            return Err(self.refuse(failure(
                FailureCode::Denied,
                format!("the grant does not cover the bus name {name:?}; to allow it, the operator adds it to the names of a rule in dbus.rules"),
            )));
        }
        self.backends.bus.has_owner(name).await
    }

    /// Subscribes to the signals that match, as far as the grant covers them.
    ///
    /// # Errors
    /// `denied` when it covers none of them, `limit` for too many subscriptions; else what the backend says.
    pub async fn subscribe(&self, to: SignalMatch) -> Result<Subscription, Failure> {
        let grant = self.dbus()?;
        let rules: Vec<DbusRule> = self
            .rules_for(grant, &to.sender, &mut HashMap::new())
            .await?
            .into_iter()
            .filter(|rule| may_show(rule, &to))
            .cloned()
            .collect();
        if rules.is_empty() {
            let all = "*".to_owned();
            let part = |part: &Option<String>| part.as_ref().unwrap_or(&all).clone();
            return Err(self.refuse(failure(
                FailureCode::Denied,
                format!(
                    "the grant covers no signals {}.{} of {} at {:?}; to allow them, the operator adds a rule with `signals` to dbus.rules",
                    part(&to.interface), part(&to.member), part(&to.path), to.sender
                ),
            )));
        }
        self.budget.subscription()?;
        match self.backends.bus.subscribe(to).await {
            Ok(signals) => Ok(Subscription {
                signals,
                secrets: rules.iter().flat_map(|rule| rule.secrets.clone()).collect(),
                rules,
            }),
            Err(failure) => {
                self.unsubscribe();
                Err(failure)
            }
        }
    }

    /// One subscription less.
    pub fn unsubscribe(&self) {
        self.budget.unsubscribed();
    }

    /// Waits for the next signal that the grant covers. In a rehearsal nothing happens that could be waited for: it takes what is there.
    ///
    /// # Errors
    /// As [`backend::Signals::next`].
    pub async fn next(
        &self,
        subscription: &mut Subscription,
        within: Duration,
    ) -> Result<Option<Signal>, Failure> {
        self.budget.call()?;
        let until = match self.mode {
            Mode::Rehearse => Instant::now(),
            _ => Instant::now() + within,
        };
        let secrets = Kept {
            gate: self,
            places: &subscription.secrets,
            of: None,
        };
        loop {
            match timeout_at(until, subscription.signals.next(&secrets)).await {
                Err(_) => return Ok(None),
                Ok(signal) => {
                    let Some(signal) = signal? else {
                        return Ok(None);
                    };
                    if subscription.rules.iter().any(|rule| shows(rule, &signal)) {
                        return Ok(Some(signal));
                    }
                }
            }
        }
    }

    /// Counts a call and finds the D-Bus part of the grant.
    fn dbus(&self) -> Result<&DbusGrant, Failure> {
        let grant = self.lent(self.grant.dbus.as_ref(), "dbus")?;
        let bus = self.backends.bus.word();
        if grant.covers_bus(bus) {
            return Ok(grant);
        }
        Err(self.refuse(failure(
            FailureCode::Denied,
            format!("the grant does not cover the message bus {bus:?}; to allow it, the operator adds it to dbus.buses"),
        )))
    }

    /// Holds a call against the grant and against what this call of the plugin may do.
    async fn check_call<'g>(
        &self,
        grant: &'g DbusGrant,
        mut call: MethodCall,
        owned: &mut HashMap<String, Vec<String>>,
    ) -> Result<Covered<'g>, Failure> {
        let names = PropertyCall::of(&call)?;
        let asked = match &names {
            Some(names) => names.asked(),
            None => Asked {
                interface: &call.interface,
                bid: Bid::Method(&call.member),
            },
        };
        let rules = self.rules_for(grant, &call.destination, owned).await?;
        let found = covering(&rules, &call.path, asked.interface, asked.bid);
        let harmless = match asked.bid {
            Bid::Method(member) => HARMLESS.contains(&member),
            Bid::Set(_) => false,
            _ => true,
        };
        let Some((effect, rule)) = found.filter(|_| call.destination != BUS || harmless) else {
            return Err(self.refuse(denied(&call, &asked)));
        };
        let allowed = match self.mode {
            Mode::Pure | Mode::Read => Effect::Read,
            Mode::Checkpoint => Effect::Keep,
            Mode::Change | Mode::Rehearse => Effect::Change,
        };
        if effect > allowed {
            return Err(failure(
                FailureCode::Denied,
                format!(
                    "{}: query and verify may only call what the grant says to read, checkpoint also what it says to keep; changes belong into apply and rollback",
                    subject_of(&call)
                ),
            ));
        }
        if let Some(names) = names {
            // What was checked is what is sent.
            call.arguments = names.arguments();
        }
        Ok(Covered { call, effect, rule })
    }

    /// The rules that speak of a name.
    async fn rules_for<'g>(
        &self,
        grant: &'g DbusGrant,
        name: &str,
        owned: &mut HashMap<String, Vec<String>>,
    ) -> Result<Vec<&'g DbusRule>, Failure> {
        if !name.starts_with(':') {
            return Ok(grant.rules_for(&[name]));
        }
        if !owned.contains_key(name) {
            owned.insert(name.to_owned(), self.owned_by(grant, name).await?);
        }
        let names: Vec<&str> = owned[name].iter().map(String::as_str).collect();
        Ok(grant.rules_for(&names))
    }

    /// The names that a connection owns now, of those that the grant speaks of, and its unique name.
    async fn owned_by(&self, grant: &DbusGrant, unique: &str) -> Result<Vec<String>, Failure> {
        let bus = &self.backends.bus;
        let patterns = || grant.rules.iter().flat_map(|rule| &rule.names);
        let mut candidates: HashSet<String> = patterns()
            .filter_map(Pattern::literal)
            .map(str::to_owned)
            .collect();
        if patterns().any(|pattern| pattern.literal().is_none()) {
            candidates.extend(bus.names().await?);
        }
        candidates.retain(|name| {
            !name.starts_with(':') && patterns().any(|pattern| pattern.matches(name))
        });
        let mut owned = vec![unique.to_owned()];
        for name in candidates {
            if bus.owner(&name).await?.as_deref() == Some(unique) {
                owned.push(name);
            }
        }
        Ok(owned)
    }
}

/// Bytes of what a call says.
fn length(call: &MethodCall) -> usize {
    let parts = [
        &call.destination,
        &call.path,
        &call.interface,
        &call.member,
        &call.signature,
        &call.arguments,
    ];
    parts.iter().map(|part| part.len()).sum()
}

fn denied(call: &MethodCall, asked: &Asked<'_>) -> Failure {
    let (what, key) = match asked.bid {
        Bid::Method(member) => (
            format!("the method {}.{member}", asked.interface),
            "read, keep or change",
        ),
        Bid::Get(name) => (
            format!("reading the property {}.{name}", asked.interface),
            "properties",
        ),
        Bid::GetAll => (
            format!("reading all properties of {}", asked.interface),
            "properties as \"*\"",
        ),
        Bid::Set(name) => (
            format!("writing the property {}.{name}", asked.interface),
            "set",
        ),
        Bid::Hear(name) => (format!("the signal {}.{name}", asked.interface), "signals"),
    };
    let way_out = match call.destination == BUS {
        true => "; the bus itself answers questions, all else of it is the host's".to_owned(),
        false => {
            format!("; to allow it, the operator adds it to {key} of a rule in dbus.rules")
        }
    };
    failure(
        FailureCode::Denied,
        format!(
            "the grant does not cover {what} of {} at {:?}{way_out}",
            call.path, call.destination
        ),
    )
}

impl DbusGrant {
    /// Whether a rule could show a signal that matches; the sender is a well-known name.
    pub fn may_hear(&self, to: &SignalMatch) -> bool {
        let rules = self.rules_for(&[&to.sender]);
        rules.into_iter().any(|rule| may_show(rule, to))
    }
}

/// Whether a rule could show a signal that matches.
fn may_show(rule: &DbusRule, to: &SignalMatch) -> bool {
    let fits = |patterns: &[Pattern], part: &Option<String>| {
        part.as_ref().is_none_or(|part| any_matches(patterns, part))
    };
    let of_properties = to.interface.as_deref() == Some(PROPERTIES)
        && any_matches(&rule.signals, PROPERTIES_CHANGED);
    !rule.signals.is_empty()
        && fits(&rule.paths, &to.path)
        && fits(&rule.signals, &to.member)
        && (of_properties || fits(&rule.interfaces, &to.interface))
}

/// Whether a rule shows a signal that came in. One that tells of properties must tell only of those that may be read.
fn shows(rule: &DbusRule, signal: &Signal) -> bool {
    if (signal.interface.as_str(), signal.member.as_str()) != (PROPERTIES, PROPERTIES_CHANGED) {
        return rule.concerns(&signal.path, &signal.interface)
            && rule.effect(Bid::Hear(&signal.member)).is_some();
    }
    type Body = (String, BTreeMap<String, IgnoredAny>, Vec<String>);
    let Ok((interface, changed, invalidated)) = serde_json::from_str::<Body>(&signal.arguments)
    else {
        return false;
    };
    rule.concerns(&signal.path, &interface)
        && rule.effect(Bid::Hear(PROPERTIES_CHANGED)).is_some()
        && changed
            .keys()
            .chain(&invalidated)
            .all(|name| rule.effect(Bid::Get(name)).is_some())
}

#[cfg(test)]
mod tests;
