//! What NetworkManager has, with the paths of its objects: two round trips, and one more where profiles have secrets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use op_dbus_plugin::Failure;
use serde_json::{Value, json};

use crate::bus::{self, Properties};
use crate::table::Table;
use crate::value::{Profile, Variant, text};

/// A profile that is there.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its object.
    pub path: String,
    /// Its settings; secrets by fingerprint where they were asked for.
    pub settings: Profile,
    /// The settings whose secrets were asked for and not shown: there are none, or an agent keeps them.
    pub unread: BTreeSet<String>,
}

impl Stored {
    /// Its identity.
    pub fn uuid(&self) -> &str {
        text(&self.settings, "connection", "uuid").unwrap_or_default()
    }

    /// Its name.
    pub fn id(&self) -> &str {
        text(&self.settings, "connection", "id").unwrap_or_default()
    }
}

/// What NetworkManager has.
#[derive(Debug, Default)]
pub struct System {
    /// The profiles.
    pub profiles: Vec<Stored>,
    /// The devices by path.
    pub devices: BTreeMap<String, Properties>,
    /// The active connections by path.
    pub active: BTreeMap<String, Properties>,
    /// The paths of NetworkManager's checkpoints.
    pub checkpoints: Vec<String>,
}

impl System {
    /// Reads it. An object that goes away meanwhile is left out.
    ///
    /// # Errors
    /// `unavailable` when NetworkManager does not run; what else it answered.
    pub fn read() -> Result<Self, Failure> {
        let list = bus::method(
            bus::SETTINGS,
            bus::SETTINGS_INTERFACE,
            "ListConnections",
            "",
            json!([]),
        );
        let first = bus::call_all(&[list, bus::properties(bus::MANAGER, bus::MANAGER_INTERFACE)]);
        let [profiles, manager] = first.as_slice() else {
            return Err(Failure::internal(
                "the host gave other answers than asked for",
            ));
        };
        let profiles: Vec<String> = bus::first(profiles.as_ref().map_err(Clone::clone)?)?;
        let manager = Properties::of(manager.as_ref().map_err(Clone::clone)?)?;
        let devices = manager.texts("Devices");
        let active = manager.texts("ActiveConnections");
        let mut calls: Vec<_> = profiles
            .iter()
            .map(|path| bus::profile(path, "GetSettings", "", json!([])))
            .collect();
        calls.extend(
            devices
                .iter()
                .map(|path| bus::properties(path, bus::DEVICE_INTERFACE)),
        );
        calls.extend(
            active
                .iter()
                .map(|path| bus::properties(path, bus::ACTIVE_INTERFACE)),
        );
        let mut answers = bus::call_all(&calls).into_iter();
        let mut system = Self {
            checkpoints: manager.texts("Checkpoints"),
            ..Self::default()
        };
        for (path, answer) in profiles.into_iter().zip(answers.by_ref()) {
            if let Some(reply) = there(answer)? {
                let settings = bus::first(&reply)?;
                system.profiles.push(Stored {
                    path,
                    settings,
                    unread: BTreeSet::new(),
                });
            }
        }
        for (path, answer) in devices.into_iter().zip(answers.by_ref()) {
            if let Some(reply) = there(answer)? {
                system.devices.insert(path, Properties::of(&reply)?);
            }
        }
        for (path, answer) in active.into_iter().zip(answers) {
            if let Some(reply) = there(answer)? {
                system.active.insert(path, Properties::of(&reply)?);
            }
        }
        Ok(system)
    }

    /// Reads the secrets of these profiles, as fingerprints, into their settings.
    ///
    /// # Errors
    /// What the host answered, e.g. that secrets may not be read. That there is none is no error.
    pub fn read_secrets(
        &mut self,
        table: &Table,
        wanted: impl Fn(&Stored) -> bool,
    ) -> Result<(), Failure> {
        let mut places = Vec::new();
        let mut calls = Vec::new();
        for (at, stored) in self
            .profiles
            .iter()
            .enumerate()
            .filter(|(_, it)| wanted(it))
        {
            for setting in stored.settings.keys().filter(|it| table.has_secrets(it)) {
                places.push((at, setting.clone()));
                calls.push(bus::profile(
                    &stored.path,
                    "GetSecrets",
                    "s",
                    json!([setting]),
                ));
            }
        }
        for ((at, setting), answer) in places.into_iter().zip(bus::call_all(&calls)) {
            match answer {
                Ok(reply) => {
                    let secrets: Profile = bus::first(&reply)?;
                    merge(&mut self.profiles[at].settings, secrets);
                }
                // NetworkManager's ways to say that there is none, or that an agent keeps it.
                Err(failure) if bus::error_name(&failure).ends_with(".NoSecrets") => {
                    self.profiles[at].unread.insert(setting);
                }
                Err(failure) if bus::error_name(&failure).ends_with(".SettingNotFound") => {}
                Err(failure) if bus::is_gone(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// The profile of a uuid.
    pub fn profile(&self, uuid: &str) -> Option<&Stored> {
        self.profiles.iter().find(|it| it.uuid() == uuid)
    }

    /// The path of the device with this interface.
    pub fn device(&self, interface: &str) -> Option<(&str, &Properties)> {
        self.devices
            .iter()
            .find(|(_, it)| it.text("Interface") == interface)
            .map(|(path, it)| (path.as_str(), it))
    }

    /// The active connection of a profile that is not on its way down: its path and properties.
    pub fn active_of(&self, uuid: &str) -> Option<(&str, &Properties)> {
        self.active
            .iter()
            .find(|(_, it)| it.text("Uuid") == uuid && it.number("State") <= 2)
            .map(|(path, it)| (path.as_str(), it))
    }

    /// The uuids of profiles by path.
    pub fn uuids(&self) -> HashMap<&str, &str> {
        self.profiles
            .iter()
            .map(|it| (it.path.as_str(), it.uuid()))
            .collect()
    }
}

/// An answer of an object, nothing where the object went away.
fn there<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(reply) => Ok(Some(reply)),
        Err(failure) if bus::is_gone(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Puts secrets among the settings that they belong to; those of WireGuard's peers by public key.
pub(crate) fn merge(profile: &mut Profile, secrets: Profile) {
    for (setting, keys) in secrets {
        let into = profile.entry(setting).or_default();
        for (key, secret) in keys {
            if key == "peers"
                && let Some(Value::Array(peers)) = into.get_mut("peers").map(|it| &mut it.data)
            {
                merge_peers(peers, &secret);
            } else if !is_empty(&secret) {
                into.insert(key, secret);
            }
        }
    }
}

fn is_empty(secret: &Variant) -> bool {
    match &secret.data {
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn merge_peers(peers: &mut [Value], secrets: &Variant) {
    for secret in secrets.data.as_array().into_iter().flatten() {
        let peer = peers
            .iter_mut()
            .find(|peer| peer["public-key"]["data"] == secret["public-key"]["data"]);
        if let (Some(Value::Object(peer)), Some(more)) = (peer, secret.as_object()) {
            peer.extend(more.iter().map(|(key, it)| (key.clone(), it.clone())));
        }
    }
}
