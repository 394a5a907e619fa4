//! What a transaction will do to which rows, worked out before it is sent.
//!
//! The server tells which rows the operations address now; what one operation does to what a later one addresses is followed here. `wait`s
//! that are sent ahead of the operations hold the server to what was found: if it is no longer so, nothing takes effect.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::datum::Datum;
use super::error::OvsdbError;
use super::evaluate::{holds, mutated};
use super::operation::{
    Columns, Condition, Operation, column_of, columns_of, has_uuid, uuid_datum, uuid_of,
};
use super::schema::Schema;
use super::server::Server;

/// Columns that ovs-vswitchd writes although they are kept on disk (ovs-vswitchd.conf.db(5)): nobody's configuration.
const WRITTEN_BY_THE_SWITCH: [(&str, &str); 7] = [
    ("Bridge", "datapath_version"),
    ("Port", "bond_active_slave"),
    ("Interface", "ofport"),
    ("Interface", "error"),
    ("Interface", "cfm_flap_count"),
    ("Open_vSwitch", "cur_cfg"),
    ("Open_vSwitch", "next_cfg"),
];

/// A row, by table and UUID.
pub type RowKey = (String, String);

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its table.
    pub table: String,
    /// Its UUID.
    pub uuid: String,
    /// What its lasting columns hold now; absent for a row that is made.
    pub before: Option<Columns>,
    /// What they will hold; absent for a row that is deleted.
    pub after: Option<Columns>,
}

/// What a transaction will do.
#[derive(Debug, Default)]
pub struct Effect {
    /// The rows that it changes, in the order in which it first does.
    pub changes: Vec<Change>,
    /// Which existing or new rows each operation addresses, by the operation's number. Selects and waits only where asked for.
    pub addressed: Vec<Vec<RowKey>>,
    /// They hold as long as all this is true.
    pub guards: Vec<Operation>,
}

/// Whether a column is somebody's configuration, rather than the switch's word about its state.
pub fn is_configuration(schema: &Schema, table: &str, column: &str) -> bool {
    schema
        .column(table, column)
        .is_some_and(|known| !known.ephemeral)
        && !WRITTEN_BY_THE_SWITCH.contains(&(table, column))
}

/// Works out what operations will do. With `reads`, also which rows selects and waits address.
///
/// # Errors
/// What the server says to being asked; `Invalid` if an operation addresses rows by what an earlier one made uncertain.
pub async fn effect(
    server: &dyn Server,
    schema: &Schema,
    operations: &[Operation],
    reads: bool,
) -> Result<Effect, OvsdbError> {
    let found = Found::read(server, schema, operations, reads).await?;
    let mut model = Model {
        schema,
        rows: HashMap::new(),
        order: Vec::new(),
        guarded: HashMap::new(),
    };
    let mut addressed = Vec::with_capacity(operations.len());
    for (number, operation) in operations.iter().enumerate() {
        addressed.push(model.run(number, operation, &found, reads)?);
    }
    let mut guards = found.guards();
    guards.extend(model.guards());
    Ok(Effect {
        changes: model.into_changes(),
        addressed,
        guards,
    })
}

/// What the server says of the rows that operations address.
struct Found {
    /// By table and conditions, as text.
    rows: BTreeMap<(String, String), Matched>,
}

/// Rows by UUID, and the conditions that they match.
type Matched = (Vec<Condition>, BTreeMap<String, Columns>);

fn key_of(table: &str, conditions: &[Condition]) -> (String, String) {
    let conditions = super::operation::where_json(conditions).to_string();
    (table.to_owned(), conditions)
}

/// The UUID, of conditions that are about nothing else.
fn by_uuid(conditions: &[Condition]) -> Option<&str> {
    match conditions {
        [only] if only.column == "_uuid" && only.function == "==" => only.value.uuids().next(),
        _ => None,
    }
}

impl Found {
    async fn read(
        server: &dyn Server,
        schema: &Schema,
        operations: &[Operation],
        reads: bool,
    ) -> Result<Self, OvsdbError> {
        let made: BTreeSet<&str> = operations.iter().filter_map(made).collect();
        let mut questions = BTreeMap::new();
        for operation in operations
            .iter()
            .filter(|operation| reads || operation.changes())
        {
            if let (Some(table), Some(conditions)) = (operation.table(), operation.conditions())
                && by_uuid(conditions).is_none_or(|uuid| !made.contains(uuid))
            {
                questions.insert(key_of(table, conditions), conditions);
            }
        }
        let selects: Vec<Value> = questions
            .iter()
            .map(|((table, _), conditions)| {
                Operation::Select {
                    table: table.clone(),
                    conditions: conditions.to_vec(),
                    columns: Some(lasting_columns(schema, table)),
                }
                .to_json()
            })
            .collect();
        let mut rows = BTreeMap::new();
        if !selects.is_empty() {
            let results = server.transact(&schema.name, &selects).await?;
            for (number, (key, conditions)) in questions.into_iter().enumerate() {
                let mut matched = BTreeMap::new();
                for row in results.rows(number) {
                    let read = uuid_of(row).zip(columns_of(schema, &key.0, row));
                    let (uuid, columns) = read.ok_or_else(|| malformed(&key.0))?;
                    matched.insert(uuid, columns);
                }
                rows.insert(key, (conditions.to_vec(), matched));
            }
        }
        Ok(Self { rows })
    }

