//! A plugin is recorded on a simulated host, and other builds of it are held against the trace.

use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::difference::Difference;
use super::recording::{Recording, Tape};
use super::replay::replay;
use super::script::{Script, ScriptError};
use crate::boundary::Listener;
use crate::conformance::stage::{Simulated, Stage};
use crate::conformance::witness::Witness;
use crate::gate::Mode;
use crate::gate::grant::Grant;
use crate::plugin::cache::Cache;
use crate::plugin::instance::Caller;
use crate::plugin::limits::Limits;
use crate::plugin::loader::Plugin;
use crate::secrets::SecretStore;

fn plugin(flaw: &str) -> Plugin {
    let component = flawed_guests::flawed(flaw);
    let grant: Grant = serde_json::from_str(r#"{"netlink": {"change": ["*"]}}"#).unwrap();
    let cache = Cache::new(None);
    Plugin::of_bytes("descriptions", &component, &cache, grant, Limits::default()).unwrap()
}

/// A transaction of the sound plugin, recorded.
async fn recorded(directory: &Path, secrets: SecretStore, text: &str) -> Script {
    let path = directory.join("trace");
    let recording = Recording::begin(&path, "op-dbus apply", Arc::new(secrets)).unwrap();
    let recording = Arc::new(recording);
    let plugin = plugin("none");
    let caller = Caller {
        plugin: &plugin,
        backends: Simulated::default().stand().await.unwrap().backends,
        recorder: Arc::new(Witness::default()),
        listener: Some(Arc::new(Tape(recording.clone()))),
    };
    let state = serde_json::json!({"links": [{"name": "eth0", "description": text}]}).to_string();
    let current = caller.query(Some(&state)).await.unwrap();
    let actions = caller.diff(&current, &state).await.unwrap();
    let checkpoint = caller.checkpoint(Some(&state)).await.unwrap();
    caller.apply(Mode::Change, &actions).await.unwrap();
    assert!(caller.verify(&state).await.unwrap().is_empty());
    caller.release(&checkpoint).await.unwrap();
    recording.finish().unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
    Script::read(BufReader::new(std::fs::File::open(&path).unwrap())).unwrap()
}

fn no_secrets() -> SecretStore {
    SecretStore::open(Vec::new(), None).unwrap()
}

/// What a build of the plugin does otherwise than the trace.
async fn played(script: &Script, flaw: &str) -> Option<Difference> {
    let plugin = plugin(flaw);
    let mut caller = Caller {
        plugin: &plugin,
        backends: Simulated::default().stand().await.unwrap().backends,
        recorder: Arc::new(Witness::default()),
        listener: None,
    };
    let part = script.part("descriptions").unwrap();
    replay(&mut caller, &part).await.unwrap()
}

#[tokio::test]
async fn the_same_plugin_does_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let script = recorded(directory.path(), no_secrets(), "uplink").await;
    assert_eq!(script.plugins(), ["descriptions"]);
    let exports: Vec<&str> = script
        .scenes
        .iter()
        .map(|it| it.call.export.as_str())
        .collect();
    assert_eq!(
        exports,
        [
            "describe",
            "query",
            "diff",
            "checkpoint",
            "apply",
            "verify",
            "release"
        ]
    );
    assert_eq!(script.scenes[1].call.version.as_deref(), Some("0.1.0"));
    assert_eq!(played(&script, "none").await, None);
}

#[tokio::test]
async fn another_build_shows_the_first_difference() {
    let directory = tempfile::tempdir().unwrap();
    let script = recorded(directory.path(), no_secrets(), "uplink").await;

    let found = played(&script, "apply-nothing")
        .await
        .expect("a difference");
    assert_eq!(found.what, "apply asks netlink.execute no more");
    let asked = &script.scenes[4].asked[0];
    assert_eq!(found.number, Some(asked.host));
    assert_eq!(found.expected.as_ref(), Some(&asked.arguments));

    let found = played(&script, "diff-never-done")
        .await
        .expect("a difference");
    assert_eq!(found.what, "the answer of diff");
    assert_eq!(found.path, "/Ok/1");
    assert_eq!(found.expected, None);
    let text = found.to_string();
    assert!(
        text.contains("\n  expected: nothing\n  got:      {"),
        "{text}"
    );

    let found = played(&script, "query-off-schema")
        .await
        .expect("a difference");
    assert_eq!(found.what, "the answer of query");
    assert_eq!(found.path, "/Ok/surprise");

    let found = played(&script, "diff-calls").await.expect("a difference");
    assert_eq!(
        found.what,
        "diff asks netlink.links beyond what it asked then"
    );
}

