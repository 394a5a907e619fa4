//! Activating profiles and waiting for the end of it, by signals.

use std::collections::{HashMap, HashSet};

use op_dbus_plugin::dbus::{self, MethodCall, Signal, SignalMatch, Subscription};
use op_dbus_plugin::log::{self, Level};
use op_dbus_plugin::{Failure, FailureCode};
use serde_json::{Value, json};

use crate::bus::{self, Properties};
use crate::job::Activation;
use crate::names;
use crate::system::System;
use crate::value::text;

/// How long one waits for a signal before the state is read anew, in milliseconds: a signal that never comes (NetworkManager died) is
/// noticed so.
const SILENCE: u32 = 1_000;

/// How many such silences there may be: longer than NetworkManager's own limits (45 s for DHCP, 25 s for a wireless network), shorter than
/// the time that the host gives a plugin.
const SILENCES: u32 = 90;

/// NM_ACTIVE_CONNECTION_STATE_ACTIVATED.
pub const ACTIVATED: u64 = 2;

/// A profile whose activation is to change.
#[derive(Clone, Debug)]
pub struct Request {
    /// The profile.
    pub uuid: String,
    /// What is to happen.
    pub activation: Activation,
    /// It is a port: its turn is after its controller's.
    pub port: bool,
    /// The interface of the device that it must be; by default NetworkManager chooses.
    pub device: Option<String>,
    /// The profile's object, where it was made just now.
    pub path: Option<String>,
}

/// How often an activation may be begun that another one takes the place of: NetworkManager itself activates what it sees appear, and a
/// controller that is activated anew takes its ports down and up again.
const ATTEMPTS: usize = 3;

/// NM_DEVICE_STATE_REASON_NEW_ACTIVATION.
const NEW_ACTIVATION: u64 = 60;

/// An activation under way.
struct Waiting {
    request: usize,
    /// The active connection.
    path: String,
    /// Its state when it was last read (NMActiveConnectionState).
    state: u64,
    /// The devices that it was on then: when it has failed, NetworkManager no longer says it.
    devices: Vec<String>,
}

impl Waiting {
    fn new(request: usize, path: String) -> Self {
        Self {
            request,
            path,
            state: 0,
            devices: Vec::new(),
        }
    }
}

/// Changes activations; an answer for each request, once it is settled. While it waits, it calls `alive` every second or so.
pub fn run(requests: &[Request], alive: &dyn Fn()) -> Vec<Result<(), Failure>> {
    let mut answers: Vec<Result<(), Failure>> = vec![Ok(()); requests.len()];
    if requests.is_empty() {
        return answers;
    }
    match Run::start() {
        Ok(mut run) => run.all(requests, &mut answers, alive),
        Err(failure) => answers.fill(Err(failure)),
    }
    answers
}

struct Run {
    signals: Subscription,
    system: System,
    waiting: Vec<Waiting>,
    /// Why a device left its way up, by path.
    reasons: HashMap<String, u64>,
    /// The devices, by path, that left it for another activation.
    taken: HashSet<String>,
    /// How often each request has been begun.
    attempts: Vec<usize>,
}

impl Run {
    /// Listens before anything is called, so that no signal is missed.
    fn start() -> Result<Self, Failure> {
        let signals = dbus::subscribe(&SignalMatch {
            sender: bus::NAME.to_owned(),
            path: None,
            interface: None,
            member: Some("StateChanged".to_owned()),
        })?;
        Ok(Self {
            signals,
            system: System::read()?,
            waiting: Vec::new(),
            reasons: HashMap::new(),
            taken: HashSet::new(),
            attempts: Vec::new(),
        })
    }

