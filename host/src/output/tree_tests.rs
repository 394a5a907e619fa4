use super::*;
use crate::contract::types::{BackendError, FailureCode};
use insta::assert_snapshot;

const NARROW: Style = Style {
    color: false,
    width: 60,
};

fn action(
    operation: Operation,
    target: &str,
    before: Option<&str>,
    after: Option<&str>,
    summary: &str,
    disruptive: bool,
) -> Action {
    Action {
        operation,
        target: target.into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        summary: summary.into(),
        disruptive,
    }
}

fn sample() -> Vec<Action> {
    vec![
        action(
            Operation::Create,
            "interface vmbr0",
            None,
            Some(r#"{"name":"vmbr0"}"#),
            "bridge with port eth0",
            false,
        ),
        action(
            Operation::Modify,
            "interface eth0",
            Some(r#"{"mtu":1500,"index":2,"ipv4":{"addresses":[]}}"#),
            Some(r#"{"mtu":9000,"controller":"vmbr0","ipv4":{"addresses":["10.0.0.1/24"]}}"#),
            "mtu, controller and one address; the link goes down for a moment",
            true,
        ),
        action(
            Operation::Delete,
            "interface old0",
            Some("{}"),
            None,
            "",
            true,
        ),
    ]
}

#[test]
fn a_plan_says_what_it_would_do_and_what_interrupts() {
    let plan = plan(&[("net", &sample()), ("networkmanager", &[])], NARROW);
    assert_snapshot!(plan, @r##"
    net
      + interface vmbr0  bridge with port eth0
      ~ interface eth0 (disruptive)
          mtu, controller and one address; the link goes down
          for a moment
          ipv4.addresses: [] → ["10.0.0.1/24"]
          mtu: 1500 → 9000
      - interface old0 (disruptive)
    1 to create, 1 to modify, 1 to delete, 2 of them disruptive
    "##);
}

#[test]
fn a_plan_without_a_step_says_so() {
    assert_eq!(plan(&[("net", &[])], NARROW), "in sync: nothing to do\n");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let color = Style {
        color: true,
        ..NARROW
    };
    let painted = plan(&[("net", &sample())], color);
    assert!(painted.contains("\x1b[32m+\x1b[0m"), "{painted}");
    let mut plain = String::new();
    let mut rest = painted.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, plan(&[("net", &sample())], NARROW));
}

#[test]
fn a_failed_outcome_shows_the_words_of_the_backend() {
    let outcome = |target: &str, failed| Outcome {
        target: target.into(),
        summary: "made".into(),
        failed,
    };
    let failed = Failure {
        code: FailureCode::Refused,
        message: "interface vmbr1: the kernel refused to make it".into(),
        backend: Some(BackendError {
            name: "EOPNOTSUPP".into(),
            text: Some("Unknown device type".into()),
        }),
    };
    let text = outcomes(
        "net",
        &[
            outcome("interface a", None),
            outcome("interface vmbr1", Some(failed.clone())),
        ],
        NARROW,
    );
    assert_snapshot!(text, @r##"
    net
      done   interface a  made
      FAILED interface vmbr1  made
        interface vmbr1: the kernel refused to make it (refused)
          EOPNOTSUPP: Unknown device type
    "##);
    assert_snapshot!(failure(&failed, NARROW), @r##"
    error: interface vmbr1: the kernel refused to make it (refused)
      EOPNOTSUPP: Unknown device type
    "##);
}

#[test]
fn a_mismatch_shows_the_wish_and_the_truth() {
    let mismatch = |path: &str, have: Option<&str>| Mismatch {
        path: path.into(),
        want: r#"{"address": "10.0.0.1", "prefix": 24}"#.into(),
        have: have.map(str::to_owned),
    };
    let text = mismatches(
        "net",
        &[
            mismatch("/interfaces/0/ipv4/addresses/0", None),
            mismatch(
                "",
                Some(r#"["a long list", "that does not fit on", "a line of this width"]"#),
            ),
        ],
        NARROW,
    );
    assert_snapshot!(text, @r##"
    net
      ~ /interfaces/0/ipv4/addresses/0
        want {"address":"10.0.0.1","prefix":24}
        have nothing
      ~ (the whole section)
        want {"address":"10.0.0.1","prefix":24}
        have ["a long list","that does not fit on","a line of...
    "##);
}

#[test]
fn a_section_reads_as_a_tree() {
    let json = r#"{"interfaces": [
        {"name": "eth0", "mtu": 1500, "up": true, "ports": [], "alt": ["a", "b"], "note": "1500", "empty": "",
         "ipv4": {"method": "manual", "addresses": [{"address": "10.0.0.1", "prefix": 24}, {"address": "10.0.0.2", "prefix": 24}]}},
        {"name": "lo"}], "rules": []}"#;
    assert_snapshot!(section("net", json, NARROW), @r##"
    net
      interfaces:
        - eth0
          alt: a, b
          empty: ""
          ipv4:
            addresses:
              - address 10.0.0.1, prefix 24
              - address 10.0.0.2, prefix 24
            method: manual
          mtu: 1500
          note: "1500"
          ports: (none)
          up: true
        - name lo
      rules: (none)
    "##);
    assert_eq!(section("net", "{}", NARROW), "net\n  (nothing)\n");
}

#[test]
fn nothing_that_a_plugin_says_can_fake_a_line_or_a_colour() {
    let evil = "x\x1b[2J\nnet\r\0\u{202e}\u{9b}31m";
    let json =
        serde_json::json!({ evil: evil, "list": [{"name": evil, "n": {"m": [[evil]]}}, [evil]] })
            .to_string();
    let mut evil_action = action(Operation::Modify, evil, Some(&json), None, evil, true);
    evil_action.after = Some(serde_json::json!({ evil: 1, "list": evil }).to_string());
    let evil_failure = Failure {
        code: FailureCode::Internal,
        message: evil.into(),
        backend: Some(BackendError {
            name: evil.into(),
            text: Some(evil.into()),
        }),
    };
    let outcome = Outcome {
        target: evil.into(),
        summary: evil.into(),
        failed: Some(evil_failure.clone()),
    };
    let mismatch = Mismatch {
        path: evil.into(),
        want: evil.into(),
        have: Some(json.clone()),
    };
    for text in [
        plan(&[(evil, &[evil_action])], NARROW),
        outcomes(evil, &[outcome], NARROW),
        mismatches(evil, &[mismatch], NARROW),
        section(evil, &json, NARROW),
        section(evil, evil, NARROW),
        failure(&evil_failure, NARROW),
    ] {
        assert!(text.contains("\\u{1b}"), "{text}");
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(!text.contains('\u{202e}'), "{text:?}");
        assert!(!text.lines().any(|line| line == "net"), "{text}");
    }
}
