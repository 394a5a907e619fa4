//! Routing rules (linux/fib_rules.h).

use super::attribute::{Fault, attributes};
use super::errno::invalid;
use super::ip;
use super::message::{Message, NLM_F_CREATE, NLM_F_EXCL};
use crate::contract::netlink::{Family, IdRange, PortRange, Prefix, Rule, RuleAction};
use crate::contract::types::Failure;

pub const RTM_NEWRULE: u16 = 32;
pub const RTM_DELRULE: u16 = 33;
pub const RTM_GETRULE: u16 = 34;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

const FIB_RULE_INVERT: u32 = 2;
const ACTION_LOOKUP: u8 = 1;
const ACTION_GOTO: u8 = 2;
const ACTION_NOP: u8 = 3;
const ACTION_BLACKHOLE: u8 = 6;
const ACTION_UNREACHABLE: u8 = 7;
const ACTION_PROHIBIT: u8 = 8;
/// A table that does not fit into a byte stands in FRA_TABLE alone.
const TABLE_COMPAT: u8 = 252;

/// `struct fib_rule_hdr`.
fn header(rule: &Rule, family: u8) -> Result<[u8; 12], Failure> {
    let length = |prefix: &Option<Prefix>| prefix.as_ref().map_or(0, |prefix| prefix.length);
    let (action, table) = match rule.action {
        RuleAction::Lookup(table) => (ACTION_LOOKUP, table),
        RuleAction::Goto(_) => (ACTION_GOTO, 0),
        RuleAction::Nop => (ACTION_NOP, 0),
        RuleAction::Blackhole => (ACTION_BLACKHOLE, 0),
        RuleAction::Unreachable => (ACTION_UNREACHABLE, 0),
        RuleAction::Prohibit => (ACTION_PROHIBIT, 0),
    };
    if rule.l3mdev && !matches!(rule.action, RuleAction::Lookup(0)) {
        return Err(invalid(
            "a rule for VRFs (l3mdev) has the action lookup(0)".into(),
        ));
    }
    let flags = if rule.invert { FIB_RULE_INVERT } else { 0 };
    let mut bytes = [
        family,
        length(&rule.destination),
        length(&rule.source),
        rule.tos,
        u8::try_from(table).unwrap_or(TABLE_COMPAT),
        0,
        0,
        action,
        0,
        0,
        0,
        0,
    ];
    bytes[8..].copy_from_slice(&flags.to_ne_bytes());
    Ok(bytes)
}

/// A dump of the rules of one family.
pub fn dump(family: u8) -> Message {
    let mut header = [0; 12];
    header[0] = family;
    Message::new(RTM_GETRULE, 0, &header)
}

/// Decodes the body of an RTM_NEWRULE.
pub fn decode(body: &[u8]) -> Result<Option<Rule>, Fault> {
    inner(body).map_err(|fault| fault.within("RTM_NEWRULE"))
}

fn inner(body: &[u8]) -> Result<Option<Rule>, Fault> {
    let (header, rest) = body
        .split_first_chunk::<12>()
        .ok_or_else(|| Fault::new("shorter than struct fib_rule_hdr"))?;
    let [
        family,
        to_length,
        from_length,
        tos,
        table,
        _,
        _,
        action,
        flags @ ..,
    ] = *header;
    let family_name = match family {
        ip::AF_INET => Family::Ipv4,
        ip::AF_INET6 => Family::Ipv6,
        _ => return Ok(None),
    };
    let mut rule = Rule {
        family: family_name,
        // A rule without FRA_PRIORITY has the priority 0.
        priority: Some(0),
        invert: u32::from_ne_bytes(flags) & FIB_RULE_INVERT != 0,
        source: None,
        destination: None,
        input_link: None,
        output_link: None,
        firewall_mark: None,
        firewall_mask: None,
        tos,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        user_ids: None,
        l3mdev: false,
        suppress_prefix_length: None,
        action: RuleAction::Nop,
        protocol: 0,
    };
    let (mut table, mut target) = (u32::from(table), 0);
    for item in attributes(rest) {
        let item = item?;
        match item.kind {
            FRA_DST => rule.destination = Some(ip::prefix(item.ip()?, to_length)),
            FRA_SRC => rule.source = Some(ip::prefix(item.ip()?, from_length)),
            FRA_IIFNAME => rule.input_link = Some(item.text()?.to_owned()),
            FRA_OIFNAME => rule.output_link = Some(item.text()?.to_owned()),
            FRA_GOTO => target = item.u32()?,
            FRA_PRIORITY => rule.priority = Some(item.u32()?),
            FRA_FWMARK => rule.firewall_mark = Some(item.u32()?),
            FRA_FWMASK => rule.firewall_mask = Some(item.u32()?),
            FRA_TABLE => table = item.u32()?,
            FRA_L3MDEV => rule.l3mdev = item.flag()?,
            FRA_PROTOCOL => rule.protocol = item.u8()?,
            FRA_IP_PROTO => rule.ip_protocol = Some(item.u8()?),
            // All ones: nothing is suppressed.
            FRA_SUPPRESS_PREFIXLEN => {
                rule.suppress_prefix_length = u8::try_from(item.u32()?).ok();
            }
            FRA_UID_RANGE => {
                let [first, last] = pair(item.value, u32::from_ne_bytes)?;
                rule.user_ids = Some(IdRange { first, last });
            }
            FRA_SPORT_RANGE => {
                let [first, last] = pair(item.value, u16::from_ne_bytes)?;
                rule.source_ports = Some(PortRange { first, last });
            }
            FRA_DPORT_RANGE => {
                let [first, last] = pair(item.value, u16::from_ne_bytes)?;
                rule.destination_ports = Some(PortRange { first, last });
            }
            _ => {}
        }
    }
    rule.action = match action {
        ACTION_LOOKUP => RuleAction::Lookup(table),
        ACTION_GOTO => RuleAction::Goto(target),
        ACTION_NOP => RuleAction::Nop,
        ACTION_BLACKHOLE => RuleAction::Blackhole,
        ACTION_UNREACHABLE => RuleAction::Unreachable,
        ACTION_PROHIBIT => RuleAction::Prohibit,
        other => return Err(Fault::new(format!("rule action {other} is not known"))),
    };
    Ok(Some(rule))
}

