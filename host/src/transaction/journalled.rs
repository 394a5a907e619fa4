//! The kernel, with a transaction's book between: for what the host itself changes in a transaction.

use async_trait::async_trait;

use super::book::Book;
use crate::backends::netlink::{Kernel, Layer};
use crate::contract::netlink::Request;
use crate::contract::types::Failure;
use crate::gate::Recorder;

/// The name under which the host's own changes are recorded.
pub const HOST: &str = "host";

/// A kernel whose changes are journalled.
pub struct Journalled<'a> {
    /// Whose journal.
    pub book: &'a Book,
    /// Where the calls go.
    pub kernel: &'a dyn Kernel,
}

#[async_trait]
impl Layer for Journalled<'_> {
    fn beneath(&self) -> &dyn Kernel {
        self.kernel
    }

    async fn change(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        match self.book.before_netlink(HOST, self.kernel, requests).await {
            Ok(()) => self.kernel.execute(requests).await,
            Err(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}
