//! Laws that need no state: the description, reading everything, and input that is none.

use serde_json::{Value, json};

use super::law::{Breach, Law};
use super::life::failed;
use super::schema::Schema;
use super::stage::Stage;
use super::subject::{Stop, Subject, breach_of, short};
use crate::contract::exports::op_dbus::plugin::state::{
    Action, CheckpointData, Description, Operation,
};
use crate::contract::types::FailureCode;
use crate::gate::Mode;
use crate::plugin::failure::{PluginError, describe};

/// What is wrong with a description.
pub fn description(of: &Description) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut expect = |law, holds: bool, expected: &str, got: &str| {
        if !holds {
            breaches.push(Breach::new(law, "describe()", expected, short(got)));
        }
    };
    expect(
        Law::Contract,
        is_name(&of.name),
        "a name of small letters, digits and '-', a letter first",
        &of.name,
    );
    expect(
        Law::Contract,
        is_version(&of.version),
        "a semantic version, such as 1.2.3",
        &of.version,
    );
    let lines = of.summary.lines().count();
    expect(
        Law::Contract,
        lines == 1 && !of.summary.chars().any(char::is_control),
        "a summary of one line",
        &of.summary,
    );
    let grant = serde_json::from_str::<crate::gate::grant::Grant>(&of.asks);
    let error = grant.err().map(|error| error.to_string());
    expect(
        Law::Contract,
        error.is_none(),
        "asks is a grant, as a table of op-dbus.toml in JSON",
        error.as_deref().unwrap_or_default(),
    );
    match Schema::new(&of.schema) {
        Err(error) => expect(Law::Schema, false, "a JSON Schema of draft 2020-12", &error),
        Ok(schema) => {
            let odd = json!({"nobody-has-a-key-of-this-name": {"nobody": [null]}});
            expect(
                Law::Schema,
                schema.misfit(&odd).is_some(),
                "a schema that is closed to unknown keys",
                "an object with a key of any name and form fits it",
            );
        }
    }
    breaches
}

/// `[a-z][a-z0-9-]*`.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Three numbers, and what may follow them (Semantic Versioning 2.0.0).
fn is_version(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let number = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    parts.len() == 3 && parts.iter().all(number)
}

/// What the laws that need no state came to.
pub struct Alone {
    /// Those that were broken.
    pub breaches: Vec<Breach>,
    /// Whether all was read. It is not where a server that the plugin asks is not there, which is none of the plugin's faults.
    pub read: bool,
}

/// Tries them.
///
/// # Errors
/// When the host itself fails.
pub async fn alone(subject: &Subject, stage: &dyn Stage) -> anyhow::Result<Alone> {
    let mut breaches = description(&subject.description);
    breaches.extend(pure(subject, stage).await?);
    let (found, read) = everything(subject, stage).await?;
    breaches.extend(found);
    breaches.extend(garbage(subject, stage).await?);
    Ok(Alone { breaches, read })
}

/// `describe` and `watches` twice, and what they ask of the host.
async fn pure(subject: &Subject, stage: &dyn Stage) -> anyhow::Result<Vec<Breach>> {
    let attempt = subject.attempt(stage).await?;
    let caller = attempt.caller();
    let mut breaches = Vec::new();
    for _ in 0..2 {
        match caller.describe().await {
            Ok(again) if again == subject.description => {}
            Ok(_) => breaches.push(Breach::new(
                Law::Pure,
                "describe() again",
                "the same description each time",
                "another one",
            )),
            Err(error) => breaches.push(breach_of("describe()", &error)),
        }
    }
    match (caller.watches().await, caller.watches().await) {
        (Ok(first), Ok(second)) if first == second => {}
        (Ok(_), Ok(_)) => breaches.push(Breach::new(
            Law::Pure,
            "watches() again",
            "the same each time",
            "something else",
        )),
        (Err(error), _) | (_, Err(error)) => breaches.push(breach_of("watches()", &error)),
    }
    let asked = attempt.heard().asked;
    if !asked.is_empty() {
        let call = "describe(), watches()";
        breaches.push(Breach::new(
            Law::Pure,
            call,
            "no call to the host",
            asked.join(", "),
        ));
    }
    Ok(breaches)
}

/// `query` of all that there is, and whether that could be read.
async fn everything(subject: &Subject, stage: &dyn Stage) -> anyhow::Result<(Vec<Breach>, bool)> {
    let attempt = subject.attempt(stage).await?;
    let mut breaches = Vec::new();
    let mut could_read = true;
    let before = attempt.snapshot().await?;
    let read = async {
        let all = attempt.query("query()", None).await?;
        let again = attempt.query("query() again", None).await?;
        if all != again && !stage.is_live() {
            let (path, then, now) =
                crate::trace::difference::first(&all, &again).unwrap_or_default();
            let shown = |it: Option<Value>| it.map_or("nothing".into(), |it| it.to_string());
            return Err(Stop::Breach(Breach::new(
                Law::QueryStable,
                "query() again",
                format!("{} as before", short(&shown(then))),
                format!("{} at {path}", short(&shown(now))),
            )));
        }
        if let Some(misfit) = subject.schema.as_ref().and_then(|it| it.misfit(&all)) {
            let expected = "what the schema describes";
            return Err(Breach::new(Law::QuerySchema, "query()", expected, short(&misfit)).into());
        }
        let call = "diff(query(), query())";
        let steps = attempt.diff(call, &all, &all).await?;
        if let Some(step) = steps.first() {
            let got = step.summary.clone();
            return Err(Breach::new(Law::DiffSelf, call, "no step", got).into());
        }
        Ok(())
    };
    match read.await {
        Ok(()) => {}
        Err(Stop::Breach(breach)) => breaches.push(breach),
        Err(Stop::Failed(_, failure)) if failure.code == FailureCode::Unavailable => {
            could_read = false;
        }
        Err(Stop::Failed(call, failure)) => breaches.push(Breach::new(
            Law::QueryStable,
            call,
            "an answer",
            short(&describe(&failure)),
        )),
    }
    let heard = attempt.heard();
    if let Some(denied) = heard.denied.first() {
        let expected = "every call lies within what describe asks for";
        let got = short(&describe(denied));
        breaches.push(Breach::new(Law::WithinAsks, "query()", expected, got));
    }
    if attempt.snapshot().await? != before && !stage.is_live() {
        let got = "something changed";
        breaches.push(Breach::new(
            Law::ReadOnly,
            "query()",
            "nothing changes",
            got,
        ));
    }
    Ok((breaches, could_read))
}

