//! Route rules.

use std::collections::HashMap;

use super::Problems;
use crate::section::rule::{NumberRange, RuleAction};
use crate::section::words::Family;
use crate::section::{Rule, Section};

/// Checks all rules.
pub fn check(desired: &Section, problems: &mut Problems) {
    let mut seen = HashMap::new();
    for (at, rule) in desired.rules().iter().enumerate() {
        let path = format!("/rules/{at}");
        self::rule(rule, &path, problems);
        if let Some(first) = seen.insert((rule.key(), rule.protocol), at) {
            problems.push(
                path,
                format!("the same rule is given already at /rules/{first}"),
            );
        }
    }
}

fn rule(rule: &Rule, path: &str, problems: &mut Problems) {
    problems.push_if(
        rule.priority.is_none(),
        path,
        "a rule needs its `priority`: without one the kernel would choose another each time",
    );
    let v6 = rule.family() == Family::Ipv6;
    for (key, network) in [("from", rule.from), ("to", rule.to)] {
        let Some(network) = network else { continue };
        let path = format!("{path}/{key}");
        if network.address.is_ipv6() == v6 {
            super::routes::network(network, &path, problems);
        } else {
            problems.push(path, format!("{network} is not of the family of this rule"));
        }
    }
    let action = rule.action.unwrap_or(RuleAction::Lookup);
    problems.push_if(
        rule.table.is_some() && (action != RuleAction::Lookup || rule.l3mdev == Some(true)),
        format!("{path}/table"),
        "only a rule that looks up a table names one, and `l3mdev` looks up the VRF's",
    );
    problems.push_if(
        rule.table.is_none()
            && action == RuleAction::Lookup
            && rule.l3mdev != Some(true)
            && !rule.is_absent(),
        path,
        "name the `table` that is looked up, or another `action`",
    );
    problems.push_if(
        (action == RuleAction::Goto) != rule.goto.is_some(),
        format!("{path}/goto"),
        "the action `goto` and the key `goto` go together",
    );
    problems.push_if(
        rule.goto
            .zip(rule.priority)
            .is_some_and(|(to, priority)| to <= priority),
        format!("{path}/goto"),
        "a rule can only go on at a higher priority",
    );
    problems.push_if(
        rule.mask.is_some() && rule.fwmark.is_none(),
        format!("{path}/mask"),
        "a mask needs its `fwmark`",
    );
    for (key, range, highest) in [
        ("source_ports", &rule.source_ports, u32::from(u16::MAX)),
        (
            "destination_ports",
            &rule.destination_ports,
            u32::from(u16::MAX),
        ),
        ("uid_range", &rule.uid_range, u32::MAX),
    ] {
        let fits = |range: &NumberRange| range.first <= range.last && range.last <= highest;
        problems.push_if(
            range.as_ref().is_some_and(|range| !fits(range)),
            format!("{path}/{key}"),
            format!("not a range between 0 and {highest}"),
        );
    }
    let has_ports = rule.source_ports.is_some() || rule.destination_ports.is_some();
    // TCP, UDP, DCCP, SCTP, UDP-Lite.
    problems.push_if(
        has_ports
            && rule
                .ip_protocol
                .is_some_and(|protocol| !matches!(protocol, 6 | 17 | 33 | 132 | 136)),
        format!("{path}/ip_protocol"),
        "a protocol without ports",
    );
}
