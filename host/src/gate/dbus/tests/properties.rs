//! No call outside a grant reaches the bus, and every call inside does.

use proptest::prelude::*;

use super::witness::{Book, Witness, gate_with};
use super::*;

const NAMES: [&str; 3] = ["org.a", "org.b", "org.ab"];

/// Few words, so that grants and calls meet.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["A", "B", "AB"][..])
}

fn pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["A", "B", "A*", "?", "*", "a", ""][..])
}

/// Patterns, at most two.
fn patterns(of: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Pattern>> {
    prop::collection::vec(of.prop_map(Pattern::new), 0..3)
}

fn rule() -> impl Strategy<Value = DbusRule> {
    let plain = || patterns(pattern().prop_map(str::to_owned));
    let name = prop::sample::select(&["org.a", "org.b", "org.a*", "org.?", "*", "org.A"][..]);
    (
        patterns(name.prop_map(str::to_owned)),
        patterns(pattern().prop_map(|word| format!("/{word}"))),
        patterns(pattern().prop_map(|word| format!("org.{word}"))),
        [plain(), plain(), plain(), plain(), plain()],
    )
        .prop_map(
            |(names, paths, interfaces, [read, keep, change, properties, set])| DbusRule {
                names,
                paths,
                interfaces,
                read,
                keep,
                change,
                properties,
                set,
                ..DbusRule::default()
            },
        )
}

/// A call by words: whom (a name, or the connection that owns it), path, interface, and what.
#[derive(Clone, Debug)]
struct Wish {
    name: usize,
    unique: bool,
    path: &'static str,
    interface: &'static str,
    word: &'static str,
    what: &'static str,
}

fn wish() -> impl Strategy<Value = Wish> {
    let what = prop::sample::select(&["method", "method", "Get", "GetAll", "Set"][..]);
    (0..3_usize, any::<bool>(), word(), word(), word(), what).prop_map(
        |(name, unique, path, interface, word, what)| Wish {
            name,
            unique,
            path,
            interface,
            word,
            what,
        },
    )
}

impl Wish {
    fn call(&self, unique: &[String]) -> MethodCall {
        let destination = match self.unique {
            true => &unique[self.name],
            false => NAMES[self.name],
        };
        let path = format!("/{}", self.path);
        let interface = format!("org.{}", self.interface);
        let word = self.word;
        match self.what {
            "method" => method(destination, &path, &interface, word, "", "[]"),
            "Get" => {
                let arguments = format!(r#"["{interface}","{word}"]"#);
                method(destination, &path, PROPERTIES, "Get", "ss", arguments)
            }
            "GetAll" => {
                let arguments = format!(r#"["{interface}"]"#);
                method(destination, &path, PROPERTIES, "GetAll", "s", arguments)
            }
            _ => {
                let arguments = format!(r#"["{interface}","{word}",{{"type":"y","data":1}}]"#);
                method(destination, &path, PROPERTIES, "Set", "ssv", arguments)
            }
        }
    }

    /// Said once more, in the plainest way.
    fn covered(&self, rules: &[DbusRule], unique: &[String], mode: Mode) -> bool {
        let has = |patterns: &[Pattern], word: &str| patterns.iter().any(|p| p.matches(word));
        let names = |rule: &DbusRule| {
            has(&rule.names, NAMES[self.name])
                || (self.unique && has(&rule.names, &unique[self.name]))
        };
        rules
            .iter()
            .filter(|rule| {
                names(rule)
                    && has(&rule.paths, &format!("/{}", self.path))
                    && has(&rule.interfaces, &format!("org.{}", self.interface))
            })
            .any(|rule| {
                let change = mode == Mode::Change;
                let keep = change || mode == Mode::Checkpoint;
                match self.what {
                    "method" => {
                        let read = has(&rule.read, self.word);
                        // A rule that lists a method twice means the harmless reading.
                        read || (keep && has(&rule.keep, self.word))
                            || (change && has(&rule.change, self.word))
                    }
                    "Get" => has(&rule.properties, self.word),
                    "GetAll" => rule.properties.iter().any(|p| p.to_string() == "*"),
                    _ => change && has(&rule.set, self.word),
                }
            })
    }
}

#[test]
fn no_call_outside_a_grant_reaches_the_bus() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Some((private, witnesses)) = runtime.block_on(async {
        let private = PrivateBus::start().await?;
        let mut witnesses = Vec::new();
        for name in NAMES {
            witnesses.push(Witness::start(&private, name).await);
        }
        Some((private, witnesses))
    }) else {
        return;
    };
    let unique: Vec<String> = witnesses.iter().map(Witness::unique_name).collect();
    let rules = prop::collection::vec(rule(), 0..4);
    let wishes = prop::collection::vec(wish(), 1..12);
    let mode = prop::sample::select(&[Mode::Pure, Mode::Read, Mode::Checkpoint, Mode::Change][..]);
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&(rules, wishes, mode), |(rules, wishes, mode)| {
        let grant = crate::gate::grant::Grant {
            dbus: Some(DbusGrant {
                buses: vec![Pattern::new("*")],
                rules: rules.clone(),
            }),
            ..Default::default()
        };
        let book = Book::default();
        let gate = gate_with(private.address.clone(), grant, mode, &book);
        let calls: Vec<_> = wishes.iter().map(|wish| wish.call(&unique)).collect();
        let answers = runtime.block_on(gate.call_all(calls));
        let mut reached: Vec<String> = Vec::new();
        let mut wanted: Vec<String> = Vec::new();
        for (at, witness) in witnesses.iter().enumerate() {
            for message in witness.messages() {
                let header = message.header();
                reached.push(format!(
                    "{} {} {} {}",
                    NAMES[at],
                    header.path().unwrap(),
                    header.interface().unwrap(),
                    header.member().unwrap()
                ));
            }
        }
        for (wish, answer) in wishes.iter().zip(&answers) {
            let covered = mode != Mode::Pure && wish.covered(&rules, &unique, mode);
            prop_assert_eq!(covered, answer.is_ok(), "{:?} {:?}", wish, answer);
            if covered {
                let call = wish.call(&unique);
                let MethodCall {
                    path,
                    interface,
                    member,
                    ..
                } = call;
                wanted.push(format!("{} {path} {interface} {member}", NAMES[wish.name]));
            }
        }
        reached.sort();
        wanted.sort();
        prop_assert_eq!(reached, wanted);
        Ok(())
    });
    outcome.unwrap();
}
