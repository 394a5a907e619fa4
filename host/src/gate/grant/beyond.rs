//! What one grant gives that another does not.
//!
//! Used where a grant is about to change, so that nothing is widened unseen. Whatever is not plainly covered counts as wider: two patterns
//! that only together cover a third are told apart, and a person decides.

use super::{DbusGrant, DbusRule, Grant, NetlinkGrant, OvsdbGrant};
use crate::gate::network::{Network, Range};
use crate::gate::pattern::Pattern;

/// What `new` gives beyond `old`, one line for each entry, in the words of the configuration. Empty only if every call that `new` covers is
/// covered by `old`.
pub fn beyond(new: &Grant, old: &Grant) -> Vec<String> {
    // Taken apart, so that a capability that is added is not forgotten here.
    let Grant {
        netlink,
        dbus,
        ovsdb,
        secrets,
    } = new;
    let mut found = Vec::new();
    if let Some(new) = netlink {
        if old.netlink.is_none() {
            found.push("netlink".to_owned());
        }
        in_netlink(new, &old.netlink.clone().unwrap_or_default(), &mut found);
    }
    if let Some(new) = ovsdb {
        if old.ovsdb.is_none() {
            found.push("ovsdb".to_owned());
        }
        in_ovsdb(new, &old.ovsdb.clone().unwrap_or_default(), &mut found);
    }
    if let Some(new) = dbus {
        if old.dbus.is_none() {
            found.push("dbus".to_owned());
        }
        in_dbus(new, &old.dbus.clone().unwrap_or_default(), &mut found);
    }
    patterns("secrets", secrets, &[&old.secrets], &mut found);
    found
}

/// Adds each pattern of `new` that no pattern of `old` covers.
fn patterns(key: &str, new: &[Pattern], old: &[&[Pattern]], found: &mut Vec<String>) {
    let covered = |pattern: &Pattern| old.iter().copied().flatten().any(|old| old.covers(pattern));
    let wider = new.iter().filter(|pattern| !covered(pattern));
    found.extend(wider.map(|pattern| format!("{key} \"{pattern}\"")));
}

fn in_netlink(new: &NetlinkGrant, old: &NetlinkGrant, found: &mut Vec<String>) {
    let NetlinkGrant {
        see,
        change,
        parents,
        kinds,
        networks,
        tables,
        rules,
        unknown_attributes,
    } = new;
    // What may be changed may be seen, and stacked upon.
    patterns("netlink.see", see, &[&old.see, &old.change], found);
    patterns("netlink.change", change, &[&old.change], found);
    patterns(
        "netlink.parents",
        parents,
        &[&old.parents, &old.change],
        found,
    );
    patterns("netlink.kinds", kinds, &[&old.kinds], found);
    let within = |new: &Network| old.networks.iter().any(|old| old.covers(new));
    let wider = networks.iter().filter(|network| !within(network));
    found.extend(wider.map(|network| format!("netlink.networks \"{network}\"")));
    let within = |new: &Range| old.tables.iter().any(|old| old.covers(new));
    let wider = tables.iter().filter(|range| !within(range));
    found.extend(wider.map(|range| format!("netlink.tables \"{range}\"")));
    for (key, new, old) in [
        ("netlink.rules", *rules, old.rules),
        (
            "netlink.unknown_attributes",
            *unknown_attributes,
            old.unknown_attributes,
        ),
    ] {
        if new && !old {
            found.push(key.to_owned());
        }
    }
}

fn in_ovsdb(new: &OvsdbGrant, old: &OvsdbGrant, found: &mut Vec<String>) {
    let OvsdbGrant {
        databases,
        tables,
        bridges,
        ports,
        root_columns,
    } = new;
    patterns("ovsdb.databases", databases, &[&old.databases], found);
    for (table, verbs) in tables {
        let wider = verbs
            .iter()
            .filter(|verb| !old.covers_operation(table, **verb));
        found.extend(wider.map(|verb| format!("ovsdb.tables {table} \"{verb}\"")));
    }
    patterns("ovsdb.bridges", bridges, &[&old.bridges], found);
    patterns("ovsdb.ports", ports, &[&old.ports], found);
    patterns(
        "ovsdb.root_columns",
        root_columns,
        &[&old.root_columns],
        found,
    );
}

fn in_dbus(new: &DbusGrant, old: &DbusGrant, found: &mut Vec<String>) {
    let DbusGrant { buses, rules } = new;
    patterns("dbus.buses", buses, &[&old.buses], found);
    for rule in rules {
        // A rule is covered by one that goes as far in every respect; otherwise the nearest shows what is more.
        let wider = old.rules.iter().map(|old| in_rule(rule, old));
        let wider = wider.min_by_key(Vec::len);
        found.extend(wider.unwrap_or_else(|| in_rule(rule, &DbusRule::default())));
    }
}