    fn of(&self, table: &str, conditions: &[Condition]) -> Option<&BTreeMap<String, Columns>> {
        let (_, rows) = self.rows.get(&key_of(table, conditions))?;
        Some(rows)
    }

    /// The same rows must be addressed when the operations run.
    fn guards(&self) -> Vec<Operation> {
        self.rows
            .iter()
            .filter(|(_, (conditions, _))| by_uuid(conditions).is_none())
            .map(|((table, _), (conditions, rows))| Operation::Wait {
                table: table.clone(),
                conditions: conditions.clone(),
                columns: vec!["_uuid".to_owned()],
                equal: true,
                rows: rows
                    .keys()
                    .map(|uuid| Columns::from([("_uuid".to_owned(), uuid_datum(uuid))]))
                    .collect(),
                timeout: 0,
            })
            .collect()
    }
}

/// A row of which the server sends what the schema does not allow.
pub(super) fn malformed(table: &str) -> OvsdbError {
    OvsdbError::Protocol {
        remote: "the remote".to_owned(),
        reason: format!("a row of table {table} does not fit the schema"),
    }
}

/// The UUID that an `insert` gives its row.
fn made(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Insert { uuid, .. } => Some(uuid),
        _ => None,
    }
}

/// The columns that outlive the server, and `_uuid`.
pub(super) fn lasting_columns(schema: &Schema, table: &str) -> Vec<String> {
    let columns = schema
        .tables
        .get(table)
        .into_iter()
        .flat_map(|table| &table.columns);
    let lasting = columns.filter(|(_, column)| !column.ephemeral);
    let names = lasting.map(|(name, _)| name.clone());
    names.chain(["_uuid".to_owned()]).collect()
}

struct Local {
    before: Option<Columns>,
    now: Option<Columns>,
}

/// The rows that were touched so far.
struct Model<'a> {
    schema: &'a Schema,
    rows: HashMap<RowKey, Local>,
    order: Vec<RowKey>,
    /// Columns whose present values get lost, so that they must be those that were seen.
    guarded: HashMap<RowKey, BTreeSet<String>>,
}

