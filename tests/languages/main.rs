//! Plugins in every language. What `op-dbus plugin new` makes is built, tested and tried by the commands of its own README, and then does
//! on the real kernel what its twin in Rust does.
//!
//! They run as `cargo xtask languages`, which installs the compilers, builds `op-dbus-sdk` and says where these are. All need root.

mod book;
mod bus;
#[allow(dead_code, reason = "the whole-system tests use more of it")]
#[path = "../system/carrier.rs"]
mod carrier;
mod examples;
#[allow(dead_code, reason = "the whole-system tests use more of it")]
#[path = "../system/namespace.rs"]
mod namespace;
mod project;
mod readme;
#[allow(dead_code, reason = "the tests of the OVSDB client use more of it")]
#[path = "../ovsdb/server.rs"]
mod server;
mod story;
mod tools;
mod twins;

use project::Project;
use story::neighbours;

/// What a template's project must do: as its README says, and as the twin does.
fn holds(language: &str) {
    let project = Project::new(language);
    let shown = project.follow_readme();
    // `make try` applied the example, and rolled it back.
    assert!(
        shown.contains("192.0.2.7 dev eth0 lladdr 02:00:5e:00:53:07 PERMANENT"),
        "{shown}"
    );
    assert_eq!(shown.matches("PERMANENT").count(), 1, "{shown}");
    assert_same_story(
        &neighbours(&project.component()),
        &neighbours(&twins::build("static-neighbours")),
    );
    tools::keep(language, &project.component());
}

#[track_caller]
fn assert_same_story(one: &[String], other: &[String]) {
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one, other, "a plugin and its twin differ");
    }
    assert_eq!(one.len(), other.len());
}

#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages c`"]
fn a_project_in_c_does_what_its_readme_says_and_what_its_twin_does() {
    holds("c");
}

#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages c`"]
fn a_trap_in_c_names_its_function() {
    let project = Project::new("c");
    let file = project.path().join("section.c");
    let source = std::fs::read_to_string(&file).expect("a source");
    let trap = "__attribute__((noinline)) void fall_over_the_edge(void) { __builtin_trap(); }\n";
    std::fs::write(&file, source + trap).expect("a source");
    let file = project.path().join("plugin.c");
    let source = std::fs::read_to_string(&file).expect("a source");
    let (before, after) = source
        .split_once("    struct json *section = json_parse(seen(*desired));\n")
        .expect("validate begins so");
    let source = format!(
        "void fall_over_the_edge(void);\n{before}    fall_over_the_edge();\n    struct json *section = 0;\n{after}"
    );
    std::fs::write(&file, source).expect("a source");
    project.run("make");
    let shown = project.run("make test || true");
    assert!(shown.contains("fall_over_the_edge"), "{shown}");
}

#[test]
#[ignore = "compiles the SDK once more: `cargo xtask languages rust`"]
fn a_project_in_rust_does_what_its_readme_says_and_what_its_twin_does() {
    holds("rust");
}

#[test]
#[ignore = "needs componentize-py: `cargo xtask languages python`"]
fn a_project_in_python_does_what_its_readme_says_and_what_its_twin_does() {
    holds("python");
}

#[test]
#[ignore = "needs jco: `cargo xtask languages javascript`"]
fn a_project_in_javascript_does_what_its_readme_says_and_what_its_twin_does() {
    holds("javascript");
}

#[test]
#[ignore = "needs Go: `cargo xtask languages go`"]
fn a_project_in_go_does_what_its_readme_says_and_what_its_twin_does() {
    holds("go");
}

#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages`"]
fn the_twin_does_what_a_plugin_should() {
    let story = neighbours(&twins::build("static-neighbours"));
    let told = |what: &str| story.iter().any(|line| line.contains(what));
    assert!(
        told("192.0.2.7 dev eth0 lladdr 02:00:5e:00:53:07 PERMANENT"),
        "{story:#?}"
    );
    assert!(
        told("/links/eth0/224.0.0.1") || told("224.0.0.1 is no address of a neighbour"),
        "{story:#?}"
    );
    // The story ends where it began.
    assert_eq!(story.first(), story.last(), "{story:#?}");
}
