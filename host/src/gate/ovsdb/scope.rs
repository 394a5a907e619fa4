//! Which rows a grant covers: by name, and by what they hang from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{denied, is_root_table};
use crate::backends::ovsdb::effect::{Effect, RowKey, references};
use crate::backends::ovsdb::operation::{
    Columns, Condition, Operation, column_of, columns_of, has_uuid, uuid_datum, uuid_of,
};
use crate::backends::ovsdb::{OvsdbError, Schema, Server};
use crate::contract::types::Failure;
use crate::gate::grant::OvsdbGrant;

/// What everybody who may read the root table sees of it: facts about the switch, and no configuration.
const FACTS: [&str; 10] = [
    "_uuid",
    "_version",
    "cur_cfg",
    "next_cfg",
    "ovs_version",
    "db_version",
    "system_type",
    "system_version",
    "datapath_types",
    "iface_types",
];

/// The rows that there are, by name and by what they hang from.
pub struct Scope<'a> {
    schema: &'a Schema,
    grant: &'a OvsdbGrant,
    names: HashMap<RowKey, String>,
    /// The rows that refer to a row strongly, with the column, without the root.
    owners: HashMap<RowKey, Vec<(RowKey, String)>>,
    covered: HashMap<RowKey, bool>,
}

impl<'a> Scope<'a> {
    /// Looks at the names and references of all rows.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(
        server: &dyn Server,
        schema: &'a Schema,
        grant: &'a OvsdbGrant,
    ) -> Result<Scope<'a>, OvsdbError> {
        let mut tables = Vec::new();
        let mut selects = Vec::new();
        for (table, known) in &schema.tables {
            if is_root_table(schema, table) {
                continue;
            }
            let mut columns: Vec<String> = known
                .columns
                .iter()
                .filter(|(_, column)| {
                    let value = column.value.as_ref();
                    [Some(&column.key), value]
                        .into_iter()
                        .flatten()
                        .any(|base| base.ref_table.is_some() && base.strong)
                })
                .map(|(name, _)| name.clone())
                .collect();
            let has_name =
                grant.covers_name(table, "").is_some() && known.columns.contains_key("name");
            if columns.is_empty() && !has_name {
                continue;
            }
            columns.extend(has_name.then(|| "name".to_owned()));
            columns.push("_uuid".to_owned());
            let select = Operation::Select {
                table: table.clone(),
                conditions: Vec::new(),
                columns: Some(columns),
            };
            selects.push(select.to_json());
            tables.push(table.clone());
        }
        let results = server.transact(&schema.name, &selects).await?;
        let mut scope = Self {
            schema,
            grant,
            names: HashMap::new(),
            owners: HashMap::new(),
            covered: HashMap::new(),
        };
        for (number, table) in tables.iter().enumerate() {
            for row in results.rows(number) {
                let read = uuid_of(row).zip(columns_of(schema, table, row));
                let (uuid, columns) = read.ok_or_else(|| OvsdbError::Protocol {
                    remote: "the remote".to_owned(),
                    reason: format!("a row of table {table} does not fit the schema"),
                })?;
                scope.take((table.clone(), uuid), &columns);
            }
        }
        let mut covered = HashMap::new();
        for key in scope.names.keys().chain(scope.owners.keys()) {
            scope.decide(key, &mut covered);
        }
        scope.covered = covered;
        Ok(scope)
    }

    fn take(&mut self, key: RowKey, columns: &Columns) {
        if let Some(name) = columns.get("name").and_then(|name| name.text()) {
            self.names.insert(key.clone(), name.to_owned());
        }
        for (column, value) in columns {
            for owned in references(self.schema, &key.0, column, value, true) {
                let owners = self.owners.entry(owned).or_default();
                owners.push((key.clone(), column.clone()));
            }
        }
    }

    /// Whether a row that is there is covered.
    fn covers(&self, key: &RowKey) -> bool {
        self.covered.get(key).copied().unwrap_or(false)
    }

    fn decide(&self, key: &RowKey, covered: &mut HashMap<RowKey, bool>) -> bool {
        if let Some(known) = covered.get(key) {
            return *known;
        }
        // A circle of references covers nothing.
        covered.insert(key.clone(), false);
        let by_name = self
            .names
            .get(key)
            .and_then(|name| self.grant.covers_name(&key.0, name));
        let is_covered = match (by_name, key.0.as_str()) {
            (Some(false), _) => false,
            // Only the root refers to bridges, or a row that lives by itself: that takes nothing from the bridge's being covered.
            (Some(true), "Bridge") => true,
            _ => {
                let owners = self.owners.get(key).map(Vec::as_slice).unwrap_or_default();
                !owners.is_empty() && owners.iter().all(|(owner, _)| self.decide(owner, covered))
            }
        };
        covered.insert(key.clone(), is_covered);
        is_covered
    }

    /// Selects with what is needed to tell which rows they found.
    pub fn asking(operations: &[Operation]) -> Vec<Operation> {
        let mut asking = operations.to_vec();
        for operation in &mut asking {
            if let Operation::Select {
                columns: Some(columns),
                ..
            } = operation
                && !columns.iter().any(|column| column == "_uuid")
            {
                columns.push("_uuid".to_owned());
            }
        }
        asking
    }

    /// What may be asked of the root's row: an answer to a question about a hidden column would tell what is in it.
    fn check_questions(&self, operation: &Operation) -> Result<(), Failure> {
        let Some(table) = operation
            .table()
            .filter(|table| is_root_table(self.schema, table))
        else {
            return Ok(());
        };
        let conditions = operation.conditions().unwrap_or_default().iter();
        let mut asked: Vec<&str> = conditions
            .map(|condition| condition.column.as_str())
            .collect();
        if let Operation::Wait { columns, .. } = operation {
            asked.extend(columns.iter().map(String::as_str));
        }
        match asked.into_iter().find(|column| !self.shows_of_root(column)) {
            Some(column) => Err(denied(
                &format!("column {column:?} of table {table}"),
                "root_columns",
            )),
            None => Ok(()),
        }
    }

    fn shows_of_root(&self, column: &str) -> bool {
        FACTS.contains(&column) || self.grant.covers_root_column(column)
    }

    /// Whether the grant covers all rows that operations change or compare, and all that they refer to.
    ///
    /// # Errors
    /// `denied`, with what would have to be granted.
    pub fn check(&self, operations: &[Operation], effect: &Effect) -> Result<(), Failure> {
        let made: BTreeSet<(&str, &str)> = operations
            .iter()
            .filter_map(|operation| match operation {
                Operation::Insert { table, uuid, .. } => Some((table.as_str(), uuid.as_str())),
                _ => None,
            })
            .collect();
        let is_made = |(table, uuid): &RowKey| made.contains(&(table.as_str(), uuid.as_str()));
        for (operation, addressed) in operations.iter().zip(&effect.addressed) {
            self.check_questions(operation)?;
            if let Operation::Insert { table, row, .. } = operation {
                let name = row
                    .get("name")
                    .and_then(|name| name.text())
                    .unwrap_or_default();
                if self.grant.covers_name(table, name) == Some(false) {
                    return Err(self.refusal(table, name));
                }
            } else if operation.changes() || operation.verb() == "wait" {
                let hidden = addressed.iter().find(|key| {
                    !is_made(key) && !is_root_table(self.schema, &key.0) && !self.covers(key)
                });
                if let Some(key) = hidden {
                    return Err(self.refusal_of(key));
                }
            }
        }
        // What somebody may not change must not be made to hang from what is theirs, nor be cut off from what is another's.
        for change in &effect.changes {
            let columns = change
                .before
                .iter()
                .chain(&change.after)
                .flat_map(|row| row.keys());
            for column in columns.collect::<BTreeSet<_>>() {
                let of = |row: &Option<Columns>| -> BTreeSet<RowKey> {
                    let value = row.as_ref().and_then(|row| row.get(column));
                    let referred = |strong| {
                        value.map(|value| {
                            references(self.schema, &change.table, column, value, strong)
                        })
                    };
                    [true, false]
                        .into_iter()
                        .filter_map(referred)
                        .flatten()
                        .collect()
                };
                let (before, after) = (of(&change.before), of(&change.after));
                // Of rows that are the plugin's own, it may let go what it likes.
                let matters: Vec<&RowKey> = match is_root_table(self.schema, &change.table) {
                    true => before.symmetric_difference(&after).collect(),
                    false => after.difference(&before).collect(),
                };
                let foreign = matters
                    .into_iter()
                    .find(|key| !is_made(key) && !self.covers(key));
                if let Some(key) = foreign {
                    return Err(self.refusal_of(key));
                }
            }
        }
        Ok(())
    }

    fn refusal_of(&self, key: &RowKey) -> Failure {
        match self.names.get(key) {
            Some(name) if self.grant.covers_name(&key.0, name) == Some(false) => {
                self.refusal(&key.0, name)
            }
            Some(name) => denied(
                &format!("what {} {name:?} hangs from", key.0),
                "bridges or ovsdb.ports",
            ),
            None => denied(
                &format!(
                    "the row {} of table {}, or what it hangs from",
                    key.1, key.0
                ),
                "bridges or ovsdb.ports",
            ),
        }
    }

    fn refusal(&self, table: &str, name: &str) -> Failure {
        let key = if table == "Bridge" {
            "bridges"
        } else {
            "ports"
        };
        denied(&format!("{table} {name:?}"), key)
    }

    /// What the rows hang from must be the same when the operations run.
    pub fn guards(&self, operations: &[Operation], effect: &Effect) -> Vec<Operation> {
        let mut guarded = BTreeSet::new();
        let changing = operations.iter().zip(&effect.addressed);
        for (_, addressed) in changing.filter(|(operation, _)| operation.changes()) {
            for key in addressed {
                let owners = self.owners.get(key).into_iter().flatten();
                guarded.extend(owners.map(|(owner, column)| (owner, column, key)));
            }
        }
        guarded
            .into_iter()
            .filter_map(|(owner, column, owned)| {
                let kind = column_of(self.schema, &owner.0, column)?;
                if kind.value.is_some() {
                    return None;
                }
                let includes = Condition {
                    column: column.clone(),
                    function: "includes".to_owned(),
                    value: uuid_datum(&owned.1),
                };
                let row = Columns::from([("_uuid".to_owned(), uuid_datum(&owner.1))]);
                Some(Operation::Wait {
                    table: owner.0.clone(),
                    conditions: vec![has_uuid(&owner.1), includes],
                    columns: vec!["_uuid".to_owned()],
                    equal: true,
                    rows: vec![row],
                    timeout: 0,
                })
            })
            .collect()
    }

    /// Takes out of results what the grant does not cover.
    pub fn show(&self, operations: &[Operation], results: Vec<Value>) -> Vec<Value> {
        let pairs = operations.iter().zip(results);
        pairs
            .map(|(operation, mut result)| {
                if let Operation::Select { table, columns, .. } = operation
                    && let Some(rows) = result.get_mut("rows").and_then(Value::as_array_mut)
                {
                    rows.retain_mut(|row| self.show_row(table, columns.as_deref(), row));
                }
                result
            })
            .collect()
    }

    fn show_row(&self, table: &str, columns: Option<&[String]>, row: &mut Value) -> bool {
        let Some(row) = row.as_object_mut() else {
            return false;
        };
        let root = is_root_table(self.schema, table);
        let Some(uuid) = uuid_of(row) else {
            return false;
        };
        let key = (table.to_owned(), uuid);
        if !root && !self.covers(&key) {
            return false;
        }
        row.retain(|name, _| {
            let asked = columns.is_none_or(|columns| columns.contains(name));
            let shown = !root || self.shows_of_root(name);
            asked && shown
        });
        let known: BTreeMap<String, Value> = row.clone().into_iter().collect();
        for (name, json) in known {
            let hidden = self.without_hidden(table, &name, &json);
            row.extend(hidden.map(|shown| (name, shown)));
        }
        true
    }

    /// A value without the references to what is hidden; `None` if it has none.
    fn without_hidden(&self, table: &str, column: &str, json: &Value) -> Option<Value> {
        use crate::backends::ovsdb::datum::{Atom, Datum};
        let kind = self.schema.column(table, column)?;
        let value = Datum::read(kind, json, &BTreeMap::new())?;
        let referred = [true, false]
            .into_iter()
            .flat_map(|strong| references(self.schema, table, column, &value, strong));
        let hidden: BTreeSet<String> = referred
            .filter(|key| !self.covers(key))
            .map(|(_, uuid)| uuid)
            .collect();
        if hidden.is_empty() {
            return None;
        }
        let is_shown = |atom: &Atom| !matches!(atom, Atom::Uuid(uuid) if hidden.contains(uuid));
        Some(match value {
            Datum::Set(atoms) => Datum::Set(atoms.into_iter().filter(is_shown).collect()).to_json(),
            Datum::Map(pairs) => {
                let shown = pairs
                    .into_iter()
                    .filter(|(key, value)| is_shown(key) && is_shown(value));
                Datum::Map(shown.collect()).to_json()
            }
        })
    }
}
