//! The schema that the component carries is the one that its types have.

use std::path::Path;

#[test]
fn the_schema_file_is_what_the_types_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    op_dbus_plugin::goldens::schema(
        &op_dbus_networkmanager::section::schema::schema(),
        Path::new(file),
    );
}
