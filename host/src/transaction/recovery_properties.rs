//! Random batches through a real journal; transaction and recoveries die anywhere, and the last recovery finds the old state.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use proptest::prelude::*;

use super::properties::any_batches;
use super::*;
use crate::backends::netlink::Layer;
use crate::contract::exports::op_dbus::plugin::state::{CheckpointData, Outcome};
use crate::gate::{Mode, Recorder};
use crate::plugin::failure::PluginError;
use crate::transaction::book::Book;
use crate::transaction::effects::Effects;
use crate::transaction::journal::Journal;
use crate::transaction::record::{Begin, Difference, PluginDigest, Record};
use crate::transaction::recovery::recover;
use crate::transaction::state_dir::StateDir;
use crate::transaction::state_dir::tests::namespace;
use crate::transaction::undoers::{BackendUndo, PluginUndo, Undoers};

/// A kernel whose caller dies after some requests: the answer to that batch never comes.
struct Deadly<'a> {
    kernel: &'a Simulated,
    left: Mutex<Option<usize>>,
}

#[async_trait]
impl Layer for Deadly<'_> {
    fn beneath(&self) -> &dyn Kernel {
        self.kernel
    }

    async fn change(&self, requests: &[Request]) -> Vec<Result<(), Failure>> {
        let left = *self.left.lock().unwrap();
        let Some(left) = left else {
            return self.kernel.execute(requests).await;
        };
        if left < requests.len() {
            self.kernel.execute(&requests[..left]).await;
            return std::future::pending().await;
        }
        *self.left.lock().unwrap() = Some(left - requests.len());
        self.kernel.execute(requests).await
    }
}

/// Nothing of OVSDB was changed here.
struct NoBackend;

#[async_trait]
impl BackendUndo for NoBackend {
    async fn restore(
        &self,
        _: &str,
        _: &[&serde_json::Value],
        _: &dyn Recorder,
    ) -> Result<Vec<Difference>, Failure> {
        unreachable!()
    }
}

/// No plugin has effects of its own here.
struct NoPlugins;

#[async_trait]
impl PluginUndo for NoPlugins {
    async fn digest(&self, _: &str) -> Result<PluginDigest, PluginError> {
        unreachable!()
    }

    async fn checkpoint(&self, _: &str) -> Result<CheckpointData, PluginError> {
        unreachable!()
    }

    async fn roll_back(
        &self,
        _: &str,
        _: Mode,
        _: &CheckpointData,
        _: Arc<dyn Recorder>,
    ) -> Result<Vec<Outcome>, PluginError> {
        unreachable!()
    }

    async fn release(&self, _: &str, _: &CheckpointData) -> Result<(), PluginError> {
        unreachable!()
    }
}

/// Runs until it is done or waits for an answer that never comes; then it is dropped, as a killed process is.
fn until_death<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn transaction_and_recoveries_killed_at_any_request_end_in_the_old_state(
        batches in any_batches(),
        applied in 0..16_usize,
        deaths in prop::collection::vec(0..12_usize, 0..4),
    ) {
        let kernel = run(busy_host());
        let before = kernel.snapshot();
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), namespace(1)).unwrap();
        let deadly = Deadly { kernel: &kernel, left: Mutex::new(Some(applied)) };
        let undoers = Undoers { kernel: &deadly, ovsdb: &NoBackend, plugins: &NoPlugins };

        let digest = PluginDigest { plugin: "net".into(), digest: String::new() };
        let begin = Begin::now("op-dbus apply host.json", vec![digest]).unwrap();
        let journal = Journal::begin(&state, begin.clone()).unwrap();
        let effects = Effects::of([&Record::Begin(begin)]);
        let book = Book::transaction(journal, None, effects, Vec::new());
        until_death(async {
            for batch in &batches {
                book.before_netlink("net", &deadly, batch).await.unwrap();
                deadly.execute(batch).await;
            }
        });
        drop(book);
        for death in deaths {
            *deadly.left.lock().unwrap() = Some(death);
            until_death(recover(&state, &undoers, "its process died"));
        }
        *deadly.left.lock().unwrap() = None;
        if let Some(recovered) = run(recover(&state, &undoers, "its process died")).unwrap() {
            prop_assert_eq!(recovered.undone.incomplete, []);
        }
        pretty_assertions(&kernel.snapshot(), &before);
        prop_assert!(run(recover(&state, &undoers, "its process died")).unwrap().is_none());
    }
}
