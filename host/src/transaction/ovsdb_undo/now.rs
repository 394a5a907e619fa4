//! What there is now of rows that are to be restored, and of what they refer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::backends::ovsdb::datum::Datum;
use crate::backends::ovsdb::effect::{RowKey, references};
use crate::backends::ovsdb::image::{RowImage, Touched, read};
use crate::backends::ovsdb::operation::{Columns, Operation, uuid_of};
use crate::backends::ovsdb::{OvsdbError, Schema, Server};

/// What there is now.
#[derive(Debug, Default)]
pub struct Now {
    /// The imaged rows that exist.
    pub rows: BTreeMap<RowKey, Columns>,
    /// Who has the names of rows that are gone, by table.
    pub by_name: BTreeMap<(String, String), String>,
    /// Rows that images refer to and that exist.
    pub referred: BTreeSet<RowKey>,
}

impl Now {
    /// Reads it.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(
        server: &dyn Server,
        schema: &Schema,
        images: &[RowImage],
    ) -> Result<Self, OvsdbError> {
        let keys: Vec<RowKey> = images.iter().map(RowImage::key).collect();
        let rows: BTreeMap<RowKey, Columns> =
            read(server, schema, &keys).await?.into_iter().collect();
        let mut referred: BTreeSet<RowKey> = BTreeSet::new();
        for image in images.iter().filter(|image| !image.absent) {
            referred.extend(referred_by(schema, image));
        }
        referred.retain(|key| !rows.contains_key(key));
        let referred: Vec<RowKey> = referred.into_iter().collect();
        let found = read(server, schema, &referred).await?;
        let referred = found
            .into_iter()
            .map(|(key, _)| key)
            .chain(rows.keys().cloned());
        Ok(Self {
            by_name: names(server, schema, images, &rows).await?,
            referred: referred.collect(),
            rows,
        })
    }
}

/// The rows that a restored row would refer to.
fn referred_by(schema: &Schema, image: &RowImage) -> Vec<RowKey> {
    let mut found = Vec::new();
    let mut add = |column: &str, json: &Value| {
        let kind = schema.column(&image.table, column);
        let value = kind.and_then(|kind| Datum::read(kind, json, &BTreeMap::new()));
        if let Some(value) = value {
            found.extend(
                [true, false]
                    .iter()
                    .flat_map(|strong| references(schema, &image.table, column, &value, *strong)),
            );
        }
    };
    for (column, json) in image.whole.iter().flatten() {
        add(column, json);
    }
    for (column, touched) in &image.touched {
        match touched {
            Touched::Value(json) => add(column, json),
            Touched::Elements { present, .. } => {
                add(
                    column,
                    &crate::backends::ovsdb::value::set(present.iter().cloned()),
                );
            }
            Touched::Keys { present, .. } => {
                add(
                    column,
                    &crate::backends::ovsdb::value::map(present.iter().cloned()),
                );
            }
        }
    }
    found
}

/// Who has the names of imaged rows that are gone. Whole tables are read: the server looks through all rows for a name, too.
async fn names(
    server: &dyn Server,
    schema: &Schema,
    images: &[RowImage],
    rows: &BTreeMap<RowKey, Columns>,
) -> Result<BTreeMap<(String, String), String>, OvsdbError> {
    let gone = images
        .iter()
        .filter(|image| image.whole.is_some() && !image.absent && !rows.contains_key(&image.key()));
    let wanted: BTreeSet<(&str, &str)> = gone
        .filter_map(|image| Some((image.table.as_str(), image.name.as_deref()?)))
        .collect();
    // Only names of these tables are unique.
    let tables: Vec<&str> = ["Bridge", "Port", "Interface"]
        .into_iter()
        .filter(|table| wanted.iter().any(|(of, _)| of == table))
        .filter(|table| schema.column(table, "name").is_some())
        .collect();
    if tables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let columns = ["_uuid", "name"].map(str::to_owned).to_vec();
    let selects = tables.iter().map(|table| {
        Operation::Select {
            table: (*table).to_owned(),
            conditions: Vec::new(),
            columns: Some(columns.clone()),
        }
        .to_json()
    });
    let selects: Vec<Value> = selects.collect();
    let results = server.transact(&schema.name, &selects).await?;
    let mut names = BTreeMap::new();
    for (number, table) in tables.iter().enumerate() {
        for row in results.rows(number) {
            let name = row.get("name").and_then(Value::as_str);
            if let (Some(name), Some(uuid)) = (name, uuid_of(row))
                && wanted.contains(&(*table, name))
            {
                names.insert(((*table).to_owned(), name.to_owned()), uuid);
            }
        }
    }
    Ok(names)
}
