//! Requests about links, each as the messages that it takes.

use super::kinds::{self, Lookup};
use super::{RTM_NEWLINK, RTM_NEWLINKPROP, flag, ifla, port};
use crate::backends::netlink::errno::invalid;
use crate::backends::netlink::message::{HEADER, Message, NLM_F_CREATE, NLM_F_EXCL};
use crate::backends::netlink::unknown;
use crate::contract::netlink::{
    AddressGeneration, ControllerChange, Kind, LinkChange, LinkSettings, LinkSpec, UnknownAttribute,
};
use crate::contract::types::{Failure, FailureCode};

const AF_INET6: u16 = 10;
const VETH_INFO_PEER: u16 = 1;
/// Where attributes without a name may stand.
const PLACES: [&str; 2] = [unknown::INFO_DATA, unknown::INFO_SLAVE_DATA];
/// IFALIASZ, ALTIFNAMSIZ and IFNAMSIZ without the NUL.
const LONGEST_ALIAS: usize = 255;
const LONGEST_ALTERNATIVE: usize = 127;
const LONGEST_NAME: usize = 15;

/// `struct ifinfomsg` for the link of this index.
pub fn ifinfomsg(index: u32, flags: u32, mask: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&mask.to_ne_bytes());
    bytes
}

/// A link that is to be changed, as it was last seen.
pub struct Target<'a> {
    pub index: u32,
    pub up: bool,
    /// IFLA_INFO_DATA as the kernel gave it, for kinds whose changes reset what they leave out.
    pub data: &'a [u8],
}

/// Checks a name as the kernel would (dev_valid_name), so that the answer says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let sound = !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST_NAME
        && !name
            .bytes()
            .any(|b| matches!(b, b'/' | b':' | b'%' | 0) || b.is_ascii_whitespace() || b == 0x0b);
    match sound {
        true => Ok(()),
        false => Err(invalid(format!(
            "{name:?} is no name for a link: 1 to {LONGEST_NAME} bytes without '/', ':', '%', white space and NUL, not '.' or '..'"
        ))),
    }
}

/// Checks an alternative name.
pub fn check_alternative(name: &str) -> Result<(), Failure> {
    match name.is_empty() || name.len() > LONGEST_ALTERNATIVE || name.contains('\0') {
        false => Ok(()),
        true => Err(invalid(format!(
            "{name:?} is no alternative name: 1 to {LONGEST_ALTERNATIVE} bytes without NUL"
        ))),
    }
}

/// The message that gives a link alternative names, or takes them away with RTM_DELLINKPROP.
pub fn alternative_names(kind: u16, index: u32, names: &[String]) -> Result<Message, Failure> {
    let flags = match kind {
        RTM_NEWLINKPROP => NLM_F_CREATE | NLM_F_EXCL,
        _ => 0,
    };
    let mut message = Message::new(kind, flags, &ifinfomsg(index, 0, 0));
    for name in names {
        check_alternative(name)?;
    }
    message.nest(ifla::PROP_LIST, |out| {
        for name in names {
            out.text(ifla::ALT_IFNAME, name);
        }
    });
    Ok(message)
}

/// The bytes of a MAC address.
pub fn mac(text: &str) -> Result<Vec<u8>, Failure> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|pair| match pair.len() {
            2 => u8::from_str_radix(pair, 16)
                .ok()
                .filter(|_| !pair.starts_with('+')),
            _ => None,
        })
        .collect();
    match bytes {
        Some(bytes) if matches!(bytes.len(), 6 | 8 | 20) => Ok(bytes),
        _ => Err(invalid(format!("{text:?} is not a MAC address"))),
    }
}

/// The flags that `settings` sets, and the mask of those that it says anything about, without IFF_UP.
fn flags(settings: &LinkSettings) -> (u32, u32) {
    let switches = [
        (flag::NOARP, settings.arp.map(|on| !on)),
        (flag::ALLMULTI, settings.all_multicast),
        (flag::PROMISC, settings.promiscuous),
    ];
    let (mut flags, mut mask) = (0, 0);
    for (bit, value) in switches {
        if let Some(on) = value {
            mask |= bit;
            flags |= if on { bit } else { 0 };
        }
    }
    (flags, mask)
}

/// What a creating and a changing message have in common.
fn basics(settings: &LinkSettings, out: &mut Message) -> Result<(), Failure> {
    if let Some(mtu) = settings.mtu {
        out.u32(ifla::MTU, mtu);
    }
    if let Some(text) = &settings.mac {
        out.put(ifla::ADDRESS, &mac(text)?);
    }
    if let Some(length) = settings.transmit_queue_length {
        out.u32(ifla::TXQLEN, length);
    }
    if let Some(group) = settings.group {
        out.u32(ifla::GROUP, group);
    }
    Ok(())
}

