//! Activation, which succeeds or fails at once, and its end.

use serde_json::{Value, json};

use super::objects::Active;
use super::{Answer, NetworkManager, number, path, refused};
use crate::Failure;

/// The types of profiles that make a device of their own, with its NMDeviceType.
const SOFTWARE: [(&str, u32); 6] = [
    ("bond", 10),
    ("vlan", 11),
    ("bridge", 13),
    ("tun", 16),
    ("dummy", 22),
    ("wireguard", 29),
];

impl NetworkManager {
    /// A profile becomes active on a device; what was active there no longer is.
    pub(super) fn activate(&mut self, profile: &str, device: &str) -> Answer {
        let stored = self.stored(profile)?.clone();
        let at = number("Settings", profile)?;
        let device = self.device_for(at, device)?;
        for old in self.active_on(at, device) {
            self.end(old, 3);
        }
        let active = self.fresh();
        let of = path("ActiveConnection", active);
        let interface = "org.freedesktop.NetworkManager.Connection.Active";
        let reason = self.failing.get(&stored.text("connection", "id")).copied();
        let state = if reason.is_some() { 4 } else { 2 };
        self.active.insert(
            active,
            Active {
                profile: at,
                device: Some(device),
                state,
            },
        );
        if let Some(reason) = reason {
            let changed = json!([120, 70, reason]);
            self.signal(
                path("Devices", device),
                "org.freedesktop.NetworkManager.Device",
                &changed,
            );
            self.signal(of.clone(), interface, &json!([4, 3]));
            return Ok(of.into());
        }
        if let Some(device) = self.devices.get_mut(&device) {
            device.active = Some(active);
            device.managed = true;
            device.applied = Some(stored.settings());
        }
        self.signal(of.clone(), interface, &json!([2, 1]));
        Ok(of.into())
    }

    /// Active connections of the profile, and those on the device.
    fn active_on(&self, profile: u32, device: u32) -> Vec<u32> {
        let own = self.active.iter();
        own.filter(|(_, it)| it.profile == profile || it.device == Some(device))
            .map(|(number, _)| *number)
            .collect()
    }

    fn device_for(&mut self, profile: u32, device: &str) -> Result<u32, Failure> {
        if device != "/" {
            return number("Devices", device);
        }
        let profile = &self.profiles[&profile];
        let (of, wanted) = (
            profile.text("connection", "type"),
            profile.text("connection", "interface-name"),
        );
        let software = SOFTWARE.iter().find(|(word, _)| *word == of);
        let there = self.devices.iter().find(|(_, it)| match wanted.is_empty() {
            true => it.kind == 1 && of == "802-3-ethernet" && it.active.is_none(),
            false => it.interface == wanted,
        });
        match (there, software) {
            (Some((at, _)), _) => Ok(*at),
            (None, Some((_, kind))) => {
                let at = self.add_device(&wanted, *kind, true);
                if let Some(device) = self.devices.get_mut(&at) {
                    device.software = true;
                }
                Ok(at)
            }
            (None, None) => Err(refused(
                "org.freedesktop.NetworkManager.UnknownDevice",
                "No suitable device found for this connection.",
            )),
        }
    }

    pub(super) fn deactivate(&mut self, of: &str) -> Answer {
        let at = number("ActiveConnection", of)?;
        if !self.active.contains_key(&at) {
            let name = "org.freedesktop.NetworkManager.ConnectionNotActive";
            return Err(refused(name, "The connection was not active."));
        }
        self.end(at, 2);
        Ok(Value::Null)
    }

    /// Ends an activation for a reason (NMActiveConnectionStateReason). A device that was made for it goes with it.
    pub(super) fn end(&mut self, at: u32, reason: u32) {
        let Some(active) = self.active.remove(&at) else {
            return;
        };
        if let Some(number) = active.device
            && let Some(device) = self.devices.get_mut(&number)
            && device.active == Some(at)
        {
            device.active = None;
            if device.software {
                self.devices.remove(&number);
            }
        }
        let interface = "org.freedesktop.NetworkManager.Connection.Active";
        self.signal(path("ActiveConnection", at), interface, &json!([4, reason]));
    }

    /// Brings what a profile holds now to its device, where the device can take it.
    pub(super) fn reapply(&mut self, of: &str) -> Answer {
        let at = number("Devices", of)?;
        let device = self.devices.get(&at).filter(|it| it.active.is_some());
        let active = device.and_then(|it| self.active.get(&it.active?));
        let Some(profile) = active.and_then(|it| self.profiles.get(&it.profile)) else {
            let name = "org.freedesktop.NetworkManager.Device.NotActive";
            return Err(refused(name, "Device is not activated"));
        };
        let now = profile.settings();
        let before = device.and_then(|it| it.applied.clone()).unwrap_or_default();
        let fixed = ["connection", "ipv4", "ipv6", "bridge"];
        let changed = now
            .as_object()
            .into_iter()
            .flatten()
            .find(|(setting, keys)| {
                before.get(setting.as_str()) != Some(keys)
                    && (!fixed.contains(&setting.as_str())
                        || self.stubborn.contains(setting.as_str()))
            });
        if let Some((setting, _)) = changed {
            let name = "org.freedesktop.NetworkManager.Device.IncompatibleConnection";
            return Err(refused(
                name,
                &format!("Can't reapply changes to '{setting}' setting"),
            ));
        }
        if let Some(device) = self.devices.get_mut(&at) {
            device.applied = Some(now);
        }
        Ok(Value::Null)
    }

    /// Makes devices refuse to take changes of a setting by Reapply.
    pub fn refuse_reapply(&mut self, setting: &str) -> &mut Self {
        self.stubborn.insert(setting.to_owned());
        self
    }
}