    fn all(&mut self, requests: &[Request], answers: &mut [Result<(), Failure>], alive: &dyn Fn()) {
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|at| requests[*at].port);
        self.begin(requests, order, answers);
        self.wait(requests, answers, alive);
    }

    /// Calls what these requests need.
    fn begin(
        &mut self,
        requests: &[Request],
        order: Vec<usize>,
        answers: &mut [Result<(), Failure>],
    ) {
        self.attempts.resize(requests.len(), 0);
        let (mut places, mut calls) = (Vec::new(), Vec::new());
        for at in order {
            self.attempts[at] += 1;
            match self.first_call(&requests[at], at) {
                Ok(Some(call)) => {
                    places.push(at);
                    calls.push(call);
                }
                Ok(None) => {}
                Err(failure) => answers[at] = Err(failure),
            }
        }
        for (at, answer) in places.into_iter().zip(bus::call_all(&calls)) {
            match answer {
                // A rehearsal answers nothing: there is nothing to wait for. That a deactivation ends is for the verification to see.
                Ok(reply) => {
                    let path = bus::first::<Option<String>>(&reply).unwrap_or_default();
                    self.waiting.extend(path.map(|path| Waiting::new(at, path)));
                }
                Err(failure) => answers[at] = without_device(&requests[at], failure),
            }
        }
    }

    /// The call that a request needs. What is on its way already is only waited for; a change that Reapply brings to its device is done.
    fn first_call(&mut self, request: &Request, at: usize) -> Result<Option<MethodCall>, Failure> {
        let active = self.system.active_of(&request.uuid);
        let active =
            active.map(|(path, it)| (path.to_owned(), it.number("State"), it.texts("Devices")));
        let stored = self.system.profile(&request.uuid).map(|it| it.path.clone());
        let profile = stored
            .or(request.path.clone())
            .ok_or_else(|| Failure::not_found("somebody has removed the profile meanwhile"))?;
        // Without a device, NetworkManager passes over those that it does not manage yet, although the profile is for one of them.
        let stored = self.system.profile(&request.uuid);
        let named = stored.and_then(|it| text(&it.settings, "connection", "interface-name"));
        let interface = request.device.as_deref().or(named);
        let wanted = interface.and_then(|it| self.system.device(it));
        let wanted = wanted.map_or(bus::NOTHING, |(path, _)| path).to_owned();
        let activate = |device: &str| {
            let arguments = json!([profile, device, bus::NOTHING]);
            Some(bus::manager("ActivateConnection", "ooo", arguments))
        };
        match (request.activation, active) {
            (Activation::Keep, _) | (Activation::Down, None) => Ok(None),
            (Activation::Down, Some((path, ..))) => Ok(Some(bus::manager(
                "DeactivateConnection",
                "o",
                json!([path]),
            ))),
            (Activation::Renew, Some((_, _, devices))) => {
                let Some(device) = devices.first() else {
                    return Ok(activate(bus::NOTHING));
                };
                if devices.iter().all(|device| reapply(device)) {
                    return Ok(None);
                }
                Ok(activate(device))
            }
            (Activation::Up | Activation::Auto, Some((path, state, devices)))
                if wanted == bus::NOTHING || devices.contains(&wanted) =>
            {
                if state != ACTIVATED {
                    self.waiting.push(Waiting::new(at, path));
                }
                Ok(None)
            }
            _ => Ok(activate(&wanted)),
        }
    }

    /// Waits until every activation has ended.
    fn wait(
        &mut self,
        requests: &[Request],
        answers: &mut [Result<(), Failure>],
        alive: &dyn Fn(),
    ) {
        let mut silences = 0;
        self.look(requests, answers);
        while !self.waiting.is_empty() {
            match self.signals.next(SILENCE) {
                Ok(Some(signal)) => {
                    if self.hear(&signal) {
                        alive();
                        self.look(requests, answers);
                    }
                }
                Ok(None) => {
                    silences += 1;
                    alive();
                    self.look(requests, answers);
                    if silences >= SILENCES {
                        self.give_up(answers);
                    }
                }
                // Signals were lost, or the bus is: what holds is what can be read.
                Err(failure) => {
                    self.look(requests, answers);
                    for waiting in self.waiting.drain(..) {
                        answers[waiting.request] = Err(failure.clone());
                    }
                }
            }
        }
    }

    /// Notes what a signal says; whether it concerns an active connection that is waited for.
    fn hear(&mut self, signal: &Signal) -> bool {
        let numbers: Vec<Value> = serde_json::from_str(&signal.arguments).unwrap_or_default();
        let number = |at: usize| numbers.get(at).and_then(Value::as_u64).unwrap_or(0);
        if signal.interface == bus::DEVICE_INTERFACE {
            // From a state of activation to failed or lower; `new-activation` tells of the one before ours.
            let (new, old, reason) = (number(0), number(1), number(2));
            if old >= 40 && reason == NEW_ACTIVATION {
                self.taken.insert(signal.path.clone());
            } else if old >= 40 && (new == 120 || new <= 30) && reason != 0 {
                self.reasons.entry(signal.path.clone()).or_insert(reason);
            }
            return false;
        }
        self.waiting.iter().any(|it| it.path == signal.path)
    }

    /// Reads the states of all that is waited for.
    fn look(&mut self, requests: &[Request], answers: &mut [Result<(), Failure>]) {
        let calls: Vec<MethodCall> = self
            .waiting
            .iter()
            .map(|it| bus::properties(&it.path, bus::ACTIVE_INTERFACE))
            .collect();
        let states = bus::call_all(&calls);
        // What has come in says why an activation failed; it was sent before these answers.
        while let Ok(Some(signal)) = self.signals.next(0) {
            self.hear(&signal);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let mut again = Vec::new();
        for (mut waiting, state) in waiting.into_iter().zip(states) {
            let ended = match state.and_then(|reply| Properties::of(&reply)) {
                Ok(active) => {
                    waiting.state = active.number("State");
                    let devices = active.texts("Devices");
                    if !devices.is_empty() {
                        waiting.devices = devices;
                    }
                    match waiting.state {
                        ACTIVATED => continue,
                        3 | 4 => true,
                        _ => false,
                    }
                }
                Err(failure) if bus::is_gone(&failure) => true,
                Err(failure) => {
                    answers[waiting.request] = Err(failure);
                    continue;
                }
            };
            if !ended {
                self.waiting.push(waiting);
            } else if self.is_superseded(&waiting) {
                again.push(waiting.request);
            } else {
                answers[waiting.request] = Err(self.failed(&waiting));
            }
        }
        if again.is_empty() {
            return;
        }
        // What took its place may be what was asked for; otherwise it is asked for again.
        match System::read() {
            Ok(system) => {
                self.system = system;
                self.begin(requests, again, answers);
            }
            Err(failure) => again
                .into_iter()
                .for_each(|at| answers[at] = Err(failure.clone())),
        }
    }

    /// Whether an activation ended for another one, and not because it failed.
    fn is_superseded(&mut self, waiting: &Waiting) -> bool {
        let devices = &waiting.devices;
        if self.attempts[waiting.request] >= ATTEMPTS
            || devices.iter().any(|it| self.reasons.contains_key(it))
        {
            return false;
        }
        let before = self.taken.len();
        devices.iter().for_each(|it| {
            self.taken.remove(it);
        });
        self.taken.len() < before
    }

    /// Why an activation failed, in NetworkManager's own words.
    fn failed(&self, waiting: &Waiting) -> Failure {
        let reasons: Vec<String> = waiting
            .devices
            .iter()
            .filter_map(|path| {
                let device = self.system.devices.get(path).map(|it| it.text("Interface"));
                let reason = self
                    .reasons
                    .get(path)
                    .copied()
                    .or_else(|| state_reason(path))?;
                let name = device.unwrap_or_else(|| path.clone());
                Some(format!("device {name}: {}", names::device_reason(reason)))
            })
            .collect();
        let mut message = "the activation failed".to_owned();
        if waiting.state > 0 {
            message += &format!(" ({})", names::active_state(waiting.state));
        }
        if reasons.is_empty() {
            message += "; NetworkManager gives no reason, its log may";
        } else {
            message += &format!("; NetworkManager's reason: {}", reasons.join(", "));
        }
        Failure::new(FailureCode::Refused, message)
    }

    fn give_up(&mut self, answers: &mut [Result<(), Failure>]) {
        for waiting in std::mem::take(&mut self.waiting) {
            let state = names::active_state(waiting.state);
            let message = format!(
                "the activation has not ended within {SILENCES} seconds: it is still {state}"
            );
            answers[waiting.request] = Err(Failure::new(FailureCode::Timeout, message));
        }
    }
}

