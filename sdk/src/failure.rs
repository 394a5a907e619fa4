//! Making failures.

use crate::{Failure, FailureCode};

impl Failure {
    /// A failure without a backend's words.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            backend: None,
        }
    }
}

impl From<serde_json::Error> for Failure {
    /// A document that does not have the plugin's shape; the message names line and column.
    fn from(error: serde_json::Error) -> Self {
        Self::new(FailureCode::Invalid, error.to_string())
    }
}
