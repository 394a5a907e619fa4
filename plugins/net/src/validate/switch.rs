//! Bridges, ports and bonds of Open vSwitch.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Problems;
use crate::section::ovs::{Lacp, OvsBondMode};
use crate::section::port::PortSettings;
use crate::section::{Interface, LinkType, OvsBond, Section};

/// What a port of Open vSwitch can be, and whether that is a tunnel, which leads to another address.
const TYPES: &[(&str, bool)] = &[
    ("system", false),
    ("internal", false),
    ("patch", false),
    ("vxlan", true),
    ("gre", true),
    ("geneve", true),
    ("erspan", true),
    ("ip6gre", true),
    ("ip6erspan", true),
    ("gtpu", true),
    ("bareudp", true),
    ("srv6", true),
    ("stt", true),
    ("lisp", true),
    ("tap", false),
    ("dpdk", false),
    ("dpdkvhostuser", false),
    ("dpdkvhostuserclient", false),
    ("afxdp", false),
    ("afxdp-nonpmd", false),
];

fn is_tunnel(word: &str) -> bool {
    TYPES.contains(&(word, true))
}

/// Whether a port is one that the kernel has no link for.
pub fn has_no_link(port: &PortSettings) -> bool {
    let of = port.r#type.as_deref();
    of.is_some_and(|of| of == "patch" || is_tunnel(of)) || port.bond.is_some()
}

/// The versions of OpenFlow.
const PROTOCOLS: &[&str] = &[
    "OpenFlow10",
    "OpenFlow11",
    "OpenFlow12",
    "OpenFlow13",
    "OpenFlow14",
    "OpenFlow15",
];

/// Checks the settings of a bridge.
pub fn bridge(interface: &Interface, path: &str, problems: &mut Problems) {
    let Some(settings) = &interface.ovs_bridge else {
        return;
    };
    let path = format!("{path}/ovs-bridge");
    problems.push_if(
        settings.stp == Some(true) && settings.rstp == Some(true),
        format!("{path}/rstp"),
        "a bridge speaks STP or RSTP, not both",
    );
    for (at, protocol) in settings.protocols.iter().flatten().enumerate() {
        problems.push_if(
            !PROTOCOLS.contains(&protocol.as_str()),
            format!("{path}/protocols/{at}"),
            format!(
                "`{protocol}` is no version of OpenFlow: use one of {}",
                PROTOCOLS.join(", ")
            ),
        );
    }
    for (at, target) in settings.controllers.iter().flatten().enumerate() {
        let method = target.split_once(':').map(|(method, _)| method);
        let known = ["tcp", "ssl", "unix", "ptcp", "pssl", "punix"];
        problems.push_if(
            !method.is_some_and(|method| known.contains(&method)),
            format!("{path}/controllers/{at}"),
            format!(
                "`{target}` is no controller: say tcp:ADDRESS:PORT, ssl:ADDRESS:PORT or unix:FILE"
            ),
        );
    }
    // As `query` shows it, both say the same.
    let hwaddr = settings
        .other_config
        .as_ref()
        .and_then(|keys| keys.get("hwaddr"));
    let another = hwaddr
        .zip(interface.mac.as_ref())
        .is_some_and(|(hwaddr, mac)| {
            let same = hwaddr
                .as_deref()
                .map(|text| text.eq_ignore_ascii_case(&mac.0));
            same != Some(true)
        });
    problems.push_if(
        another,
        format!("{path}/other_config/hwaddr"),
        "the interface's `mac` says another: keep one of the two",
    );
}

/// What a port of Open vSwitch may be told. `name` is the port's.
pub fn port(name: &str, port: &PortSettings, path: &str, problems: &mut Problems) {
    for (key, given) in [
        ("cost", port.cost.is_some()),
        ("priority", port.priority.is_some()),
        ("hairpin", port.hairpin.is_some()),
        ("isolated", port.isolated.is_some()),
        ("learning", port.learning.is_some()),
        ("unicast_flood", port.unicast_flood.is_some()),
        ("multicast_flood", port.multicast_flood.is_some()),
        ("broadcast_flood", port.broadcast_flood.is_some()),
        (
            "neighbour_suppression",
            port.neighbour_suppression.is_some(),
        ),
        ("bpdu_guard", port.bpdu_guard.is_some()),
        ("root_block", port.root_block.is_some()),
        ("fast_leave", port.fast_leave.is_some()),
        ("queue_id", port.queue_id.is_some()),
    ] {
        problems.push_if(
            given,
            format!("{path}/{key}"),
            format!("a port of Open vSwitch has no `{key}`: it is for ports of the kernel's bridges and bonds"),
        );
    }
    problems.push_if(
        port.vlans
            .as_ref()
            .is_some_and(|vlans| vlans.untagged.is_some()),
        format!("{path}/vlans/untagged"),
        "Open vSwitch sends only the native VLAN untagged: use `native`",
    );
    if let Some(bond) = &port.bond {
        problems.push_if(
            port.r#type.is_some(),
            format!("{path}/type"),
            "a bond has no type: its links are what the kernel has",
        );
        self::bond(bond, &format!("{path}/bond"), problems);
    }
    let of = port.r#type.as_deref();
    if let Some(of) = of {
        let words: Vec<_> = TYPES.iter().map(|(word, _)| *word).collect();
        problems.push_if(
            !words.contains(&of),
            format!("{path}/type"),
            format!("`{of}` is no type of port: use one of {}", words.join(", ")),
        );
    }
    options(name, port, path, problems);
}

