//! Undo across plugins, in this process and in a later one. The plugins and OVSDB are played; the kernel is simulated, the journal real.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::backends::netlink::Kernel;
use crate::contract::dbus::MethodCall;
use crate::contract::exports::op_dbus::plugin::state::{CheckpointData, Outcome};
use crate::contract::netlink::Request;
use crate::contract::types::{Failure, FailureCode};
use crate::gate::Rehearsed;
use crate::plugin::failure::PluginError;
use crate::secrets::SecretStore;
use crate::transaction::checkpoints::Noted;
use crate::transaction::closing::{Opening, Transaction};
use crate::transaction::ending::{Cause, Ending};
use crate::transaction::interrupt::Interrupt;
use crate::transaction::journal::Journal;
use crate::transaction::link_restore::attach::nothing;
use crate::transaction::record::{Begin, Record};
use crate::transaction::recovery::{Recovered, recover};
use crate::transaction::simulated::Simulated;
use crate::transaction::state_dir::StateDir;
use crate::transaction::state_dir::tests::namespace;
use crate::transaction::undoers::{BackendUndo, PluginUndo};

/// What the players are to do, and what they were asked.
#[derive(Default)]
struct Stage {
    kernel: Simulated,
    heard: Mutex<Vec<String>>,
    /// The plugin is there no more.
    gone: bool,
    /// The plugin refuses this object.
    refused: Option<&'static str>,
    /// The plugin would still send this when it is asked again.
    left: Option<MethodCall>,
    /// OVSDB does not answer.
    ovsdb_gone: bool,
}

impl Stage {
    fn new() -> Self {
        Self {
            kernel: Simulated::host(),
            ..Self::default()
        }
    }

    fn undoers(&self) -> Undoers<'_> {
        Undoers {
            kernel: &self.kernel,
            ovsdb: self,
            plugins: self,
        }
    }

    /// Together with the MTU of eth0 at that moment.
    fn hear(&self, what: &str) {
        let heard = format!("{what} (mtu {})", self.mtu());
        self.heard.lock().unwrap().push(heard);
    }

    fn mtu(&self) -> u32 {
        let state = self.kernel.state();
        let link = state.links.iter().find(|link| link.name == "eth0");
        link.unwrap().mtu
    }
}

fn failure(message: &str) -> Failure {
    Failure {
        code: FailureCode::Refused,
        message: message.into(),
        backend: None,
    }
}

#[async_trait]
impl PluginUndo for Stage {
    async fn digest(&self, plugin: &str) -> Result<PluginDigest, PluginError> {
        Ok(digest(plugin))
    }

    async fn checkpoint(&self, _plugin: &str) -> Result<CheckpointData, PluginError> {
        Ok(checkpoint())
    }

