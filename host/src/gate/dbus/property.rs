//! Calls of `org.freedesktop.DBus.Properties`, held against the property's own interface.

use serde_json::value::RawValue;

use crate::backends::dbus::{PROPERTIES, subject_of};
use crate::contract::dbus::MethodCall;
use crate::contract::types::{Failure, FailureCode};
use crate::gate::failure;
use crate::gate::grant::Bid;

/// What a call asks for, on which interface.
pub(super) struct Asked<'a> {
    pub(super) interface: &'a str,
    pub(super) bid: Bid<'a>,
}

/// A call of `org.freedesktop.DBus.Properties`: the property's interface and name count, not where the call goes.
pub(super) struct PropertyCall {
    /// Interface and, but for `GetAll`, name.
    names: Vec<String>,
    /// What `Set` writes.
    value: Option<Box<RawValue>>,
}

impl PropertyCall {
    /// `None` for calls of other interfaces.
    pub(super) fn of(call: &MethodCall) -> Result<Option<Self>, Failure> {
        if call.interface != PROPERTIES {
            return Ok(None);
        }
        let parsed = match (call.member.as_str(), call.signature.as_str()) {
            ("Get", "ss") => serde_json::from_str::<[String; 2]>(&call.arguments)
                .map(|names| (names.into(), None)),
            ("GetAll", "s") => serde_json::from_str::<[String; 1]>(&call.arguments)
                .map(|names| (names.into(), None)),
            ("Set", "ssv") => {
                serde_json::from_str::<(String, String, Box<RawValue>)>(&call.arguments)
                    .map(|(interface, name, value)| (vec![interface, name], Some(value)))
            }
            _ => {
                return Err(failure(
                    FailureCode::Invalid,
                    format!(
                        "{}: the interface has Get (ss), GetAll (s) and Set (ssv), not {} ({})",
                        subject_of(call),
                        call.member,
                        call.signature
                    ),
                ));
            }
        };
        match parsed {
            Ok((names, value)) => Ok(Some(Self { names, value })),
            Err(error) => Err(failure(
                FailureCode::Invalid,
                format!("the arguments of {}: {error}", subject_of(call)),
            )),
        }
    }

    /// What it asks for.
    pub(super) fn asked(&self) -> Asked<'_> {
        let bid = match (self.names.get(1), &self.value) {
            (Some(name), None) => Bid::Get(name),
            (Some(name), Some(_)) => Bid::Set(name),
            (None, _) => Bid::GetAll,
        };
        Asked {
            interface: &self.names[0],
            bid,
        }
    }

    /// What was checked, as arguments.
    pub(super) fn arguments(self) -> String {
        let names = self
            .names
            .iter()
            .map(|name| serde_json::to_string(name).expect("a string is JSON"));
        let value = self.value.map(|value| value.get().to_owned());
        format!("[{}]", names.chain(value).collect::<Vec<_>>().join(","))
    }
}