/// What only a link that exists takes.
fn extras(settings: &LinkSettings, out: &mut Message) -> Result<(), Failure> {
    if let Some(text) = &settings.description {
        if text.len() > LONGEST_ALIAS || text.contains('\0') {
            return Err(invalid(format!(
                "a description has at most {LONGEST_ALIAS} bytes and no NUL"
            )));
        }
        out.put(ifla::IFALIAS, text.as_bytes());
    }
    if let Some(mode) = settings.address_generation {
        let number = match mode {
            AddressGeneration::Eui64 => 0,
            AddressGeneration::None => 1,
            AddressGeneration::StablePrivacy => 2,
            AddressGeneration::Random => 3,
        };
        out.nest(ifla::AF_SPEC, |out| {
            out.nest(AF_INET6, |out| out.u8(ifla::INET6_ADDR_GEN_MODE, number));
        });
    }
    Ok(())
}

fn info(
    kind: &Kind,
    peer: Option<(&str, u32)>,
    present: Option<&[u8]>,
    unknown: &[UnknownAttribute],
    out: &mut Message,
    lookup: Lookup<'_>,
) -> Result<(), Failure> {
    let Some(word) = kinds::word(kind) else {
        return Ok(());
    };
    let mut data = Message::new(0, 0, &[]);
    kinds::encode(kind, present.is_none(), &mut data, lookup)?;
    kinds::add_unknown(word, unknown, &mut data)?;
    out.nest(ifla::LINKINFO, |out| {
        out.text(ifla::INFO_KIND, word);
        out.nest(ifla::INFO_DATA, |out| match (peer, present) {
            (Some((name, index)), _) => out.nest(VETH_INFO_PEER, |out| {
                out.raw(&ifinfomsg(index, 0, 0));
                out.text(ifla::IFNAME, name);
            }),
            (None, Some(present)) if kinds::resets(kind) => {
                kinds::merge(present, data.body(), out);
            }
            (None, _) => out.raw(data.body()),
        });
    });
    Ok(())
}

fn port_message(index: u32, settings: &LinkSettings) -> Result<Option<Message>, Failure> {
    let Some(wanted) = &settings.port else {
        return Ok(None);
    };
    let mut data = Message::new(0, 0, &[]);
    port::encode(wanted, &mut data)?;
    port::add_unknown(wanted, &settings.unknown, &mut data)?;
    let mut message = Message::new(RTM_NEWLINK, 0, &ifinfomsg(index, 0, 0));
    message.nest(ifla::LINKINFO, |out| {
        out.text(ifla::INFO_SLAVE_KIND, port::word(wanted));
        out.nest(ifla::INFO_SLAVE_DATA, |out| out.raw(data.body()));
    });
    Ok(Some(message))
}

fn set_up(index: u32, up: bool) -> Message {
    let flags = if up { flag::UP } else { 0 };
    Message::new(RTM_NEWLINK, 0, &ifinfomsg(index, flags, flag::UP))
}

/// The messages that make a link with this index: the first creates it, the others finish it.
pub fn create(
    spec: &LinkSpec,
    index: u32,
    peer_index: u32,
    lookup: Lookup<'_>,
) -> Result<Vec<Message>, Failure> {
    check_name(&spec.name)?;
    unknown::check(&spec.settings.unknown, &PLACES)?;
    let peer = match &spec.kind {
        Kind::Veth(veth) => {
            let name = veth.peer.as_deref().ok_or_else(|| {
                invalid(format!(
                    "a veth needs the name of its peer ({:?} has none)",
                    spec.name
                ))
            })?;
            check_name(name)?;
            Some((name, peer_index))
        }
        Kind::Ethernet | Kind::Loopback | Kind::Other(_) | Kind::Tun(_) => {
            return Err(Failure {
                code: FailureCode::Unsupported,
                message: format!(
                    "{:?}: a link of kind {} cannot be created",
                    spec.name,
                    kinds::word(&spec.kind).unwrap_or("ethernet or loopback")
                ),
                backend: None,
            });
        }
        _ => None,
    };
    let mut first = Message::new(
        RTM_NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        &ifinfomsg(index, 0, 0),
    );
    first.text(ifla::IFNAME, &spec.name);
    let later = matches!(spec.kind, Kind::Bridge(_)).then(|| LinkSettings {
        mtu: None,
        ..spec.settings.clone()
    });
    basics(later.as_ref().unwrap_or(&spec.settings), &mut first)?;
    if let Some(parent) = kinds::parent(&spec.kind) {
        match (parent, &spec.kind) {
            // These name the link below in their own data.
            (Some(_), Kind::Vxlan(_)) => {}
            (Some(_), kind) if kinds::resets(kind) => {}
            (Some(name), _) => first.u32(ifla::LINK, lookup(name)?),
            (None, Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_)) => {
                return Err(invalid(format!(
                    "{:?} needs the name of its parent",
                    spec.name
                )));
            }
            (None, _) => {}
        }
    }
    let unknown = &spec.settings.unknown;
    info(&spec.kind, peer, None, unknown, &mut first, lookup)?;
    // A new link is down, as a bond demands of its ports.
    if let ControllerChange::Attach(name) = &spec.settings.controller {
        first.u32(ifla::MASTER, lookup(name)?);
    }
    let mut messages = vec![first];
    messages.extend(finish(spec, index)?);
    Ok(messages)
}

