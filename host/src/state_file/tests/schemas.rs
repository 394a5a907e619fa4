//! What a plugin's schema finds wrong.

use super::*;
use insta::assert_snapshot;

const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "interfaces": {"type": "array", "items": {"$ref": "#/$defs/interface"}}
  },
  "$defs": {
    "interface": {
      "type": "object",
      "required": ["name"],
      "additionalProperties": false,
      "properties": {
        "name": {"type": "string", "maxLength": 15, "description": "The link's name."},
        "type": {"enum": ["ethernet", "bridge", "bond", "vlan"]},
        "mtu": {"type": "integer", "minimum": 68, "maximum": 65535},
        "mac": {"type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$",
                "description": "a MAC address, as in 52:54:00:12:34:56"},
        "up": {"type": "boolean"},
        "ports": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
        "psk": {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": false,
                "required": ["secret"], "properties": {"secret": {"type": "string"}, "fingerprint": {"type": "string"}}}]},
        "route": {"oneOf": [
          {"type": "object", "additionalProperties": false, "required": ["kind", "via"],
           "properties": {"kind": {"const": "unicast"}, "via": {"type": "string"}}},
          {"type": "object", "additionalProperties": false, "required": ["kind"],
           "properties": {"kind": {"const": "blackhole"}}}]}
      }
    }
  }
}"##;

fn found(section: &str) -> String {
    check(section).render(Style::PLAIN)
}

fn check(section: &str) -> Problems {
    schema::check("net", &net(section), SCHEMA).unwrap()
}

#[test]
fn a_sound_section_has_no_problems() {
    let problems = check(
        r#"{"interfaces": [{"name": "eth0", "mtu": 1500, "psk": {"secret": "x"}, "route": {"kind": "blackhole"}}]}"#,
    );
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn an_unknown_key_is_underlined_and_the_nearest_named() {
    assert_snapshot!(found(r#"{"interfaces": [{"name": "eth0", "mut": 1500}]}"#), @r##"
    error: unknown key "mut"
     --> state.json:2:34
      |
    2 | {"interfaces": [{"name": "eth0", "mut": 1500}]}}}
      |                                  ^^^^^
      |
      = help: did you mean "mtu"?
    "##);
    assert_snapshot!(found(r#"{"links": []}"#), @r##"
    error: unknown key "links"
     --> state.json:2:2
      |
    2 | {"links": []}}}
      |  ^^^^^^^
      |
      = help: valid here: interfaces
    "##);
}

#[test]
fn a_missing_key_says_what_it_means() {
    assert_snapshot!(found("{\"interfaces\": [\n  {\"mtu\": 1500,\n   \"up\": true}\n]}"), @r##"
    error: the key "name" is missing
     --> state.json:3:3
      |
    3 |   {"mtu": 1500,
      |   ^^^^^^^^^^^^^
      |
      = help: "name": The link's name.
    "##);
}

#[test]
fn a_wrong_type_says_what_is_wanted_and_the_way_out() {
    assert_snapshot!(found(r#"{"interfaces": [{"name": 5, "mtu": "1500", "up": "yes", "ports": "eth1"}]}"#), @r##"
    error: this must be a text, not 5
     --> state.json:2:26
      |
    2 | {"interfaces": [{"name": 5, "mtu": "1500", "up": "yes", "ports": "eth1"}]} ...
      |                          ^
      |
      = help: put it in double quotes

    error: this must be an integer, not "1500"
     --> state.json:2:36
      |
    2 | {"interfaces": [{"name": 5, "mtu": "1500", "up": "yes", "ports": "eth1"}]}}}
      |                                    ^^^^^^
      |
      = help: write 1500, without quotes

    error: this must be true or false, not "yes"
     --> state.json:2:50
      |
    2 | {"interfaces": [{"name": 5, "mtu": "1500", "up": "yes", "ports": "eth1"}]}}}
      |                                                  ^^^^^
      |
      = help: write true, without quotes

    error: this must be a list, not "eth1"
     --> state.json:2:66
      |
    2 | {"interfaces": [{"name": 5, "mtu": "1500", "up": "yes", "ports": "eth1"}]}}}
      |                                                                  ^^^^^^
      |
      = help: put it in brackets: [...]
    "##);
}

