//! Transactions (RFC 7047 sections 4.1.3 and 5.2).

use serde_json::{Map, Value};

use super::client::{Client, Repeat};
use super::error::{OvsdbError, words};
use super::value;

/// What the operations of a transaction that took effect returned, by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Results(Vec<Value>);

impl Results {
    /// The rows that the `select` with this number found (section 5.2.2).
    pub fn rows(&self, number: usize) -> impl Iterator<Item = &Map<String, Value>> {
        let rows = self.field(number, "rows").and_then(Value::as_array);
        rows.into_iter().flatten().filter_map(Value::as_object)
    }

    /// The UUID that the `insert` with this number gave to its row (section 5.2.1).
    pub fn inserted(&self, number: usize) -> Option<&str> {
        self.field(number, "uuid").and_then(value::as_uuid)
    }

    /// How many rows the `update`, `mutate` or `delete` with this number matched (sections 5.2.3 to 5.2.5).
    pub fn count(&self, number: usize) -> Option<u64> {
        self.field(number, "count")?.as_u64()
    }

    /// The results as the server sent them, one for each operation.
    pub fn into_json(self) -> Vec<Value> {
        self.0
    }

    fn field(&self, number: usize, key: &str) -> Option<&Value> {
        self.0.get(number)?.get(key)
    }
}

impl Client {
    /// Runs operations as one transaction: all of it takes effect, or none.
    ///
    /// A `wait` without `timeout` waits for ever at the server: give it one below [`super::Options::answer_within`].
    ///
    /// # Errors
    /// `Operation` names the operation that failed, `Conflict` the `wait` whose condition does not hold, `Aborted` the
    /// `abort`; `Commit` if all passed and the whole did not. `EffectUnknown` if it was sent and the answer did not
    /// come; with `Lost` and `Connect` it was not sent, or could change nothing. `Refused` if there is no such
    /// database, `Invalid` if an operation is no object.
    pub async fn transact(
        &self,
        database: &str,
        operations: &[Value],
    ) -> Result<Results, OvsdbError> {
        if let Some(number) = operations
            .iter()
            .position(|operation| !operation.is_object())
        {
            return Err(OvsdbError::Invalid {
                reason: format!("operation {number} of the OVSDB transaction is no object"),
            });
        }
        let repeat = if operations.iter().all(only_reads) {
            Repeat::Safe
        } else {
            Repeat::Unsafe
        };
        let (_, result) = self
            .call("transact", parameters(database, operations), repeat, || {
                None
            })
            .await?;
        let judged = self.parse("transact", &result).and_then(|results| {
            judge(operations, results).map_err(|fault| match fault {
                Fault::Server(error) => error,
                Fault::Malformed(reason) => self.protocol(reason),
            })
        });
        match (judged, repeat) {
            // It answered, but not so that anybody could tell what it did.
            (Err(cause @ OvsdbError::Protocol { .. }), Repeat::Unsafe) => {
                Err(OvsdbError::EffectUnknown {
                    cause: Box::new(cause),
                })
            }
            (judged, _) => judged,
        }
    }
}

/// What a server's answer to `transact` means; for servers that are not reached through a [`Client`].
///
/// # Errors
/// As [`Client::transact`]; `Protocol` where the answer is none.
pub fn results_of(
    operations: &[Value],
    answer: Value,
    remote: &str,
) -> Result<Results, OvsdbError> {
    judge(operations, answer).map_err(|fault| match fault {
        Fault::Server(error) => error,
        Fault::Malformed(reason) => OvsdbError::Protocol {
            remote: remote.to_owned(),
            reason,
        },
    })
}

/// `[<db-name>, <operation>*]`.
fn parameters(database: &str, operations: &[Value]) -> String {
    let mut text = String::from("[");
    text.push_str(&Value::from(database).to_string());
    for operation in operations {
        text.push(',');
        text.push_str(&operation.to_string());
    }
    text.push(']');
    text
}

