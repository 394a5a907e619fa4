use super::*;
use crate::contract::types::BackendError as ContractBackend;
use insta::assert_snapshot;

/// Shapes of a published version never change: these texts may only grow.
#[test]
fn the_shapes_stay() {
    let action = Action {
        operation: ContractOperation::Modify,
        target: "interface eth0".into(),
        before: Some(r#"{"n":18446744073709551615}"#.into()),
        after: None,
        summary: "mtu".into(),
        disruptive: false,
    };
    let mismatch = Mismatch {
        path: "/interfaces/0/mtu".into(),
        want: "9000".into(),
        have: None,
    };
    let outcome = Outcome {
        target: "interface eth0".into(),
        summary: "mtu".into(),
        failed: Some(ContractFailure {
            code: ContractCode::NotFound,
            message: "interface eth0 is gone".into(),
            backend: Some(ContractBackend {
                name: "ENODEV".into(),
                text: None,
            }),
        }),
    };
    let sections = || Sections(vec![("net".into(), raw("{\"interfaces\":[]}").unwrap())]);
    let checkpoint = Checkpoint {
        id: "7".into(),
        created: "2026-01-02T03:04:05Z".into(),
        reason: "manual".into(),
        plugins: vec!["net".into()],
    };
    let section = |name: &str, json: &str| (name.to_owned(), json.to_owned());
    let plugins = [
        section("net", " {\"interfaces\":[]}\n"),
        section("a\"b", "{}"),
    ];
    assert_snapshot!(Query { plugins: &plugins[..1] }.text(), @r#"{"version":1,"plugins":{"net":{"interfaces":[]}}}"#);
    assert_snapshot!(Query { plugins: &plugins }.text(), @r#"{"version":1,"plugins":{"net":{"interfaces":[]},"a\"b":{}}}"#);
    assert_snapshot!(Query { plugins: &[] }.text(), @r#"{"version":1,"plugins":{}}"#);
    assert_snapshot!(text(&Diff {
        version: VERSION,
        in_sync: false,
        plugins: vec![PluginPlan { plugin: "net".into(), actions: vec![Step::of(&action).unwrap()] }],
    }), @r#"{"version":1,"in_sync":false,"plugins":[{"plugin":"net","actions":[{"operation":"modify","target":"interface eth0","summary":"mtu","disruptive":false,"before":{"n":18446744073709551615}}]}]}"#);
    assert_snapshot!(text(&Apply {
        version: VERSION,
        result: ApplyResult::RolledBack,
        transaction: Some("3".into()),
        checkpoint: None,
        plugins: vec![PluginOutcome { plugin: "net".into(), outcomes: vec![StepOutcome::from(&outcome)] }],
        failures: Vec::new(),
    }), @r#"{"version":1,"result":"rolled-back","transaction":"3","plugins":[{"plugin":"net","outcomes":[{"target":"interface eth0","summary":"mtu","failed":{"code":"not-found","message":"interface eth0 is gone","backend":{"name":"ENODEV"}}}]}]}"#);
    assert_snapshot!(text(&Verify {
        version: VERSION,
        in_sync: false,
        plugins: vec![PluginMismatches { plugin: "net".into(), mismatches: vec![Difference::of(&mismatch).unwrap()] }],
    }), @r#"{"version":1,"in_sync":false,"plugins":[{"plugin":"net","mismatches":[{"path":"/interfaces/0/mtu","want":9000}]}]}"#);
    assert_snapshot!(text(&CheckpointList { version: VERSION, checkpoints: vec![checkpoint.clone()] }), @r#"{"version":1,"checkpoints":[{"id":"7","created":"2026-01-02T03:04:05Z","reason":"manual","plugins":["net"]}]}"#);
    assert_snapshot!(text(&CheckpointShow { version: VERSION, checkpoint, plugins: sections() }), @r#"{"version":1,"checkpoint":{"id":"7","created":"2026-01-02T03:04:05Z","reason":"manual","plugins":["net"]},"plugins":{"net":{"interfaces":[]}}}"#);
}

#[test]
fn what_is_no_json_is_an_error_and_no_hole_in_the_document() {
    let mismatch = Mismatch {
        path: String::new(),
        want: "{\"a\":1}, \"fake\": true".into(),
        have: None,
    };
    assert!(Difference::of(&mismatch).is_err());
}
