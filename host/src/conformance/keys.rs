//! Unknown keys: refused, wherever they stand.

use serde_json::{Value, json};

use super::law::{Breach, Law};
use super::shrink::Input;
use super::stage::Stage;
use super::subject::Subject;
use super::variants::{Step, at, at_mut, paths};

const KEY: &str = "nobody-has-a-key-of-this-name";

/// Puts a key that nobody knows, with a value of a form that no map takes, into each object of a state in turn.
///
/// # Errors
/// When the host itself fails.
pub async fn unknown(
    subject: &Subject,
    stage: &dyn Stage,
    input: &Input,
) -> anyhow::Result<Option<Breach>> {
    let attempt = subject.attempt(stage).await?;
    for path in paths(&input.state) {
        if !matches!(at(&input.state, &path), Some(Value::Object(_))) {
            continue;
        }
        let mut state = input.state.clone();
        if let Some(object) = at_mut(&mut state, &path) {
            object[KEY] = json!({"nobody": [null]});
        }
        match subject.accepts(&attempt, &state).await {
            Ok(false) => {}
            Ok(true) => {
                return Ok(Some(Breach::new(
                    Law::UnknownKeys,
                    "the schema, then validate(S)",
                    format!("the key {KEY:?} in {} is refused", pointer(&path)),
                    "it is taken",
                )));
            }
            Err(breach) => return Ok(Some(breach)),
        }
    }
    Ok(None)
}

/// A way as a JSON Pointer; the whole is `/` here, for a person.
fn pointer(path: &[Step]) -> String {
    if path.is_empty() {
        return "/".into();
    }
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Step::Item(number) => format!("/{number}"),
    });
    steps.collect()
}