/// What is left to do when the link is there: what RTM_NEWLINK does not take on creation, and to set it up last.
fn finish(spec: &LinkSpec, index: u32) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    let settings = &spec.settings;
    let (flags, mask) = flags(settings);
    let mut second = Message::new(RTM_NEWLINK, 0, &ifinfomsg(index, flags, mask));
    extras(settings, &mut second)?;
    // The kernel takes an MTU of creation for a bridge's own choice, and adjusts it to each new port (br_mtu_auto_adjust in
    // net/bridge/br_if.c). Only one that changes it afterwards stays.
    if let (Kind::Bridge(_), Some(mtu)) = (&spec.kind, settings.mtu) {
        second.u32(ifla::MTU, mtu);
    }
    if mask != 0 || second.len() > HEADER + 16 {
        messages.push(second);
    }
    messages.extend(port_message(index, settings)?);
    if !spec.alternative_names.is_empty() {
        messages.push(alternative_names(
            RTM_NEWLINKPROP,
            index,
            &spec.alternative_names,
        )?);
    }
    if settings.up == Some(true) {
        messages.push(set_up(index, true));
    }
    Ok(messages)
}

/// What a TUN or TAP device needs once ioctl(2) has made it.
pub fn finish_tun(
    spec: &LinkSpec,
    index: u32,
    lookup: Lookup<'_>,
) -> Result<Vec<Message>, Failure> {
    // TUN's settings are fixed by ioctl(2).
    unknown::check(&spec.settings.unknown, &[unknown::INFO_SLAVE_DATA])?;
    let mut message = Message::new(RTM_NEWLINK, 0, &ifinfomsg(index, 0, 0));
    basics(&spec.settings, &mut message)?;
    if let ControllerChange::Attach(name) = &spec.settings.controller {
        message.u32(ifla::MASTER, lookup(name)?);
    }
    let mut messages = Vec::new();
    if message.len() > HEADER + 16 {
        messages.push(message);
    }
    messages.extend(finish(spec, index)?);
    Ok(messages)
}

/// The messages that change a link: down first, up last, and the settings of a port when it is one.
pub fn change(
    change: &LinkChange,
    target: &Target<'_>,
    needs_down: bool,
    lookup: Lookup<'_>,
) -> Result<Vec<Message>, Failure> {
    let settings = &change.settings;
    unknown::check(&settings.unknown, &PLACES)?;
    let index = target.index;
    let mut messages = Vec::new();
    let up = settings.up.unwrap_or(target.up);
    let down_first = settings.up == Some(false) || (needs_down && target.up);
    if down_first {
        messages.push(set_up(index, false));
    }
    // Below an MTU of 1280 a link has no IPv6, and so no way to make addresses (EAFNOSUPPORT): first the one, then the other.
    if let (Some(mtu), Some(_)) = (settings.mtu, settings.address_generation) {
        let mut message = Message::new(RTM_NEWLINK, 0, &ifinfomsg(index, 0, 0));
        message.u32(ifla::MTU, mtu);
        messages.push(message);
    }
    let (flags, mask) = flags(settings);
    let mut main = Message::new(RTM_NEWLINK, 0, &ifinfomsg(index, flags, mask));
    if let Some(name) = &change.new_name {
        check_name(name)?;
        main.text(ifla::IFNAME, name);
    }
    basics(settings, &mut main)?;
    extras(settings, &mut main)?;
    match &settings.controller {
        ControllerChange::Keep => {}
        ControllerChange::Detach => main.u32(ifla::MASTER, 0),
        ControllerChange::Attach(name) => main.u32(ifla::MASTER, lookup(name)?),
    }
    if let Some(kind) = &change.kind {
        // A veth has no settings, WireGuard's go over generic netlink, TUN's are fixed.
        if !matches!(
            kind,
            Kind::Veth(_) | Kind::Wireguard(_) | Kind::Tun(_) | Kind::Vrf(_)
        ) {
            info(kind, None, Some(target.data), &[], &mut main, lookup)?;
        }
    }
    if mask != 0 || main.len() > HEADER + 16 {
        messages.push(main);
    }
    messages.extend(port_message(index, settings)?);
    if up && (settings.up == Some(true) || down_first) {
        messages.push(set_up(index, true));
    }
    Ok(messages)
}