fn options(name: &str, port: &PortSettings, path: &str, problems: &mut Problems) {
    let of = port.r#type.as_deref();
    for (key, option, value) in [
        ("remote", "remote_ip", &port.remote),
        ("local", "local_ip", &port.local),
        ("key", "key", &port.key),
        ("peer", "peer", &port.peer),
    ] {
        let twice = port
            .options
            .as_ref()
            .is_some_and(|keys| keys.contains_key(option));
        problems.push_if(
            twice,
            format!("{path}/options/{option}"),
            format!("this is said by `{key}`: leave it out here"),
        );
        let wrong = value.is_some()
            && of.is_some_and(|of| match key {
                "peer" => of != "patch",
                _ => !is_tunnel(of),
            });
        let whose = if key == "peer" {
            "a patch port"
        } else {
            "a tunnel"
        };
        problems.push_if(
            wrong,
            format!("{path}/{key}"),
            format!(
                "only {whose} has a `{key}`, and this is to be {}",
                of.unwrap_or("system")
            ),
        );
        if let (Some(value), "remote" | "local") = (value, key) {
            problems.push_if(
                value != "flow" && value.parse::<IpAddr>().is_err(),
                format!("{path}/{key}"),
                format!("`{value}` is neither an IP address nor `flow`"),
            );
        }
    }
    problems.push_if(
        of == Some("patch") && port.peer.is_none(),
        format!("{path}/type"),
        format!("a patch port needs its `peer`, the patch port at the other end of {name}"),
    );
    problems.push_if(
        of == Some("patch") && port.peer.as_deref() == Some(name),
        format!("{path}/peer"),
        format!("{name} cannot be its own peer"),
    );
    problems.push_if(
        of.is_some_and(is_tunnel) && port.remote.is_none(),
        format!("{path}/type"),
        "a tunnel needs its `remote`: an IP address, or `flow` where flows choose it",
    );
    if let (Some("vxlan" | "geneve"), Some(key)) = (of, &port.key) {
        let number = key.parse::<u32>().ok();
        problems.push_if(
            key != "flow" && number.is_none_or(|number| number > 0xff_ffff),
            format!("{path}/key"),
            "a network identifier has 24 bits, 0 to 16777215, or is `flow`",
        );
    }
}

fn bond(bond: &OvsBond, path: &str, problems: &mut Problems) {
    if let Some(ports) = &bond.ports {
        problems.push_if(
            ports.len() < 2,
            format!("{path}/ports"),
            "a bond has two links at least: a single one is a port of its own",
        );
        problems.push_if(
            bond.primary
                .as_ref()
                .is_some_and(|name| !name.is_empty() && !ports.contains(name)),
            format!("{path}/primary"),
            "it is not among the bond's `ports`",
        );
    }
    problems.push_if(
        bond.mode == Some(OvsBondMode::BalanceTcp) && matches!(bond.lacp, None | Some(Lacp::Off)),
        format!("{path}/mode"),
        "balance-tcp works with LACP only: say \"lacp\": \"active\"",
    );
    problems.push_if(
        bond.primary.is_some()
            && matches!(bond.mode, Some(mode) if mode != OvsBondMode::ActiveBackup),
        format!("{path}/primary"),
        "only an active-backup bond has a primary link",
    );
}

/// That a link is in one bond at most, and no port beside it.
pub fn bonds(desired: &Section, listed: &HashMap<&str, (&str, String)>, problems: &mut Problems) {
    let mut taken: HashMap<&str, String> = HashMap::new();
    for (at, interface) in desired.interfaces().iter().enumerate() {
        let own = interface.port.as_deref();
        let own = own.map(|port| (port, format!("/interfaces/{at}/port")));
        let listed_here = interface.ports.iter().flatten().enumerate();
        let ports = listed_here
            .map(|(place, port)| (&port.settings, format!("/interfaces/{at}/ports/{place}")));
        for (port, path) in ports.chain(own) {
            let links = port.bond.as_ref().and_then(|bond| bond.ports.as_ref());
            for (place, link) in links.into_iter().flatten().enumerate() {
                let path = format!("{path}/bond/ports/{place}");
                if let Err(why) = super::interface::name(link) {
                    problems.push(&path, why);
                }
                if let Some(first) = taken.insert(link, path.clone()) {
                    problems.push(
                        &path,
                        format!("{link} is a link of a bond already ({first})"),
                    );
                } else if let Some((controller, first)) = listed.get(link.as_str()) {
                    problems.push(
                        &path,
                        format!("{link} is a port of {controller} already ({first}): a link of a bond is no port itself"),
                    );
                }
            }
        }
    }
}

/// A bridge of Open vSwitch is no port.
pub fn stacked(
    listed: &HashMap<&str, (&str, String)>,
    by_name: &HashMap<&str, &Interface>,
    problems: &mut Problems,
) {
    let mut wrong: Vec<_> = listed
        .iter()
        .filter(|(name, _)| {
            let it = by_name.get(*name).and_then(|it| super::ports::type_of(it));
            it == Some(&LinkType::OvsBridge)
        })
        .collect();
    wrong.sort();
    for (name, (controller, path)) in wrong {
        problems.push(
            path,
            format!("{name} is a bridge of Open vSwitch and cannot be a port of {controller}: join the two by patch ports"),
        );
    }
}
