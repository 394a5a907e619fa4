//! Making and telling failures.

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

    /// An argument or a document is malformed or out of range.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Invalid, message)
    }

    /// There is no way to do this here.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Unsupported, message)
    }

    /// The object does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureCode::NotFound, message)
    }

    /// The system changed since it was read.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Conflict, message)
    }

    /// A defect of the plugin itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Internal, message)
    }

    /// The same failure, its message preceded by what was being done: `interface vmbr0: …`. Code and backend's words stay.
    #[must_use]
    pub fn context(mut self, doing: impl std::fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Whether what was to be deleted is not there: for a rollback, as good as done.
    pub fn is_not_found(&self) -> bool {
        self.code == FailureCode::NotFound
    }
}

impl From<serde_json::Error> for Failure {
    /// A document that does not have the plugin's shape; the message names line and column.
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Failure, FailureCode};

    #[test]
    fn context_keeps_the_code() {
        let failure = Failure::not_found("no such link").context("interface eth0");
        assert_eq!(failure.message, "interface eth0: no such link");
        assert!(failure.is_not_found());
    }

    #[test]
    fn a_document_of_another_shape_is_invalid_and_says_where() {
        let error = serde_json::from_str::<u8>("\n{}").unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, FailureCode::Invalid);
        assert!(failure.message.contains("line 2"));
    }
}
