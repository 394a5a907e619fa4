//! Errors in the words of RFC 7047 section 3.1 and section 5.2.

use crate::bindings::op_dbus::plugin::types::BackendError;
use crate::{Failure, FailureCode};

/// An `<error>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// E.g. `constraint violation`.
    pub name: &'static str,
    /// For a person.
    pub details: String,
    /// The schema has no such table or column. The host finds that out before it asks the server.
    pub is_missing: bool,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(name: &'static str, details: impl Into<String>) -> Self {
        Self {
            name,
            details: details.into(),
            is_missing: false,
        }
    }

    /// Something that the schema does not have.
    pub fn missing(name: &'static str, details: impl Into<String>) -> Self {
        Self {
            is_missing: true,
            ..Self::new(name, details)
        }
    }

    /// As the host passes it on.
    pub fn failure(self) -> Failure {
        if self.is_missing {
            let message = format!("it does not exist in the OVSDB database: {}", self.details);
            return Failure::not_found(message);
        }
        let code = match self.name {
            "timed out" => FailureCode::Conflict,
            "aborted" => FailureCode::Cancelled,
            "syntax error" => FailureCode::Invalid,
            _ => FailureCode::Refused,
        };
        Failure {
            code,
            message: format!("the OVSDB server refused: {}: {}", self.name, self.details),
            backend: Some(BackendError {
                name: self.name.to_owned(),
                text: Some(self.details),
            }),
        }
    }
}

pub fn syntax(details: impl Into<String>) -> Error {
    Error::new("syntax error", details)
}

pub fn domain(details: impl Into<String>) -> Error {
    Error::new("domain error", details)
}
