//! What the operator lets a plugin do with Open vSwitch's database.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gate::pattern::{Pattern, any_matches};

/// What a plugin may see and change in the databases of the OVSDB server.
///
/// Rows are chosen by name. A bridge is covered if `bridges` has its name; a port or an interface if `ports` has its name and all that it
/// hangs from is covered; any other row (a mirror, a controller, a queue) if all that it hangs from is covered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OvsdbGrant {
    /// Databases, e.g. `Open_vSwitch`.
    pub databases: Vec<Pattern>,
    /// Operations by table; `*` is every table.
    pub tables: BTreeMap<String, Vec<Verb>>,
    /// Names of rows of the table `Bridge`.
    pub bridges: Vec<Pattern>,
    /// Names of rows of the tables `Port` and `Interface`.
    pub ports: Vec<Pattern>,
    /// Columns that may be changed in the one row of the database's root table (`Open_vSwitch`): they concern the whole switch.
    pub root_columns: Vec<Pattern>,
}

/// An operation on a table (RFC 7047 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Reads rows.
    Select,
    /// Makes rows.
    Insert,
    /// Sets columns.
    Update,
    /// Changes columns.
    Mutate,
    /// Deletes rows.
    Delete,
    /// Compares rows.
    Wait,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Mutate,
        Self::Delete,
        Self::Wait,
    ];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// The word of the RFC.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Mutate => "mutate",
            Self::Delete => "delete",
            Self::Wait => "wait",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl OvsdbGrant {
    /// What the built-in plugin `net` needs: all bridges and ports, and what it leaves alone (mirrors, queues, collectors) only to read.
    pub fn of_net() -> Self {
        let any = || vec![Pattern::new("*")];
        let look = vec![Verb::Select, Verb::Wait];
        let change = vec![Verb::Select, Verb::Update, Verb::Mutate, Verb::Wait];
        let tables = [
            ("*", look),
            ("Open_vSwitch", change),
            ("Bridge", Verb::ALL.to_vec()),
            ("Port", Verb::ALL.to_vec()),
            ("Interface", Verb::ALL.to_vec()),
            ("Controller", Verb::ALL.to_vec()),
        ];
        Self {
            databases: vec![Pattern::new("Open_vSwitch")],
            tables: tables
                .map(|(table, verbs)| (table.to_owned(), verbs))
                .into(),
            bridges: any(),
            ports: any(),
            root_columns: ["bridges", "external_ids", "other_config"]
                .map(Pattern::new)
                .into(),
        }
    }

    /// Whether a database is covered.
    pub fn covers_database(&self, database: &str) -> bool {
        any_matches(&self.databases, database)
    }

    /// Whether an operation on a table is covered, as far as no row is concerned.
    pub fn covers_operation(&self, table: &str, verb: Verb) -> bool {
        ["*", table]
            .into_iter()
            .filter_map(|key| self.tables.get(key))
            .any(|verbs| verbs.contains(&verb))
    }

    /// Whether anything may be done with a table.
    pub fn covers_table(&self, table: &str) -> bool {
        Verb::ALL
            .into_iter()
            .any(|verb| self.covers_operation(table, verb))
    }

    /// Whether a column of the root table may be changed.
    pub fn covers_root_column(&self, column: &str) -> bool {
        any_matches(&self.root_columns, column)
    }

    /// Whether no row is kept from the plugin, so that rows need no look-up.
    pub fn covers_all_rows(&self) -> bool {
        self.bridges.iter().any(Pattern::is_any) && self.ports.iter().any(Pattern::is_any)
    }

    /// Whether the name of a row of a table is covered; `None` for a table whose rows are not chosen by name.
    pub fn covers_name(&self, table: &str, name: &str) -> Option<bool> {
        match table {
            "Bridge" => Some(any_matches(&self.bridges, name)),
            "Port" | "Interface" => Some(any_matches(&self.ports, name)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> OvsdbGrant {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_empty_grant_covers_nothing() {
        let grant = grant("");
        assert!(!grant.covers_database("Open_vSwitch"));
        assert!(!grant.covers_table("Bridge"));
        assert!(!grant.covers_all_rows());
        assert_eq!(grant.covers_name("Bridge", "br0"), Some(false));
        assert!(!grant.covers_root_column("bridges"));
    }

    #[test]
    fn operations_add_up_over_a_table_and_all_tables() {
        let grant = grant("tables = { \"*\" = [\"select\"], Bridge = [\"mutate\"] }");
        assert!(grant.covers_operation("Bridge", Verb::Select));
        assert!(grant.covers_operation("Bridge", Verb::Mutate));
        assert!(!grant.covers_operation("Bridge", Verb::Delete));
        assert!(!grant.covers_operation("Port", Verb::Mutate));
        assert!(!grant.covers_operation("bridge", Verb::Mutate));
    }

    #[test]
    fn names_are_taken_whole_and_with_their_case() {
        let grant = grant("bridges = [\"ten1-*\"]\nports = [\"ten1-*\", \"eth1\"]");
        for (table, name, covered) in [
            ("Bridge", "ten1-br", Some(true)),
            ("Bridge", "eth1", Some(false)),
            ("Bridge", "TEN1-br", Some(false)),
            ("Bridge", "xten1-br", Some(false)),
            ("Port", "eth1", Some(true)),
            ("Interface", "eth10", Some(false)),
            ("Mirror", "ten1-m", None),
        ] {
            assert_eq!(grant.covers_name(table, name), covered, "{table} {name}");
        }
        assert!(!grant.covers_all_rows());
    }

    #[test]
    fn a_misspelt_grant_names_the_valid_options() {
        let error = toml::from_str::<OvsdbGrant>("bridge = [\"br0\"]").unwrap_err();
        assert!(error.to_string().contains("`bridges`"), "{error}");
        let error = toml::from_str::<OvsdbGrant>("tables = { Bridge = [\"drop\"] }").unwrap_err();
        assert!(error.to_string().contains("`mutate`"), "{error}");
    }

    #[test]
    fn the_built_in_plugin_is_granted_what_it_asks_for() {
        let asks = include_str!("../../../../plugins/net/asks.json");
        let grant: crate::gate::grant::Grant = serde_json::from_str(asks).unwrap();
        assert_eq!(grant.ovsdb, Some(OvsdbGrant::of_net()));
    }
}
