//! What went wrong, in the contract's terms and in the service's own words.

use zbus::Message;

use super::body::body_of;
use super::value::{Problem, Secrets, ValueError};
use crate::contract::types::{BackendError, Failure, FailureCode};

/// An error's text is for a person; one that is longer is left out.
const LONGEST_TEXT: usize = 64 << 10;

pub(super) fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure {
        code,
        message: message.into(),
        backend: None,
    }
}

/// The failure of a call that got an error reply. `subject` says which call.
pub(super) fn of_reply(subject: &str, reply: &Message, secrets: &dyn Secrets) -> Failure {
    let name = reply
        .header()
        .error_name()
        .map_or_else(String::new, |name| name.to_string());
    let text = body_of(reply, LONGEST_TEXT, secrets)
        .ok()
        .and_then(|(_, values)| serde_json::from_str::<Vec<serde_json::Value>>(&values).ok())
        .and_then(|values| Some(values.first()?.as_str()?.to_owned()));
    let words = text.as_deref().unwrap_or("it gave no reason");
    let way_out = match code_of(&name) {
        FailureCode::Unavailable => "; is the service running?",
        FailureCode::Timeout => "; whether it took effect is unknown",
        _ if name.ends_with(".AccessDenied") || name.ends_with(".PermissionDenied") => {
            "; run op-dbus as root, or allow it in the bus's policy (dbus-daemon(1)) or the service's (polkit(8))"
        }
        _ => "",
    };
    Failure {
        code: code_of(&name),
        message: format!("{subject}: {words} ({name}){way_out}"),
        backend: Some(BackendError { name, text }),
    }
}

/// A reply, or a signal, that cannot be handed on: the service's fault, or too much of it.
pub(super) fn of_received(subject: &str, error: ValueError, largest: usize) -> Failure {
    match error.problem {
        Problem::TooLarge(_) => failure(
            FailureCode::Limit,
            format!("{subject}: what came is larger than the limit of {largest} bytes of JSON"),
        ),
        _ => failure(
            FailureCode::Refused,
            format!("{subject}: what came cannot be used: {error}"),
        ),
    }
}

/// The errors that libdbus, GDBus and sd-bus share (`dbus-protocol.h`), by what they mean for the call.
fn code_of(name: &str) -> FailureCode {
    let Some(word) = name.strip_prefix("org.freedesktop.DBus.Error.") else {
        return FailureCode::Refused;
    };
    match word {
        // Nobody got the call.
        "ServiceUnknown" | "NameHasNoOwner" | "NoServer" => FailureCode::Unavailable,
        _ if word.starts_with("Spawn.") => FailureCode::Unavailable,
        // Somebody got it, and no answer came: it may have taken effect.
        "NoReply" | "Timeout" | "TimedOut" | "Disconnected" => FailureCode::Timeout,
        "UnknownObject" | "FileNotFound" => FailureCode::NotFound,
        "UnknownMethod" | "UnknownInterface" | "UnknownProperty" | "NotSupported" => {
            FailureCode::Unsupported
        }
        "FileExists" | "ObjectPathInUse" => FailureCode::Exists,
        _ => FailureCode::Refused,
    }
}
