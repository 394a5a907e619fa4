//! A report as JUnit XML, as CI systems read it: a test case for each law.

use std::fmt::Write;

use super::report::{Report, Verdict};

/// The document.
pub fn junit(report: &Report) -> String {
    let count =
        |wanted: fn(&Verdict) -> bool| report.verdicts.iter().filter(|it| wanted(it)).count();
    let tests = report.verdicts.len();
    let failures = count(|it| matches!(it, Verdict::Broken(_)));
    let skipped = count(|it| matches!(it, Verdict::NotTried(..)));
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let name = attribute(&format!("{} {}", report.plugin, report.version));
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
    );
    for verdict in &report.verdicts {
        let law = verdict.law();
        let _ = write!(
            text,
            "    <testcase classname=\"op-dbus.conformance\" name=\"{}: {}\"",
            law.name(),
            attribute(law.sentence())
        );
        let _ = match verdict {
            Verdict::Held(_) => writeln!(text, "/>"),
            Verdict::NotTried(_, reason) => writeln!(
                text,
                ">\n      <skipped message=\"{}\"/>\n    </testcase>",
                attribute(reason)
            ),
            Verdict::Broken(finding) => writeln!(
                text,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                attribute(&finding.breach.call),
                content(&finding.text())
            ),
        };
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Text between tags. Control characters, which XML 1.0 cannot hold (section 2.2), are shown as a replacement.
fn content(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text in a quoted attribute.
fn attribute(text: &str) -> String {
    content(text)
        .replace('"', "&quot;")
        .replace('\n', "&#10;")
        .replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::law::{Breach, Law};
    use crate::conformance::report::Finding;
    use insta::assert_snapshot;

    #[test]
    fn what_a_plugin_says_stays_text() {
        let breach = Breach::new(
            Law::DiffSelf,
            "diff(\"<S>\")",
            "no step",
            "a\u{1b} & <b>\n\"c\"",
        );
        let report = Report {
            plugin: "a\"b".into(),
            version: "1<2".into(),
            digest: "00".into(),
            stage: "a simulated host".into(),
            states: 1,
            unlived: false,
            made: 0,
            declined: 0,
            verdicts: vec![
                Verdict::Held(Law::Pure),
                Verdict::NotTried(Law::Applies, "there was no state"),
                Verdict::Broken(Finding {
                    breach,
                    origin: None,
                    input: None,
                }),
            ],
        };
        assert_snapshot!(junit(&report), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="a&quot;b 1&lt;2" tests="3" failures="1" errors="0" skipped="1">
            <testcase classname="op-dbus.conformance" name="pure: describe, watches, validate and diff call no capability and answer the same each time"/>
            <testcase classname="op-dbus.conformance" name="applies: a given state can be applied">
              <skipped message="there was no state"/>
            </testcase>
            <testcase classname="op-dbus.conformance" name="diff-self: a state does not differ from itself">
              <failure message="diff(&quot;&lt;S&gt;&quot;)">        call:     diff("&lt;S&gt;")
                expected: no step
                got:      a� &amp; &lt;b&gt;
                          "c"
        </failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