/// Two numbers of N bytes each.
fn pair<T, const N: usize>(value: &[u8], number: fn([u8; N]) -> T) -> Result<[T; 2], Fault> {
    let first = value.first_chunk::<N>();
    let second = value.get(N..).and_then(|rest| rest.first_chunk::<N>());
    match (first, second) {
        (Some(first), Some(second)) => Ok([number(*first), number(*second)]),
        _ => Err(Fault::new(format!("a range of {} bytes", value.len()))),
    }
}

/// The message that adds or deletes a rule.
pub fn encode(rule: &Rule, add: bool) -> Result<Message, Failure> {
    let family = match rule.family {
        Family::Ipv4 => ip::AF_INET,
        Family::Ipv6 => ip::AF_INET6,
    };
    let (kind, flags) = match add {
        true => (RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL),
        false => (RTM_DELRULE, 0),
    };
    let mut message = Message::new(kind, flags, &header(rule, family)?);
    for (kind, prefix, field) in [
        (FRA_SRC, &rule.source, "source"),
        (FRA_DST, &rule.destination, "destination"),
    ] {
        if let Some(prefix) = prefix {
            let (address, length) = ip::parse_prefix(prefix, field)?;
            if ip::family(address) != family {
                return Err(invalid(format!(
                    "{field} {address} is not of the rule's IP version"
                )));
            }
            if length > 0 {
                message.ip(kind, address);
            }
        }
    }
    for (kind, name) in [
        (FRA_IIFNAME, &rule.input_link),
        (FRA_OIFNAME, &rule.output_link),
    ] {
        if let Some(name) = name {
            super::link::check_name(name)?;
            message.text(kind, name);
        }
    }
    let target = match rule.action {
        RuleAction::Goto(target) => Some(target),
        _ => None,
    };
    let table = match rule.action {
        RuleAction::Lookup(table) if table != 0 => Some(table),
        _ => None,
    };
    let numbers = [
        (FRA_PRIORITY, rule.priority),
        (FRA_FWMARK, rule.firewall_mark),
        (FRA_FWMASK, rule.firewall_mask),
        (FRA_GOTO, target),
        (FRA_TABLE, table),
        (
            FRA_SUPPRESS_PREFIXLEN,
            rule.suppress_prefix_length.map(u32::from),
        ),
    ];
    for (kind, value) in numbers {
        value.inspect(|value| message.u32(kind, *value));
    }
    if rule.l3mdev {
        message.u8(FRA_L3MDEV, 1);
    }
    message.u8(FRA_PROTOCOL, rule.protocol);
    if let Some(value) = rule.ip_protocol {
        message.u8(FRA_IP_PROTO, value);
    }
    for (kind, ports) in [
        (FRA_SPORT_RANGE, &rule.source_ports),
        (FRA_DPORT_RANGE, &rule.destination_ports),
    ] {
        if let Some(PortRange { first, last }) = ports {
            let [a, b] = first.to_ne_bytes();
            let [c, d] = last.to_ne_bytes();
            message.put(kind, &[a, b, c, d]);
        }
    }
    if let Some(IdRange { first, last }) = &rule.user_ids {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&first.to_ne_bytes());
        bytes[4..].copy_from_slice(&last.to_ne_bytes());
        message.put(FRA_UID_RANGE, &bytes);
    }
    Ok(message)
}
