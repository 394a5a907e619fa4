//! What the operator sees, for each kind of error.

use super::*;
use insta::assert_snapshot;

#[test]
fn a_misspelt_outermost_key_names_the_one_that_was_meant() {
    assert_snapshot!(shown("state.json", "{\n  \"version\": 1,\n  \"plugin\": {}\n}\n"), @r##"
    error: "plugins" is missing
     --> state.json:1:1
      |
    1 | {
      | ^
      |
      = help: add "plugins": {NAME: …}

    error: unknown key "plugin"
     --> state.json:3:3
      |
    3 |   "plugin": {}
      |   ^^^^^^^^
      |
      = help: did you mean "plugins"?
    "##);
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins: {}\ninterfaces: []\n"), @r##"
    error: unknown key "interfaces"
     --> state.yaml:3:1
      |
    3 | interfaces: []
      | ^^^^^^^^^^
      |
      = help: valid here: probes, version, plugins
    "##);
}

#[test]
fn a_missing_or_foreign_version_says_what_to_write() {
    assert_snapshot!(shown("state.json", "{\"plugins\": {}}"), @r##"
    error: "version" is missing
     --> state.json:1:1
      |
    1 | {"plugins": {}}
      | ^
      |
      = help: add "version": 1
    "##);
    assert_snapshot!(shown("state.yaml", "version: \"1\"\nplugins: {}\n"), @r##"
    error: this version of state files is not known
     --> state.yaml:1:10
      |
    1 | version: "1"
      |          ^^^
      |
      = help: write "version": 1, the only one so far
    "##);
    assert_snapshot!(shown("state.json", "[1]"), @r##"
    error: a state file is an object
     --> state.json:1:1
      |
    1 | [1]
      | ^^^
      |
      = help: begin with {"version": 1, "plugins": {…}}
    "##);
}

#[test]
fn a_truncated_file_points_at_what_is_not_closed() {
    assert_snapshot!(shown("state.json", "{\"version\": 1,\n \"plugins\": {\"net\": ["), @r##"
    error: the file ends inside this list
     --> state.json:2:21
      |
    2 |  "plugins": {"net": [
      |                     ^
      |
      = help: the file looks cut off
    "##);
    assert_snapshot!(shown("state.json", "{\"version\": 1, \"plug"), @r##"
    error: the file ends inside this string
     --> state.json:1:16
      |
    1 | {"version": 1, "plug
      |                ^^^^^
    "##);
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins: {net: [\n"), @r##"
    error: while parsing a node, did not find expected node content
     --> state.yaml:3:1
      |
    3 |
      | ^
    "##);
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins: \"net\n"), @r##"
    error: while scanning a quoted scalar, found unexpected end of stream
     --> state.yaml:2:10
      |
    2 | plugins: "net
      |          ^
    "##);
}

#[test]
fn a_key_that_is_there_twice_is_refused_in_both_languages() {
    assert_snapshot!(shown("state.json", r#"{"version": 1, "plugins": {"net": {"a": 1, "\u0061": 2}}}"#), @r##"
    error: the key "a" is here twice
     --> state.json:1:44
      |
    1 | {"version": 1, "plugins": {"net": {"a": 1, "\u0061": 2}}}
      |                                            ^^^^^^^^
      |
      = help: keep one of the two
    "##);
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins:\n  net: {}\n  net: {}\n"), @r##"
    error: the key "net" is here twice
     --> state.yaml:4:3
      |
    4 |   net: {}
      |   ^^^
      |
      = help: keep one of the two
    "##);
}

#[test]
fn json_slips_say_the_way_out() {
    assert_snapshot!(shown("state.json", "{\"version\": 1,}"), @r##"
    error: expected another entry, found '}'
     --> state.json:1:15
      |
    1 | {"version": 1,}
      |               ^
      |
      = help: JSON allows no comma after the last entry
    "##);
    assert_snapshot!(shown("state.json", "{\"version\": 1 // the first\n}"), @r##"
    error: expected ',' or '}', found '/'
     --> state.json:1:15
      |
    1 | {"version": 1 // the first
      |               ^
      |
      = help: JSON has no comments; a file named .yaml may have them
    "##);
    assert_snapshot!(shown("state.json", "{version: 1}"), @r##"
    error: expected a key, found 'v'
     --> state.json:1:2
      |
    1 | {version: 1}
      |  ^
      |
      = help: a key stands in double quotes
    "##);
    assert_snapshot!(shown("state.json", "{\"version\": True}"), @r##"
    error: this is neither a value nor in quotes
     --> state.json:1:13
      |
    1 | {"version": True}
      |             ^^^^
      |
      = help: write true
    "##);
    assert_snapshot!(shown("state.json", "{\"a\": 10.0.0.1}"), @r##"
    error: "10.0.0.1" is not a number
     --> state.json:1:7
      |
    1 | {"a": 10.0.0.1}
      |       ^^^^^^^^
      |
      = help: an address or another text stands in double quotes
    "##);
    assert_snapshot!(shown("state.json", "{\"a\": 012}"), @r##"
    error: "012" is not a number
     --> state.json:1:7
      |
    1 | {"a": 012}
      |       ^^^
      |
      = help: a number has no zero before its first digit
    "##);
    assert_snapshot!(shown("state.json", "{\"a\": \"x\ny\"}"), @r##"
    error: this string does not end on its line
     --> state.json:1:7
      |
    1 | {"a": "x
      |       ^^
      |
      = help: close it with '"', or write a line break as \n
    "##);
    assert_snapshot!(shown("state.json", "{\"a\": \"ab\\q\"}"), @r##"
    error: invalid escape in this string
     --> state.json:1:11
      |
    1 | {"a": "ab\q"}
      |           ^
    "##);
    assert_snapshot!(shown("state.json", "{} {}"), @r##"
    error: unexpected '{' after the end of the value
     --> state.json:1:4
      |
    1 | {} {}
      |    ^
    "##);
}

#[test]
fn numbers_beyond_64_bits_are_refused() {
    assert_snapshot!(shown("state.json", "{\"a\": 18446744073709551616}"), @r##"
    error: this integer does not fit into 64 bits
     --> state.json:1:7
      |
    1 | {"a": 18446744073709551616}
      |       ^^^^^^^^^^^^^^^^^^^^
    "##);
    assert_snapshot!(shown("state.yaml", "a: 1e999\n"), @r##"
    error: this number is too large or too long
     --> state.yaml:1:4
      |
    1 | a: 1e999
      |    ^^^^^
    "##);
    assert_snapshot!(shown("state.yaml", "a: .nan\n"), @r##"
    error: JSON, which plugins speak, has no number like .nan
     --> state.yaml:1:4
      |
    1 | a: .nan
      |    ^^^^
      |
      = help: put it in quotes if it is a text
    "##);
}

#[test]
fn yaml_that_surprises_is_refused() {
    assert_snapshot!(shown("state.yaml", "a: &x [1, 2]\nb: *x\n"), @r##"
    error: anchors are not supported
     --> state.yaml:1:4
      |
    1 | a: &x [1, 2]
      |    ^^^^
      |
      = help: leave it out, and write the value out where it is needed
    "##);
    assert_snapshot!(shown("state.yaml", "b: *x\n"), @r##"
    error: aliases are not supported
     --> state.yaml:1:4
      |
    1 | b: *x
      |    ^
      |
      = help: write the value out
    "##);
    assert_snapshot!(shown("state.yaml", "a: !!str 1\n"), @r##"
    error: tags are not supported
     --> state.yaml:1:4
      |
    1 | a: !!str 1
      |    ^^^^^^^
      |
      = help: leave it out; put a value in quotes to make it a text
    "##);
    assert_snapshot!(shown("state.yaml", "a:\n  <<: {b: 1}\n"), @r##"
    error: merge keys are not supported
     --> state.yaml:2:3
      |
    2 |   <<: {b: 1}
      |   ^^
      |
      = help: write the keys out
    "##);
    assert_snapshot!(shown("state.yaml", "1: a\n"), @r##"
    error: a key must be a text
     --> state.yaml:1:1
      |
    1 | 1: a
      | ^
      |
      = help: put it in double quotes
    "##);
    assert_snapshot!(shown("state.yaml", "? [a]\n: b\n"), @r##"
    error: a key must be a text
     --> state.yaml:1:3
      |
    1 | ? [a]
      |   ^
      |
      = help: put it in double quotes
    "##);
    assert_snapshot!(shown("state.yaml", "version: 1\n---\nversion: 1\n"), @r##"
    error: a second document begins here; a state file is one
     --> state.yaml:2:1
      |
    2 | ---
      | ^^^
    "##);
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins:\n\tnet: {}\n"), @r##"
    error: tabs disallowed within this context (block indentation)
     --> state.yaml:3:2
      |
    3 |     net: {}
      |     ^
      |
      = help: YAML is indented by spaces; a tab cannot be used
    "##);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let filler = "x".repeat(500);
    let text =
        format!("{{\"a\": \"{filler}\", \"version\": 2, \"b\": \"{filler}\", \"plugins\": {{}}}}");
    assert_snapshot!(shown("state.json", &text), @r##"
    error: unknown key "a"
     --> state.json:1:2
      |
    1 | {"a": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ...
      |  ^^^
      |
      = help: valid here: probes, version, plugins

    error: this version of state files is not known
     --> state.json:1:522
      |
    1 | ... xxxxxxxxxxxxxxxxxxxxxxxxxx", "version": 2, "b": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
      |                                             ^
      |
      = help: write "version": 1, the only one so far

    error: unknown key "b"
     --> state.json:1:525
      |
    1 | ... xxxxxxxxxxxxxxxxxxxxxxx", "version": 2, "b": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
      |                                             ^^^
      |
      = help: valid here: probes, version, plugins
    "##);
}

#[test]
fn control_characters_of_the_file_are_written_out() {
    assert_snapshot!(shown("state\u{1b}[2J.json", "{\"\u{7f}\u{9b}31m\u{202e}\": \u{9b}}"), @r##"
    error: expected a value, found '\u{9b}'
     --> state\u{1b}[2J.json:1:12
      |
    1 | {"\u{7f}\u{9b}31m\u{202e}": \u{9b}}
      |                             ^^^^^^
    "##);
}

#[test]
fn a_terminal_gets_colour() {
    let style = Style {
        color: true,
        width: 80,
    };
    let text = load_text("state.json", "{\"version\": 2, \"plugins\": {}}")
        .unwrap_err()
        .render(style);
    assert!(text.contains("\x1b["), "{text}");
    assert!(!text.contains("\x1b]"), "no hyperlinks: {text}");
}

#[test]
fn a_section_without_a_plugin_names_the_nearest_plugin() {
    let file = load_text(
        "state.yaml",
        "version: 1\nplugins:\n  nett: {}\n  network-manager: {}\n",
    )
    .unwrap();
    let problems = file.unknown_plugins(&["net", "networkmanager"]);
    assert_snapshot!(problems.render(Style::PLAIN), @r##"
    error: there is no plugin "nett"
     --> state.yaml:3:3
      |
    3 |   nett: {}
      |   ^^^^
      |
      = help: did you mean "net"?

    error: there is no plugin "network-manager"
     --> state.yaml:4:3
      |
    4 |   network-manager: {}
      |   ^^^^^^^^^^^^^^^
      |
      = help: did you mean "networkmanager"?
    "##);
    assert_snapshot!(problems, @r##"
    state.yaml:3:3: there is no plugin "nett" (did you mean "net"?)
    state.yaml:4:3: there is no plugin "network-manager" (did you mean "networkmanager"?)
    "##);
}
