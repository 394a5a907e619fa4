//! What all interfaces have in common.

use std::collections::HashMap;

use super::Problems;
use crate::kind;
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType, Section};

/// The kernel's IFNAMSIZ without the closing NUL.
const NAME_BYTES: usize = 15;
/// The kernel's ALTIFNAMSIZ without the closing NUL: whether a link has a port's name is asked by that, too.
const PORT_NAME_BYTES: usize = 127;
/// The kernel's IFALIASZ without the closing NUL.
const DESCRIPTION_BYTES: usize = 255;
/// IPv6 needs links that carry packets of this size (RFC 8200 section 5).
const IPV6_MTU: u32 = 1280;

/// Names: their form, and that each is given once.
pub fn names(desired: &Section, problems: &mut Problems) {
    let mut seen: HashMap<&str, String> = HashMap::new();
    let ports = desired
        .interfaces()
        .iter()
        .flat_map(|it| &it.ports)
        .flatten();
    let listed: HashMap<&str, &PortSettings> = ports
        .map(|port| (port.name.as_str(), &port.settings))
        .collect();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        let path = format!("/interfaces/{at}/name");
        let listed = listed.get(interface.name.as_str()).copied();
        let checked = match can_be_no_link(interface, listed) {
            true => port_name(&interface.name),
            false => name(&interface.name),
        };
        if let Err(why) = checked {
            problems.push(&path, why);
        }
        let alternatives = interface.alternative_names.iter().flatten().enumerate();
        let mut all = vec![(interface.name.as_str(), path)];
        for (place, alternative) in alternatives {
            let path = format!("/interfaces/{at}/alternative_names/{place}");
            problems.push_if(
                alternative.is_empty() || alternative.len() > 127,
                &path,
                "an alternative name has 1 to 127 bytes",
            );
            all.push((alternative, path));
        }
        for (name, path) in all {
            if let Some(first) = seen.insert(name, path.clone()) {
                let message = format!(
                    "`{name}` is named already at {first}: put everything about an interface into one entry"
                );
                problems.push(path, message);
            }
        }
    }
}

/// Whether an interface may be a port that Open vSwitch has without a link of the kernel; `listed` is what a list of ports says of it. What
/// is only to be gone may be one that is there.
pub fn can_be_no_link(interface: &Interface, listed: Option<&PortSettings>) -> bool {
    let settings = interface.port.as_deref().into_iter().chain(listed);
    let of = interface.r#type.as_ref();
    let goes = interface.is_absent() || interface.controller == Some(None);
    of == Some(&LinkType::OvsPort)
        || settings.into_iter().any(super::switch::has_no_link)
        || (goes && of.is_none())
}

/// Why a name cannot be a link's.
pub fn name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES {
        return Err(format!(
            "`{name}` has {} bytes: the name of an interface has 1 to {NAME_BYTES}; a longer one can stand in `alternative_names`",
            name.len()
        ));
    }
    form(name)
}

/// Why a name cannot be that of a port of Open vSwitch that is no link of the kernel.
pub fn port_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > PORT_NAME_BYTES {
        return Err(format!(
            "`{name}` has {} bytes: the name of a port of Open vSwitch has 1 to {PORT_NAME_BYTES}",
            name.len()
        ));
    }
    form(name)
}

fn form(name: &str) -> Result<(), String> {
    if name == "."
        || name == ".."
        || name.contains(['/', ':', '%', '\0'])
        || name.contains(char::is_whitespace)
    {
        return Err(format!(
            "`{name}` cannot name an interface: no `/`, `:`, `%` or white space, and not `.` or `..`"
        ));
    }
    Ok(())
}

