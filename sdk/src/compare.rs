//! Helpers for `diff` and `verify`: what is wished against what is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{Failure, Mismatch, Pointer};

/// How a wished list of objects differs from the one there is; the wish's order, then that of what is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<'a, T> {
    /// Wished, and not there.
    pub new: Vec<&'a T>,
    /// There, and wished otherwise: what is, what is wished.
    pub changed: Vec<(&'a T, &'a T)>,
    /// There, and not wished. Whether a list replaces, and these go, is the plugin's to say.
    pub gone: Vec<&'a T>,
}

impl<T> Changes<'_, T> {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }
}

/// Holds two lists of objects against each other, by what names an object. `same` says whether what is there is as wished: a partial wish
/// is so when each key that it has agrees.
///
/// ```
/// use op_dbus_plugin::compare::by_key;
///
/// let there = [("eth0", 1500), ("eth1", 1500)];
/// let wished = [("eth1", 9000), ("eth2", 1500)];
/// let changes = by_key(&there, &wished, |link| link.0, |have, want| have == want);
/// assert_eq!(changes.new, [&("eth2", 1500)]);
/// assert_eq!(changes.changed, [(&("eth1", 1500), &("eth1", 9000))]);
/// assert_eq!(changes.gone, [&("eth0", 1500)]);
/// ```
pub fn by_key<'a, T, K: Ord>(
    current: &'a [T],
    desired: &'a [T],
    key: impl Fn(&'a T) -> K,
    same: impl Fn(&T, &T) -> bool,
) -> Changes<'a, T> {
    let mut there: BTreeMap<K, &T> = current.iter().map(|item| (key(item), item)).collect();
    let mut changes = Changes {
        new: Vec::new(),
        changed: Vec::new(),
        gone: Vec::new(),
    };
    for want in desired {
        match there.remove(&key(want)) {
            None => changes.new.push(want),
            Some(have) if same(have, want) => {}
            Some(have) => changes.changed.push((have, want)),
        }
    }
    let gone = current.iter().filter(|item| there.contains_key(&key(item)));
    changes.gone = gone.collect();
    changes
}

/// Where what is differs from a partial wish: a key that the wish does not have may be anything, a list must be the same. The places are
/// those of `base` and below.
///
/// ```
/// use op_dbus_plugin::{Pointer, compare::mismatches};
/// use serde_json::json;
///
/// let wish = json!({"mtu": 9000, "ipv4": {"method": "manual"}});
/// let there = json!({"mtu": 1500, "ipv4": {"method": "manual", "gateway": null}, "index": 2});
/// let found = mismatches(&Pointer::root().key("eth0"), &wish, &there)?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].path, "/eth0/mtu");
/// assert_eq!((found[0].want.as_str(), found[0].have.as_deref()), ("9000", Some("1500")));
/// # Ok::<(), op_dbus_plugin::Failure>(())
/// ```
///
/// # Errors
/// `internal` when a value cannot be written as JSON.
pub fn mismatches(
    base: &Pointer,
    desired: &impl Serialize,
    current: &impl Serialize,
) -> Result<Vec<Mismatch>, Failure> {
    let desired = serde_json::to_value(desired)?;
    let current = serde_json::to_value(current)?;
    let mut found = Vec::new();
    collect(base, &desired, Some(&current), &mut found);
    Ok(found)
}

fn collect(place: &Pointer, want: &Value, have: Option<&Value>, found: &mut Vec<Mismatch>) {
    match (want, have) {
        (Value::Object(wanted), Some(Value::Object(there))) => {
            for (key, want) in wanted {
                collect(&place.key(key), want, there.get(key), found);
            }
        }
        (want, Some(have)) if want == have => {}
        // Nothing is wished, and nothing is there.
        (Value::Null, None) => {}
        (want, have) => found.push(Mismatch {
            path: place.clone().into(),
            want: want.to_string(),
            have: have.map(Value::to_string),
        }),
    }
}