#[tokio::test]
async fn a_question_without_an_answer_is_recorded_and_ends_the_call_of_a_replay() {
    let directory = tempfile::tempdir().unwrap();
    let mut script = recorded(directory.path(), no_secrets(), "uplink").await;
    let path = directory.path().join("silent");
    let recording = Recording::begin(&path, "op-dbus apply", Arc::new(no_secrets())).unwrap();
    let tape = Tape(Arc::new(recording));
    let scene = &script.scenes[1];
    let mut visit = tape.enter(crate::boundary::Entry {
        plugin: scene.call.plugin.clone(),
        version: None,
        digest: scene.call.digest.clone(),
        call: "query",
        mode: Mode::Read,
        arguments: scene.call.arguments.clone(),
    });
    let asked = &scene.asked[0];
    assert_eq!(asked.import, "netlink.links");
    // As where the deadline passes while the host is at work.
    visit.asked("netlink.links", &asked.arguments).unwrap();
    let late = crate::plugin::failure::PluginError::Deadline {
        plugin: "descriptions".into(),
        call: "query",
        deadline: std::time::Duration::from_secs(1),
    };
    visit.leave(Err(&late));
    let silent = Script::read(BufReader::new(std::fs::File::open(&path).unwrap())).unwrap();
    let kept = &silent.scenes[0].asked;
    assert_eq!(
        (kept.len(), &kept[0].arguments, &kept[0].answer),
        (1, &asked.arguments, &None)
    );
    assert_eq!(played(&silent, "none").await, None);

    // A build that asks something else there is another all the same.
    let found = played(&silent, "query-writes").await.expect("a difference");
    assert!(
        found.what.starts_with("query asks netlink.execute"),
        "{found}"
    );

    // A process that was killed has not written down what it asked last.
    script.scenes.truncate(2);
    script.scenes[1].asked.clear();
    script.scenes[1].end = None;
    assert_eq!(played(&script, "none").await, None);
}

#[tokio::test]
async fn what_is_secret_does_not_stand_in_a_trace() {
    let directory = tempfile::tempdir().unwrap();
    let secret = r#"correct "horse" battery\staple"#;
    let store = directory.path().join("secrets");
    std::fs::create_dir(&store).unwrap();
    std::fs::write(store.join("pass"), secret).unwrap();
    std::fs::set_permissions(store.join("pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let secrets = SecretStore::open(vec![store], None).unwrap();
    // A plugin is told no secret; should one get into a text all the same, it is looked for there.
    recorded(directory.path(), secrets, secret).await;
    let text = std::fs::read_to_string(directory.path().join("trace")).unwrap();
    assert!(text.contains('…'), "{text}");
    for part in ["horse", "staple"] {
        assert!(!text.contains(part), "{text}");
    }
}

#[test]
fn a_line_that_is_none_is_named() {
    let read = |text: &str| Script::read(text.as_bytes()).unwrap_err().to_string();
    let header = r#"{"trace":1,"op-dbus":"0.1.0","contract":"0.1.0","command":"c","time":"t"}"#;
    let error = read(&format!("{header}\nnonsense\n"));
    assert!(
        error.starts_with("line 2 of the trace is not one that"),
        "{error}"
    );
    let error = read(&format!("{header}\n{{\"end\":3,\"of\":1}}\n"));
    assert!(error.contains("call 1, which is not there"), "{error}");
    let error = read(&header.replace("\"trace\":1", "\"trace\":2"));
    assert_eq!(
        error,
        "the trace is of version 2, and this op-dbus plays back version 1"
    );
    assert!(matches!(Script::read(&b""[..]), Err(ScriptError::Empty)));
}
