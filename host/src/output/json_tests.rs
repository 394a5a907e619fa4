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
    assert_snapshot!(text(&Query { version: VERSION, plugins: sections() }), @"");
    assert_snapshot!(text(&Diff {
        version: VERSION,
        in_sync: false,
        plugins: vec![PluginPlan { plugin: "net".into(), actions: vec![Step::of(&action).unwrap()] }],
    }), @"");
    assert_snapshot!(text(&Apply {
        version: VERSION,
        result: ApplyResult::RolledBack,
        transaction: Some("3".into()),
        checkpoint: None,
        plugins: vec![PluginOutcome { plugin: "net".into(), outcomes: vec![StepOutcome::from(&outcome)] }],
        failures: Vec::new(),
    }), @"");
    assert_snapshot!(text(&Verify {
        version: VERSION,
        in_sync: false,
        plugins: vec![PluginMismatches { plugin: "net".into(), mismatches: vec![Difference::of(&mismatch).unwrap()] }],
    }), @"");
    assert_snapshot!(text(&CheckpointList { version: VERSION, checkpoints: vec![checkpoint.clone()] }), @"");
    assert_snapshot!(text(&CheckpointShow { version: VERSION, checkpoint, plugins: sections() }), @"");
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
