//! Why a value could not be converted, and where it stands.

use std::fmt;

use crate::contract::types::{Failure, FailureCode};

/// A value that could not be converted. `at` is the JSON pointer (RFC 6901) of its place, empty for the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueError {
    /// The place inside the arguments, or inside what was received.
    pub at: String,
    /// What was expected there, and what was found.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// It does not fit its type, or is no JSON, or no D-Bus.
    Malformed(String),
    /// It exceeds a limit.
    TooLarge(String),
    /// A secret in it could not be revealed; the store's own failure.
    Secret(Failure),
}

/// Boxed, so that what every step returns fits in a register or two.
pub(super) type Fallible<T> = Result<T, Box<ValueError>>;

/// An error at the place where the caller stands; callers put their own steps in front of it.
pub(super) fn malformed<T>(problem: impl Into<String>) -> Fallible<T> {
    Err(Box::new(ValueError {
        at: String::new(),
        problem: Problem::Malformed(problem.into()),
    }))
}

/// As [`malformed`], for what exceeds a limit.
pub(super) fn too_large<T>(problem: impl Into<String>) -> Fallible<T> {
    Err(Box::new(ValueError {
        at: String::new(),
        problem: Problem::TooLarge(problem.into()),
    }))
}

impl ValueError {
    /// The same error seen from one step further out.
    pub(super) fn within(mut self: Box<Self>, step: impl fmt::Display) -> Box<Self> {
        let step = step.to_string().replace('~', "~0").replace('/', "~1");
        self.at = format!("/{step}{}", self.at);
        self
    }

    /// The failure of a call whose arguments are wrong: `subject` says which call. Nothing was sent.
    pub fn into_failure(self, subject: &str) -> Failure {
        let place = match self.at.as_str() {
            "" => String::new(),
            at => format!(" at {at}"),
        };
        let (code, words) = match self.problem {
            Problem::Malformed(words) => (FailureCode::Invalid, words),
            Problem::TooLarge(words) => (FailureCode::Limit, words),
            Problem::Secret(failure) => {
                return Failure {
                    message: format!("{subject}{place}: {}", failure.message),
                    ..failure
                };
            }
        };
        Failure {
            code,
            message: format!("{subject}{place}: {words}"),
            backend: None,
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        match &self.problem {
            Problem::Malformed(words) | Problem::TooLarge(words) => f.write_str(words),
            Problem::Secret(failure) => f.write_str(&failure.message),
        }
    }
}

impl std::error::Error for ValueError {}