#[test]
fn a_value_that_is_none_of_the_valid_ones_lists_them_nearest_first() {
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a", "type": "brigde"}, {"name": "b", "type": 5}]}"#), @r##"
    error: "brigde" is not one of: bridge, bond, vlan, ethernet
     --> state.json:2:39
      |
    2 | {"interfaces": [{"name": "a", "type": "brigde"}, {"name": "b", "type": 5}]}}}
      |                                       ^^^^^^^^
      |
      = help: did you mean "bridge"?

    error: 5 is not one of: "ethernet", "bridge", "bond", "vlan"
     --> state.json:2:72
      |
    2 | {"interfaces": [{"name": "a", "type": "brigde"}, {"name": "b", "type": 5}]}}}
      |                                                                        ^
    "##);
}

#[test]
fn a_number_out_of_range_says_the_range() {
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a", "mtu": 20}, {"name": "b", "mtu": 99999}]}"#), @r##"
    error: this must be at least 68, not 20
     --> state.json:2:38
      |
    2 | {"interfaces": [{"name": "a", "mtu": 20}, {"name": "b", "mtu": 99999}]}}}
      |                                      ^^

    error: this must be at most 65535, not 99999
     --> state.json:2:64
      |
    2 | {"interfaces": [{"name": "a", "mtu": 20}, {"name": "b", "mtu": 99999}]}}}
      |                                                                ^^^^^
    "##);
}

#[test]
fn a_pattern_is_explained_by_its_description() {
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a-name-that-is-too-long", "mac": "52-54"}]}"#), @r##"
    error: this has more than 15 characters
     --> state.json:2:26
      |
    2 | {"interfaces": [{"name": "a-name-that-is-too-long", "mac": "52-54"}]}}}
      |                          ^^^^^^^^^^^^^^^^^^^^^^^^^

    error: "52-54" does not fit: a MAC address, as in 52:54:00:12:34:56
     --> state.json:2:60
      |
    2 | {"interfaces": [{"name": "a-name-that-is-too-long", "mac": "52-54"}]}}}
      |                                                            ^^^^^^^
    "##);
}

#[test]
fn of_several_forms_the_closest_is_meant() {
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a", "psk": {"secrett": "x"}}]}"#), @r##"
    error: the key "secret" is missing
     --> state.json:2:38
      |
    2 | {"interfaces": [{"name": "a", "psk": {"secrett": "x"}}]}}}
      |                                      ^^^^^^^^^^^^^^^^

    error: unknown key "secrett"
     --> state.json:2:39
      |
    2 | {"interfaces": [{"name": "a", "psk": {"secrett": "x"}}]}}}
      |                                       ^^^^^^^^^
      |
      = help: did you mean "secret"?
    "##);
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a", "psk": 5}]}"#), @r##"
    error: this must be an object or a text, not 5
     --> state.json:2:38
      |
    2 | {"interfaces": [{"name": "a", "psk": 5}]}}}
      |                                      ^
      |
      = help: put it in double quotes
    "##);
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a", "route": {"kind": "unicast", "vai": "x"}}]}"#), @r##"
    error: the key "via" is missing
     --> state.json:2:40
      |
    2 | {"interfaces": [{"name": "a", "route": {"kind": "unicast", "vai": "x"}}]}}}
      |                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: unknown key "vai"
     --> state.json:2:60
      |
    2 | {"interfaces": [{"name": "a", "route": {"kind": "unicast", "vai": "x"}}]}}}
      |                                                            ^^^^^
      |
      = help: did you mean "via"?
    "##);
    assert_snapshot!(found(r#"{"interfaces": [{"name": "a", "route": {"kind": "unicats"}}]}"#), @r##"
    error: "unicats" is not one of: unicast, blackhole
     --> state.json:2:49
      |
    2 | {"interfaces": [{"name": "a", "route": {"kind": "unicats"}}]}}}
      |                                                 ^^^^^^^^^
      |
      = help: did you mean "unicast"?
    "##);
}

