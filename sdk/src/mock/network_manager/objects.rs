//! Devices and active connections, and the properties of all objects.

use serde_json::{Value, json};

use super::{Answer, NetworkManager, ROOT, number, path, refused, variants};
use crate::Failure;

/// A network device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) interface: String,
    /// NMDeviceType.
    pub(super) kind: u32,
    pub(super) managed: bool,
    pub(super) active: Option<u32>,
    /// It was made for a profile, and goes with its activation.
    pub(super) software: bool,
    /// What its profile held when it was activated or last reapplied.
    pub(super) applied: Option<Value>,
}

/// An active connection.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) profile: u32,
    pub(super) device: Option<u32>,
    /// NMActiveConnectionState.
    pub(super) state: u32,
}

impl NetworkManager {
    pub(super) fn add_device(&mut self, interface: &str, kind: u32, managed: bool) -> u32 {
        let at = self.fresh();
        let device = Device {
            interface: interface.to_owned(),
            kind,
            managed,
            active: None,
            software: false,
            applied: None,
        };
        self.devices.insert(at, device);
        at
    }

    /// Property.Set of `Managed`.
    pub(super) fn manage(&mut self, path: &str, value: &Value) -> Answer {
        let at = number("Devices", path)?;
        let managed = value["data"].as_bool();
        let managed = managed
            .ok_or_else(|| refused("org.freedesktop.DBus.Error.InvalidArgs", "no truth value"))?;
        let active = self.devices.get(&at).and_then(|it| it.active);
        if let (false, Some(active)) = (managed, active) {
            self.end(active, 3);
        }
        match self.devices.get_mut(&at) {
            Some(device) => device.managed = managed,
            None => return Err(refused("org.freedesktop.DBus.Error.UnknownMethod", path)),
        }
        Ok(Value::Null)
    }

    /// All properties of an object, as far as they are simulated.
    pub(super) fn properties(&self, of: &str) -> Answer {
        if of == ROOT {
            return Ok(variants([
                ("Devices", "ao", self.paths("Devices", self.devices.keys())),
                (
                    "ActiveConnections",
                    "ao",
                    self.paths("ActiveConnection", self.active.keys()),
                ),
                (
                    "Checkpoints",
                    "ao",
                    self.paths("Checkpoint", self.checkpoints.keys()),
                ),
                ("Version", "s", "1.42.4".into()),
            ]));
        }
        let gone = || refused("org.freedesktop.DBus.Error.UnknownMethod", of);
        if let Ok(at) = number("Devices", of) {
            return Ok(self.device_properties(self.devices.get(&at).ok_or_else(gone)?));
        }
        if let Ok(at) = number("ActiveConnection", of) {
            return self.active_properties(self.active.get(&at).ok_or_else(gone)?);
        }
        if let Ok(at) = number("Checkpoint", of) {
            return Ok(self.checkpoints.get(&at).ok_or_else(gone)?.properties());
        }
        self.stored(of)?;
        Ok(variants([
            ("Flags", "u", 0.into()),
            ("Unsaved", "b", false.into()),
        ]))
    }

    fn device_properties(&self, device: &Device) -> Value {
        let state = match (device.managed, device.active) {
            (false, _) => 10,
            (true, None) => 30,
            (true, Some(_)) => 100,
        };
        let nothing = || "/".to_owned();
        let active = device
            .active
            .map_or_else(nothing, |at| path("ActiveConnection", at));
        let available = self.profiles.iter().filter(|(_, it)| {
            let wanted = it.text("connection", "interface-name");
            it.text("connection", "type") == "802-3-ethernet"
                && (wanted.is_empty() || wanted == device.interface)
        });
        let available: Value = match device.kind {
            1 if device.managed => available
                .map(|(at, _)| Value::from(path("Settings", *at)))
                .collect(),
            _ => json!([]),
        };
        variants([
            ("Interface", "s", device.interface.clone().into()),
            ("DeviceType", "u", device.kind.into()),
            ("HwAddress", "s", "02:00:00:00:00:01".into()),
            ("Driver", "s", "mock".into()),
            ("Managed", "b", device.managed.into()),
            ("State", "u", state.into()),
            ("StateReason", "(uu)", json!([state, 0])),
            ("ActiveConnection", "o", active.into()),
            ("AvailableConnections", "ao", available),
        ])
    }

    fn active_properties(&self, active: &Active) -> Result<Value, Failure> {
        let profile = self.stored(&path("Settings", active.profile))?;
        let devices: Value = active
            .device
            .map(|at| Value::from(path("Devices", at)))
            .into_iter()
            .collect();
        Ok(variants([
            ("Id", "s", profile.text("connection", "id").into()),
            ("Uuid", "s", profile.text("connection", "uuid").into()),
            ("Type", "s", profile.text("connection", "type").into()),
            ("State", "u", active.state.into()),
            ("Devices", "ao", devices),
            ("Default", "b", false.into()),
            ("Default6", "b", false.into()),
        ]))
    }
}