/// Type, MAC address, MTU.
pub fn check(interface: &Interface, path: &str, problems: &mut Problems) {
    match &interface.r#type {
        // As `query` shows it: it is there.
        Some(LinkType::Other(_)) if interface.index.is_some() => {}
        Some(LinkType::Other(word)) => problems.push(
            format!("{path}/type"),
            match nearest(word) {
                Some(meant) => format!("`{word}` is no type of an interface: did you mean `{meant}`?"),
                None => format!(
                    "`{word}` is no type that op-dbus can make ({}); leave `type` out for an interface that exists",
                    LinkType::WORDS.join(", ")
                ),
            },
        ),
        _ => {}
    }
    if let Some(mac) = &interface.mac {
        let bytes: Vec<Option<u8>> = mac
            .0
            .split(':')
            .map(|byte| {
                u8::from_str_radix(byte, 16)
                    .ok()
                    .filter(|_| byte.len() == 2)
            })
            .collect();
        let path = format!("{path}/mac");
        match bytes.as_slice() {
            bytes if bytes.iter().any(Option::is_none) => {
                problems.push(path, format!("`{}` is not a MAC address like 02:00:5e:00:53:01", mac.0));
            }
            bytes if !mac_lengths(interface).contains(&bytes.len()) => {
                let lengths = mac_lengths(interface).iter().map(usize::to_string);
                let lengths: Vec<String> = lengths.collect();
                problems.push(
                    path,
                    format!(
                        "{} has {} bytes: the address of this interface has {}",
                        mac.0,
                        bytes.len(),
                        lengths.join(" or ")
                    ),
                );
            }
            [Some(first), ..] if bytes.len() == 6 && first & 1 == 1 => problems.push(
                path,
                format!(
                    "{} is a multicast address: the first byte of an interface's address is even, for example {:02x}{}",
                    mac.0,
                    (first & 0xfe) | 2,
                    &mac.0[2..]
                ),
            ),
            bytes
                if bytes.len() == 6
                    && bytes.iter().all(|byte| *byte == Some(0))
                    && !is_loopback(interface) =>
            {
                problems.push(path, "the address of all zeros is nobody's: leave `mac` out");
            }
            _ => {}
        }
    }
    if let Some(text) = &interface.description {
        problems.push_if(
            text.len() > DESCRIPTION_BYTES || text.contains('\0'),
            format!("{path}/description"),
            format!(
                "a description has at most {DESCRIPTION_BYTES} bytes, without NUL: this one has {}",
                text.len()
            ),
        );
    }
    let has_ipv6 = interface.ipv6.as_ref().is_some_and(|ip| {
        ip.gateway.is_some_and(|gateway| gateway.is_some())
            || ip
                .addresses
                .as_ref()
                .is_some_and(|addresses| !addresses.is_empty())
    });
    problems.push_if(
        has_ipv6 && interface.mtu.is_some_and(|mtu| mtu < IPV6_MTU),
        format!("{path}/mtu"),
        format!(
            "IPv6 needs an MTU of at least {IPV6_MTU}: raise it, or leave the IPv6 addresses out"
        ),
    );
}

/// How long the link-layer address of an interface can be: Ethernet's 6 bytes, FireWire's 8, InfiniBand's 20; of links that op-dbus makes
/// always Ethernet's.
fn mac_lengths(interface: &Interface) -> &'static [usize] {
    match interface.r#type {
        None | Some(LinkType::Ethernet | LinkType::Other(_))
            if kind::given(interface).is_empty() =>
        {
            &[6, 8, 20]
        }
        _ => &[6],
    }
}

/// The type that a misspelt word most likely stands for: at most two letters away, one of a short word.
fn nearest(word: &str) -> Option<&'static str> {
    let far = |known: &&&str| distance(word, known);
    let nearest = LinkType::WORDS.iter().min_by_key(far)?;
    (distance(word, nearest) <= 2.min(word.len() / 3)).then_some(*nearest)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, from) in from.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (at, to) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The loopback, whose address is all zeros.
fn is_loopback(interface: &Interface) -> bool {
    interface.r#type == Some(LinkType::Loopback) || interface.name == "lo"
}