impl Model<'_> {
    fn run(
        &mut self,
        number: usize,
        operation: &Operation,
        found: &Found,
        reads: bool,
    ) -> Result<Vec<RowKey>, OvsdbError> {
        if let Operation::Insert { table, uuid, row } = operation {
            let mut columns: Columns = self.schema.tables[table]
                .columns
                .iter()
                .filter(|(_, column)| !column.ephemeral)
                .map(|(name, column)| (name.clone(), Datum::default_of(column)))
                .collect();
            columns.extend(row.clone());
            let key = (table.clone(), uuid.clone());
            let local = Local {
                before: None,
                now: Some(columns),
            };
            self.order.push(key.clone());
            self.rows.insert(key.clone(), local);
            return Ok(vec![key]);
        }
        let (Some(table), Some(conditions)) = (operation.table(), operation.conditions()) else {
            return Ok(Vec::new());
        };
        if !reads && !operation.changes() {
            return Ok(Vec::new());
        }
        let addressed = self.addressed(number, table, conditions, found)?;
        if operation.changes() {
            let seen = found.of(table, conditions);
            for key in &addressed {
                if !self.rows.contains_key(key) {
                    let before = seen.and_then(|rows| rows.get(&key.1)).cloned();
                    let now = before.clone();
                    self.order.push(key.clone());
                    self.rows.insert(key.clone(), Local { before, now });
                }
                self.change(number, key, operation)?;
            }
        }
        Ok(addressed)
    }

    /// The rows that conditions address at this point of the transaction.
    fn addressed(
        &self,
        number: usize,
        table: &str,
        conditions: &[Condition],
        found: &Found,
    ) -> Result<Vec<RowKey>, OvsdbError> {
        if let Some(uuid) = by_uuid(conditions) {
            let key = (table.to_owned(), uuid.to_owned());
            let is_there = match self.rows.get(&key) {
                Some(local) => local.now.is_some(),
                None => found
                    .of(table, conditions)
                    .is_some_and(|rows| !rows.is_empty()),
            };
            return Ok(is_there.then_some(key).into_iter().collect());
        }
        let mut addressed = Vec::new();
        for uuid in found
            .of(table, conditions)
            .into_iter()
            .flatten()
            .map(|(uuid, _)| uuid)
        {
            let key = (table.to_owned(), uuid.clone());
            if !self.rows.contains_key(&key) {
                addressed.push(key);
            }
        }
        for key in self.order.iter().filter(|(of, _)| of == table) {
            if let Some(row) = &self.rows[key].now
                && self.all_hold(number, key, row, conditions)?
            {
                addressed.push(key.clone());
            }
        }
        Ok(addressed)
    }

    fn all_hold(
        &self,
        number: usize,
        (table, uuid): &RowKey,
        row: &Columns,
        conditions: &[Condition],
    ) -> Result<bool, OvsdbError> {
        for condition in conditions {
            let own;
            let have = if condition.column == "_uuid" {
                own = uuid_datum(uuid);
                Some(&own)
            } else {
                row.get(&condition.column)
            };
            let holds = have.and_then(|have| holds(&condition.function, have, &condition.value));
            match holds {
                Some(true) => {}
                Some(false) => return Ok(false),
                None => {
                    return Err(OvsdbError::Invalid {
                        reason: format!(
                            "operation {number} of the OVSDB transaction chooses rows of {table} by {}, after an earlier operation \
                             changed one of them: choose them by _uuid",
                            condition.column
                        ),
                    });
                }
            }
        }
        Ok(true)
    }

    fn change(
        &mut self,
        number: usize,
        key: &RowKey,
        operation: &Operation,
    ) -> Result<(), OvsdbError> {
        let schema = self.schema;
        let guarded = self.guarded.entry(key.clone()).or_default();
        let local = self.rows.get_mut(key).expect("it was addressed");
        let Some(now) = &mut local.now else {
            return Ok(());
        };
        match operation {
            Operation::Update { row, .. } => {
                guarded.extend(row.keys().cloned());
                now.extend(row.clone());
            }
            Operation::Mutate { mutations, .. } => {
                for mutation in mutations {
                    if mutation.mutator != "insert" {
                        guarded.insert(mutation.column.clone());
                    }
                    let have = match now.get(&mutation.column) {
                        Some(have) => have.clone(),
                        // An ephemeral column: nothing of it is kept.
                        None => continue,
                    };
                    let after = mutated(&have, &mutation.mutator, &mutation.value);
                    let after = after.ok_or_else(|| OvsdbError::Invalid {
                        reason: format!(
                            "operation {number} of the OVSDB transaction: {} does not fit column {} of table {}",
                            mutation.mutator, mutation.column, key.0
                        ),
                    })?;
                    now.insert(mutation.column.clone(), after);
                }
            }
            Operation::Delete { .. } => {
                let columns = schema.tables[&key.0].columns.keys();
                let lost = columns.filter(|column| is_configuration(schema, &key.0, column));
                guarded.extend(lost.cloned());
                local.now = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// What gets lost must be what was seen.
    fn guards(&self) -> Vec<Operation> {
        let mut guards = Vec::new();
        for key in &self.order {
            let Some(before) = &self.rows[key].before else {
                continue;
            };
            let columns = self.guarded.get(key).into_iter().flatten();
            let seen: Columns = columns
                .filter(|column| is_configuration(self.schema, &key.0, column))
                .filter_map(|column| Some((column.clone(), before.get(column)?.clone())))
                .collect();
            if !seen.is_empty() {
                guards.push(same(key, seen));
            }
        }
        guards
    }

    fn into_changes(mut self) -> Vec<Change> {
        let order = std::mem::take(&mut self.order);
        let changes = order.into_iter().map(|key| {
            let local = self.rows.remove(&key).expect("each key is there once");
            Change {
                table: key.0,
                uuid: key.1,
                before: local.before,
                after: local.now,
            }
        });
        changes
            .filter(|change| change.before != change.after)
            .collect()
    }
}

/// A `wait` that holds as long as a row has these values.
pub(super) fn same((table, uuid): &RowKey, columns: Columns) -> Operation {
    Operation::Wait {
        table: table.clone(),
        conditions: vec![has_uuid(uuid)],
        columns: columns.keys().cloned().collect(),
        equal: true,
        rows: vec![columns],
        timeout: 0,
    }
}

/// The rows that a value refers to: strongly (which keeps them alive), or weakly.
pub fn references(
    schema: &Schema,
    table: &str,
    column: &str,
    value: &Datum,
    strong: bool,
) -> Vec<RowKey> {
    let Some(kind) = column_of(schema, table, column) else {
        return Vec::new();
    };
    let target =
        |base: &super::schema::BaseType| base.ref_table.clone().filter(|_| base.strong == strong);
    let mut found = Vec::new();
    match value {
        Datum::Set(atoms) => {
            if let Some(target) = target(&kind.key) {
                found.extend(atoms.iter().filter_map(|atom| row_key(&target, atom)));
            }
        }
        Datum::Map(pairs) => {
            for (key, value) in pairs {
                found.extend(target(&kind.key).and_then(|target| row_key(&target, key)));
                let of_value = kind.value.as_ref().and_then(target);
                found.extend(of_value.and_then(|target| row_key(&target, value)));
            }
        }
    }
    found
}

fn row_key(table: &str, atom: &super::datum::Atom) -> Option<RowKey> {
    match atom {
        super::datum::Atom::Uuid(uuid) => Some((table.to_owned(), uuid.clone())),
        _ => None,
    }
}
