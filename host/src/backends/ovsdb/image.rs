//! Images of rows: what was there of what a transaction changes, so that it can be brought back.
//!
//! An image holds no more than was touched: of a set the elements that came or went, of a map the keys, so that what others add to
//! the same column stays. Of a row that goes, or that may go because nothing refers to it any more, it holds the whole.

mod touched;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::datum::{Atom, Datum};
use super::effect::{
    Change, Effect, RowKey, is_configuration, lasting_columns, malformed, references,
};
use super::error::OvsdbError;
use super::operation::{Columns, Operation, columns_of, has_uuid, uuid_of};
use super::schema::{Column, Schema};
use super::server::Server;

pub use touched::Touched;

/// From so many rows of a table on, the table is read as a whole: a question costs the server as much as some hundred rows.
const MANY: usize = 200;

/// What was there of the rows that one transaction changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The database.
    pub database: String,
    /// The rows.
    pub rows: Vec<RowImage>,
}

/// What was there of a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RowImage {
    /// Its table.
    pub table: String,
    /// Its UUID.
    pub uuid: String,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// It was not there: the transaction makes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// All of its columns that are not at their default, if it may be gone afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Map<String, Value>>,
    /// What was touched of its columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub touched: BTreeMap<String, Touched>,
}

impl RowImage {
    /// The row.
    pub fn key(&self) -> RowKey {
        (self.table.clone(), self.uuid.clone())
    }

    /// Adds an image that was taken later: what was there first counts.
    pub fn merge(&mut self, later: Self) {
        if self.absent {
            return;
        }
        self.name = self.name.take().or(later.name);
        self.whole = self.whole.take().or(later.whole);
        for (column, touched) in later.touched {
            match self.touched.get_mut(&column) {
                Some(first) => first.merge(touched),
                None => {
                    self.touched.insert(column, touched);
                }
            }
        }
    }
}

