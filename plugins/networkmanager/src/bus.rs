//! Calls to NetworkManager (its D-Bus reference), several at once where they do not depend on each other.

use std::collections::BTreeMap;

use op_dbus_plugin::dbus::{self, MethodCall, Reply};
use op_dbus_plugin::{Failure, FailureCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::value::{Setting, Variant};

/// NetworkManager's name on the bus.
pub const NAME: &str = "org.freedesktop.NetworkManager";
/// Its main object.
pub const MANAGER: &str = "/org/freedesktop/NetworkManager";
/// The object that holds the profiles.
pub const SETTINGS: &str = "/org/freedesktop/NetworkManager/Settings";
/// The interface of the main object.
pub const MANAGER_INTERFACE: &str = "org.freedesktop.NetworkManager";
/// The interface of the object that holds the profiles.
pub const SETTINGS_INTERFACE: &str = "org.freedesktop.NetworkManager.Settings";
/// The interface of a profile.
pub const PROFILE_INTERFACE: &str = "org.freedesktop.NetworkManager.Settings.Connection";
/// The interface of a device.
pub const DEVICE_INTERFACE: &str = "org.freedesktop.NetworkManager.Device";
/// The interface of an active connection.
pub const ACTIVE_INTERFACE: &str = "org.freedesktop.NetworkManager.Connection.Active";
/// The interface of a checkpoint.
pub const CHECKPOINT_INTERFACE: &str = "org.freedesktop.NetworkManager.Checkpoint";
/// The path that stands for no object.
pub const NOTHING: &str = "/";

/// A call of a method with its arguments.
pub fn method(
    path: &str,
    interface: &str,
    member: &str,
    signature: &str,
    arguments: Value,
) -> MethodCall {
    MethodCall {
        destination: NAME.to_owned(),
        path: path.to_owned(),
        interface: interface.to_owned(),
        member: member.to_owned(),
        signature: signature.to_owned(),
        arguments: arguments.to_string(),
    }
}

/// A call of the main object.
pub fn manager(member: &str, signature: &str, arguments: Value) -> MethodCall {
    method(MANAGER, MANAGER_INTERFACE, member, signature, arguments)
}

/// A call of a profile.
pub fn profile(path: &str, member: &str, signature: &str, arguments: Value) -> MethodCall {
    method(path, PROFILE_INTERFACE, member, signature, arguments)
}

/// A read of all properties of an object.
pub fn properties(path: &str, interface: &str) -> MethodCall {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    method(path, PROPERTIES, "GetAll", "s", json!([interface]))
}

/// A change of a property.
pub fn set_property(path: &str, interface: &str, name: &str, value: &Variant) -> MethodCall {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    method(
        path,
        PROPERTIES,
        "Set",
        "ssv",
        json!([interface, name, value]),
    )
}

/// Makes a call.
///
/// # Errors
/// What the host or NetworkManager answered.
pub fn call(call: &MethodCall) -> Result<Reply, Failure> {
    dbus::call(call)
}

/// Makes calls at once; none where there are none.
pub fn call_all(calls: &[MethodCall]) -> Vec<Result<Reply, Failure>> {
    if calls.is_empty() {
        return Vec::new();
    }
    let mut answers = dbus::call_all(calls);
    // Missing answers must never look like success.
    answers.resize_with(calls.len(), || {
        Err(Failure::internal("the host gave fewer answers than calls"))
    });
    answers
}

/// The first value of a reply.
///
/// # Errors
/// When it has another shape.
pub fn first<T: DeserializeOwned>(reply: &Reply) -> Result<T, Failure> {
    let values: Vec<Value> = serde_json::from_str(&reply.values)?;
    let first = values.into_iter().next().unwrap_or_default();
    Ok(serde_json::from_value(first)?)
}

/// The properties of an object.
#[derive(Clone, Debug, Default)]
pub struct Properties(Setting);

impl Properties {
    /// From the reply of GetAll.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn of(reply: &Reply) -> Result<Self, Failure> {
        Ok(Self(first::<BTreeMap<String, Variant>>(reply)?))
    }

    /// A text or an object path; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        let text = self.0.get(name).and_then(Variant::as_text);
        text.unwrap_or_default().to_owned()
    }

    /// A number; 0 where there is none.
    pub fn number(&self, name: &str) -> u64 {
        let data = self.0.get(name).map(|variant| &variant.data);
        data.and_then(Value::as_u64).unwrap_or(0)
    }

    /// A signed number; 0 where there is none.
    pub fn signed(&self, name: &str) -> i64 {
        let data = self.0.get(name).map(|variant| &variant.data);
        data.and_then(Value::as_i64).unwrap_or(0)
    }

    /// A truth value; false where there is none.
    pub fn boolean(&self, name: &str) -> bool {
        let data = self.0.get(name).map(|variant| &variant.data);
        data.and_then(Value::as_bool).unwrap_or(false)
    }

    /// A list of texts or object paths.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let data = self.0.get(name).map(|variant| variant.data.clone());
        data.and_then(|data| serde_json::from_value(data).ok())
            .unwrap_or_default()
    }
}

/// Whether an object went away between two calls.
pub fn is_gone(failure: &Failure) -> bool {
    matches!(
        failure.code,
        FailureCode::NotFound | FailureCode::Unsupported
    ) || error_name(failure).ends_with(".UnknownMethod")
        || error_name(failure).ends_with(".UnknownObject")
}

/// The name of the D-Bus error, empty where there is none.
pub fn error_name(failure: &Failure) -> &str {
    failure
        .backend
        .as_ref()
        .map_or("", |backend| backend.name.as_str())
}
