//! What the operator sees, for each kind of error.

use super::*;
use insta::assert_snapshot;

#[test]
fn a_misspelt_outermost_key_names_the_one_that_was_meant() {
    assert_snapshot!(shown("state.json", "{\n  \"version\": 1,\n  \"plugin\": {}\n}\n"), @"");
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins: {}\ninterfaces: []\n"), @"");
}

#[test]
fn a_missing_or_foreign_version_says_what_to_write() {
    assert_snapshot!(shown("state.json", "{\"plugins\": {}}"), @"");
    assert_snapshot!(shown("state.yaml", "version: \"1\"\nplugins: {}\n"), @"");
    assert_snapshot!(shown("state.json", "[1]"), @"");
}

#[test]
fn a_truncated_file_points_at_what_is_not_closed() {
    assert_snapshot!(shown("state.json", "{\"version\": 1,\n \"plugins\": {\"net\": ["), @"");
    assert_snapshot!(shown("state.json", "{\"version\": 1, \"plug"), @"");
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins: {net: [\n"), @"");
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins: \"net\n"), @"");
}

#[test]
fn a_key_that_is_there_twice_is_refused_in_both_languages() {
    assert_snapshot!(shown("state.json", r#"{"version": 1, "plugins": {"net": {"a": 1, "\u0061": 2}}}"#), @"");
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins:\n  net: {}\n  net: {}\n"), @"");
}

#[test]
fn json_slips_say_the_way_out() {
    assert_snapshot!(shown("state.json", "{\"version\": 1,}"), @"");
    assert_snapshot!(shown("state.json", "{\"version\": 1 // the first\n}"), @"");
    assert_snapshot!(shown("state.json", "{version: 1}"), @"");
    assert_snapshot!(shown("state.json", "{\"version\": True}"), @"");
    assert_snapshot!(shown("state.json", "{\"a\": 10.0.0.1}"), @"");
    assert_snapshot!(shown("state.json", "{\"a\": 012}"), @"");
    assert_snapshot!(shown("state.json", "{\"a\": \"x\ny\"}"), @"");
    assert_snapshot!(shown("state.json", "{\"a\": \"ab\\q\"}"), @"");
    assert_snapshot!(shown("state.json", "{} {}"), @"");
}

#[test]
fn numbers_beyond_64_bits_are_refused() {
    assert_snapshot!(shown("state.json", "{\"a\": 18446744073709551616}"), @"");
    assert_snapshot!(shown("state.yaml", "a: 1e999\n"), @"");
    assert_snapshot!(shown("state.yaml", "a: .nan\n"), @"");
}

#[test]
fn yaml_that_surprises_is_refused() {
    assert_snapshot!(shown("state.yaml", "a: &x [1, 2]\nb: *x\n"), @"");
    assert_snapshot!(shown("state.yaml", "b: *x\n"), @"");
    assert_snapshot!(shown("state.yaml", "a: !!str 1\n"), @"");
    assert_snapshot!(shown("state.yaml", "a:\n  <<: {b: 1}\n"), @"");
    assert_snapshot!(shown("state.yaml", "1: a\n"), @"");
    assert_snapshot!(shown("state.yaml", "? [a]\n: b\n"), @"");
    assert_snapshot!(shown("state.yaml", "version: 1\n---\nversion: 1\n"), @"");
    assert_snapshot!(shown("state.yaml", "version: 1\nplugins:\n\tnet: {}\n"), @"");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let filler = "x".repeat(500);
    let text =
        format!("{{\"a\": \"{filler}\", \"version\": 2, \"b\": \"{filler}\", \"plugins\": {{}}}}");
    assert_snapshot!(shown("state.json", &text), @"");
}

#[test]
fn control_characters_of_the_file_are_written_out() {
    assert_snapshot!(shown("state\u{1b}[2J.json", "{\"\u{7f}\u{9b}31m\u{202e}\": \u{9b}}"), @"");
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
    assert_snapshot!(problems.render(Style::PLAIN), @"");
    assert_snapshot!(problems, @"");
}