/// Texts that are no JSON, or none of a section.
const GARBAGE: [&str; 5] = ["", "{", "nonsense", "[1,2", "{\"a\":1}}"];
/// JSON that is no section.
const STRANGE: [&str; 4] = ["null", "[]", "17", "\"text\""];

/// Input that is none must be refused with a failure.
async fn garbage(subject: &Subject, stage: &dyn Stage) -> anyhow::Result<Vec<Breach>> {
    let attempt = subject.attempt(stage).await?;
    let caller = attempt.caller();
    let mut breaches: Vec<Breach> = Vec::new();
    let mut note = |call: String, outcome: Heard| {
        let breach = match outcome {
            Heard::Fine => return,
            Heard::Taken(got) => {
                Breach::new(Law::ErrorsTyped, call, "a failure, or a problem", got)
            }
            Heard::Broke(error) => breach_of(&call, &error),
        };
        if !breaches.iter().any(|known| known.law == breach.law) {
            breaches.push(breach);
        }
    };
    for (text, is_json) in GARBAGE
        .into_iter()
        .map(|text| (text, false))
        .chain(STRANGE.into_iter().map(|text| (text, true)))
    {
        let text = text.to_owned();
        let problems = caller.validate(&text).await;
        note(
            format!("validate({text:?})"),
            match problems {
                Ok(found) if found.is_empty() && !is_json => Heard::Taken("no problem".into()),
                Ok(_) => Heard::Fine,
                Err(error) => Heard::of_error(error),
            },
        );
        let answer = caller.query(Some(&text)).await;
        note(format!("query({text:?})"), Heard::of(answer, is_json));
        let empty = "{}".to_owned();
        let answer = caller.diff(&empty, &text).await;
        note(
            format!("diff(\"{{}}\", {text:?})"),
            Heard::of(answer, is_json),
        );
        let answer = caller.diff(&text, &empty).await;
        note(
            format!("diff({text:?}, \"{{}}\")"),
            Heard::of(answer, is_json),
        );
        let answer = caller.verify(&text).await;
        note(format!("verify({text:?})"), Heard::of(answer, is_json));
        let answer = caller.checkpoint(Some(&text)).await;
        note(format!("checkpoint({text:?})"), Heard::of(answer, is_json));
        let step = Action {
            operation: Operation::Modify,
            target: text.clone(),
            before: Some(text.clone()),
            after: Some(text.clone()),
            summary: String::new(),
            disruptive: false,
        };
        let answer = caller.apply(Mode::Change, &[step]).await;
        let taken = matches!(&answer, Ok(outcomes) if failed(outcomes).is_none());
        note(
            format!("apply of a step made of {text:?}"),
            match answer {
                Ok(_) if taken && !is_json => Heard::Taken("success".into()),
                Ok(_) => Heard::Fine,
                Err(error) => Heard::of_error(error),
            },
        );
        let checkpoint = CheckpointData {
            state: text.clone(),
            backend: Some("nonsense".into()),
        };
        let answer = caller.rollback(Mode::Change, &checkpoint).await;
        let restores = subject.description.supports.checkpoints;
        let taken = matches!(&answer, Ok(outcomes) if failed(outcomes).is_none());
        note(
            format!("rollback to {text:?}"),
            match answer {
                Ok(_) if taken && !is_json && restores => Heard::Taken("success".into()),
                Ok(_) => Heard::Fine,
                Err(error) => Heard::of_error(error),
            },
        );
        let answer = caller.release(&checkpoint).await;
        note(format!("release of {text:?}"), Heard::of(answer, true));
    }
    Ok(breaches)
}

/// How input that is none was taken.
enum Heard {
    /// As it should be.
    Fine,
    /// As if it were some.
    Taken(String),
    /// The plugin broke.
    Broke(PluginError),
}

impl Heard {
    /// An answer is fine where the input could be some, a failure always.
    fn of<T: std::fmt::Debug>(answer: Result<T, PluginError>, could_be: bool) -> Self {
        match answer {
            Ok(_) if could_be => Self::Fine,
            Ok(value) => Self::Taken(short(&format!("{value:?}"))),
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: PluginError) -> Self {
        match error {
            PluginError::Answer { .. } => Self::Fine,
            error => Self::Broke(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_told_from_others() {
        for (name, is) in [
            ("net", true),
            ("a-1", true),
            ("", false),
            ("Net", false),
            ("1a", false),
        ] {
            assert_eq!(is_name(name), is, "{name}");
        }
        for (version, is) in [
            ("0.1.0", true),
            ("1.2.3-rc.1+build", true),
            ("1.2", false),
            ("01.2.3", false),
            ("v1.2.3", false),
        ] {
            assert_eq!(is_version(version), is, "{version}");
        }
    }
}
