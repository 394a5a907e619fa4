//! What a plugin gets to hear of its operations.

use serde_json::{Value, json};

use crate::backends::ovsdb::effect::{Effect, is_configuration};
use crate::backends::ovsdb::operation::{Columns, Operation, columns_of, has_uuid};
use crate::backends::ovsdb::{OvsdbError, Schema, Server, value};

/// Results as the server would give them: `seen` are those that it did give, by the numbers of their operations.
pub fn rehearsed(
    operations: &[Operation],
    effect: &Effect,
    seen: Vec<(usize, Value)>,
) -> Vec<Value> {
    let mut results: Vec<Value> = operations
        .iter()
        .enumerate()
        .map(|(number, operation)| match operation {
            Operation::Insert { uuid, .. } => json!({"uuid": value::uuid(uuid)}),
            Operation::Update { .. } | Operation::Mutate { .. } | Operation::Delete { .. } => {
                json!({"count": effect.addressed[number].len()})
            }
            Operation::Select { .. } => json!({"rows": []}),
            _ => json!({}),
        })
        .collect();
    for (number, result) in seen {
        results[number] = result;
    }
    results
}

/// The same error, about the operation by the number that the plugin knows it by.
pub fn renumbered(error: OvsdbError, renumber: impl Fn(usize) -> usize) -> OvsdbError {
    match error {
        OvsdbError::Operation {
            number,
            operation,
            error,
            details,
        } => OvsdbError::Operation {
            number: renumber(number),
            operation,
            error,
            details,
        },
        OvsdbError::Conflict {
            number,
            operation,
            details,
        } => OvsdbError::Conflict {
            number: renumber(number),
            operation,
            details,
        },
        OvsdbError::Aborted { number } => OvsdbError::Aborted {
            number: renumber(number),
        },
        other => other,
    }
}

/// A line for each operation that changes something, for a person.
pub fn lines(operations: &[Operation], effect: &Effect) -> Vec<String> {
    let changing = operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.changes());
    changing
        .map(|(number, operation)| {
            let table = operation.table().unwrap_or_default();
            let rows = effect.addressed[number]
                .iter()
                .map(|(table, uuid)| name_of(effect, table, uuid));
            let columns = operation.changed_columns().join(", ");
            let rows: Vec<_> = rows.collect();
            format!("{} {table} {}: {columns}", operation.verb(), rows.join(" "))
        })
        .collect()
}

/// The name of a row that is changed, or else its UUID.
fn name_of(effect: &Effect, table: &str, uuid: &str) -> String {
    let mut changes = effect.changes.iter();
    let change = changes.find(|change| change.uuid == uuid && change.table == table);
    let row = change.and_then(|change| change.before.as_ref().or(change.after.as_ref()));
    let name = row
        .and_then(|row| row.get("name"))
        .and_then(|name| name.text());
    name.unwrap_or(uuid).to_owned()
}

/// Whether a transaction whose answer never came took effect: all rows are as it leaves them, or none is. `None` if that cannot be told.
///
/// # Errors
/// The server cannot be asked.
pub async fn took_effect(
    server: &dyn Server,
    schema: &Schema,
    effect: &Effect,
) -> Result<Option<bool>, OvsdbError> {
    let selects: Vec<Value> = effect
        .changes
        .iter()
        .map(|change| {
            let conditions = vec![has_uuid(&change.uuid)];
            Operation::Select {
                table: change.table.clone(),
                conditions,
                columns: None,
            }
            .to_json()
        })
        .collect();
    let results = server.transact(&schema.name, &selects).await?;
    let (mut done, mut undone) = (true, true);
    for (number, change) in effect.changes.iter().enumerate() {
        let row = results.rows(number).next();
        let now = row.and_then(|row| columns_of(schema, &change.table, row));
        // Other columns may have been changed by others in the meantime.
        let differing = |column: &&String| {
            let value =
                |row: &Option<Columns>| row.as_ref().and_then(|row| row.get(*column)).cloned();
            value(&change.before) != value(&change.after)
                && is_configuration(schema, &change.table, column)
        };
        let columns = change
            .before
            .iter()
            .chain(&change.after)
            .flat_map(|row| row.keys());
        for column in columns.filter(differing) {
            let value =
                |row: &Option<Columns>| row.as_ref().and_then(|row| row.get(column)).cloned();
            done &= value(&now) == value(&change.after);
            undone &= value(&now) == value(&change.before);
        }
    }
    Ok(match (done, undone) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    })
}
