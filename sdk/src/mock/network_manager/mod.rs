//! A small NetworkManager on the mock bus: profiles with their secrets apart, devices, activations that end at once, and checkpoints.
//!
//! It answers in the form that the host hands on: secrets as fingerprints. Time does not pass, nothing is activated by itself, and DHCP has
//! always just succeeded.

mod activation;
mod checkpoints;
mod objects;
mod profiles;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::Subscription;
use crate::bindings::op_dbus::plugin::dbus::{MethodCall, Reply, Signal};
use crate::{BackendError, Failure, FailureCode};

const NAME: &str = "org.freedesktop.NetworkManager";
const ROOT: &str = "/org/freedesktop/NetworkManager";

type Answer = Result<Value, Failure>;

/// A simulated NetworkManager.
#[derive(Clone, Debug, Default)]
pub struct NetworkManager {
    profiles: BTreeMap<u32, profiles::Profile>,
    devices: BTreeMap<u32, objects::Device>,
    active: BTreeMap<u32, objects::Active>,
    checkpoints: BTreeMap<u32, checkpoints::Checkpoint>,
    /// Ids of profiles whose activation fails, with the device's reason (NMDeviceStateReason).
    failing: BTreeMap<String, u32>,
    /// Settings whose change a device cannot take by Reapply.
    stubborn: BTreeSet<String>,
    next: u32,
    clock: i64,
    signals: Rc<RefCell<VecDeque<Signal>>>,
}

impl NetworkManager {
    /// Without profiles and devices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an Ethernet device, managed and not connected.
    pub fn add_ethernet(&mut self, interface: &str) -> &mut Self {
        self.add_device(interface, 1, true);
        self
    }

    /// Makes the activation of profiles of this name fail for this reason (NMDeviceStateReason).
    pub fn fail_activation(&mut self, id: &str, reason: u32) -> &mut Self {
        self.failing.insert(id.to_owned(), reason);
        self
    }

    /// The settings of a profile by name, secrets among them by fingerprint.
    pub fn profile(&self, id: &str) -> Option<Value> {
        let found = self
            .profiles
            .values()
            .find(|it| it.text("connection", "id") == id);
        found.map(profiles::Profile::whole)
    }

    /// The names of the profiles that are active, in order.
    pub fn active_ids(&self) -> Vec<String> {
        let ids = self
            .active
            .values()
            .filter_map(|it| self.profiles.get(&it.profile));
        let mut ids: Vec<String> = ids.map(|it| it.text("connection", "id")).collect();
        ids.sort();
        ids
    }

    /// How many checkpoints it keeps.
    pub fn checkpoint_count(&self) -> usize {
        self.checkpoints.len()
    }

    /// Ends and starts again: profiles stay, what is active and the checkpoints go.
    pub fn restart(&mut self) {
        self.checkpoints.clear();
        for at in self.active.keys().copied().collect::<Vec<_>>() {
            self.end(at, 4);
        }
    }

    /// Signals from now on.
    pub(super) fn subscribe(&self) -> Subscription {
        self.signals.borrow_mut().clear();
        Subscription::shared(self.signals.clone())
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Answers a call.
    pub(super) fn call(&mut self, call: &MethodCall) -> Result<Reply, Failure> {
        self.clock += 1;
        let arguments: Vec<Value> = serde_json::from_str(&call.arguments)?;
        let (signature, value) = self.answer(call, &arguments)?;
        let values = match signature {
            "" => json!([]),
            "ot" => value,
            _ => json!([value]),
        };
        Ok(Reply {
            signature: signature.to_owned(),
            values: values.to_string(),
        })
    }

    fn answer(
        &mut self,
        call: &MethodCall,
        arguments: &[Value],
    ) -> Result<(&'static str, Value), Failure> {
        let argument = |at: usize| arguments.get(at).cloned().unwrap_or_default();
        let text = |at: usize| argument(at).as_str().unwrap_or_default().to_owned();
        if call.destination != NAME {
            return Err(refused(
                "org.freedesktop.DBus.Error.ServiceUnknown",
                "there is only NetworkManager",
            ));
        }
        let nothing = |answer: Answer| Ok(("", answer?));
        match call.member.as_str() {
            "GetAll" => Ok(("a{sv}", self.properties(&call.path)?)),
            "Set" => nothing(self.manage(&call.path, &argument(2))),
            "ListConnections" => Ok(("ao", self.paths("Settings", self.profiles.keys()))),
            "GetSettings" => Ok(("a{sa{sv}}", self.stored(&call.path)?.settings())),
            "GetSecrets" => Ok(("a{sa{sv}}", self.stored(&call.path)?.secrets(&text(0)))),
            "AddConnection2" => Ok(("oa{sv}", self.add_profile(&argument(0))?)),
            "Update2" => nothing(self.update_profile(&call.path, &argument(0))),
            "Delete" => nothing(self.delete_profile(&call.path)),
            "ClearSecrets" => nothing(self.clear_secrets(&call.path)),
            "ActivateConnection" => Ok(("o", self.activate(&text(0), &text(1))?)),
            "DeactivateConnection" => nothing(self.deactivate(&text(0))),
            "Reapply" => nothing(self.reapply(&call.path)),
            "CheckpointCreate" => Ok(("o", self.create_checkpoint(&argument(0), &argument(1))?)),
            "CheckpointRollback" => Ok(("a{su}", self.roll_back(&text(0))?)),
            "CheckpointAdjustRollbackTimeout" => {
                nothing(self.adjust_checkpoint(&text(0), &argument(1)))
            }
            "CheckpointDestroy" => nothing(self.destroy_checkpoint(&text(0))),
            other => Err(refused("org.freedesktop.DBus.Error.UnknownMethod", other)),
        }
    }

    fn paths<'a>(&self, kind: &str, numbers: impl Iterator<Item = &'a u32>) -> Value {
        numbers
            .map(|number| Value::from(path(kind, *number)))
            .collect()
    }

    fn signal(&self, path: String, interface: &str, arguments: &Value) {
        self.signals.borrow_mut().push_back(Signal {
            sender: ":1.1".to_owned(),
            path,
            interface: interface.to_owned(),
            member: "StateChanged".to_owned(),
            signature: "uuu"[..arguments.as_array().map_or(0, Vec::len)].to_owned(),
            arguments: arguments.to_string(),
        });
    }
}

fn path(kind: &str, number: u32) -> String {
    format!("{ROOT}/{kind}/{number}")
}

/// The number at the end of an object's path, where it is of this kind.
fn number(kind: &str, path: &str) -> Result<u32, Failure> {
    let rest = path.strip_prefix(&format!("{ROOT}/{kind}/"));
    rest.and_then(|number| number.parse().ok())
        .ok_or_else(|| refused("org.freedesktop.DBus.Error.UnknownMethod", path))
}

fn refused(name: &str, text: &str) -> Failure {
    let code = match name {
        "org.freedesktop.DBus.Error.UnknownMethod" => FailureCode::Unsupported,
        _ => FailureCode::Refused,
    };
    Failure {
        code,
        message: format!("{text} ({name})"),
        backend: Some(BackendError {
            name: name.to_owned(),
            text: Some(text.to_owned()),
        }),
    }
}

fn variants(pairs: impl IntoIterator<Item = (&'static str, &'static str, Value)>) -> Value {
    let variants = pairs
        .into_iter()
        .map(|(key, signature, data)| (key.to_owned(), json!({"type": signature, "data": data})));
    Value::Object(variants.collect::<Map<_, _>>())
}
