//! A checkpoint of NetworkManager's as a dead man's switch: should this process die while profiles change, NetworkManager goes back alone.
//!
//! It lives as long as `apply` does. When `apply` is interrupted and the host undoes it, NetworkManager drops it with the transaction's own
//! checkpoint, which is older and overlaps it.

use op_dbus_plugin::log::{self, Level};
use serde_json::json;

use crate::bus;
use crate::checkpoint::ALLOW_OVERLAPPING;

/// Seconds until NetworkManager goes back by itself, unless [`DeadMan::hold`] comes before: longer than anything here takes in one piece.
const ARMED: u32 = 120;

/// The checkpoint, if there is one.
pub struct DeadMan(Option<String>);

impl DeadMan {
    /// Arms it for these devices. Where NetworkManager makes no checkpoint, the host undoes alone.
    pub fn arm(devices: &[&str]) -> Self {
        // No device would mean all of them, those of others included.
        if devices.is_empty() {
            return Self(None);
        }
        let arguments = json!([devices, ARMED, ALLOW_OVERLAPPING]);
        let reply = bus::call(&bus::manager("CheckpointCreate", "aouu", arguments));
        match reply.and_then(|reply| bus::first::<Option<String>>(&reply)) {
            Ok(path) => Self(path),
            Err(failure) => {
                let message = format!(
                    "NetworkManager will not go back by itself: {}",
                    failure.message
                );
                log::write(Level::Warn, &message);
                Self(None)
            }
        }
    }

    /// This process lives: the time begins anew.
    pub fn hold(&self) {
        let Some(path) = &self.0 else { return };
        let arguments = json!([path, ARMED]);
        let call = bus::manager("CheckpointAdjustRollbackTimeout", "ou", arguments);
        if let Err(failure) = bus::call(&call) {
            let message = format!("NetworkManager's checkpoint {path}: {}", failure.message);
            log::write(Level::Warn, &message);
        }
    }

    /// The danger is over: whether to go back is the host's to say, for as long as it likes (`--confirm`).
    pub fn disarm(self) {
        let Some(path) = self.0 else { return };
        if let Err(failure) = bus::call(&bus::manager("CheckpointDestroy", "o", json!([path]))) {
            let message = format!("NetworkManager's checkpoint {path}: {}", failure.message);
            log::write(Level::Warn, &message);
        }
    }
}