/// Links of the kernel that come or go with the imaged rows (ovs-vswitchd.conf.db(5), table Interface): those that ovs-vswitchd makes, and
/// those that it takes as ports.
pub fn links(image: &Image) -> Vec<String> {
    let rows = image.rows.iter().filter(|row| {
        let moves = row.absent || row.whole.is_some() || row.touched.contains_key("type");
        row.table == "Interface" && moves
    });
    let names: BTreeSet<&str> = rows.filter_map(|row| row.name.as_deref()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Images by row, in the order in which they were taken; of several of one row the first counts.
pub fn merged(images: impl IntoIterator<Item = Image>) -> BTreeMap<String, Vec<RowImage>> {
    let mut databases: BTreeMap<String, (Vec<RowImage>, BTreeMap<RowKey, usize>)> = BTreeMap::new();
    for image in images {
        let (rows, places) = databases.entry(image.database).or_default();
        for row in image.rows {
            match places.get(&row.key()) {
                Some(place) => rows[*place].merge(row),
                None => {
                    places.insert(row.key(), rows.len());
                    rows.push(row);
                }
            }
        }
    }
    let databases = databases.into_iter();
    databases.map(|(name, (rows, _))| (name, rows)).collect()
}

/// Whether a row made anew gets this column as it was: configuration, and which number and which port a flow or a bond was bound to.
fn is_kept(schema: &Schema, table: &str, column: &str) -> bool {
    is_configuration(schema, table, column)
        || matches!(
            (table, column),
            ("Interface", "ofport") | ("Port", "bond_active_slave")
        )
}

fn name_of(columns: &Columns) -> Option<String> {
    columns.get("name")?.text().map(str::to_owned)
}

/// The image of a row that may be gone afterwards.
fn whole(schema: &Schema, (table, uuid): &RowKey, columns: &Columns) -> RowImage {
    let worth = columns.iter().filter(|(name, value)| {
        let column = schema.column(table, name);
        is_kept(schema, table, name)
            && column.is_some_and(|column| Datum::default_of(column) != **value)
    });
    RowImage {
        table: table.clone(),
        uuid: uuid.clone(),
        name: name_of(columns),
        absent: false,
        whole: Some(
            worth
                .map(|(name, value)| (name.clone(), value.to_json()))
                .collect(),
        ),
        touched: BTreeMap::new(),
    }
}

fn of_change(schema: &Schema, change: &Change) -> RowImage {
    let key = (change.table.clone(), change.uuid.clone());
    match (&change.before, &change.after) {
        (Some(before), None) => whole(schema, &key, before),
        (Some(before), Some(after)) => {
            let touched = before.iter().filter_map(|(name, before)| {
                let column = schema.column(&change.table, name)?;
                let touched = Touched::between(column, before, after.get(name)?)?;
                Some((name.clone(), touched))
            });
            RowImage {
                name: name_of(before),
                touched: touched
                    .filter(|(name, _)| is_configuration(schema, &change.table, name))
                    .collect(),
                table: key.0,
                uuid: key.1,
                ..RowImage::default()
            }
        }
        (None, after) => RowImage {
            name: after.as_ref().and_then(name_of),
            table: key.0,
            uuid: key.1,
            absent: true,
            ..RowImage::default()
        },
    }
}

/// Reads what else there is of what a transaction changes: the rows that may go with it, and who refers to them.
///
/// # Errors
/// What the server says.
pub async fn image(
    server: &dyn Server,
    schema: &Schema,
    effect: &Effect,
) -> Result<Image, OvsdbError> {
    let mut rows: Vec<RowImage> = effect
        .changes
        .iter()
        .map(|change| of_change(schema, change))
        .collect();
    let mut seen: BTreeSet<RowKey> = BTreeSet::new();
    let mut due: Vec<RowKey> = Vec::new();
    for change in &effect.changes {
        if change.after.is_none() {
            seen.insert((change.table.clone(), change.uuid.clone()));
        }
        due.extend(let_go(schema, change));
    }
    let mut gone: Vec<RowKey> = seen.iter().cloned().collect();
    loop {
        due.retain(|key| seen.insert(key.clone()));
        if due.is_empty() {
            break;
        }
        let found = read(server, schema, &due).await?;
        due.clear();
        for (key, columns) in found {
            for (column, value) in &columns {
                due.extend(owned(schema, &key.0, column, value));
            }
            rows.push(whole(schema, &key, &columns));
            gone.push(key);
        }
    }
    rows.extend(weak_references(server, schema, &gone).await?);
    let merged = merged([Image {
        database: schema.name.clone(),
        rows,
    }]);
    Ok(Image {
        database: schema.name.clone(),
        rows: merged.into_values().next().unwrap_or_default(),
    })
}

/// Rows that live only as long as something refers to them.
fn owned(schema: &Schema, table: &str, column: &str, value: &Datum) -> Vec<RowKey> {
    let mut owned = references(schema, table, column, value, true);
    owned.retain(|(table, _)| schema.tables.get(table).is_some_and(|table| !table.is_root));
    owned
}

/// Rows that a change ceases to refer to.
fn let_go(schema: &Schema, change: &Change) -> Vec<RowKey> {
    let mut gone = Vec::new();
    for (column, before) in change.before.iter().flatten() {
        let owned = |value| owned(schema, &change.table, column, value);
        let kept = change.after.as_ref().and_then(|after| after.get(column));
        if kept == Some(before) {
            continue;
        }
        let kept: BTreeSet<RowKey> = kept.map(owned).unwrap_or_default().into_iter().collect();
        gone.extend(owned(before).into_iter().filter(|key| !kept.contains(key)));
    }
    gone
}

/// Who refers weakly to rows that may go: those references go with them.
async fn weak_references(
    server: &dyn Server,
    schema: &Schema,
    gone: &[RowKey],
) -> Result<Vec<RowImage>, OvsdbError> {
    let gone: BTreeSet<&RowKey> = gone.iter().collect();
    let tables: BTreeSet<&str> = gone.iter().map(|(table, _)| table.as_str()).collect();
    let is_weak = |column: &Column| {
        [Some(&column.key), column.value.as_ref()]
            .into_iter()
            .flatten()
            .any(|base| {
                !base.strong
                    && base
                        .ref_table
                        .as_deref()
                        .is_some_and(|table| tables.contains(table))
            })
    };
    let mut questions = Vec::new();
    for (table, known) in &schema.tables {
        let columns = known.columns.iter().filter(|(_, column)| is_weak(column));
        let columns: Vec<String> = columns.map(|(name, _)| name.clone()).collect();
        if !columns.is_empty() {
            questions.push((table, columns));
        }
    }
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let selects: Vec<Value> = questions
        .iter()
        .map(|(table, columns)| {
            let with_uuid = columns.iter().cloned().chain(["_uuid".to_owned()]);
            Operation::Select {
                table: (*table).clone(),
                conditions: Vec::new(),
                columns: Some(with_uuid.collect()),
            }
            .to_json()
        })
        .collect();
    let results = server.transact(&schema.name, &selects).await?;
    let mut images = Vec::new();
    for (number, (table, _)) in questions.into_iter().enumerate() {
        for row in results.rows(number) {
            let read = uuid_of(row).zip(columns_of(schema, table, row));
            let (uuid, columns) = read.ok_or_else(|| malformed(table))?;
            let mut image = RowImage {
                table: table.clone(),
                uuid,
                ..RowImage::default()
            };
            for (name, before) in &columns {
                let referred = references(schema, table, name, before, false);
                let lost: BTreeSet<Atom> = referred
                    .into_iter()
                    .filter(|key| gone.contains(key))
                    .map(|(_, uuid)| Atom::Uuid(uuid))
                    .collect();
                let column = schema.column(table, name).filter(|_| !lost.is_empty());
                let touched = column.and_then(|column| {
                    let after = match before {
                        Datum::Set(set) => Datum::Set(set - &lost),
                        Datum::Map(map) => {
                            let kept = map.iter().filter(|(key, value)| {
                                !lost.contains(*key) && !lost.contains(*value)
                            });
                            Datum::Map(
                                kept.map(|(key, value)| (key.clone(), value.clone()))
                                    .collect(),
                            )
                        }
                    };
                    Touched::between(column, before, &after)
                });
                image
                    .touched
                    .extend(touched.map(|touched| (name.clone(), touched)));
            }
            if !image.touched.is_empty() {
                images.push(image);
            }
        }
    }
    Ok(images)
}

/// Reads rows by their UUIDs, their lasting columns. Those that do not exist are left out.
///
/// # Errors
/// What the server says.
pub async fn read(
    server: &dyn Server,
    schema: &Schema,
    keys: &[RowKey],
) -> Result<Vec<(RowKey, Columns)>, OvsdbError> {
    let mut by_table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (table, uuid) in keys
        .iter()
        .filter(|(table, _)| schema.tables.contains_key(table))
    {
        by_table.entry(table).or_default().push(uuid);
    }
    let mut questions: Vec<(&str, Value)> = Vec::new();
    for (table, uuids) in &by_table {
        let select = |conditions| {
            Operation::Select {
                table: (*table).to_owned(),
                conditions,
                columns: Some(lasting_columns(schema, table)),
            }
            .to_json()
        };
        if uuids.len() > MANY {
            questions.push((table, select(Vec::new())));
        } else {
            let each = uuids
                .iter()
                .map(|uuid| (*table, select(vec![has_uuid(uuid)])));
            questions.extend(each);
        }
    }
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: BTreeSet<(&str, &str)> = keys
        .iter()
        .map(|(table, uuid)| (table.as_str(), uuid.as_str()))
        .collect();
    let selects: Vec<Value> = questions.iter().map(|(_, select)| select.clone()).collect();
    let results = server.transact(&schema.name, &selects).await?;
    let mut found = Vec::new();
    for (number, (table, _)) in questions.iter().enumerate() {
        for row in results.rows(number) {
            let uuid = uuid_of(row).ok_or_else(|| malformed(table))?;
            if wanted.contains(&(*table, uuid.as_str())) {
                let columns = columns_of(schema, table, row).ok_or_else(|| malformed(table))?;
                found.push((((*table).to_owned(), uuid), columns));
            }
        }
    }
    Ok(found)
}