#[test]
fn the_place_in_yaml_is_that_of_the_key() {
    let text = "version: 1\nplugins:\n  net:\n    interfaces:\n      # the uplink\n      - name: eth0\n        mut: 1500\n";
    let file = load_text("state.yaml", text).unwrap();
    let problems = schema::check("net", file.section("net").unwrap(), SCHEMA).unwrap();
    assert_snapshot!(problems.render(Style::PLAIN), @r##"
    error: unknown key "mut"
     --> state.yaml:7:9
      |
    7 |         mut: 1500
      |         ^^^
      |
      = help: did you mean "mtu"?
    "##);
}

#[test]
fn twenty_errors_are_shown_and_the_rest_counted() {
    let interface = r#"{"name": 5},"#.repeat(1234);
    let problems = check(&format!("{{\"interfaces\": [{interface}{{\"name\": 6}}]}}"));
    assert_eq!(problems.shown().len(), MOST_SHOWN);
    assert_eq!(problems.more(), 1235 - MOST_SHOWN);
    assert!(
        problems
            .render(Style::PLAIN)
            .ends_with("error: 1215 more errors\n")
    );
}

#[test]
fn an_invalid_schema_names_the_plugin() {
    let section = net("{}");
    for schema in [
        "{",
        r#"{"type": "objekt"}"#,
        r##"{"$ref": "#/$defs/absent"}"##,
        r#"{"$ref": "https://example.org/schema.json"}"#,
        r#"{"properties": {"a": {"pattern": "(?=x)"}}}"#,
    ] {
        let error = schema::check("lan", &section, schema).unwrap_err();
        assert_eq!(error.plugin, "lan", "{schema}");
        assert!(error.to_string().contains("\"lan\""), "{error}");
    }
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let section = net(r#"{"a": {"a": {"b": 1}}}"#);
    for schema in [
        r##"{"$ref": "#"}"##,
        r##"{"allOf": [{"$ref": "#"}]}"##,
        r##"{"anyOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"oneOf": [{"$ref": "#/$defs/y"}]}, "y": {"$ref": "#/$defs/x"}}}"##,
    ] {
        // What it finds does not matter, only that it returns.
        let _ = schema::check("lan", &section, schema);
    }
}

#[test]
fn words_of_a_plugin_cannot_reach_the_terminal() {
    let schema = r#"{"properties": {"a": {"type": "string", "pattern": "^x$", "description": "red \u001b[31m\nerror: fake"}}}"#;
    let problems = schema::check("lan", &net(r#"{"a": "\u001b[2J"}"#), schema).unwrap();
    assert_snapshot!(problems.render(Style::PLAIN), @r##"
    error: "\u{1b}[2J" does not fit: red \u{1b}[31m\nerror: fake
     --> state.json:2:7
      |
    2 | {"a": "\u001b[2J"}}}
      |       ^^^^^^^^^^^
    "##);
}

#[test]
fn the_pattern_of_an_address_takes_what_the_plugin_takes() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../plugins/net/schema.json")).unwrap();
    let pattern = &schema["$defs"]["Addr"]["pattern"];
    let schema = serde_json::json!({"type": "string", "pattern": pattern});
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let texts = [
        "192.0.2.1",
        "0.0.0.0",
        "255.255.255.255",
        "192.0.02.1",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "::",
        "::1",
        "1::",
        "2001:db8::1",
        "2001:db8:::1",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7::",
        "1:2:3:4:5:6:7:8:9",
        "::ffff:192.0.2.1",
        "64:ff9b::192.0.2.1",
        "1:2:3:4:5:6:192.0.2.1",
        "1:2:3:4:5::192.0.2.1",
        "fe80::1%eth0",
        "12345::",
        "::192.0.2",
        "1::2::3",
        "",
        ":",
        "abc",
        "g::",
    ];
    for text in texts {
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        assert_eq!(
            validator.is_valid(&serde_json::json!(text)),
            is_address,
            "{text}"
        );
    }
}
