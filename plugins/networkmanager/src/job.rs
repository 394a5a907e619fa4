//! What an action carries: all that applying it needs.

use serde::{Deserialize, Serialize};

use crate::compile::Wants;

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    /// A profile, and whether it is to be active.
    Profile(ProfileJob),
    /// Whether a device is managed.
    Device(DeviceJob),
}

/// What is to become of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileJob {
    /// Its identity.
    pub uuid: String,
    /// The properties that it is to have; the others stay.
    #[serde(default, skip_serializing_if = "Wants::is_empty")]
    pub wants: Wants,
    /// Settings that are to be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// What is done about its activation.
    pub activation: Activation,
    /// It is a port: activated after the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub port: bool,
}

/// What is done about a profile's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Nothing.
    Keep,
    /// It is activated; without a device for it, that is a failure.
    Up,
    /// It is activated where there is a device for it.
    Auto,
    /// It is active: the change is brought to its device, by Reapply where that suffices, else by activating it again.
    Renew,
    /// It is deactivated.
    Down,
}

/// What is to become of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceJob {
    /// Its interface.
    pub interface: String,
    /// Whether NetworkManager manages it.
    pub managed: bool,
}