/// Whether an operation changes nothing, so that it may be sent twice.
fn only_reads(operation: &Value) -> bool {
    matches!(
        operation.get("op").and_then(Value::as_str),
        Some("select" | "wait" | "abort" | "comment" | "assert")
    )
}

enum Fault {
    Server(OvsdbError),
    Malformed(String),
}

/// Finds out what the array of results means. Section 4.1.3: after the first error come nulls; an error one place
/// beyond the operations is that of the commit.
fn judge(operations: &[Value], results: Value) -> Result<Results, Fault> {
    let Value::Array(results) = results else {
        return Err(Fault::Malformed(
            "a transaction's result is no array".to_owned(),
        ));
    };
    let failed = results
        .iter()
        .position(|result| result.get("error").is_some_and(|error| !error.is_null()));
    if let Some(number) = failed {
        let (error, details) = words(&results[number]);
        return Err(match operations.get(number) {
            Some(operation) => Fault::Server(refusal(number, operation, error, details)),
            None if number == operations.len() => {
                Fault::Server(OvsdbError::Commit { error, details })
            }
            None => Fault::Malformed(format!("an error at {number}, where no operation is")),
        });
    }
    if results.len() != operations.len() || !results.iter().all(Value::is_object) {
        let (found, expected) = (results.len(), operations.len());
        return Err(Fault::Malformed(format!(
            "{found} results without an error for {expected} operations, or one that is no object"
        )));
    }
    Ok(Results(results))
}

fn refusal(number: usize, operation: &Value, error: String, details: Option<String>) -> OvsdbError {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let op = text("op").unwrap_or("without op");
    let operation = match text("table") {
        Some(table) => format!("{op} {table}"),
        None => op.to_owned(),
    };
    match (op, error.as_str()) {
        ("wait", "timed out") => OvsdbError::Conflict {
            number,
            operation,
            details,
        },
        ("abort", "aborted") => OvsdbError::Aborted { number },
        _ => OvsdbError::Operation {
            number,
            operation,
            error,
            details,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(results: Value) -> Result<Results, Fault> {
        let operations = [
            json!({"op": "insert", "table": "T"}),
            json!({"op": "wait", "table": "T"}),
        ];
        judge(&operations, results)
    }

    #[test]
    fn the_first_error_names_its_operation() {
        let results = json!([{"error": "constraint violation", "details": "why"}, null]);
        assert!(matches!(
            judged(results),
            Err(Fault::Server(OvsdbError::Operation { number: 0, operation, error, details: Some(details) }))
                if operation == "insert T" && error == "constraint violation" && details == "why"
        ));
        let results = json!([{"uuid": ["uuid", "u"]}, {"error": "timed out"}]);
        assert!(matches!(
            judged(results),
            Err(Fault::Server(OvsdbError::Conflict { number: 1, .. }))
        ));
    }

    #[test]
    fn an_error_beyond_the_operations_is_that_of_the_commit() {
        let results =
            json!([{"uuid": ["uuid", "u"]}, {}, {"error": "referential integrity violation"}]);
        assert!(matches!(
            judged(results),
            Err(Fault::Server(OvsdbError::Commit { error, details: None })) if error == "referential integrity violation"
        ));
    }

    #[test]
    fn results_that_fit_no_operations_are_malformed() {
        for results in [
            json!([]),
            json!([{}]),
            json!([{}, null]),
            json!([{}, {}, {}]),
            json!([{}, {}, {}, {"error": "x"}]),
            json!({}),
        ] {
            assert!(matches!(judged(results), Err(Fault::Malformed(_))));
        }
        let results = judged(json!([{"uuid": ["uuid", "u"]}, {}])).ok().unwrap();
        assert_eq!(results.inserted(0), Some("u"));
        assert_eq!(results.count(1), None);
    }

    #[test]
    fn parameters_keep_every_digit() {
        let operation = json!({"op": "select", "n": i64::MAX});
        let text = parameters("a\"b", &[operation]);
        assert_eq!(text, r#"["a\"b",{"n":9223372036854775807,"op":"select"}]"#);
    }
}