/// Why a device is in its state, where it is not on its way up.
fn state_reason(path: &str) -> Option<u64> {
    let reply = bus::call(&bus::properties(path, bus::DEVICE_INTERFACE)).ok()?;
    let values: Vec<Value> = serde_json::from_str(&reply.values).ok()?;
    let pair = values.first()?.get("StateReason")?.get("data")?.clone();
    let (state, reason): (u64, u64) = serde_json::from_value(pair).ok()?;
    (state <= 30 || state == 120)
        .then_some(reason)
        .filter(|reason| *reason > 0)
}

/// Brings the profile's settings to its device without taking it down, where NetworkManager can.
fn reapply(device: &str) -> bool {
    let call = bus::method(
        device,
        bus::DEVICE_INTERFACE,
        "Reapply",
        "a{sa{sv}}tu",
        json!([{}, 0, 0]),
    );
    match bus::call(&call) {
        Ok(_) => true,
        Err(failure) => {
            log::write(
                Level::Debug,
                &format!(
                    "{device} cannot take the change as it is: {}",
                    failure.message
                ),
            );
            false
        }
    }
}

/// That there is no device is a failure only where the file wants the profile up.
fn without_device(request: &Request, failure: Failure) -> Result<(), Failure> {
    if request.activation == Activation::Auto
        && bus::error_name(&failure).ends_with(".UnknownDevice")
    {
        let message = format!(
            "profile {}: there is no device for it now, NetworkManager activates it when there is one ({})",
            request.uuid, failure.message
        );
        log::write(Level::Info, &message);
        return Ok(());
    }
    Err(failure)
}
