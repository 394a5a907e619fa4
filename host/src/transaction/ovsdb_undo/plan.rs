//! From what is to what was: which operations bring imaged rows back. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::backends::ovsdb::Schema;
use crate::backends::ovsdb::datum::{Atom, Datum};
use crate::backends::ovsdb::effect::{RowKey, references};
use crate::backends::ovsdb::image::RowImage;
use crate::backends::ovsdb::operation::{Columns, Mutation, Operation, has_uuid};
use crate::transaction::record::Difference;

use super::now::Now;

/// What is to be done, and what cannot be.
#[derive(Debug, Default)]
pub struct Plan {
    /// What restores.
    pub steps: Vec<Step>,
    /// What is not as it was and nothing can be done about.
    stuck: Vec<Difference>,
}

/// An operation, for a row.
#[derive(Debug)]
pub struct Step {
    /// The row.
    pub row: RowKey,
    /// What restores it.
    operation: Operation,
    /// What it changes.
    difference: Difference,
}

impl Plan {
    /// The operations, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.steps
            .iter()
            .map(|step| step.operation.clone())
            .collect()
    }

    /// What is not as it was; `because` is what kept the steps from being done.
    pub fn differences(self, because: Option<&str>) -> Vec<Difference> {
        let undone = self.steps.into_iter().map(|step| Difference {
            because: because.map(str::to_owned),
            ..step.difference
        });
        self.stuck.into_iter().chain(undone).collect()
    }
}

fn object(image: &RowImage) -> String {
    format!(
        "{} {}",
        image.table,
        image.name.as_deref().unwrap_or(&image.uuid)
    )
}

struct Planning<'a> {
    schema: &'a Schema,
    now: &'a Now,
    /// Rows that there will be beside those that there are.
    anew: BTreeSet<RowKey>,
    plan: Plan,
}

/// Plans. Rows in `refusals` are not tried again.
pub fn plan(
    schema: &Schema,
    images: &[RowImage],
    now: &Now,
    refusals: &BTreeMap<RowKey, String>,
) -> Plan {
    let made: BTreeSet<RowKey> = images
        .iter()
        .filter(|image| image.absent)
        .map(RowImage::key)
        .collect();
    let mut planning = Planning {
        schema,
        now,
        anew: BTreeSet::new(),
        plan: Plan::default(),
    };
    let mut gone = Vec::new();
    for image in images
        .iter()
        .filter(|image| !image.absent && !now.rows.contains_key(&image.key()))
    {
        let because = match refusals.get(&image.key()) {
            Some(refusal) => Some(refusal.clone()),
            None if image.whole.is_none() => Some("somebody else has deleted it".to_owned()),
            None => planning.name_is_taken(image, &made),
        };
        match because {
            Some(because) => planning.stuck(image, "absent", "present", Some(because)),
            None => {
                planning.anew.insert(image.key());
                gone.push(image);
            }
        }
    }
    for image in gone {
        planning.make(image);
    }
    for image in images {
        match now.rows.get(&image.key()) {
            Some(_) if image.absent => planning.remove(image, refusals.get(&image.key())),
            Some(row) => planning.mend(image, row, refusals.get(&image.key())),
            None => {}
        }
    }
    planning.plan
}

