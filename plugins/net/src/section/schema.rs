//! The section's JSON Schema, from its types. The component does not make it: it carries the finished file.

use serde_json::Value;

use super::Section;

/// Keys whose `null` means something: detach, and no gateway.
const NULLABLE: &[&str] = &["controller", "gateway"];

/// The schema (draft 2020-12), closed to unknown keys, with examples.
pub fn schema() -> Value {
    op_dbus_plugin::section::schema::with_examples::<Section>(
        "op-dbus: the section `net`",
        NULLABLE,
        include_str!("../../examples.json"),
    )
}
