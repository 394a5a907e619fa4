//! The VLANs of a bridge's port, in the words of switches: access, trunk, native.

use op_dbus_plugin::keys;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A VLAN number, or a range as `100-200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first VLAN.
    pub first: u16,
    /// The last VLAN, which is the first where there is only one.
    pub last: u16,
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(&format_args!("{}-{}", self.first, self.last))
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrRange;

        impl Visitor<'_> for NumberOrRange {
            type Value = Range;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a VLAN number, or a range like \"100-200\"")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Range, E> {
                let number = u16::try_from(number)
                    .map_err(|_| E::custom(format!("{number} is not a VLAN number")))?;
                Ok(Range {
                    first: number,
                    last: number,
                })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Range, E> {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                match (first.trim().parse(), last.trim().parse()) {
                    (Ok(first), Ok(last)) => Ok(Range { first, last }),
                    _ => Err(E::custom(format!(
                        "`{text}` is not a range of VLANs like \"100-200\""
                    ))),
                }
            }
        }

        deserializer.deserialize_any(NumberOrRange)
    }
}

#[cfg(not(target_family = "wasm"))]
impl schemars::JsonSchema for Range {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VlanRange".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A VLAN number, or a range as `100-200`.",
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 4094},
                {"type": "string", "pattern": "^[0-9]{1,4}(-[0-9]{1,4})?$"}
            ]
        })
    }
}

keys! {
    /// Exactly these VLANs: `{"access": 10}`, or `{"trunk": [20, "100-200"], "native": 1}`.
    pub struct Vlans {}
    optional {
        /// The one VLAN of the port, untagged both ways.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1, max = 4094)))]
        access: u16,
        /// VLANs that are tagged.
        trunk: Vec<Range>,
        /// The VLAN of untagged frames, untagged both ways unless `native_tagged`.
        #[cfg_attr(not(target_family = "wasm"), schemars(range(min = 1, max = 4094)))]
        native: u16,
        /// Frames of the native VLAN leave tagged.
        native_tagged: bool,
        /// VLANs whose frames leave untagged, beside the native one.
        untagged: Vec<Range>,
    }
}

/// A VLAN of a port, as the kernel keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Which VLANs; more than one only where neither flag differs among them.
    pub range: Range,
    /// Untagged frames that come in belong to it.
    pub pvid: bool,
    /// Frames leave untagged.
    pub untagged: bool,
}

impl Vlans {
    /// What the kernel is to keep, one entry a VLAN, sorted.
    pub fn entries(&self) -> Vec<Entry> {
        let mut flags = vec![None::<(bool, bool)>; 4096];
        let mut mark = |range: Range, pvid, untagged| {
            for id in range.first..=range.last.min(4095) {
                flags[usize::from(id)] = Some((pvid, untagged));
            }
        };
        for range in self.trunk.iter().flatten() {
            mark(*range, false, false);
        }
        for range in self.untagged.iter().flatten() {
            mark(*range, false, true);
        }
        if let Some(id) = self.native {
            mark(
                Range {
                    first: id,
                    last: id,
                },
                true,
                self.native_tagged != Some(true),
            );
        }
        if let Some(id) = self.access {
            mark(
                Range {
                    first: id,
                    last: id,
                },
                true,
                true,
            );
        }
        let one = |(id, flags): (usize, Option<(bool, bool)>)| {
            let (pvid, untagged) = flags?;
            let id = id as u16;
            Some(Entry {
                range: Range {
                    first: id,
                    last: id,
                },
                pvid,
                untagged,
            })
        };
        flags.into_iter().enumerate().filter_map(one).collect()
    }

    /// What the kernel keeps, in the shortest words.
    pub fn of_entries(entries: &[Entry]) -> Self {
        if let [
            Entry {
                range,
                pvid: true,
                untagged: true,
            },
        ] = entries
            && range.first == range.last
        {
            return Self {
                access: Some(range.first),
                ..Self::default()
            };
        }
        let native = entries.iter().find(|entry| entry.pvid);
        let among = |untagged| {
            let ranges: Vec<Range> =
                merged(entries, |entry| !entry.pvid && entry.untagged == untagged);
            (!ranges.is_empty()).then_some(ranges)
        };
        Self {
            access: None,
            trunk: among(false).or((native.is_none() && entries.is_empty()).then(Vec::new)),
            native: native.map(|entry| entry.range.first),
            native_tagged: native.filter(|entry| !entry.untagged).map(|_| true),
            untagged: among(true),
        }
    }
}

/// Neighbouring entries that a test accepts, joined to ranges.
pub fn merged(entries: &[Entry], accept: impl Fn(&Entry) -> bool) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for entry in entries.iter().filter(|entry| accept(entry)) {
        match ranges.last_mut() {
            Some(last) if last.last + 1 == entry.range.first => last.last = entry.range.last,
            _ => ranges.push(entry.range),
        }
    }
    ranges
}
