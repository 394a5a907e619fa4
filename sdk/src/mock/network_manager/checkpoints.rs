//! Checkpoints: which profile was active on which device.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, NetworkManager, number, path, refused, variants};

/// A checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    /// The uuid of the profile that was active, by device.
    devices: BTreeMap<u32, Option<String>>,
    created: i64,
    timeout: u64,
}

impl Checkpoint {
    pub(super) fn properties(&self) -> Value {
        let devices: Value = self
            .devices
            .keys()
            .map(|at| Value::from(path("Devices", *at)))
            .collect();
        variants([
            ("Devices", "ao", devices),
            ("Created", "x", self.created.into()),
            ("RollbackTimeout", "u", self.timeout.into()),
        ])
    }
}

fn unknown() -> crate::Failure {
    refused(
        "org.freedesktop.NetworkManager.InvalidArguments",
        "no such checkpoint",
    )
}

impl NetworkManager {
    pub(super) fn create_checkpoint(&mut self, devices: &Value, timeout: &Value) -> Answer {
        let mut noted = BTreeMap::new();
        for device in devices.as_array().into_iter().flatten() {
            let at = number("Devices", device.as_str().unwrap_or_default())?;
            let active = self
                .devices
                .get(&at)
                .and_then(|it| self.active.get(&it.active?));
            let profile = active.and_then(|it| self.profiles.get(&it.profile));
            noted.insert(at, profile.map(|it| it.text("connection", "uuid")));
        }
        let at = self.fresh();
        let checkpoint = Checkpoint {
            devices: noted,
            created: self.clock,
            timeout: timeout.as_u64().unwrap_or(0),
        };
        self.checkpoints.insert(at, checkpoint);
        Ok(path("Checkpoint", at).into())
    }

    fn take_checkpoint(&mut self, of: &str) -> Result<Checkpoint, crate::Failure> {
        let found = self.checkpoints.remove(&number("Checkpoint", of)?);
        found.ok_or_else(unknown)
    }

    /// Each device gets back its profile, where that is still there; the answer says of each how that went (NMRollbackResult).
    pub(super) fn roll_back(&mut self, of: &str) -> Answer {
        let checkpoint = self.take_checkpoint(of)?;
        // Later ones of the same devices go with it (nm_checkpoint_manager_rollback in src/core/nm-checkpoint-manager.c).
        self.checkpoints.retain(|_, later| {
            later.created < checkpoint.created
                || !later
                    .devices
                    .keys()
                    .any(|at| checkpoint.devices.contains_key(at))
        });
        let mut results = json!({});
        for (at, was) in checkpoint.devices {
            let device = path("Devices", at);
            let is = self.devices.get(&at).map(|it| it.active);
            let profile = self
                .profiles
                .iter()
                .find(|(_, it)| Some(it.text("connection", "uuid")) == was);
            let profile = profile.map(|(number, _)| *number);
            results[&device] = match (is, profile) {
                (None, _) => 1,
                (Some(Some(active)), Some(profile)) if self.active[&active].profile == profile => 0,
                (Some(_), Some(profile)) => {
                    self.activate(&path("Settings", profile), &device)?;
                    0
                }
                (Some(Some(active)), None) if was.is_none() => {
                    self.end(active, 3);
                    0
                }
                (Some(None), None) if was.is_none() => 0,
                _ => 3,
            }
            .into();
        }
        Ok(results)
    }

    pub(super) fn destroy_checkpoint(&mut self, of: &str) -> Answer {
        self.take_checkpoint(of).map(|_| Value::Null)
    }

    /// The time until it goes back by itself begins anew, and is this long.
    pub(super) fn adjust_checkpoint(&mut self, of: &str, timeout: &Value) -> Answer {
        let found = self.checkpoints.get_mut(&number("Checkpoint", of)?);
        let checkpoint = found.ok_or_else(unknown)?;
        checkpoint.timeout = timeout.as_u64().unwrap_or(0);
        Ok(Value::Null)
    }

    /// The timeouts of the checkpoints that have one, in seconds.
    pub fn armed(&self) -> Vec<u64> {
        let timeouts = self.checkpoints.values().map(|it| it.timeout);
        timeouts.filter(|timeout| *timeout > 0).collect()
    }
}
