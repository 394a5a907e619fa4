//! Values that are text in a state file and are brought to one form, so that equal things compare equal; those of this plugin alone.

use std::net::IpAddr;

use op_dbus_plugin::section::Wire;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

/// An IP address among the settings of a kind, in the form of RFC 5952. Text that is none is kept for validation to point at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct EndPoint(
    #[cfg_attr(
        not(target_family = "wasm"),
        schemars(regex(pattern = r"^[0-9a-fA-F:.]{2,45}$"))
    )]
    pub String,
);

impl<'de> Deserialize<'de> for EndPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(match text.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => text,
        }))
    }
}

impl Wire<String> for EndPoint {
    fn to_wire(&self) -> String {
        self.0.clone()
    }

    fn of_wire(wire: String) -> Self {
        Self(wire)
    }
}

/// A time that the kernel counts in hundredths of a second, written in seconds; fractions are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(
    /// Hundredths of a second.
    pub u32,
);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u32(self.0 / 100)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 100.0)
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if (0.0..=f64::from(u32::MAX) / 100.0).contains(&seconds) {
            Ok(Self((seconds * 100.0).round() as u32))
        } else {
            Err(D::Error::custom(format!(
                "{seconds} is not a number of seconds"
            )))
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl schemars::JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Seconds, in steps of a hundredth.",
            "type": "number", "minimum": 0, "maximum": 42949672.95
        })
    }
}

impl Wire<u32> for Seconds {
    fn to_wire(&self) -> u32 {
        self.0
    }

    fn of_wire(wire: u32) -> Self {
        Self(wire)
    }
}
