//! Values that are text in a state file and are brought to one form, so that equal things compare equal.

use std::fmt;
use std::net::IpAddr;

use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::Wire;
use crate::{Secret as WireSecret, netlink as nl};

/// A link-layer address in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Mac(
    #[cfg_attr(
        not(target_family = "wasm"),
        schemars(regex(pattern = r"^([0-9a-fA-F]{2}:)*[0-9a-fA-F]{2}$"))
    )]
    pub String,
);

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            String::deserialize(deserializer)?.to_ascii_lowercase(),
        ))
    }
}

/// An IP network as `address/length`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// Its address; host bits are kept, for validation to point at.
    pub address: IpAddr,
    /// The number of leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// The network with all host bits clear.
    pub fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let bits = 32u8.saturating_sub(self.prefix);
                IpAddr::V4(
                    (u32::from(address)
                        .checked_shr(bits.into())
                        .unwrap_or(0)
                        .checked_shl(bits.into())
                        .unwrap_or(0))
                    .into(),
                )
            }
            IpAddr::V6(address) => {
                let bits = 128u8.saturating_sub(self.prefix);
                IpAddr::V6(
                    (u128::from(address)
                        .checked_shr(bits.into())
                        .unwrap_or(0)
                        .checked_shl(bits.into())
                        .unwrap_or(0))
                    .into(),
                )
            }
        };
        Self { address, ..self }
    }

    /// Whether an address lies within.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && Self { address, ..self }.masked().address == self.masked().address
    }

    /// 32 or 128.
    pub fn longest(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
            None => {
                let address = text.parse().ok()?;
                (address, Self::longest(address))
            }
        };
        Some(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a network like `192.0.2.0/24`"))
        })
    }
}

#[cfg(not(target_family = "wasm"))]
impl schemars::JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An IP network as `address/length`; an address alone is a network of one.",
            "type": "string",
            "pattern": r"^[0-9a-fA-F:.]{2,45}(/[0-9]{1,3})?$"
        })
    }
}

impl Wire<nl::Prefix> for Network {
    fn to_wire(&self) -> nl::Prefix {
        nl::Prefix {
            address: self.address.to_string(),
            length: self.prefix,
        }
    }

    fn of_wire(wire: nl::Prefix) -> Self {
        let address = wire.address.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        Self {
            address,
            prefix: wire.length,
        }
    }
}

/// A secret by the name that it has in the operator's store, never its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(
        deny_unknown_fields,
        extend("anyOf" = [{"required": ["secret"]}, {"required": ["fingerprint"]}])
    )
)]
pub struct Secret {
    /// Its name in the operator's secret store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Put beside the name by the host: equal fingerprints mean equal secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretKeys {
    secret: Option<String>,
    fingerprint: Option<String>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reference;

        impl<'de> Visitor<'de> for Reference {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("{\"secret\": \"NAME\"}")
            }

            // Never quote the text: it may be the secret itself.
            fn visit_str<E: Error>(self, _: &str) -> Result<Secret, E> {
                Err(E::custom(
                    "a secret is never written out here: put it into the secret store and say {\"secret\": \"NAME\"}",
                ))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                let keys = SecretKeys::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Secret {
                    secret: keys.secret,
                    fingerprint: keys.fingerprint,
                })
            }
        }

        deserializer.deserialize_any(Reference)
    }
}

impl Wire<WireSecret> for Secret {
    fn to_wire(&self) -> WireSecret {
        WireSecret {
            name: self.secret.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }

    fn of_wire(wire: WireSecret) -> Self {
        // The name is the host's business: only the fingerprint says what the kernel holds.
        Self {
            secret: wire.name,
            fingerprint: wire.fingerprint,
        }
    }
}
