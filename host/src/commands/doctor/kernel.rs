//! What the kernel can do: asked of it, in a network namespace that is made for the purpose and goes with it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::{Value, json};

use super::Findings;
use crate::backends::netlink::{Kernel, Netlink};
use crate::contract::netlink::{Kind, LinkSettings, LinkSpec, Request};
use crate::plugin::failure::describe;
use crate::secrets::SecretStore;

/// Since this version the kernel says what it does not understand of a read, instead of answering something else
/// (NETLINK_GET_STRICT_CHK, 4.20).
const STRICT_SINCE: (u32, u32) = (4, 20);

/// What it was called when it was last built.
pub fn version(findings: &mut Findings) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().ok());
    let found = match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => (0, 0),
    };
    if found >= STRICT_SINCE {
        findings.ok("kernel", release);
    } else {
        findings.fail(
            "kernel",
            format!("{release} answers reads without checking them strictly"),
            "use Linux 4.20 or later",
        );
    }
}

/// Which kinds of links it can make.
pub async fn kinds(findings: &mut Findings) {
    let (made, not) = match probe().await {
        Ok(found) => found,
        Err(error) => {
            findings.fail(
                "link kinds",
                format!("no network namespace can be made to try them in: {error}"),
                "run it as root",
            );
            return;
        }
    };
    if made.is_empty() {
        findings.fail(
            "link kinds",
            "the kernel makes none",
            "load its modules, or use another kernel",
        );
        return;
    }
    findings.ok("link kinds", made.join(", "));
    if !not.is_empty() {
        findings.warn(
            "link kinds",
            format!("this kernel has no {}", not.join(", ")),
            "load the module of a kind that you want to use, or use a kernel that has it",
        );
    }
}

/// The kinds that can be made, and those that the kernel does not have.
async fn probe() -> io::Result<(Vec<&'static str>, Vec<&'static str>)> {
    let scratch = scratch()?;
    let path = format!("/proc/self/fd/{}", scratch.as_raw_fd());
    let secrets = Arc::new(SecretStore::open(Vec::new(), None)?);
    let failed = |failure| io::Error::other(describe(&failure));
    let kernel = Netlink::open(Some(&path), secrets).map_err(failed)?;
    // What others are stacked on.
    let base = spec(
        "base",
        json!({"Veth": {"peer": "peer", "peer_index": null}}),
    )?;
    let base = kernel.execute(&[Request::CreateLink(base)]).await;
    let mut made = Vec::new();
    let mut not = Vec::new();
    if base.iter().all(Result::is_ok) {
        made.push("veth");
    } else {
        not.push("veth");
    }
    for (word, kind) in samples() {
        let link = spec("probe", kind)?;
        let answer = kernel.execute(&[Request::CreateLink(link)]).await;
        if answer.iter().all(Result::is_ok) {
            made.push(word);
            kernel
                .execute(&[Request::DeleteLink("probe".to_owned())])
                .await;
        } else {
            not.push(word);
        }
    }
    Ok((made, not))
}

/// A network namespace that nobody else knows; it lives as long as the file.
fn scratch() -> io::Result<File> {
    let made = std::thread::spawn(|| -> io::Result<File> {
        // SAFETY: only the network namespace of this thread changes, which ends with this function; no descriptor is shared differently.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
        File::open("/proc/thread-self/ns/net")
    });
    made.join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread inside died")))
}

/// A link of each kind, by the kernel's word, with what the kernel must know to make it.
fn samples() -> Vec<(&'static str, Value)> {
    let tunnel = |remote: &str| json!({"remote": remote});
    vec![
        ("dummy", json!("Dummy")),
        ("ifb", json!("Ifb")),
        ("bridge", json!({"Bridge": {}})),
        (
            "bond",
            json!({"Bond": {"arp_targets": [], "ns_targets": []}}),
        ),
        ("vlan", json!({"Vlan": {"parent": "base", "id": 7}})),
        (
            "vxlan",
            json!({"Vxlan": {"id": 7, "remote": "192.0.2.7", "port": 4789}}),
        ),
        (
            "geneve",
            json!({"Geneve": {"id": 7, "remote": "192.0.2.7"}}),
        ),
        ("gre", json!({"Gre": tunnel("192.0.2.7")})),
        ("gretap", json!({"Gretap": tunnel("192.0.2.7")})),
        ("ip6gre", json!({"Ip6gre": tunnel("2001:db8::7")})),
        ("ipip", json!({"Ipip": tunnel("192.0.2.7")})),
        ("sit", json!({"Sit": tunnel("192.0.2.7")})),
        ("ip6tnl", json!({"Ip6tnl": tunnel("2001:db8::7")})),
        ("vrf", json!({"Vrf": {"table": 7}})),
        ("macvlan", json!({"Macvlan": {"parent": "base"}})),
        ("macvtap", json!({"Macvtap": {"parent": "base"}})),
        ("ipvlan", json!({"Ipvlan": {"parent": "base"}})),
        ("wireguard", json!({"Wireguard": {"peers": []}})),
    ]
}

fn spec(name: &str, kind: Value) -> io::Result<LinkSpec> {
    Ok(LinkSpec {
        name: name.to_owned(),
        index: None,
        kind: serde_json::from_value::<Kind>(kind)?,
        alternative_names: Vec::new(),
        settings: LinkSettings::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_link_of_the_contract() {
        for (word, kind) in samples() {
            let link = spec("probe", kind).unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!(crate::backends::netlink::word(&link.kind), Some(word));
        }
    }
}
