//! NetworkManager's own checkpoint as a dead man's switch: should this process die while profiles change, NetworkManager goes back alone.
//!
//! `checkpoint` makes it without a timeout, so that nothing happens where nothing is applied. `apply` arms it at its start and disarms it at
//! its end: from then on the host decides, for as long as it likes (`--confirm`).

use op_dbus_plugin::log::{self, Level};
use serde_json::json;

use crate::bus::{self, Properties};
use crate::system::System;

/// Seconds until NetworkManager goes back by itself: far longer than a call into a plugin may take.
const ARMED: u32 = 611;

/// The checkpoint that is armed, if there is one.
pub struct DeadMan(Option<String>);

impl DeadMan {
    /// Arms the newest checkpoint without a timeout: that of this transaction, for there is only one at a time.
    pub fn arm(system: &System) -> Self {
        let calls: Vec<_> = system
            .checkpoints
            .iter()
            .map(|path| bus::properties(path, bus::CHECKPOINT_INTERFACE))
            .collect();
        let answers = system.checkpoints.iter().zip(bus::call_all(&calls));
        let newest = answers
            .filter_map(|(path, answer)| Some((path, Properties::of(&answer.ok()?).ok()?)))
            .filter(|(_, checkpoint)| checkpoint.number("RollbackTimeout") == 0)
            .max_by_key(|(_, checkpoint)| checkpoint.signed("Created"));
        let path = newest.map(|(path, _)| path.clone());
        if let Some(path) = &path {
            adjust(path, ARMED);
        }
        Self(path)
    }

    /// The danger is over.
    pub fn disarm(self) {
        if let Some(path) = &self.0 {
            adjust(path, 0);
        }
    }
}

fn adjust(path: &str, seconds: u32) {
    let call = bus::manager(
        "CheckpointAdjustRollbackTimeout",
        "ou",
        json!([path, seconds]),
    );
    if let Err(failure) = bus::call(&call) {
        // The host undoes as well without it.
        log::write(
            Level::Warn,
            &format!("NetworkManager's checkpoint {path}: {}", failure.message),
        );
    }
}
