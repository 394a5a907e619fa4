//! What all interfaces have in common.

use std::collections::HashMap;

use super::Problems;
use crate::section::{Interface, LinkType, Section};

/// The kernel's IFNAMSIZ without the closing NUL.
const NAME_BYTES: usize = 15;
/// IPv6 needs links that carry packets of this size (RFC 8200 section 5).
const IPV6_MTU: u32 = 1280;

/// Names: their form, and that each is given once.
pub fn names(desired: &Section, problems: &mut Problems) {
    let mut seen: HashMap<&str, String> = HashMap::new();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        let path = format!("/interfaces/{at}/name");
        if let Err(why) = name(&interface.name) {
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

/// Why a name cannot be a link's.
pub fn name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES {
        return Err(format!(
            "`{name}` has {} bytes: the name of an interface has 1 to {NAME_BYTES}; a longer one can stand in `alternative_names`",
            name.len()
        ));
    }
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
    if let Some(LinkType::Other(word)) = &interface.r#type {
        problems.push(
            format!("{path}/type"),
            format!("`{word}` is no type that op-dbus can make; leave `type` out for an interface that exists"),
        );
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
            [Some(first), ..] if bytes.len() == 6 && first & 1 == 1 => problems.push(
                path,
                format!(
                    "{} is a multicast address: the first byte of an interface's address is even, for example {:02x}{}",
                    mac.0,
                    (first & 0xfe) | 2,
                    &mac.0[2..]
                ),
            ),
            bytes if bytes.len() == 6 && bytes.iter().all(|byte| *byte == Some(0)) => {
                problems.push(path, "the address of all zeros is nobody's: leave `mac` out");
            }
            _ => {}
        }
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
