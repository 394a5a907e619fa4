//! Many steps in one call to the kernel.

use crate::netlink::{self, Request};
use crate::{Action, Failure, Outcome};

/// Requests gathered step by step and carried out in one pipelined call.
///
/// Every action becomes one [`Outcome`]: succeeded when all its requests did, otherwise failed with the failure of its first request that
/// failed. An action without requests succeeds.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    steps: Vec<Step>,
    requests: Vec<Request>,
}

#[derive(Clone, Debug)]
struct Step {
    target: String,
    summary: String,
    /// How many requests of the batch are this step's.
    count: usize,
    /// The step could not be turned into requests.
    failed: Option<Failure>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step with its requests, in order.
    pub fn step(
        &mut self,
        target: impl Into<String>,
        summary: impl Into<String>,
        requests: impl IntoIterator<Item = Request>,
    ) -> &mut Self {
        let before = self.requests.len();
        self.requests.extend(requests);
        self.steps.push(Step {
            target: target.into(),
            summary: summary.into(),
            count: self.requests.len() - before,
            failed: None,
        });
        self
    }

    /// Adds an action with its requests; one that could not be turned into requests becomes a failed outcome, and nothing of it is sent.
    pub fn action(
        &mut self,
        action: &Action,
        requests: Result<Vec<Request>, Failure>,
    ) -> &mut Self {
        let (requests, failed) = match requests {
            Ok(requests) => (requests, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        self.step(&action.target, &action.summary, requests);
        if let Some(step) = self.steps.last_mut() {
            step.failed = failed;
        }
        self
    }

    /// The requests so far.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Sends all requests in one call, and says what became of each step. An empty batch calls nobody.
    pub fn execute(self) -> Vec<Outcome> {
        let answers = match self.requests.as_slice() {
            [] => Vec::new(),
            requests => netlink::execute(requests),
        };
        self.outcomes(answers)
    }

    fn outcomes(self, answers: Vec<Result<(), Failure>>) -> Vec<Outcome> {
        let mut answers = answers.into_iter();
        let outcomes = self.steps.into_iter().map(|step| {
            // All of a step's answers are taken, whether or not one failed.
            let own: Vec<_> = answers.by_ref().take(step.count).collect();
            let missing = own.len() < step.count;
            let failed = own.into_iter().find_map(Result::err).or(step.failed);
            let unanswered = || Failure::internal("the host gave fewer answers than requests");
            Outcome {
                target: step.target,
                summary: step.summary,
                failed: failed.or_else(|| missing.then(unanswered)),
            }
        });
        outcomes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Batch;
    use crate::netlink::Request;
    use crate::{Failure, FailureCode, mock};

    fn delete(name: &str) -> Request {
        Request::DeleteLink(name.into())
    }

    #[test]
    fn a_step_fails_with_its_first_failed_request_and_the_next_keeps_its_own_answers() {
        let host = mock::Host::new();
        host.kernel()
            .add_link("dummy0", crate::netlink::Kind::Dummy);
        let mut batch = Batch::new();
        batch.step("two", "", [delete("first"), delete("second")]);
        batch.step("none", "", []);
        batch.step("one", "", [delete("dummy0")]);
        let outcomes = host.enter(|| batch.execute());
        let failures: Vec<_> = outcomes.iter().map(|it| it.failed.as_ref()).collect();
        assert!(failures[0].is_some_and(|it| it.message.contains("first")));
        assert_eq!(failures[1..], [None, None]);
    }

    #[test]
    fn an_action_that_has_no_requests_for_a_reason_fails_with_that_reason() {
        let host = mock::Host::new();
        let mut batch = Batch::new();
        let action = crate::Action {
            operation: crate::Operation::Create,
            target: "interface x".into(),
            before: None,
            after: None,
            summary: String::new(),
            disruptive: false,
        };
        batch.action(&action, Err(Failure::invalid("no")));
        let outcomes = host.enter(|| batch.execute());
        let code = outcomes[0].failed.as_ref().map(|it| it.code);
        assert_eq!(code, Some(FailureCode::Invalid));
        assert!(host.calls().is_empty());
    }

    #[test]
    fn missing_answers_are_never_taken_for_success() {
        let mut batch = Batch::new();
        batch.step("one", "", [delete("dummy0")]);
        let outcomes = batch.outcomes(Vec::new());
        let code = outcomes[0].failed.as_ref().map(|it| it.code);
        assert_eq!(code, Some(FailureCode::Internal));
    }
}
