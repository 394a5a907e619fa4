//! What a plugin implements.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Action, CheckpointData, Description, Failure, Mismatch, Outcome, Problem, Watch};

/// One section of a state file, from reading to rollback.
///
/// The host calls each function in a fresh instance: nothing of one call is there in the next. Within a transaction the order is
/// [`validate`](Self::validate), [`query`](Self::query), [`diff`](Self::diff), [`checkpoint`](Self::checkpoint), [`apply`](Self::apply),
/// [`verify`](Self::verify), and at the end [`release`](Self::release) or [`rollback`](Self::rollback). `describe`, `watches`, `validate` and
/// `diff` are pure: they may call no capability.
pub trait Plugin {
    /// What a state file says: partial, closed to unknown keys.
    type Desired: Serialize + DeserializeOwned;
    /// What `query` shows: the same shape with what is only read beside it.
    type Current: Serialize + DeserializeOwned;

    /// Who the plugin is, the schema of its section and the grant that it asks for.
    fn describe() -> Description;

    /// What means that the state may have drifted.
    fn watches() -> Vec<Watch> {
        Vec::new()
    }

    /// What the schema cannot say: combinations, references, ranges that depend on each other.
    fn validate(desired: &Self::Desired) -> Vec<Problem> {
        let _ = desired;
        Vec::new()
    }

    /// The current state: with `within` what that section concerns, otherwise everything that the plugin may see.
    ///
    /// # Errors
    /// What the capability answered.
    fn query(within: Option<&Self::Desired>) -> Result<Self::Current, Failure>;

    /// The steps from `current` to `desired`, in the order in which they must happen.
    ///
    /// # Errors
    /// `unsupported` or `invalid` when there is no way from one to the other.
    fn diff(current: &Self::Current, desired: &Self::Desired) -> Result<Vec<Action>, Failure>;

    /// Carries out the steps; an outcome for each.
    ///
    /// # Errors
    /// Only where nothing was tried; what failed on the way is an outcome.
    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure>;

    /// Where the system differs from the wish.
    ///
    /// # Errors
    /// What the capability answered.
    fn verify(desired: &Self::Desired) -> Result<Vec<Mismatch>, Failure>;

    /// Notes what is, for [`rollback`](Self::rollback). By default the answer of [`query`](Self::query).
    ///
    /// # Errors
    /// What the capability answered.
    fn checkpoint(within: Option<&Self::Desired>) -> Result<CheckpointData, Failure> {
        let state = serde_json::to_string(&Self::query(within)?)?;
        Ok(CheckpointData {
            state,
            backend: None,
        })
    }

    /// Restores what [`checkpoint`](Self::checkpoint) noted. Idempotent; goes on past failures and reports each.
    ///
    /// # Errors
    /// Only where nothing was tried.
    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure>;

    /// The checkpoint is no longer needed.
    ///
    /// # Errors
    /// What the capability answered.
    fn release(checkpoint: CheckpointData) -> Result<(), Failure> {
        let _ = checkpoint;
        Ok(())
    }
}
