//! The laws.

use std::fmt;

/// What a plugin must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// `describe`, and what it says.
    Contract,
    /// The schema, and whether states fit it.
    Schema,
    /// `describe`, `watches`, `validate` and `diff`.
    Pure,
    /// What no schema names.
    UnknownKeys,
    /// `query` twice.
    QueryStable,
    /// `query` against the schema.
    QuerySchema,
    /// `query`, `verify` and `checkpoint`.
    ReadOnly,
    /// `diff` of a state with itself.
    DiffSelf,
    /// `diff` and `apply` of a given state.
    Applies,
    /// `diff` after `apply`.
    Converges,
    /// `apply` twice.
    Idempotent,
    /// `verify` and `diff`.
    VerifyAgrees,
    /// `checkpoint` and `rollback`.
    RollbackRestores,
    /// What the plugin asks of the host.
    WithinAsks,
    /// Inputs that are none.
    ErrorsTyped,
    /// Memory, time, log.
    Limits,
    /// Backends that fail or lie.
    HostileAnswers,
    /// Changes that fail.
    FailuresReported,
}

impl Law {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 18] = [
        Self::Contract,
        Self::Schema,
        Self::Pure,
        Self::UnknownKeys,
        Self::QueryStable,
        Self::QuerySchema,
        Self::ReadOnly,
        Self::DiffSelf,
        Self::Applies,
        Self::Converges,
        Self::Idempotent,
        Self::VerifyAgrees,
        Self::RollbackRestores,
        Self::WithinAsks,
        Self::ErrorsTyped,
        Self::Limits,
        Self::HostileAnswers,
        Self::FailuresReported,
    ];

    /// Its name, for machines; it stays.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Schema => "schema",
            Self::Pure => "pure",
            Self::UnknownKeys => "unknown-keys",
            Self::QueryStable => "query-stable",
            Self::QuerySchema => "query-schema",
            Self::ReadOnly => "read-only",
            Self::DiffSelf => "diff-self",
            Self::Applies => "applies",
            Self::Converges => "apply-converges",
            Self::Idempotent => "apply-idempotent",
            Self::VerifyAgrees => "verify-agrees",
            Self::RollbackRestores => "rollback-restores",
            Self::WithinAsks => "within-asks",
            Self::ErrorsTyped => "errors-typed",
            Self::Limits => "limits",
            Self::HostileAnswers => "hostile-answers",
            Self::FailuresReported => "failures-reported",
        }
    }

    /// What it demands, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Contract => "the description is well formed, and what it asks for is a grant",
            Self::Schema => "the schema is valid, and states fit it",
            Self::Pure => {
                "describe, watches, validate and diff call no capability and answer the same each time"
            }
            Self::UnknownKeys => "unknown keys are refused",
            Self::QueryStable => "query answers the same while nothing changes",
            Self::QuerySchema => "query answers what the schema describes",
            Self::ReadOnly => "query, verify and checkpoint change nothing",
            Self::DiffSelf => "a state does not differ from itself",
            Self::Applies => "a given state can be applied",
            Self::Converges => "after apply nothing is left to do",
            Self::Idempotent => "applying again changes nothing",
            Self::VerifyAgrees => "verify finds a mismatch exactly where diff finds a step",
            Self::RollbackRestores => {
                "rollback brings back what checkpoint saw, also when it is repeated"
            }
            Self::WithinAsks => "the plugin gets by with the grant that it asks for",
            Self::ErrorsTyped => "malformed input is refused with a failure, not with a trap",
            Self::Limits => "memory, time and log stay within their limits",
            Self::HostileAnswers => "failing and lying backends cause failures, not traps",
            Self::FailuresReported => "a change that was refused is reported as failed",
        }
    }

    /// Whether it can be tried without a state.
    pub fn stands_alone(self) -> bool {
        matches!(
            self,
            Self::Contract
                | Self::Schema
                | Self::Pure
                | Self::QueryStable
                | Self::QuerySchema
                | Self::ReadOnly
                | Self::DiffSelf
                | Self::WithinAsks
                | Self::ErrorsTyped
                | Self::Limits
                | Self::HostileAnswers
        )
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a law was broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Breach {
    /// Which.
    pub law: Law,
    /// In which call, e.g. `diff(query(S), S) after apply`, where `S` is the state.
    pub call: String,
    /// What the law expects.
    pub expected: String,
    /// What there was.
    pub got: String,
}

impl Breach {
    /// A breach.
    pub fn new(
        law: Law,
        call: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self {
            law,
            call: call.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}
