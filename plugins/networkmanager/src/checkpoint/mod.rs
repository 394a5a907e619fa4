//! Checkpoints: NetworkManager's own, and the profiles' contents beside it.
//!
//! NetworkManager's knows what devices did; it ends with NetworkManager, and it does not bring back profiles that are not active. The
//! contents are kept by the host, for as long as it likes, and hold secrets by fingerprint alone.

mod back;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use op_dbus_plugin::log::{self, Level};
use op_dbus_plugin::{CheckpointData, Failure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bus::{self, Properties};
use crate::query::{self, Secrets};
use crate::section::Section;
use crate::show::lasting;
use crate::system::{Stored, System};
use crate::table::Table;
use crate::value::Profile;
use crate::wish;

pub use back::go_back;

/// NM_CHECKPOINT_CREATE_FLAG_ALLOW_OVERLAPPING: others may have checkpoints of the same devices, and ours must not wait for theirs to end.
/// Not asked for: deleting profiles and disconnecting devices that are new, for they may be somebody else's; ours are known by name.
pub(crate) const ALLOW_OVERLAPPING: u32 = 8;

/// NM_SETTINGS_CONNECTION_FLAG_NM_GENERATED, VOLATILE and EXTERNAL: profiles that NetworkManager makes up for what it finds.
const MADE_UP: u64 = 2 | 4 | 8;

/// What a checkpoint holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// It holds everything: a profile that is not in it was not there.
    whole: bool,
    /// The profiles that were there.
    profiles: Vec<Profile>,
    /// The settings of theirs whose secrets were not shown, by uuid: what NetworkManager keeps of those is not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unread: BTreeMap<String, BTreeSet<String>>,
    /// The uuids of those that were not.
    absent: Vec<String>,
    /// The devices that were there.
    devices: Vec<NotedDevice>,
    /// The uuids of the profiles that were active.
    active: Vec<String>,
    /// When NetworkManager made its own checkpoint: another one of the same path, after a restart, is not ours.
    created: Option<i64>,
}

/// A device that was there.
#[derive(Debug, Serialize, Deserialize)]
struct NotedDevice {
    interface: String,
    /// Its object, while NetworkManager runs: what its checkpoint calls it by.
    path: Option<String>,
    managed: bool,
    /// The uuid of the profile that was active on it.
    active: Option<String>,
}

/// Notes what is.
///
/// # Errors
/// What NetworkManager answered.
pub fn take(within: Option<&Section>) -> Result<CheckpointData, Failure> {
    let table = Table::new();
    let (system, current) = query::read(within, Secrets::Shown)?;
    let made_up = made_up(&system)?;
    let in_scope: Vec<&str> = current
        .connections()
        .iter()
        .filter_map(|it| it.uuid.as_deref())
        .collect();
    let profiles: Vec<&Stored> = system
        .profiles
        .iter()
        .filter(|stored| in_scope.contains(&stored.uuid()) && !made_up.contains_key(stored.uuid()))
        .collect();
    let absent = match within {
        Some(within) => wish::wishes(&current, within, &table)?
            .into_iter()
            .filter(|wish| wish.have.is_none())
            .map(|wish| wish.uuid)
            .collect(),
        None => Vec::new(),
    };
    let is_made_up = |uuid: &String| made_up.contains_key(uuid.as_str());
    let mut noted = Noted {
        whole: within.is_none(),
        profiles: profiles
            .iter()
            .map(|stored| lasting(&stored.settings))
            .collect(),
        unread: profiles
            .iter()
            .filter(|stored| !stored.unread.is_empty())
            .map(|stored| (stored.uuid().to_owned(), stored.unread.clone()))
            .collect(),
        absent,
        devices: current
            .devices()
            .iter()
            .map(|device| NotedDevice {
                interface: device.interface.clone(),
                path: system
                    .device(&device.interface)
                    .map(|(path, _)| path.to_owned()),
                managed: device.managed == Some(true),
                active: device
                    .active_connection
                    .clone()
                    .filter(|uuid| !is_made_up(uuid)),
            })
            .collect(),
        active: current
            .active()
            .iter()
            .filter(|it| matches!(it.state.as_deref(), Some("activating" | "activated")))
            .map(|it| it.uuid.clone())
            .filter(|uuid| !is_made_up(uuid))
            .collect(),
        created: None,
    };
    let backend = within.and_then(|_| native(&system, &mut noted));
    Ok(CheckpointData {
        state: serde_json::to_string(&noted)?,
        backend,
    })
}

/// Lets NetworkManager make a checkpoint of the devices that matter. Without one, the contents do.
fn native(system: &System, noted: &mut Noted) -> Option<String> {
    // One that was not managed would be let go of as it is by then, with its controller and addresses: that is for the contents to undo.
    let managed = noted.devices.iter().filter(|device| device.managed);
    let devices: Vec<&str> = managed
        .filter_map(|device| Some(system.device(&device.interface)?.0))
        .collect();
    // No device would mean all of them, those of others included.
    if devices.is_empty() {
        return None;
    }
    let call = bus::manager(
        "CheckpointCreate",
        "aouu",
        json!([devices, 0, ALLOW_OVERLAPPING]),
    );
    let path = bus::call(&call).and_then(|reply| bus::first::<String>(&reply));
    match path.and_then(|path| Ok((created(&path)?, path))) {
        Ok((created, path)) => {
            noted.created = Some(created);
            Some(path)
        }
        Err(failure) => {
            let message = format!(
                "NetworkManager makes no checkpoint of its own: {}",
                failure.message
            );
            log::write(Level::Warn, &message);
            None
        }
    }
}

/// When a checkpoint of NetworkManager's was made, in its milliseconds.
fn created(path: &str) -> Result<i64, Failure> {
    let reply = bus::call(&bus::properties(path, bus::CHECKPOINT_INTERFACE))?;
    Ok(Properties::of(&reply)?.signed("Created"))
}

/// Whether NetworkManager's checkpoint is still there, and is ours.
fn is_alive(system: &System, path: &str, noted: &Noted) -> bool {
    system.checkpoints.iter().any(|it| it == path)
        && noted.created.is_some()
        && created(path).ok() == noted.created
}

/// The profiles that NetworkManager made up by itself, by uuid.
fn made_up(system: &System) -> Result<HashMap<&str, u64>, Failure> {
    let calls: Vec<_> = system
        .profiles
        .iter()
        .map(|stored| bus::properties(&stored.path, bus::PROFILE_INTERFACE))
        .collect();
    let mut flags = HashMap::new();
    for (stored, answer) in system.profiles.iter().zip(bus::call_all(&calls)) {
        match answer {
            Ok(reply) => {
                let number = Properties::of(&reply)?.number("Flags");
                if number & MADE_UP != 0 {
                    flags.insert(stored.uuid(), number);
                }
            }
            Err(failure) if bus::is_gone(&failure) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(flags)
}

/// Lets NetworkManager forget its checkpoint. One that it has forgotten by itself is no failure.
///
/// # Errors
/// What NetworkManager answered.
pub fn release(checkpoint: &CheckpointData) -> Result<(), Failure> {
    let Some(path) = &checkpoint.backend else {
        return Ok(());
    };
    let noted: Noted = serde_json::from_str(&checkpoint.state)?;
    let system = System::read()?;
    if !is_alive(&system, path, &noted) {
        return Ok(());
    }
    bus::call(&bus::manager(
        "CheckpointDestroy",
        "o",
        Value::from(vec![path.clone()]),
    ))
    .map(drop)
}
