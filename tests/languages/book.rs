//! The book, `sdk/README.md`, by its commands.

use crate::project::run_in;
use crate::readme::commands;

/// All commands of the book in one shell, in the language that needs no more than the tests themselves. Those after `make test` as well.
#[test]
#[ignore = "needs op-dbus-sdk: `cargo xtask languages`"]
fn the_tutorial_works_as_it_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let commands = commands(include_str!("../../sdk/README.md"));
    assert!(commands[0].contains("--lang python"), "{commands:?}");
    let script = commands.join("\n").replace("--lang python", "--lang c");
    let shown = run_in(directory.path(), &script);
    assert!(
        shown.contains("192.0.2.7 dev eth0 lladdr 02:00:5e:00:53:07 PERMANENT"),
        "{shown}"
    );
}

#[test]
fn the_state_file_of_the_tutorial_is_that_of_the_template() {
    let template = include_str!("../../sdk/templates/common/example.yaml");
    let template = template.replace("{{name}}", "static-neighbours");
    let (_, body) = template.split_once("version: 1").expect("a version");
    assert!(include_str!("../../sdk/README.md").contains(body.trim()));
}
