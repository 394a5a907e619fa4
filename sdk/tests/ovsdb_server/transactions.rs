//! Transactions made up at random: mostly such as make sense, so that they build something up, and some that do not.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

/// The columns that transactions speak of, by table.
pub const COLUMNS: [(&str, &[&str]); 7] = [
    ("Open_vSwitch", &["bridges", "next_cfg", "external_ids"]),
    (
        "Bridge",
        &[
            "name",
            "ports",
            "mirrors",
            "controller",
            "fail_mode",
            "stp_enable",
            "flood_vlans",
            "external_ids",
        ],
    ),
    (
        "Port",
        &[
            "name",
            "interfaces",
            "tag",
            "trunks",
            "vlan_mode",
            "qos",
            "bond_updelay",
            "external_ids",
        ],
    ),
    (
        "Interface",
        &[
            "name",
            "type",
            "options",
            "mtu_request",
            "ofport_request",
            "external_ids",
        ],
    ),
    ("Controller", &["target", "max_backoff", "external_ids"]),
    (
        "Mirror",
        &[
            "name",
            "select_all",
            "select_src_port",
            "output_port",
            "output_vlan",
            "external_ids",
        ],
    ),
    ("QoS", &["type", "external_ids"]),
];

/// Names that a transaction may give the rows that it inserts.
const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// A reference: to a row of this transaction, of an earlier one, or to none.
fn reference() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(NAMES.to_vec()).prop_map(|name| json!(["named-uuid", name])),
        4 => (0..12_u64).prop_map(|number| json!(["row", number])),
    ]
}

fn set(of: impl Strategy<Value = Value> + 'static, most: usize) -> BoxedStrategy<Value> {
    vec(of, 0..=most)
        .prop_map(|mut items| {
            items.sort_by_key(Value::to_string);
            items.dedup();
            json!(["set", items])
        })
        .boxed()
}

fn map() -> BoxedStrategy<Value> {
    let pairs = vec![json!(["a", "1"]), json!(["b", "2"]), json!(["c", ""])];
    prop_oneof![
        4 => subsequence(pairs, 0..=3).prop_map(|pairs| json!(["map", pairs])),
        1 => Just(json!(["map", [["a", "2"]]])),
    ]
    .boxed()
}

fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    select(values).boxed()
}

/// A value for a column, now and then one that it cannot have.
fn value(column: &'static str) -> BoxedStrategy<Value> {
    let numbers = |numbers: &[i64]| -> Vec<Value> { numbers.iter().map(|it| json!(it)).collect() };
    let none = json!(["set", []]);
    match column {
        "bridges" | "ports" | "mirrors" | "controller" | "select_src_port" => set(reference(), 3),
        "interfaces" => set(reference(), 2),
        "qos" | "output_port" => prop_oneof![reference(), Just(none)].boxed(),
        "external_ids" | "options" => map(),
        "flood_vlans" | "trunks" => set(select(numbers(&[0, 7, 4095, 4096])), 2),
        "next_cfg" | "bond_updelay" => one_of(numbers(&[0, 1, -1, 7, i64::MAX])),
        "tag" | "output_vlan" => one_of([numbers(&[0, 1, 4095, 4096, -1]), vec![none]].concat()),
        "mtu_request" => one_of([numbers(&[67, 68, 1500]), vec![none]].concat()),
        "ofport_request" => one_of([numbers(&[0, 1, 65279, 65280]), vec![none]].concat()),
        "max_backoff" => one_of([numbers(&[999, 1000]), vec![none]].concat()),
        "stp_enable" | "select_all" => one_of(vec![json!(true), json!(false)]),
        "fail_mode" => one_of(vec![
            json!("secure"),
            json!("standalone"),
            json!("sideways"),
            none,
        ]),
        "vlan_mode" => one_of(vec![
            json!("access"),
            json!("trunk"),
            json!("sideways"),
            none,
        ]),
        _ => one_of(vec![json!("a"), json!("b"), json!(""), json!("a\u{fc}")]),
    }
}

