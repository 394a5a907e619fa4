//! The section's JSON Schema, from its types. The component does not make it: it carries the finished file.

use serde_json::Value;

use super::Section;

/// Keys whose `null` means something: no gateway, no controller.
const NULLABLE: &[&str] = &["controller", "gateway"];

/// The schema (draft 2020-12), closed to unknown keys, with examples.
pub fn schema() -> Value {
    op_dbus_plugin::section::schema::with_examples::<Section>(
        "op-dbus: the section `networkmanager`",
        NULLABLE,
        include_str!("../../examples.json"),
    )
}
