//! What the host itself asks NetworkManager: whether it runs here, which links are in its hands, and to forget what a dead process left there.
//!
//! Source: NetworkManager's D-Bus reference, <https://networkmanager.dev/docs/api/latest/spec.html>.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::backends::dbus::{Bus, Outgoing, PROPERTIES, Terms};
use crate::contract::dbus::{MethodCall, Property};
use crate::contract::types::{Failure, FailureCode};

/// NetworkManager's name on the bus.
pub const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
const CHECKPOINT: &str = "org.freedesktop.NetworkManager.Checkpoint";

/// NM_DEVICE_STATE_UNAVAILABLE: the first state of a device that NetworkManager manages.
const UNAVAILABLE: u32 = 20;

/// NM_DEVICE_STATE_DISCONNECTED: ready to be activated.
const DISCONNECTED: u32 = 30;

/// NM_ACTIVATION_STATE_FLAG_EXTERNAL: the connection only shows what somebody else configured; NetworkManager does not touch it.
const EXTERNAL: u32 = 0x80;

/// A link that NetworkManager has in its hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Its name.
    pub link: String,
    /// The device's state (`NMDeviceState`).
    pub state: u32,
}

impl fmt::Display for Managed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            20 => "unavailable",
            30 => "disconnected",
            40..100 => "being activated",
            100 => "activated",
            110 => "being deactivated",
            120 => "failed",
            _ => "in a state of its own",
        };
        write!(f, "{} ({state})", self.link)
    }
}

