//! Route rules, ip-rule(8).

use op_dbus_plugin::keys;
use op_dbus_plugin::netlink as nl;
use serde::{Deserialize, Serialize};

use super::interface::State;
use super::words::Family;
use op_dbus_plugin::section::Network;
use op_dbus_plugin::section::Wire;
use op_dbus_plugin::section::route::MAIN_TABLE;

keys! {
    /// A range of numbers.
    pub struct NumberRange {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    }
    optional {}
}

impl Wire<nl::PortRange> for NumberRange {
    fn to_wire(&self) -> nl::PortRange {
        // Validation keeps ports within 16 bits.
        nl::PortRange {
            first: self.first as u16,
            last: self.last as u16,
        }
    }

    fn of_wire(range: nl::PortRange) -> Self {
        Self {
            first: range.first.into(),
            last: range.last.into(),
        }
    }
}

/// What a rule does instead of looking up a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// Looks up `table`; the default.
    Lookup,
    /// Goes on at the rule with priority `goto`.
    Goto,
    /// Does nothing.
    Nop,
    /// Drops silently.
    Blackhole,
    /// Says that there is no way.
    Unreachable,
    /// Says that it is forbidden.
    Prohibit,
}

keys! {
    /// A rule. All of its selectors together, with priority and action, tell it from others.
    pub struct Rule {}
    optional {
        /// `ipv4` or `ipv6`; may be left out where `from` or `to` says it.
        family: Family,
        /// The order of rules; lower first.
        #[cfg_attr(not(target_family = "wasm"), schemars(required))]
        priority: u32,
        /// Matches what the selectors do not.
        invert: bool,
        /// Source network.
        from: Network,
        /// Destination network.
        to: Network,
        /// Incoming interface.
        iif: String,
        /// Outgoing interface.
        oif: String,
        /// Firewall mark.
        fwmark: u32,
        /// Bits of the mark that count; all by default.
        mask: u32,
        /// Type of service.
        tos: u8,
        /// IP protocol number.
        ip_protocol: u8,
        /// Source ports.
        source_ports: NumberRange,
        /// Destination ports.
        destination_ports: NumberRange,
        /// User ids.
        uid_range: NumberRange,
        /// Looks up the table of the packet's VRF.
        l3mdev: bool,
        /// Ignores routes with a prefix of this length or shorter.
        suppress_prefix_length: u8,
        /// What to do; `lookup` by default.
        action: RuleAction,
        /// The table that is looked up.
        table: u32,
        /// The priority to go on at.
        goto: u32,
        /// `absent` removes it.
        state: State,
        /// Read only: who made it, by number (rtnetlink(7)), where that is not the operator.
        #[cfg_attr(not(target_family = "wasm"), schemars(extend("readOnly" = true)))]
        protocol: u8,
    }
}

impl Rule {
    /// Its family; IPv4 where nothing says.
    pub fn family(&self) -> Family {
        let network = self.from.or(self.to);
        self.family.unwrap_or(match network {
            Some(network) if network.address.is_ipv6() => Family::Ipv6,
            _ => Family::Ipv4,
        })
    }

    /// Whether the file wants it gone.
    pub fn is_absent(&self) -> bool {
        self.state == Some(State::Absent)
    }

    /// Whether the operator put it there: protocol static, unspecified (0) or boot (3).
    pub fn is_static(&self) -> bool {
        matches!(self.protocol, None | Some(0 | 3))
    }

    /// Whether the kernel itself made it (RTPROT_KERNEL): the three that every namespace starts with, and the one for VRFs.
    pub fn is_kernels(&self) -> bool {
        self.protocol == Some(2)
    }

    /// Whether this entry, `"state": "absent"`, speaks of a rule: what it does not say matches anything, but the family.
    pub fn means(&self, is: &Self) -> bool {
        fn agrees<T: PartialEq>(want: &Option<T>, is: &Option<T>) -> bool {
            want.is_none() || want == is
        }
        let (own, other) = (self.to_wire(), is.to_wire());
        let says_action = self.action.is_some()
            || self.table.is_some()
            || self.goto.is_some()
            || self.l3mdev.is_some();
        let flag = |want: Option<bool>, is: bool| want.is_none_or(|want| want == is);
        own.family == other.family
            && agrees(&own.priority, &other.priority)
            && flag(self.invert, other.invert)
            && agrees(&own.source, &other.source)
            && agrees(&own.destination, &other.destination)
            && agrees(&own.input_link, &other.input_link)
            && agrees(&own.output_link, &other.output_link)
            && agrees(&own.firewall_mark, &other.firewall_mark)
            && agrees(&self.mask, &other.firewall_mask)
            && self.tos.is_none_or(|tos| tos == other.tos)
            && agrees(&own.ip_protocol, &other.ip_protocol)
            && agrees(&own.source_ports, &other.source_ports)
            && agrees(&own.destination_ports, &other.destination_ports)
            && agrees(&own.user_ids, &other.user_ids)
            && agrees(&own.suppress_prefix_length, &other.suppress_prefix_length)
            && (!says_action || own.action == other.action)
    }

