//! Routing rules (net/core/fib_rules.c).

use super::Kernel;
use super::errno::{Result, errno, refuse};
use super::network::Network;
use crate::netlink::{Family, Prefix, Rule, RuleAction};

const KERNEL: u8 = 2;

fn looking_up(family: Family, priority: u32, table: u32) -> Rule {
    Rule {
        family,
        priority: Some(priority),
        invert: false,
        source: None,
        destination: None,
        input_link: None,
        output_link: None,
        firewall_mark: None,
        firewall_mask: None,
        tos: 0,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        user_ids: None,
        l3mdev: false,
        suppress_prefix_length: None,
        action: RuleAction::Lookup(table),
        protocol: KERNEL,
    }
}

/// fib_default_rules_init (net/ipv4/fib_rules.c) and fib6_rules_net_init (net/ipv6/fib6_rules.c).
pub(super) fn initial() -> Vec<Rule> {
    vec![
        looking_up(Family::Ipv4, 0, 255),
        looking_up(Family::Ipv4, 32766, 254),
        looking_up(Family::Ipv4, 32767, 253),
        looking_up(Family::Ipv6, 0, 255),
        looking_up(Family::Ipv6, 32766, 254),
    ]
}

fn same(a: &Rule, b: &Rule) -> bool {
    let mut b = b.clone();
    // Who made it is no part of the identity.
    b.protocol = a.protocol;
    *a == b
}

fn normal_prefix(prefix: &Option<Prefix>, family: Family) -> Result<Option<Prefix>> {
    let network = prefix.as_ref().map(Network::of).transpose()?;
    if network.is_some_and(|it| it.first.is_ipv4() != (family == Family::Ipv4)) {
        return refuse("EINVAL", "Invalid address family");
    }
    // A prefix of length 0 is none.
    Ok(network.filter(|it| it.length > 0).map(|it| it.prefix()))
}

/// The rule as the kernel will show it.
fn normal(asked: &Rule) -> Result<Rule> {
    let mut rule = asked.clone();
    rule.source = normal_prefix(&asked.source, asked.family)?;
    rule.destination = normal_prefix(&asked.destination, asked.family)?;
    if rule.firewall_mark.is_some() {
        rule.firewall_mask.get_or_insert(u32::MAX);
    }
    Ok(rule)
}

impl Kernel {
    /// fib_nl_newrule.
    pub(super) fn add_rule(&mut self, asked: &Rule) -> Result {
        let mut rule = normal(asked)?;
        let priority = rule
            .priority
            .unwrap_or_else(|| self.next_priority(rule.family));
        rule.priority = Some(priority);
        if rule.l3mdev && rule.action != RuleAction::Lookup(0) {
            return refuse("EINVAL", "l3mdev and table are mutually exclusive");
        }
        match rule.action {
            RuleAction::Lookup(0) if !rule.l3mdev => return errno("EINVAL"),
            RuleAction::Goto(to) if to <= priority => {
                return refuse("EINVAL", "Backward goto not supported");
            }
            _ => {}
        }
        if self.rules.iter().any(|it| same(it, &rule)) {
            return errno("EEXIST");
        }
        self.insert_rule(rule);
        Ok(())
    }

    /// Behind those of the same priority; IPv4 before IPv6, as the dump has them.
    fn insert_rule(&mut self, rule: Rule) {
        let key = |it: &Rule| (it.family == Family::Ipv6, it.priority);
        let position = self.rules.partition_point(|it| key(it) <= key(&rule));
        self.rules.insert(position, rule);
    }

    /// fib_default_rule_pref: one before the second rule.
    fn next_priority(&self, family: Family) -> u32 {
        let mut rules = self.rules.iter().filter(|it| it.family == family);
        let second = rules.nth(1).and_then(|it| it.priority);
        second.unwrap_or(0).saturating_sub(1)
    }

    /// fib_nl_delrule. Without a priority, the first rule that fits.
    pub(super) fn delete_rule(&mut self, asked: &Rule) -> Result {
        let wanted = normal(asked)?;
        let fits = |it: &Rule| {
            let mut wanted = wanted.clone();
            wanted.priority = wanted.priority.or(it.priority);
            same(it, &wanted)
        };
        match self.rules.iter().position(fits) {
            Some(position) => {
                self.rules.remove(position);
                Ok(())
            }
            None => errno("ENOENT"),
        }
    }

    /// vrf_add_fib_rules (drivers/net/vrf.c): the first VRF of a namespace brings the rules that make VRFs work, and they stay.
    pub(super) fn add_vrf_rules(&mut self) {
        for family in [Family::Ipv4, Family::Ipv6] {
            let mut rule = looking_up(family, 1000, 0);
            rule.l3mdev = true;
            if !self.rules.iter().any(|it| same(it, &rule)) {
                self.insert_rule(rule);
            }
        }
    }
}
