//! What somebody at a terminal sees while long work goes on.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::namespace::{Namespace, Run};

/// Runs op-dbus on a terminal, with script(1); what comes back is all that the terminal got.
fn on_a_terminal(namespace: &Namespace, arguments: &[&str]) -> Run {
    let mut command = namespace.op_dbus_command();
    command.args(arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words
        .map(|word| format!("'{}'", word.to_str().expect("no strange paths")))
        .collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" ")]);
    script.arg("/dev/null").env("TERM", "xterm");
    Run::of(script.stdin(Stdio::null()))
}

/// What the terminal showed on the line that is overwritten, in order.
fn shown(run: &Run) -> Vec<&str> {
    run.stdout.split("\r\x1b[K").skip(1).collect()
}

#[test]
fn an_apply_counts_what_the_kernel_has_answered_and_leaves_no_trace_of_it() {
    let namespace = Namespace::new();
    let routes: Vec<_> = (0..2000)
        .map(|n| json!({"dest": format!("10.{}.{}.0", n / 200, n % 200), "prefix": 24, "type": "blackhole"}))
        .collect();
    let wish = json!({"version": 1, "plugins": {"net": {"routes": routes}}});
    let file = namespace.file("routes.json", wish.to_string());
    let apply = on_a_terminal(&namespace, &["apply", file.to_str().unwrap()]).success();
    let lines = shown(&apply);
    for phase in ["reading", "planning", "applying", "verifying"] {
        assert!(lines.contains(&phase), "{phase} is not in {lines:?}");
    }
    let counts: Vec<usize> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("applying ")?.strip_suffix("/2000"))
        .map(|count| count.parse().unwrap())
        .collect();
    assert!(counts.len() > 4, "{lines:?}");
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&2000));
    // What is said in the end stands on an erased line.
    assert!(lines.last().unwrap().contains("goes back"), "{lines:?}");

    let rollback = on_a_terminal(&namespace, &["rollback"]).success();
    let lines = shown(&rollback);
    assert!(lines.contains(&"undoing 2000/2000"), "{lines:?}");
}

#[test]
fn whoever_reads_it_from_a_file_gets_no_progress() {
    let namespace = Namespace::new();
    let wish = r#"{"version": 1, "plugins": {"net": {"routes": [{"dest": "10.0.0.0", "prefix": 24, "type": "blackhole"}]}}}"#;
    let file = namespace.file("route.json", wish);
    let apply = namespace
        .op_dbus(&["apply", file.to_str().unwrap()])
        .success();
    assert_eq!(apply.stderr, "");
    assert!(!apply.stdout.contains('\x1b'), "{}", apply.stdout);
}
