//! What conditions and mutations of RFC 7047 section 5.1 come to, found out here and not by the server.

use std::collections::{BTreeMap, BTreeSet};

use super::datum::{Atom, Datum, Real};

/// Whether `have FUNCTION want` holds. `None` for a function that section 5.1 does not list.
pub fn holds(function: &str, have: &Datum, want: &Datum) -> Option<bool> {
    Some(match function {
        "==" => have == want,
        "!=" => have != want,
        "includes" => includes(have, want),
        "excludes" => excludes(have, want),
        "<" | "<=" | ">" | ">=" => {
            let (Datum::Set(have), Datum::Set(want)) = (have, want) else {
                return None;
            };
            // An optional number that is not there is neither smaller nor larger than any other.
            let (Some(have), Some(want)) = (have.first(), want.first()) else {
                return Some(false);
            };
            match function {
                "<" => have < want,
                "<=" => have <= want,
                ">" => have > want,
                _ => have >= want,
            }
        }
        _ => return None,
    })
}

fn includes(have: &Datum, want: &Datum) -> bool {
    match (have, want) {
        (Datum::Set(have), Datum::Set(want)) => want.is_subset(have),
        (Datum::Map(have), Datum::Map(want)) => {
            want.iter().all(|(key, value)| have.get(key) == Some(value))
        }
        _ => false,
    }
}

fn excludes(have: &Datum, want: &Datum) -> bool {
    match (have, want) {
        (Datum::Set(have), Datum::Set(want)) => want.is_disjoint(have),
        (Datum::Map(have), Datum::Map(want)) => {
            want.iter().all(|(key, value)| have.get(key) != Some(value))
        }
        _ => true,
    }
}

/// What a column holds after a mutation. `None` for a mutator or a value that does not fit: the server will refuse it.
pub fn mutated(have: &Datum, mutator: &str, argument: &Datum) -> Option<Datum> {
    Some(match (mutator, have, argument) {
        ("insert", Datum::Set(have), Datum::Set(new)) => Datum::Set(have | new),
        // A key that is there keeps its value.
        ("insert", Datum::Map(have), Datum::Map(new)) => {
            let mut all = new.clone();
            all.extend(have.clone());
            Datum::Map(all)
        }
        ("delete", Datum::Set(have), Datum::Set(gone)) => Datum::Set(have - gone),
        ("delete", Datum::Map(have), Datum::Set(keys)) => {
            Datum::Map(without(have, |key, _| keys.contains(key)))
        }
        ("delete", Datum::Map(have), Datum::Map(gone)) => {
            Datum::Map(without(have, |key, value| gone.get(key) == Some(value)))
        }
        (_, Datum::Set(have), Datum::Set(number)) => {
            let number = number.first().filter(|_| number.len() == 1)?;
            let all: Option<BTreeSet<_>> = have
                .iter()
                .map(|atom| calculate(atom, mutator, number))
                .collect();
            Datum::Set(all?)
        }
        _ => return None,
    })
}

fn without(
    have: &BTreeMap<Atom, Atom>,
    is_gone: impl Fn(&Atom, &Atom) -> bool,
) -> BTreeMap<Atom, Atom> {
    let kept = have.iter().filter(|(key, value)| !is_gone(key, value));
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn calculate(atom: &Atom, mutator: &str, number: &Atom) -> Option<Atom> {
    match (atom, number) {
        (Atom::Integer(a), Atom::Integer(b)) => {
            let result = match mutator {
                "+=" => a.checked_add(*b),
                "-=" => a.checked_sub(*b),
                "*=" => a.checked_mul(*b),
                "/=" => a.checked_div(*b),
                "%=" => a.checked_rem(*b),
                _ => None,
            };
            result.map(Atom::Integer)
        }
        (Atom::Real(Real(a)), Atom::Real(Real(b))) => {
            let result = match mutator {
                "+=" => a + b,
                "-=" => a - b,
                "*=" => a * b,
                "/=" => a / b,
                _ => return None,
            };
            result.is_finite().then_some(Atom::Real(Real(result)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[i64]) -> Datum {
        Datum::Set(numbers.iter().copied().map(Atom::Integer).collect())
    }

    fn map(pairs: &[(&str, &str)]) -> Datum {
        let atom = |text: &str| Atom::String(text.to_owned());
        Datum::Map(
            pairs
                .iter()
                .map(|(key, value)| (atom(key), atom(value)))
                .collect(),
        )
    }

    fn keys(keys: &[&str]) -> Datum {
        Datum::Set(
            keys.iter()
                .map(|key| Atom::String((*key).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn conditions_hold_as_the_rfc_says() {
        for (have, function, want, expected) in [
            (set(&[1, 2]), "==", set(&[2, 1]), Some(true)),
            (set(&[1, 2]), "!=", set(&[1]), Some(true)),
            (set(&[1, 2]), "includes", set(&[1]), Some(true)),
            (set(&[1, 2]), "includes", set(&[]), Some(true)),
            (set(&[1, 2]), "includes", set(&[1, 3]), Some(false)),
            (set(&[1, 2]), "excludes", set(&[3]), Some(true)),
            (set(&[1, 2]), "excludes", set(&[2, 3]), Some(false)),
            (set(&[5]), "<", set(&[6]), Some(true)),
            (set(&[]), "<", set(&[6]), Some(false)),
            (set(&[5]), ">=", set(&[5]), Some(true)),
            (
                map(&[("a", "1"), ("b", "2")]),
                "includes",
                map(&[("a", "1")]),
                Some(true),
            ),
            (
                map(&[("a", "1")]),
                "includes",
                map(&[("a", "2")]),
                Some(false),
            ),
            (
                map(&[("a", "1")]),
                "excludes",
                map(&[("a", "2")]),
                Some(true),
            ),
            (set(&[1]), "like", set(&[1]), None),
        ] {
            assert_eq!(
                holds(function, &have, &want),
                expected,
                "{have:?} {function} {want:?}"
            );
        }
    }

    #[test]
    fn mutations_change_what_the_rfc_says() {
        for (have, mutator, argument, expected) in [
            (set(&[1]), "insert", set(&[2]), Some(set(&[1, 2]))),
            (set(&[1, 2]), "delete", set(&[2, 3]), Some(set(&[1]))),
            (set(&[1, 2]), "+=", set(&[1]), Some(set(&[2, 3]))),
            (set(&[7]), "%=", set(&[4]), Some(set(&[3]))),
            (set(&[7]), "/=", set(&[0]), None),
            (set(&[7]), "?=", set(&[1]), None),
            (
                map(&[("a", "1")]),
                "insert",
                map(&[("a", "2"), ("b", "3")]),
                Some(map(&[("a", "1"), ("b", "3")])),
            ),
            (
                map(&[("a", "1"), ("b", "2")]),
                "delete",
                keys(&["a"]),
                Some(map(&[("b", "2")])),
            ),
            (
                map(&[("a", "1"), ("b", "2")]),
                "delete",
                map(&[("a", "2"), ("b", "2")]),
                Some(map(&[("a", "1")])),
            ),
        ] {
            assert_eq!(
                mutated(&have, mutator, &argument),
                expected,
                "{have:?} {mutator} {argument:?}"
            );
        }
    }
}
