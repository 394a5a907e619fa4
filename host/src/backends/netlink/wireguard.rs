//! WireGuard's settings, over generic netlink (linux/wireguard.h).

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answer::Trouble;
use super::attribute::{Attribute, Attributes, Fault, attributes};
use super::errno::invalid;
use super::ip;
use super::message::Message;
use super::socket::Channel;
use crate::contract::netlink::{Wireguard, WireguardPeer};
use crate::contract::types::{Failure, FailureCode, Secret};
use crate::secrets::{SecretStore, of_link};

/// The family that resolves the others (linux/genetlink.h).
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const CMD_GET_DEVICE: u8 = 0;
const CMD_SET_DEVICE: u8 = 1;

const DEVICE_IFINDEX: u16 = 1;
const DEVICE_PRIVATE_KEY: u16 = 3;
const DEVICE_PUBLIC_KEY: u16 = 4;
const DEVICE_FLAGS: u16 = 5;
const DEVICE_LISTEN_PORT: u16 = 6;
const DEVICE_FWMARK: u16 = 7;
const DEVICE_PEERS: u16 = 8;
const DEVICE_F_REPLACE_PEERS: u32 = 1;

const PEER_PUBLIC_KEY: u16 = 1;
const PEER_PRESHARED_KEY: u16 = 2;
const PEER_FLAGS: u16 = 3;
const PEER_ENDPOINT: u16 = 4;
const PEER_KEEPALIVE: u16 = 5;
const PEER_ALLOWEDIPS: u16 = 9;
const PEER_F_REPLACE_ALLOWEDIPS: u32 = 2;

const ALLOWEDIP_FAMILY: u16 = 1;
const ALLOWEDIP_IPADDR: u16 = 2;
const ALLOWEDIP_CIDR: u16 = 3;

/// A nested attribute ends at 64 KiB: what is longer goes into several messages.
const LONGEST_MESSAGE: usize = 24 * 1024;
/// Allowed networks of one peer in one message, of at most 36 bytes each.
const NETWORKS: usize = 256;

const KEY: usize = 32;

/// The number that the kernel gave the family `wireguard`; asking loads the module.
async fn family(channel: &mut Channel) -> Result<u16, Failure> {
    let what = "look up the generic netlink family \"wireguard\"";
    let mut request = Message::new(GENL_ID_CTRL, 0, &[CTRL_CMD_GETFAMILY, 1, 0, 0]);
    request.text(CTRL_ATTR_FAMILY_NAME, "wireguard");
    let mut found = Err(Failure {
        code: FailureCode::Unsupported,
        message: "the kernel has no WireGuard; its module may be missing".into(),
        backend: None,
    });
    let answered = channel
        .ask(std::slice::from_ref(&request), |_, answer| {
            if let Ok(message) = answer {
                for item in attributes(message.body.get(4..).unwrap_or(&[])) {
                    let item = item?;
                    if item.kind == CTRL_ATTR_FAMILY_ID {
                        found = Ok(item.u16()?);
                    }
                }
            }
            Ok(())
        })
        .await;
    answered.map_err(|trouble| trouble.failure(what))?;
    found
}

/// A device as it is put together from the messages of a dump.
struct Device {
    wireguard: Wireguard,
    peers: Vec<WireguardPeer>,
}

/// Reads the settings of these devices (index and name). One that is gone by now is left out.
pub async fn read(
    channel: &mut Channel,
    secrets: &SecretStore,
    devices: &[(u32, String)],
) -> Result<Vec<(u32, Wireguard)>, Failure> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let family = family(channel).await?;
    let mut all = Vec::with_capacity(devices.len());
    for (index, name) in devices {
        let mut request = Message::new(family, 0, &[CMD_GET_DEVICE, 1, 0, 0]);
        request.u32(DEVICE_IFINDEX, *index);
        let place = of_link(name);
        let dumped = channel
            .dump(&request, |message, found: &mut Vec<Device>| {
                if message.kind != family {
                    return Ok(());
                }
                if found.is_empty() {
                    found.push(empty());
                }
                let device = &mut found[0];
                decode(
                    attributes(message.body.get(4..).unwrap_or(&[])),
                    device,
                    &|text| secrets.mask_at(text, &place),
                )
                .map_err(|fault| fault.within("WG_CMD_GET_DEVICE"))
            })
            .await;
        match dumped {
            Ok(found) => all.extend(found.into_iter().map(|mut device| {
                device.wireguard.peers = Some(device.peers);
                (*index, device.wireguard)
            })),
            Err(Trouble::Refused(refusal))
                if refusal.errno == rustix::io::Errno::NODEV.raw_os_error() => {}
            Err(trouble) => return Err(trouble.failure(&format!("read WireGuard device {name:?}"))),
        }
    }
    Ok(all)
}

fn empty() -> Device {
    Device {
        wireguard: Wireguard {
            public_key: None,
            private_key: None,
            listen_port: None,
            firewall_mark: None,
            peers: None,
        },
        peers: Vec::new(),
    }
}

