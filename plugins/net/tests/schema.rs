//! The schema that the component carries is the one that its types have.

use std::path::Path;

#[test]
fn the_schema_file_is_what_the_types_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    op_dbus_plugin::goldens::schema(&op_dbus_net::section::schema::schema(), Path::new(file));
}

/// Keys of a kind that its schema says to make the link anew: the host's undo is held to the same words.
fn anew(schema: &serde_json::Value, definition: &str) -> Vec<String> {
    let definition = &schema["$defs"][definition];
    let says = |schema: &serde_json::Value, words: &str| {
        schema["description"]
            .as_str()
            .is_some_and(|text| text.contains(words))
    };
    let all = says(definition, "Changing any of it makes the");
    let properties = definition["properties"].as_object().expect("an object");
    let keys = properties
        .iter()
        .filter(|(_, key)| says(key, "Changing it makes the") || all && key["readOnly"] != true);
    keys.map(|(key, _)| key.clone()).collect()
}

#[test]
fn keys_that_make_a_link_anew_say_so() {
    use op_dbus_net::kind::fixed_keys;
    use op_dbus_net::section::LinkType;
    let schema = op_dbus_net::section::schema::schema();
    for (of, definition) in [
        (LinkType::Veth, "Veth"),
        (LinkType::Bridge, "Bridge"),
        (LinkType::Bond, "Bond"),
        (LinkType::Vlan, "Vlan"),
        (LinkType::Vxlan, "Vxlan"),
        (LinkType::Geneve, "Geneve"),
        (LinkType::Gre, "Tunnel"),
        (LinkType::Vrf, "Vrf"),
        (LinkType::Macvlan, "Macvlan"),
        (LinkType::Ipvlan, "Ipvlan"),
        (LinkType::Tun, "Tun"),
        (LinkType::Wireguard, "Wireguard"),
    ] {
        let mut said = anew(&schema, definition);
        let mut fixed: Vec<String> = fixed_keys(&of).iter().map(ToString::to_string).collect();
        said.sort();
        fixed.sort();
        assert_eq!(said, fixed, "{definition}");
    }
}
