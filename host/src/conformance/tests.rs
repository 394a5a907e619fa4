//! For each law a plugin that breaks it, and a sound one that breaks none.

use std::sync::Arc;
use std::time::Duration;

use super::law::Law;
use super::report::{Report, Verdict};
use super::schema::Schema;
use super::stage::{Simulated, Stage};
use super::states::gather;
use super::subject::Subject;
use super::trial::trial;
use crate::gate::grant::Grant;
use crate::plugin::cache::Cache;
use crate::plugin::instance::Caller;
use crate::plugin::limits::Limits;
use crate::plugin::loader::Plugin;
use crate::transaction::book::Book;

/// Tries the plugin with a flaw.
async fn tried(flaw: &str) -> Report {
    let limits = Limits {
        deadline: Duration::from_millis(if flaw == "loop" { 100 } else { 60_000 }),
        ..Limits::default()
    };
    let component = flawed_guests::flawed(flaw);
    let cache = Cache::new(None);
    let plugin = Plugin::of_bytes("flawed", &component, &cache, Grant::default(), limits);
    let mut plugin = plugin.unwrap();
    let stage = Simulated::default();
    let description = Caller {
        plugin: &plugin,
        backends: stage.stand().await.unwrap().backends,
        recorder: Arc::new(Book::reading()),
        listener: None,
    }
    .describe()
    .await
    .unwrap();
    plugin.name = description.name.clone();
    plugin.grant = Arc::new(serde_json::from_str(&description.asks).unwrap_or_default());
    let schema = Schema::new(&description.schema).ok();
    let given = gather(&[""; 0], &plugin.name, schema.as_ref()).unwrap();
    let subject = Subject {
        plugin,
        description,
        schema,
    };
    trial(&subject, &stage, &given).await.unwrap()
}

fn broken(report: &Report) -> Vec<Law> {
    report.broken().map(|finding| finding.breach.law).collect()
}

#[tokio::test]
async fn a_sound_plugin_breaks_no_law() {
    let report = tried("none").await;
    assert!(
        report.is_clean(),
        "{}",
        report.text(crate::output::Style::PLAIN)
    );
    let not_tried = |it: &&Verdict| matches!(it, Verdict::NotTried(..));
    assert_eq!(report.verdicts.iter().filter(not_tried).count(), 0);
    assert!(report.made > 4, "{} trials", report.made);
}

macro_rules! catches {
    ($($test:ident: $flaw:literal => $law:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $test() {
            let report = tried($flaw).await;
            let text = report.text(crate::output::Style::PLAIN);
            assert!(broken(&report).contains(&Law::$law), "{text}");
        }
    )*};
}

catches! {
    catches_a_name_that_is_none: "name" => Contract,
    catches_a_version_that_is_none: "version" => Contract,
    catches_asking_for_what_is_no_grant: "asks-nonsense" => Contract,
    catches_fewer_outcomes_than_steps: "apply-forgets-one" => Contract,
    catches_a_schema_that_is_none: "schema-invalid" => Schema,
    catches_a_schema_that_is_open: "schema-open" => Schema,
    catches_keys_that_are_ignored: "keys-ignored" => UnknownKeys,
    catches_a_plugin_that_declines_its_own_example: "diff-declines" => Applies,
    catches_a_query_that_writes: "query-writes" => ReadOnly,
    catches_a_description_that_changes: "describe-random" => Pure,
    catches_a_description_that_calls_the_host: "describe-calls" => Pure,
    catches_a_diff_that_calls_the_host: "diff-calls" => Pure,
    catches_a_query_that_changes: "query-random" => QueryStable,
    catches_a_query_beside_the_schema: "query-off-schema" => QuerySchema,
    catches_a_diff_that_is_never_done: "diff-never-done" => DiffSelf,
    catches_an_apply_that_does_nothing: "apply-nothing" => Converges,
    catches_an_apply_that_does_something_each_time: "apply-restless" => Idempotent,
    catches_a_blind_verify: "verify-blind" => VerifyAgrees,
    catches_a_verify_that_sees_ghosts: "verify-sees-ghosts" => VerifyAgrees,
    catches_a_rollback_that_does_nothing: "rollback-nothing" => RollbackRestores,
    catches_a_rollback_that_leaves_mirrors_away: "mirrors-stay-away" => RollbackRestores,
    catches_asking_for_too_little: "asks-little" => WithinAsks,
    catches_a_trap_over_malformed_input: "garbage" => ErrorsTyped,
    catches_a_plugin_that_takes_too_much_memory: "hog" => Limits,
    catches_a_plugin_that_never_ends: "loop" => Limits,
    catches_a_plugin_that_never_stops_talking: "chatter" => Limits,
    catches_a_trap_over_a_failing_backend: "links-are-there" => HostileAnswers,
    catches_a_failure_that_is_swallowed: "apply-swallows" => FailuresReported,
}

#[tokio::test]
async fn who_is_told_that_a_server_is_not_there_breaks_no_law_and_is_not_tried() {
    let report = tried("unavailable").await;
    let text = report.text(crate::output::Style::PLAIN);
    assert!(report.is_clean() && report.unlived, "{text}");
    for law in [Law::QueryStable, Law::Converges, Law::RollbackRestores] {
        let verdict = report.verdicts.iter().find(|it| it.law() == law);
        assert!(matches!(verdict, Some(Verdict::NotTried(..))), "{text}");
    }
}

#[tokio::test]
async fn the_smallest_input_is_what_is_reported() {
    let report = tried("apply-nothing").await;
    let finding = report
        .broken()
        .find(|finding| finding.breach.law == Law::Converges)
        .unwrap();
    let state = &finding.input.as_ref().unwrap().state;
    let links = state["links"].as_array().unwrap();
    assert_eq!(links.len(), 1, "{state}");
    assert!(finding.input.as_ref().unwrap().start.is_none());
}