/// A key in base64; none for zeros, by which the kernel says that there is none.
fn key(item: &Attribute<'_>) -> Result<Option<String>, Fault> {
    match item.value {
        key if key.len() != KEY => Err(Fault::new(format!("a key of {} bytes", key.len()))),
        key if key.iter().all(|byte| *byte == 0) => Ok(None),
        key => Ok(Some(STANDARD.encode(key))),
    }
}

/// What stands for a key.
type Mask<'m> = &'m dyn Fn(&str) -> Secret;

fn decode(list: Attributes<'_>, device: &mut Device, mask: Mask<'_>) -> Result<(), Fault> {
    let wireguard = &mut device.wireguard;
    for item in list {
        let item = item?;
        match item.kind {
            DEVICE_PUBLIC_KEY => wireguard.public_key = key(&item)?,
            DEVICE_PRIVATE_KEY => {
                wireguard.private_key = key(&item)?.map(|text| mask(&text));
            }
            DEVICE_LISTEN_PORT => wireguard.listen_port = Some(item.u16()?),
            DEVICE_FWMARK => wireguard.firewall_mark = Some(item.u32()?),
            DEVICE_PEERS => {
                for peer in item.nested() {
                    let peer = peer.map_err(|f| f.within("WGDEVICE_A_PEERS"))?;
                    decode_peer(peer.nested(), &mut device.peers, mask)
                        .map_err(|f| f.within("WGDEVICE_A_PEERS"))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn decode_peer(
    list: Attributes<'_>,
    peers: &mut Vec<WireguardPeer>,
    mask: Mask<'_>,
) -> Result<(), Fault> {
    let mut peer = WireguardPeer {
        public_key: String::new(),
        preshared_key: None,
        endpoint: None,
        persistent_keepalive: None,
        allowed_ips: Vec::new(),
    };
    for item in list {
        let item = item?;
        match item.kind {
            PEER_PUBLIC_KEY => peer.public_key = key(&item)?.unwrap_or_default(),
            PEER_PRESHARED_KEY => {
                peer.preshared_key = key(&item)?.map(|text| mask(&text));
            }
            PEER_ENDPOINT => peer.endpoint = Some(endpoint(item.value)?),
            PEER_KEEPALIVE => peer.persistent_keepalive = Some(item.u16()?),
            PEER_ALLOWEDIPS => {
                for network in item.nested() {
                    let (mut address, mut length) = (None, 0);
                    for part in network?.nested() {
                        let part = part?;
                        match part.kind {
                            ALLOWEDIP_IPADDR => address = Some(part.ip()?),
                            ALLOWEDIP_CIDR => length = part.u8()?,
                            _ => {}
                        }
                    }
                    let address = address.ok_or_else(|| Fault::new("no WGALLOWEDIP_A_IPADDR"))?;
                    peer.allowed_ips.push(ip::prefix(address, length));
                }
            }
            _ => {}
        }
    }
    match peers.last_mut() {
        // A peer that did not fit into one message goes on in the next, with more networks.
        Some(before) if before.public_key == peer.public_key => {
            before.allowed_ips.append(&mut peer.allowed_ips);
        }
        _ => peers.push(peer),
    }
    Ok(())
}

/// The end point in a `struct sockaddr_in` or `sockaddr_in6`.
fn endpoint(value: &[u8]) -> Result<String, Fault> {
    let wrong = || Fault::new("no socket address").within("WGPEER_A_ENDPOINT");
    let family = value.first_chunk::<2>().ok_or_else(wrong)?;
    let port = value.get(2..4).ok_or_else(wrong)?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    let at = |from: usize| value.get(from..).ok_or_else(wrong);
    let address: SocketAddr = match u16::from_ne_bytes(*family) as u8 {
        ip::AF_INET => {
            let bytes = at(4)?.first_chunk::<4>().ok_or_else(wrong)?;
            (IpAddr::from(*bytes), port).into()
        }
        ip::AF_INET6 => {
            let bytes = at(8)?.first_chunk::<16>().ok_or_else(wrong)?;
            let scope = at(24)?.first_chunk::<4>().ok_or_else(wrong)?;
            let scope = u32::from_ne_bytes(*scope);
            std::net::SocketAddrV6::new((*bytes).into(), port, 0, scope).into()
        }
        _ => return Err(wrong()),
    };
    Ok(address.to_string())
}

fn sockaddr(text: &str) -> Result<Vec<u8>, Failure> {
    let address: SocketAddr = text.parse().map_err(|_| {
        invalid(format!(
            "end point {text:?} is not like 192.0.2.1:51820 or [2001:db8::1]:51820"
        ))
    })?;
    let mut bytes = Vec::with_capacity(28);
    bytes.extend(u16::from(ip::family(address.ip())).to_ne_bytes());
    bytes.extend(address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(v6) => {
            bytes.extend([0; 4]);
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
    }
    Ok(bytes)
}

/// The bytes of a key. The error must not show what was given.
fn key_bytes(text: &str, what: &str) -> Result<[u8; KEY], Failure> {
    STANDARD
        .decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| invalid(format!("{what} is not {KEY} bytes in base64")))
}

fn secret_bytes(secrets: &SecretStore, secret: &Secret, what: &str) -> Result<[u8; KEY], Failure> {
    key_bytes(&secrets.reveal(secret)?, what)
}

/// Whether there is anything to set.
pub fn says_anything(wireguard: &Wireguard) -> bool {
    wireguard.private_key.is_some()
        || wireguard.listen_port.is_some()
        || wireguard.firewall_mark.is_some()
        || wireguard.peers.is_some()
}

/// Sets what `wireguard` says of the device with this index.
pub async fn write(
    channel: &mut Channel,
    secrets: &SecretStore,
    index: u32,
    wireguard: &Wireguard,
    what: &str,
) -> Result<(), Failure> {
    if !says_anything(wireguard) {
        return Ok(());
    }
    let family = family(channel).await?;
    let messages = encode(family, secrets, index, wireguard)?;
    match channel.change(&messages, |_| 1, |_| {}).await {
        Ok(answers) => answers
            .into_iter()
            .try_for_each(|answer| answer.map_err(|refusal| refusal.failure(what))),
        Err((_, trouble)) => Err(trouble.failure(what)),
    }
}

fn start(family: u16, index: u32) -> Message {
    let mut message = Message::new(family, 0, &[CMD_SET_DEVICE, 1, 0, 0]);
    message.u32(DEVICE_IFINDEX, index);
    message
}

/// The messages that set a device: everything is checked before the first is sent.
fn encode(
    family: u16,
    secrets: &SecretStore,
    index: u32,
    wireguard: &Wireguard,
) -> Result<Vec<Message>, Failure> {
    let mut first = start(family, index);
    if let Some(secret) = &wireguard.private_key {
        let bytes = secret_bytes(secrets, secret, "the private key")?;
        first.put(DEVICE_PRIVATE_KEY, &bytes);
    }
    if let Some(port) = wireguard.listen_port {
        first.u16(DEVICE_LISTEN_PORT, port);
    }
    if let Some(mark) = wireguard.firewall_mark {
        first.u32(DEVICE_FWMARK, mark);
    }
    let Some(peers) = &wireguard.peers else {
        return Ok(vec![first]);
    };
    first.u32(DEVICE_FLAGS, DEVICE_F_REPLACE_PEERS);
    let mut messages = vec![first];
    let mut list = Message::new(0, 0, &[]);
    for peer in peers {
        for piece in pieces(peer, secrets)? {
            if list.len() + piece.len() > LONGEST_MESSAGE {
                close(&mut messages, &mut list, family, index);
            }
            list.nest(0, |out| out.raw(piece.body()));
        }
    }
    close(&mut messages, &mut list, family, index);
    messages.pop();
    Ok(messages)
}

/// Puts the peers so far into the last message, and starts another.
fn close(messages: &mut Vec<Message>, list: &mut Message, family: u16, index: u32) {
    let peers = std::mem::replace(list, Message::new(0, 0, &[]));
    if let Some(last) = messages.last_mut() {
        last.nest(DEVICE_PEERS, |out| out.raw(peers.body()));
    }
    messages.push(start(family, index));
}

/// A peer, in as many pieces as its networks take; the first has the settings.
fn pieces(peer: &WireguardPeer, secrets: &SecretStore) -> Result<Vec<Message>, Failure> {
    let public = key_bytes(&peer.public_key, "a peer's public key")?;
    let mut first = Message::new(0, 0, &[]);
    first.put(PEER_PUBLIC_KEY, &public);
    first.u32(PEER_FLAGS, PEER_F_REPLACE_ALLOWEDIPS);
    if let Some(secret) = &peer.preshared_key {
        let bytes = secret_bytes(secrets, secret, "the preshared key of a peer")?;
        first.put(PEER_PRESHARED_KEY, &bytes);
    }
    if let Some(text) = &peer.endpoint {
        first.put(PEER_ENDPOINT, &sockaddr(text)?);
    }
    if let Some(seconds) = peer.persistent_keepalive {
        first.u16(PEER_KEEPALIVE, seconds);
    }
    let mut all = vec![first];
    for (number, chunk) in peer.allowed_ips.chunks(NETWORKS).enumerate() {
        if number > 0 {
            let mut next = Message::new(0, 0, &[]);
            next.put(PEER_PUBLIC_KEY, &public);
            all.push(next);
        }
        let mut networks = Vec::with_capacity(chunk.len());
        for prefix in chunk {
            networks.push(ip::parse_prefix(prefix, "allowed network")?);
        }
        let last = all.last_mut().expect("has the first");
        last.nest(PEER_ALLOWEDIPS, |out| {
            for (address, length) in networks {
                out.nest(0, |out| {
                    out.u16(ALLOWEDIP_FAMILY, ip::family(address).into());
                    out.ip(ALLOWEDIP_IPADDR, address);
                    out.u8(ALLOWEDIP_CIDR, length);
                });
            }
        });
    }
    Ok(all)
}
