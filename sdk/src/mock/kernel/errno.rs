//! The kernel's refusals.

use crate::bindings::op_dbus::plugin::types::BackendError;
use crate::{Failure, FailureCode};

/// An errno, with the extended acknowledgement's text where Linux gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) &'static str, pub(super) Option<&'static str>);

pub(super) type Result<T = ()> = std::result::Result<T, Errno>;

/// A refusal without words.
pub(super) fn errno<T>(name: &'static str) -> Result<T> {
    Err(Errno(name, None))
}

/// A refusal with the kernel's words.
pub(super) fn refuse<T>(name: &'static str, text: &'static str) -> Result<T> {
    Err(Errno(name, Some(text)))
}

impl Errno {
    fn code(self) -> FailureCode {
        match self.0 {
            "EEXIST" => FailureCode::Exists,
            "ENODEV" | "ENOENT" | "ESRCH" | "EADDRNOTAVAIL" => FailureCode::NotFound,
            "EINVAL" | "ERANGE" => FailureCode::Invalid,
            "EOPNOTSUPP" => FailureCode::Unsupported,
            _ => FailureCode::Refused,
        }
    }

    /// The failure of what was tried, e.g. `create link br0`.
    pub(super) fn of(self, tried: &str) -> Failure {
        let Self(name, text) = self;
        let words = text.map_or_else(|| name.to_owned(), |text| format!("{text} ({name})"));
        Failure {
            code: self.code(),
            message: format!("{tried}: {words}"),
            backend: Some(BackendError {
                name: name.to_owned(),
                text: text.map(str::to_owned),
            }),
        }
    }
}