    /// Whether this entry says all that tells a rule from others, with its family and table.
    pub fn names_whole(&self, is: &Self) -> bool {
        let says_table = self.table.is_some() || is.table.is_none();
        self.family.is_some() && says_table && self.key() == is.key()
    }

    /// With every default filled in, so that the same rule always looks the same.
    pub fn to_wire(&self) -> nl::Rule {
        // A network of length 0 selects nothing: the kernel does not keep it.
        let network =
            |network: Option<Network>| network.filter(|network| network.prefix > 0).to_wire();
        let l3mdev = self.l3mdev == Some(true);
        nl::Rule {
            family: self.family().to_wire(),
            priority: self.priority,
            invert: self.invert == Some(true),
            source: network(self.from),
            destination: network(self.to),
            input_link: self.iif.clone(),
            output_link: self.oif.clone(),
            firewall_mark: self.fwmark,
            firewall_mask: self.mask.or(self.fwmark.map(|_| u32::MAX)),
            tos: self.tos.unwrap_or(0),
            ip_protocol: self.ip_protocol,
            source_ports: self.source_ports.to_wire(),
            destination_ports: self.destination_ports.to_wire(),
            user_ids: self.uid_range.as_ref().map(|range| nl::IdRange {
                first: range.first,
                last: range.last,
            }),
            l3mdev,
            suppress_prefix_length: self.suppress_prefix_length,
            action: match self.action.unwrap_or(RuleAction::Lookup) {
                RuleAction::Lookup if l3mdev => nl::RuleAction::Lookup(0),
                RuleAction::Lookup => nl::RuleAction::Lookup(self.table.unwrap_or(MAIN_TABLE)),
                RuleAction::Goto => nl::RuleAction::Goto(self.goto.unwrap_or(0)),
                RuleAction::Nop => nl::RuleAction::Nop,
                RuleAction::Blackhole => nl::RuleAction::Blackhole,
                RuleAction::Unreachable => nl::RuleAction::Unreachable,
                RuleAction::Prohibit => nl::RuleAction::Prohibit,
            },
            protocol: self.protocol.unwrap_or(4),
        }
    }

    /// From what the kernel says.
    pub fn of_wire(rule: nl::Rule) -> Self {
        let (action, table, goto) = match rule.action {
            nl::RuleAction::Lookup(0) => (None, None, None),
            nl::RuleAction::Lookup(table) => (None, Some(table), None),
            nl::RuleAction::Goto(to) => (Some(RuleAction::Goto), None, Some(to)),
            nl::RuleAction::Nop => (Some(RuleAction::Nop), None, None),
            nl::RuleAction::Blackhole => (Some(RuleAction::Blackhole), None, None),
            nl::RuleAction::Unreachable => (Some(RuleAction::Unreachable), None, None),
            nl::RuleAction::Prohibit => (Some(RuleAction::Prohibit), None, None),
        };
        Self {
            family: Some(Family::of_wire(rule.family)),
            priority: rule.priority,
            invert: rule.invert.then_some(true),
            from: Wire::of_wire(rule.source),
            to: Wire::of_wire(rule.destination),
            iif: rule.input_link,
            oif: rule.output_link,
            fwmark: rule.firewall_mark,
            mask: rule.firewall_mask.filter(|mask| *mask != u32::MAX),
            tos: Some(rule.tos).filter(|tos| *tos != 0),
            ip_protocol: rule.ip_protocol,
            source_ports: Wire::of_wire(rule.source_ports),
            destination_ports: Wire::of_wire(rule.destination_ports),
            uid_range: rule.user_ids.map(|range| NumberRange {
                first: range.first,
                last: range.last,
            }),
            l3mdev: rule.l3mdev.then_some(true),
            suppress_prefix_length: rule.suppress_prefix_length,
            action,
            table,
            goto,
            state: None,
            protocol: Some(rule.protocol).filter(|protocol| *protocol != 4),
        }
    }

    /// What tells it from others, as text.
    pub fn key(&self) -> String {
        format!(
            "{:?}",
            nl::Rule {
                protocol: 0,
                ..self.to_wire()
            }
        )
    }
}