/// Whether NetworkManager runs and looks after the network namespace with this inode; that it could be activated is not enough.
///
/// # Errors
/// What the bus answers. That there is no bus is an answer too: then it does not run.
pub async fn runs_in(bus: &Bus, namespace: u64) -> Result<bool, Failure> {
    match bus.process_of(NAME).await {
        Ok(None) => Ok(false),
        Ok(Some(process)) => Ok(namespace_of(process).is_none_or(|its| its == namespace)),
        Err(failure) if failure.code == FailureCode::Unavailable => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The inode of a process's network namespace, if this process may see it.
fn namespace_of(process: u32) -> Option<u64> {
    let file = fs::metadata(format!("/proc/{process}/ns/net")).ok()?;
    Some(file.ino())
}

/// Those of the links that NetworkManager manages: it would undo, or build upon, what others change there. Links that it does not know, that
/// it was told to leave alone, that no profile of its fits, and those whose configuration by others it only shows, are not among them.
///
/// # Errors
/// What NetworkManager answers.
pub async fn managing(bus: &Bus, links: &[&str]) -> Result<Vec<Managed>, Failure> {
    let asks: Vec<MethodCall> = links
        .iter()
        .map(|link| MethodCall {
            destination: NAME.into(),
            path: PATH.into(),
            interface: NAME.into(),
            member: "GetDeviceByIpIface".into(),
            signature: "s".into(),
            arguments: serde_json::to_string(&[link]).expect("a string is JSON"),
        })
        .collect();
    let mut devices = Vec::new();
    for (link, answer) in links.iter().zip(call_all(bus, &asks).await) {
        match answer {
            Ok(values) => {
                let (path,): (String,) = read("the path of a device", &values)?;
                devices.push((*link, path));
            }
            Err(failure) if is_unknown_device(&failure) => {}
            Err(failure) => return Err(failure),
        }
    }
    let asks: Vec<MethodCall> = devices
        .iter()
        .map(|(_, path)| MethodCall {
            destination: NAME.into(),
            path: path.clone(),
            interface: PROPERTIES.into(),
            member: "GetAll".into(),
            signature: "s".into(),
            arguments: format!("[\"{DEVICE}\"]"),
        })
        .collect();
    let mut managed = Vec::new();
    for ((link, _), answer) in devices.iter().zip(call_all(bus, &asks).await) {
        let values = match answer {
            Ok(values) => values,
            // It went away in between.
            Err(failure) if is_gone(&failure) => continue,
            Err(failure) => return Err(failure),
        };
        let (device,): (Device,) = read("the properties of a device", &values)?;
        let state = device.state.data;
        let idle = state == DISCONNECTED && device.available_connections.data.is_empty();
        if device.managed.data
            && state >= UNAVAILABLE
            && !idle
            && !only_shows(bus, &device.active_connection.data).await?
        {
            managed.push(Managed {
                link: (*link).to_owned(),
                state,
            });
        }
    }
    Ok(managed)
}

/// Lets NetworkManager forget checkpoints that were made since then (milliseconds of CLOCK_BOOTTIME), never end by themselves, as all that are
/// made for op-dbus, and are none of those that are `known`. Returns their paths.
///
/// # Errors
/// What NetworkManager answers. That it does not run is no error: it has no checkpoints then.
pub async fn forget_checkpoints(
    bus: &Bus,
    since: u64,
    known: &[String],
) -> Result<Vec<String>, Failure> {
    if bus.owner(NAME).await?.is_none() {
        return Ok(Vec::new());
    }
    let checkpoints = Property {
        destination: NAME.into(),
        path: PATH.into(),
        interface: NAME.into(),
        name: "Checkpoints".into(),
    };
    let value = bus.get_property(&checkpoints, Terms::PLAIN).await?;
    let paths: Variant<Vec<String>> = read("a list of checkpoints", &value)?;
    let call =
        |path: &str, interface: &str, member: &str, signature: &str, argument: &str| MethodCall {
            destination: NAME.into(),
            path: path.into(),
            interface: interface.into(),
            member: member.into(),
            signature: signature.into(),
            arguments: serde_json::to_string(&[argument]).expect("a string is JSON"),
        };
    let unknown: Vec<_> = paths
        .data
        .iter()
        .filter(|path| !known.contains(path))
        .collect();
    let asks: Vec<_> = unknown
        .iter()
        .map(|path| call(path, PROPERTIES, "GetAll", "s", CHECKPOINT))
        .collect();
    let mut forgotten = Vec::new();
    for (path, answer) in unknown.into_iter().zip(call_all(bus, &asks).await) {
        let values = match answer {
            Ok(values) => values,
            Err(failure) if is_gone(&failure) => continue,
            Err(failure) => return Err(failure),
        };
        let (checkpoint,): (Checkpoint,) = read("the properties of a checkpoint", &values)?;
        let created = u64::try_from(checkpoint.created.data).unwrap_or(0);
        if created >= since && checkpoint.rollback_timeout.data == 0 {
            let destroy = call(PATH, NAME, "CheckpointDestroy", "o", path);
            bus.call(&destroy, Terms::PLAIN).await?;
            forgotten.push(path.clone());
        }
    }
    Ok(forgotten)
}

async fn call_all(bus: &Bus, calls: &[MethodCall]) -> Vec<Result<String, Failure>> {
    let terms = Terms::PLAIN;
    let outgoing: Vec<_> = calls.iter().map(|call| Outgoing { call, terms }).collect();
    let answers = bus.call_all(&outgoing).await.into_iter();
    answers
        .map(|answer| answer.map(|reply| reply.values))
        .collect()
}

/// Whether a connection only shows what somebody else configured.
async fn only_shows(bus: &Bus, connection: &str) -> Result<bool, Failure> {
    if connection == "/" {
        return Ok(false);
    }
    let flags = Property {
        destination: NAME.into(),
        path: connection.to_owned(),
        interface: "org.freedesktop.NetworkManager.Connection.Active".into(),
        name: "StateFlags".into(),
    };
    match bus.get_property(&flags, Terms::PLAIN).await {
        Ok(value) => {
            let flags: Variant<u32> = read("the flags of a connection", &value)?;
            Ok(flags.data & EXTERNAL != 0)
        }
        Err(failure) if is_gone(&failure) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn is_unknown_device(failure: &Failure) -> bool {
    let name = failure
        .backend
        .as_ref()
        .map(|backend| backend.name.as_str());
    name == Some("org.freedesktop.NetworkManager.UnknownDevice")
}

/// The object is not there any more: GDBus says `UnknownMethod` of objects that it does not know.
fn is_gone(failure: &Failure) -> bool {
    matches!(
        failure.code,
        FailureCode::NotFound | FailureCode::Unsupported
    )
}

/// A D-Bus variant of a type that is known.
#[derive(Deserialize)]
struct Variant<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Device {
    managed: Variant<bool>,
    state: Variant<u32>,
    active_connection: Variant<String>,
    available_connections: Variant<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checkpoint {
    created: Variant<i64>,
    rollback_timeout: Variant<u32>,
}

fn read<'a, T: Deserialize<'a>>(what: &str, values: &'a str) -> Result<T, Failure> {
    serde_json::from_str(values).map_err(|error| Failure {
        code: FailureCode::Refused,
        message: format!("NetworkManager answered with something else than {what}: {error}"),
        backend: None,
    })
}

/// Links that the section `networkmanager` of a state file hands over: `{"devices": [{"interface": "eth0", "managed": false}]}`.
pub fn handed_over(section: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Section {
        #[serde(default)]
        devices: Vec<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Device {
        interface: String,
        managed: bool,
    }
    let section: Section = match serde_json::from_str(section) {
        Ok(section) => section,
        Err(_) => return Vec::new(),
    };
    let devices = section.devices.iter();
    devices
        .filter_map(|device| serde_json::from_str::<Device>(device.get()).ok())
        .filter(|device| !device.managed)
        .map(|device| device.interface)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_not_to_be_managed_are_handed_over() {
        let section = r#"{"connections": [], "devices": [
            {"interface": "eth0", "managed": false, "wake": 7}, {"interface": "eth1", "managed": true}, {"interface": "eth2"}]}"#;
        assert_eq!(handed_over(section), ["eth0"]);
        assert!(handed_over("{}").is_empty());
        assert!(handed_over("[]").is_empty());
    }
}
