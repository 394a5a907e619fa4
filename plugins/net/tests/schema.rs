//! The schema that the component carries is the one that its types have.

use op_dbus_net::section::Section;
use schemars::generate::SchemaSettings;

#[test]
fn the_schema_file_is_what_the_types_say() {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Section>();

    let text = serde_json::to_string_pretty(&schema).expect("JSON can be written") + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(file, &text).expect("the schema file can be written");
    }
    let there = std::fs::read_to_string(file).expect("the schema file can be read");
    assert!(
        there == text,
        "plugins/net/schema.json is stale: run the tests once with UPDATE_SCHEMA=1 in the environment"
    );
}