    async fn roll_back(
        &self,
        plugin: &str,
        mode: Mode,
        to: &CheckpointData,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Vec<Outcome>, PluginError> {
        if self.gone {
            return Err(PluginError::Load {
                plugin: plugin.into(),
                reason: "there is no such file".into(),
            });
        }
        assert_eq!(*to, checkpoint());
        if mode == Mode::Rehearse {
            let left = self.left.clone().map(|call| Rehearsed::Dbus { call });
            left.into_iter()
                .for_each(|change| recorder.rehearsed(plugin, change));
            return Ok(Vec::new());
        }
        // Like the gate: what is sent passes the recorder first.
        recorder
            .before_dbus(plugin, &[call("/settings/1")])
            .await
            .unwrap();
        self.hear(&format!("{plugin} rolls back"));
        let outcome = |target: &str| Outcome {
            target: target.into(),
            summary: String::new(),
            failed: (self.refused == Some(target)).then(|| failure("it is busy")),
        };
        Ok(vec![
            outcome("connection office"),
            outcome("connection home"),
        ])
    }

    async fn release(&self, plugin: &str, _checkpoint: &CheckpointData) -> Result<(), PluginError> {
        self.hear(&format!("{plugin} releases"));
        Ok(())
    }
}

#[async_trait]
impl BackendUndo for Stage {
    async fn restore(
        &self,
        plugin: &str,
        images: &[&serde_json::Value],
        _recorder: &dyn Recorder,
    ) -> Result<Vec<Difference>, Failure> {
        if self.ovsdb_gone {
            return Err(failure("the server does not answer"));
        }
        self.hear(&format!("rows of {plugin}: {}", images[0]));
        Ok(Vec::new())
    }
}

fn digest(plugin: &str) -> PluginDigest {
    PluginDigest {
        plugin: plugin.into(),
        digest: String::new(),
    }
}

fn checkpoint() -> CheckpointData {
    CheckpointData {
        state: "{}".into(),
        backend: None,
    }
}

fn call(path: &str) -> MethodCall {
    MethodCall {
        destination: "org.example".into(),
        path: path.into(),
        interface: "org.example.Thing".into(),
        member: "Set".into(),
        signature: String::new(),
        arguments: "[]".into(),
    }
}

fn mtu(value: u32) -> Request {
    let mut change = nothing("eth0");
    change.settings.mtu = Some(value);
    Request::ChangeLink(change)
}

fn state(root: &tempfile::TempDir) -> StateDir {
    StateDir::open(root.path(), namespace(1)).unwrap()
}

/// A transaction of three plugins: `bus` calls services, `net` changes the kernel, `switch` the database.
async fn begun(stage: &Stage, state: &StateDir) -> Arc<Book> {
    let plugins = ["bus", "net", "switch"].map(digest).to_vec();
    let begin = Begin::now("op-dbus apply host.json", plugins).unwrap();
    let journal = Journal::begin(state, begin.clone()).unwrap();
    let noted = vec![Noted {
        plugin: "bus".into(),
        checkpoint: checkpoint(),
    }];
    let effects = Effects::of([&Record::Begin(begin)]);
    let book = Arc::new(Book::transaction(journal, None, effects, noted));
    book.before_dbus("bus", &[call("/settings/1")])
        .await
        .unwrap();
    book.before_dbus("bus", &[call("/settings/1"), call("/settings/2")])
        .await
        .unwrap();
    let request = [mtu(1300)];
    book.before_netlink("net", &stage.kernel, &request)
        .await
        .unwrap();
    stage.kernel.execute(&request).await[0].clone().unwrap();
    let operations = ["insert into Bridge".to_owned()];
    book.before_ovsdb("switch", "Open_vSwitch", &operations, "rows".into())
        .await
        .unwrap();
    assert_eq!(stage.mtu(), 1300);
    book
}

async fn live(stage: &Stage, state: &StateDir) -> Reversed {
    let book = begun(stage, state).await;
    let reversed = book.undo(&stage.undoers(), "a test").await;
    book.close_undone(&reversed, || ()).unwrap();
    reversed
}

/// As after a death: all that is left of the transaction is its journal.
async fn recovered(stage: &Stage, state: &StateDir) -> Recovered {
    drop(begun(stage, state).await);
    recover(state, &stage.undoers(), "its process died")
        .await
        .unwrap()
        .unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn plugins_are_undone_in_reverse_order_here_and_by_a_later_process() {
    for later in [false, true] {
        let (stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
        let state = state(&root);
        let undone = run(async {
            match later {
                false => live(&stage, &state).await,
                true => recovered(&stage, &state).await.undone,
            }
        });
        assert_eq!((undone.incomplete, undone.unfinished), (Vec::new(), false));
        // The kernel's objects are restored between: `net` stands between them.
        let expected = [
            "rows of switch: \"rows\" (mtu 1300)",
            "bus rolls back (mtu 1500)",
        ];
        assert_eq!(*stage.heard.lock().unwrap(), expected);
        assert!(!state.journal().exists());
    }
}

#[test]
fn an_undo_goes_on_past_what_it_cannot_reach_and_the_next_command_tries_again() {
    let (mut stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
    let state = state(&root);
    stage.gone = true;
    stage.ovsdb_gone = true;
    let undone = run(live(&stage, &state));
    assert!(undone.unfinished);
    let left: Vec<_> = undone.incomplete.iter().map(ToString::to_string).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left[0].starts_with(
        "what switch changed in OVSDB: is unknown, should be as before (the server does not answer"
    ));
    for (left, object) in left[1..].iter().zip(["/settings/1", "/settings/2"]) {
        assert!(
            left.starts_with(&format!("D-Bus object {object} of org.example: ")),
            "{left}"
        );
        assert!(
            left.contains("plugin bus cannot be loaded: there is no such file"),
            "{left}"
        );
    }
    assert_eq!(
        stage.mtu(),
        1500,
        "what could be undone is undone all the same"
    );
    assert!(state.journal().exists());

    // The same again, and then with all of them there.
    let again = run(recover(&state, &stage.undoers(), "its process died"))
        .unwrap()
        .unwrap();
    assert_eq!(again.undone.incomplete.len(), 3);
    stage.gone = false;
    stage.ovsdb_gone = false;
    let last = run(recover(&state, &stage.undoers(), "its process died"))
        .unwrap()
        .unwrap();
    assert_eq!(last.undone.incomplete, []);
    assert!(
        run(recover(&state, &stage.undoers(), "its process died"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn what_a_plugin_could_not_restore_is_told_object_by_object() {
    let (mut stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
    stage.refused = Some("connection home");
    let undone = run(live(&stage, &state(&root)));
    let left: Vec<_> = undone.incomplete.iter().map(ToString::to_string).collect();
    assert_eq!(
        left,
        ["bus: connection home: is not restored, should be as before (it is busy)"]
    );
    // It has been tried, and the answer is final.
    assert!(!undone.unfinished);
}

#[test]
fn a_plugin_that_says_all_is_restored_and_would_still_change_something_is_not_believed() {
    let (mut stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
    stage.left = Some(call("/settings/2"));
    let undone = run(live(&stage, &state(&root)));
    let objects: Vec<_> = undone.incomplete.iter().map(|left| &left.object).collect();
    assert_eq!(objects, ["bus: D-Bus object /settings/2 of org.example"]);
}

#[test]
fn nothing_is_sent_to_a_bus_on_behalf_of_a_plugin_that_has_noted_nothing_or_after_the_end() {
    let (stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
    let state = state(&root);
    run(async {
        let book = begun(&stage, &state).await;
        let refused = book.before_dbus("net", &[call("/")]).await.unwrap_err();
        assert!(
            refused.message.contains("no checkpoint"),
            "{}",
            refused.message
        );
        book.undo(&stage.undoers(), "a test").await;
        let late = book.before_dbus("bus", &[call("/")]).await.unwrap_err();
        assert_eq!(late.code, FailureCode::Cancelled);
    });
}

#[test]
fn in_another_boot_the_kernel_is_left_alone_and_what_daemons_keep_on_disk_is_undone() {
    let (stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
    let there = StateDir::open(root.path(), namespace(1)).unwrap();
    drop(run(begun(&stage, &there)));
    // The same directory, and a namespace that came after it.
    let mut later = namespace(1);
    later.boot_id = "a later boot".into();
    let here = StateDir::open(root.path(), later).unwrap();
    let recovered = run(recover(&here, &stage.undoers(), "its process died"))
        .unwrap()
        .unwrap();
    assert!(!recovered.same_namespace && recovered.elsewhere);
    assert_eq!(stage.mtu(), 1300);
    assert_eq!(stage.heard.lock().unwrap().len(), 2);
}

#[test]
fn what_was_noted_for_a_transactions_own_undo_is_released_at_its_end_and_a_checkpoint_is_kept() {
    let (stage, root) = (Stage::new(), tempfile::tempdir().unwrap());
    let state = state(&root);
    let released = || std::mem::take(&mut *stage.heard.lock().unwrap()).len();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for keeps_checkpoint in [false, true] {
            let opening = || Opening {
                state: &state,
                undoers: stage.undoers(),
                command: "op-dbus rollback",
                plugins: vec![digest("bus")],
                noted: vec![Noted {
                    plugin: "bus".into(),
                    checkpoint: CheckpointData {
                        backend: Some("/checkpoint/1".into()),
                        ..checkpoint()
                    },
                }],
                keeps_checkpoint,
                secrets: Arc::new(SecretStore::open(Vec::new(), None).unwrap()),
                interrupt: Interrupt::listen().unwrap(),
            };
            let transaction = Transaction::begin(opening()).await.unwrap();
            let done = transaction.close(async { Ok(()) }, None).await;
            assert!(done.ending.is_applied());
            assert_eq!(released(), usize::from(!keeps_checkpoint));
            // One that is undone leaves nothing.
            let transaction = Transaction::begin(opening()).await.unwrap();
            let failed = async { Err(Cause::Interrupted("SIGINT")) };
            let undone = transaction.close(failed, None).await;
            assert!(matches!(undone.ending, Ending::RolledBack(_)));
            assert_eq!(undone.checkpoint, None);
            assert_eq!(released(), 1);
        }
    });
}