fn table() -> impl Strategy<Value = (&'static str, &'static [&'static str])> {
    select(COLUMNS[..].to_vec())
}

/// Some columns of a row.
fn row(columns: &'static [&'static str]) -> impl Strategy<Value = Value> {
    subsequence(columns, 0..=columns.len().min(3)).prop_flat_map(|columns| {
        let values: Vec<_> = columns.iter().map(|column| value(column)).collect();
        values.prop_map(move |values| {
            let row = columns.iter().zip(values);
            row.map(|(column, value)| ((*column).to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
    })
}

/// Which rows: all, one by its UUID, or those that a condition holds for.
fn conditions(columns: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let one = select(columns).prop_flat_map(|column| {
        let functions = match column {
            "next_cfg" | "bond_updelay" => vec!["==", "!=", "<", "<=", ">", ">="],
            _ => vec!["==", "!=", "includes", "excludes"],
        };
        (select(functions), value(column))
            .prop_map(move |(function, value)| json!([column, function, value]))
    });
    let by_uuid = (select(vec!["==", "!="]), reference())
        .prop_map(|(function, row)| json!([["_uuid", function, row]]));
    prop_oneof![
        3 => Just(json!([])),
        2 => by_uuid,
        3 => vec(one, 1..=2).prop_map(Value::from),
    ]
}

/// A change of a column: elements in or out, or arithmetic.
fn mutation(columns: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(columns).prop_flat_map(|column| {
        let mutators = match column {
            "next_cfg" | "bond_updelay" => vec!["+=", "-=", "*=", "/=", "%="],
            _ => vec!["insert", "delete"],
        };
        (select(mutators), value(column))
            .prop_map(move |(mutator, value)| json!([column, mutator, value]))
    })
}

/// The chain that makes a bridge, as `ovs-vsctl add-br` does.
fn bridge() -> impl Strategy<Value = Vec<Value>> {
    (select(vec!["a", "b", "c"]), row(COLUMNS[1].1)).prop_map(|(name, mut row)| {
        row["name"] = name.into();
        row["ports"] = json!(["set", [["named-uuid", "two"]]]);
        let port = json!({"name": name, "interfaces": ["named-uuid", "one"]});
        vec![
            json!({"op": "insert", "table": "Interface", "uuid-name": "one", "row": {"name": name}}),
            json!({"op": "insert", "table": "Port", "uuid-name": "two", "row": port}),
            json!({"op": "insert", "table": "Bridge", "uuid-name": "three", "row": row}),
            json!({"op": "mutate", "table": "Open_vSwitch", "where": [],
                "mutations": [["bridges", "insert", ["named-uuid", "three"]]]}),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let columns_of = |columns: &'static [&'static str]| subsequence(columns, 1..=2);
    prop_oneof![
        3 => table().prop_flat_map(|(table, columns)| (row(columns), proptest::option::of(select(NAMES.to_vec())))
            .prop_map(move |(row, name)| match name {
                Some(name) => json!({"op": "insert", "table": table, "row": row, "uuid-name": name}),
                None => json!({"op": "insert", "table": table, "row": row}),
            })),
        3 => table().prop_flat_map(|(table, columns)| (conditions(columns), row(columns))
            .prop_map(move |(conditions, row)| json!({"op": "update", "table": table, "where": conditions, "row": row}))),
        4 => table().prop_flat_map(|(table, columns)| (conditions(columns), vec(mutation(columns), 1..=2))
            .prop_map(move |(conditions, mutations)| json!({"op": "mutate", "table": table, "where": conditions, "mutations": mutations}))),
        1 => table().prop_flat_map(|(table, columns)| conditions(columns)
            .prop_map(move |conditions| json!({"op": "delete", "table": table, "where": conditions}))),
        2 => table().prop_flat_map(move |(table, columns)| (conditions(columns), columns_of(columns))
            .prop_map(move |(conditions, columns)| json!({"op": "select", "table": table, "where": conditions, "columns": columns}))),
        2 => table().prop_flat_map(move |(table, columns)| (conditions(columns), columns_of(columns), vec(row(columns), 0..=2), select(vec!["==", "!="]))
            .prop_map(move |(conditions, columns, rows, until)| json!({"op": "wait", "timeout": 0, "table": table, "where": conditions,
                "columns": columns, "rows": rows, "until": until}))),
        1 => select(vec![json!({"op": "comment", "comment": "a"}), json!({"op": "abort"}), json!({"op": "nonsense"}),
            json!({"op": "select", "table": "Nonsense", "where": []}),
            json!({"op": "select", "table": "Port", "where": [["nonsense", "==", 1]], "columns": ["name"]})]),
    ]
}

/// Several transactions, one after another.
pub fn transactions() -> impl Strategy<Value = Vec<Value>> {
    let one = prop_oneof![
        2 => bridge(),
        1 => (bridge(), vec(operation(), 1..3)).prop_map(|(mut all, more)| {
            all.extend(more);
            all
        }),
        3 => vec(operation(), 1..4),
    ];
    vec(one.prop_map(Value::Array), 1..8)
}