fn in_rule(new: &DbusRule, old: &DbusRule) -> Vec<String> {
    let DbusRule {
        names,
        paths,
        interfaces,
        read,
        keep,
        change,
        properties,
        set,
        signals,
        secrets,
        start,
    } = new;
    let mut found = Vec::new();
    let mut list = |key: &str, new: &[Pattern], old: &[&[Pattern]]| {
        patterns(&format!("dbus.rules.{key}"), new, old, &mut found);
    };
    list("names", names, &[&old.names]);
    list("paths", paths, &[&old.paths]);
    list("interfaces", interfaces, &[&old.interfaces]);
    // A method that only reads may be called more often than one that changes something.
    list("read", read, &[&old.read]);
    list("keep", keep, &[&old.read, &old.keep]);
    list("change", change, &[&old.read, &old.keep, &old.change]);
    list("properties", properties, &[&old.properties]);
    list("set", set, &[&old.set]);
    list("signals", signals, &[&old.signals]);
    // The other way round: what is masked no more is seen.
    let masked = |pattern: &Pattern| secrets.iter().any(|new| new.covers(pattern));
    let bared = old.secrets.iter().filter(|pattern| !masked(pattern));
    found.extend(bared.map(|pattern| format!("dbus.rules.secrets without \"{pattern}\"")));
    if *start && !old.start {
        found.push("dbus.rules.start".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(text: &str) -> Grant {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_grant_is_not_wider_than_itself_and_every_grant_than_none() {
        for asks in [
            include_str!("../../../../plugins/net/asks.json"),
            include_str!("../../../../plugins/networkmanager/asks.json"),
        ] {
            let grant: Grant = serde_json::from_str(asks).unwrap();
            assert_eq!(beyond(&grant, &grant), [""; 0]);
            assert!(!beyond(&grant, &Grant::default()).is_empty());
            assert_eq!(beyond(&Grant::default(), &grant), [""; 0]);
        }
    }

    #[test]
    fn what_is_wider_is_named_in_the_words_of_the_configuration() {
        let old = grant(
            "secrets = [\"wg*\"]\n\
             [netlink]\nsee = [\"*\"]\nchange = [\"eth?\"]\nnetworks = [\"10.0.0.0/8\"]\ntables = [\"100-199\"]\n\
             [ovsdb]\ntables = {\"*\" = [\"select\"]}\n",
        );
        let new = grant(
            "secrets = [\"wg0\", \"*\"]\n\
             [netlink]\nsee = [\"br0\"]\nchange = [\"eth1\", \"eth*\"]\nnetworks = [\"10.1.0.0/16\", \"0.0.0.0/0\"]\n\
             tables = [\"150\", \"199-200\"]\nrules = true\n\
             [ovsdb]\ntables = {Bridge = [\"select\", \"mutate\"]}\n\
             [dbus]\nbuses = [\"system\"]\n",
        );
        assert_eq!(
            beyond(&new, &old),
            [
                "netlink.change \"eth*\"",
                "netlink.networks \"0.0.0.0/0\"",
                "netlink.tables \"199-200\"",
                "netlink.rules",
                "ovsdb.tables Bridge \"mutate\"",
                "dbus",
                "dbus.buses \"system\"",
                "secrets \"*\"",
            ]
        );
    }

    #[test]
    fn fewer_masked_keys_and_methods_that_count_as_reading_are_wider() {
        let rule = |lists: &str| grant(&format!("[[dbus.rules]]\nnames = [\"a.b\"]\n{lists}"));
        let old = rule("change = [\"Set\"]\nread = [\"Get\"]\nsecrets = [\"psk\"]\n");
        assert_eq!(
            beyond(
                &rule("change = [\"Set\", \"Get\"]\nsecrets = [\"*\"]\n"),
                &old
            ),
            [""; 0]
        );
        assert_eq!(
            beyond(&rule("read = [\"Set\"]\n"), &old),
            [
                "dbus.rules.read \"Set\"",
                "dbus.rules.secrets without \"psk\""
            ]
        );
    }

    fn some_patterns() -> impl Strategy<Value = Vec<Pattern>> {
        prop::collection::vec("[ab*?]{0,3}".prop_map(Pattern::new), 0..3)
    }

    proptest! {
        #[test]
        fn a_name_that_only_the_new_grant_covers_is_never_overlooked(
            new in some_patterns(), old in some_patterns(), name in "[ab]{0,4}"
        ) {
            let of = |change: &[Pattern]| Grant {
                netlink: Some(NetlinkGrant { change: change.to_vec(), ..NetlinkGrant::default() }),
                ..Grant::default()
            };
            let covers = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&name));
            if covers(&new) && !covers(&old) {
                prop_assert!(!beyond(&of(&new), &of(&old)).is_empty());
            }
        }

        #[test]
        fn an_operation_that_only_the_new_grant_covers_is_never_overlooked(
            new in any::<[bool; 6]>(), old in any::<[bool; 6]>()
        ) {
            use super::super::Verb;
            let of = |bits: [bool; 6]| {
                let verbs = |range: std::ops::Range<usize>| {
                    range.filter(|at| bits[*at]).map(|at| Verb::ALL[at % 3]).collect::<Vec<_>>()
                };
                Grant {
                    ovsdb: Some(OvsdbGrant {
                        tables: [("*".to_owned(), verbs(0..3)), ("Bridge".to_owned(), verbs(3..6))].into(),
                        ..OvsdbGrant::default()
                    }),
                    ..Grant::default()
                }
            };
            let (new, old) = (of(new), of(old));
            let covers = |grant: &Grant, table: &str, verb| {
                grant.ovsdb.as_ref().is_some_and(|grant| grant.covers_operation(table, verb))
            };
            let only_new = ["Bridge", "Port"].into_iter().any(|table| {
                Verb::ALL.into_iter().any(|verb| covers(&new, table, verb) && !covers(&old, table, verb))
            });
            if only_new {
                prop_assert!(!beyond(&new, &old).is_empty());
            }
        }
    }
}