impl Planning<'_> {
    fn stuck(&mut self, image: &RowImage, is: &str, should_be: &str, because: Option<String>) {
        self.plan.stuck.push(Difference {
            object: object(image),
            is: is.to_owned(),
            should_be: should_be.to_owned(),
            because,
        });
    }

    /// Names are unique: a row that somebody else has made under the same name is in the way.
    fn name_is_taken(&self, image: &RowImage, made: &BTreeSet<RowKey>) -> Option<String> {
        let key = (image.table.clone(), image.name.clone()?);
        let holder = self.now.by_name.get(&key)?;
        let ours = made.contains(&(image.table.clone(), holder.clone()));
        (!ours).then(|| format!("somebody else has made another one of that name ({holder})"))
    }

    fn exists(&self, key: &RowKey) -> bool {
        self.now.referred.contains(key) || self.anew.contains(key)
    }

    /// A value without references to rows that exist no more: the server would refuse it. What the column holds `now` exists.
    fn possible(&self, table: &str, column: &str, value: Datum, now: Option<&Datum>) -> Datum {
        let held: BTreeSet<&str> = now.into_iter().flat_map(Datum::uuids).collect();
        let referred = [true, false]
            .into_iter()
            .flat_map(|strong| references(self.schema, table, column, &value, strong));
        let lost: BTreeSet<String> = referred
            .filter(|key| !held.contains(key.1.as_str()) && !self.exists(key))
            .map(|(_, uuid)| uuid)
            .collect();
        if lost.is_empty() {
            return value;
        }
        let kept = |atom: &Atom| !matches!(atom, Atom::Uuid(uuid) if lost.contains(uuid));
        match value {
            Datum::Set(atoms) => Datum::Set(atoms.into_iter().filter(kept).collect()),
            Datum::Map(pairs) => Datum::Map(
                pairs
                    .into_iter()
                    .filter(|(key, value)| kept(key) && kept(value))
                    .collect(),
            ),
        }
    }

    /// Makes a row anew.
    fn make(&mut self, image: &RowImage) {
        let names = BTreeMap::new();
        let mut row = Columns::new();
        for (column, json) in image.whole.iter().flatten() {
            let kind = self.schema.column(&image.table, column);
            match kind.and_then(|kind| Datum::read(kind, json, &names)) {
                Some(value) => {
                    row.insert(column.clone(), value);
                }
                None => self.stuck_column(image, column, "absent"),
            }
        }
        for (column, touched) in &image.touched {
            let Some(kind) = self.schema.column(&image.table, column) else {
                continue;
            };
            let now = row
                .get(column)
                .cloned()
                .unwrap_or_else(|| Datum::default_of(kind));
            if let Some(value) = touched.restored(kind, &now) {
                row.insert(column.clone(), value);
            }
        }
        let row: Columns = row
            .into_iter()
            .map(|(column, value)| {
                let value = self.possible(&image.table, &column, value, None);
                (column, value)
            })
            .collect();
        self.plan.steps.push(Step {
            row: image.key(),
            operation: Operation::Insert {
                table: image.table.clone(),
                uuid: image.uuid.clone(),
                row,
            },
            difference: Difference {
                object: object(image),
                is: "absent".to_owned(),
                should_be: "present".to_owned(),
                because: None,
            },
        });
    }

    fn stuck_column(&mut self, image: &RowImage, column: &str, is: &str) {
        self.plan.stuck.push(Difference {
            object: format!("{}, column {column}", object(image)),
            is: is.to_owned(),
            should_be: "as before".to_owned(),
            because: Some("the server's schema has it no more, or in another form".to_owned()),
        });
    }

    /// Removes a row that the transaction made. Most go by themselves, when nothing refers to them any more.
    fn remove(&mut self, image: &RowImage, refusal: Option<&String>) {
        let lives_alone = self
            .schema
            .tables
            .get(&image.table)
            .is_some_and(|table| table.is_root);
        if let (true, None) = (lives_alone, refusal) {
            let operation = Operation::Delete {
                table: image.table.clone(),
                conditions: vec![has_uuid(&image.uuid)],
            };
            let difference = Difference {
                object: object(image),
                is: "present".to_owned(),
                should_be: "absent".to_owned(),
                because: None,
            };
            self.plan.steps.push(Step {
                row: image.key(),
                operation,
                difference,
            });
        } else {
            let because = refusal
                .cloned()
                .unwrap_or_else(|| "something else refers to it".to_owned());
            self.stuck(image, "present", "absent", Some(because));
        }
    }

    /// Mends the touched columns of a row that exists.
    fn mend(&mut self, image: &RowImage, row: &Columns, refusal: Option<&String>) {
        for (column, touched) in &image.touched {
            let kind = self.schema.column(&image.table, column);
            let now = row.get(column);
            let Some((kind, now)) = kind.zip(now) else {
                self.stuck_column(image, column, "absent");
                continue;
            };
            let Some(should_be) = touched.restored(kind, now) else {
                self.stuck_column(image, column, &now.to_json().to_string());
                continue;
            };
            if should_be == *now {
                continue;
            }
            let difference = |should_be: &Datum, because: Option<String>| Difference {
                object: format!("{}, column {column}", object(image)),
                is: now.to_json().to_string(),
                should_be: should_be.to_json().to_string(),
                because,
            };
            let possible = self.possible(&image.table, column, should_be.clone(), Some(now));
            if possible != should_be {
                let because = "what it referred to is gone and cannot be made anew".to_owned();
                self.plan.stuck.push(difference(&should_be, Some(because)));
            }
            if let Some(refusal) = refusal {
                self.plan
                    .stuck
                    .push(difference(&should_be, Some(refusal.clone())));
            } else if possible != *now {
                self.plan.steps.push(Step {
                    row: image.key(),
                    operation: change(&image.table, &image.uuid, column, now, &possible),
                    difference: difference(&should_be, None),
                });
            }
        }
    }
}

/// The operation that takes a column from one value to another, and touches no more of it than differs.
fn change(table: &str, uuid: &str, column: &str, now: &Datum, should_be: &Datum) -> Operation {
    let mutation = |mutator: &str, value: Datum| Mutation {
        column: column.to_owned(),
        mutator: mutator.to_owned(),
        value,
    };
    let mutations = match (now, should_be) {
        // A set that must not be empty is not, at any time.
        (Datum::Set(now), Datum::Set(then)) if now.len().max(then.len()) > 1 => [
            mutation("insert", Datum::Set(then - now)),
            mutation("delete", Datum::Set(now - then)),
        ],
        (Datum::Map(now), Datum::Map(then)) => {
            let differing = now
                .iter()
                .filter(|(key, value)| then.get(*key) != Some(*value));
            let new = then
                .iter()
                .filter(|(key, value)| now.get(*key) != Some(*value));
            let new = new.map(|(key, value)| (key.clone(), value.clone()));
            // A key that is there keeps its value when it is inserted.
            [
                mutation(
                    "delete",
                    Datum::Set(differing.map(|(key, _)| key.clone()).collect()),
                ),
                mutation("insert", Datum::Map(new.collect())),
            ]
        }
        _ => {
            return Operation::Update {
                table: table.to_owned(),
                conditions: vec![has_uuid(uuid)],
                row: Columns::from([(column.to_owned(), should_be.clone())]),
            };
        }
    };
    Operation::Mutate {
        table: table.to_owned(),
        conditions: vec![has_uuid(uuid)],
        mutations: mutations
            .into_iter()
            .filter(|mutation| !mutation.value.is_empty())
            .collect(),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
