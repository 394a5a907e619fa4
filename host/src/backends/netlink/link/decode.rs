//! RTM_NEWLINK as it comes.

use std::fmt::Write;

use super::kinds::{self, Unknown};
use super::{flag, ifla, port};
use crate::backends::netlink::attribute::{Attribute, Attributes, Fault, attributes};
use crate::backends::netlink::unknown;
use crate::contract::netlink::{AddressGeneration, Kind, Link};

/// Bytes of `struct ifinfomsg`.
/// Bytes of `struct ifinfomsg`.
pub const IFINFOMSG: usize = 16;
/// ARPHRD_* of linux/if_arp.h: links whose hardware address is a MAC address.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_INFINIBAND: u16 = 32;
const AF_INET6: u16 = 10;

/// Root queueing disciplines that the kernel gives to links by itself; which of them depends on the link and on net.core.default_qdisc.
const GIVEN_DISCIPLINES: [&str; 9] = [
    "noop",
    "noqueue",
    "mq",
    "pfifo",
    "pfifo_fast",
    "fq",
    "fq_codel",
    "sfq",
    "cake",
];

/// A link whose references to other links are still indices.
pub struct Decoded {
    pub link: Link,
    /// 0 for none.
    pub controller: u32,
    /// The link below, or a veth's other end; 0 for none and for one in another namespace.
    pub parent: u32,
    /// A bond's primary port, 0 for none.
    pub primary: u32,
    /// IFLA_INFO_DATA as it came.
    pub data: Vec<u8>,
}

/// Decodes the body of an RTM_NEWLINK.
pub fn decode(body: &[u8]) -> Result<Decoded, Fault> {
    fill(body).map_err(|fault| fault.within("RTM_NEWLINK"))
}

/// The index in `struct ifinfomsg`.
fn header(body: &[u8]) -> Result<(&[u8; IFINFOMSG], &[u8]), Fault> {
    body.split_first_chunk::<IFINFOMSG>()
        .ok_or_else(|| Fault::new("shorter than struct ifinfomsg"))
}

fn fill(body: &[u8]) -> Result<Decoded, Fault> {
    let (header, rest) = header(body)?;
    let word = |at: usize| {
        u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let hardware = u16::from_ne_bytes([header[2], header[3]]);
    let flags = word(8);
    let mut decoded = Decoded {
        link: Link {
            index: word(4),
            name: String::new(),
            alternative_names: Vec::new(),
            kind: match flags & flag::LOOPBACK {
                0 => Kind::Ethernet,
                _ => Kind::Loopback,
            },
            up: flags & flag::UP != 0,
            running: flags & flag::RUNNING != 0,
            mtu: 0,
            mac: None,
            permanent_mac: None,
            description: None,
            transmit_queue_length: 0,
            group: 0,
            queueing_discipline: None,
            arp: flags & flag::NOARP == 0,
            all_multicast: flags & flag::ALLMULTI != 0,
            promiscuous: flags & flag::PROMISC != 0,
            address_generation: None,
            controller: None,
            port: None,
            unknown: Vec::new(),
        },
        controller: 0,
        parent: 0,
        primary: 0,
        data: Vec::new(),
    };
    let link = &mut decoded.link;
    let has_mac = matches!(hardware, ARPHRD_ETHER | ARPHRD_INFINIBAND);
    let (mut below, mut inner, mut elsewhere) = (0, None, false);
    for item in attributes(rest) {
        let item = item?;
        match item.kind {
            ifla::IFNAME => {
                link.name = item.text().map_err(|f| f.within("IFLA_IFNAME"))?.to_owned()
            }
            ifla::MTU => link.mtu = item.u32()?,
            ifla::ADDRESS if has_mac => link.mac = Some(mac(item.value)),
            ifla::PERM_ADDRESS if has_mac => link.permanent_mac = Some(mac(item.value)),
            ifla::LINK => below = item.u32()?,
            ifla::LINK_NETNSID => elsewhere = true,
            ifla::MASTER => decoded.controller = item.u32()?,
            ifla::GROUP => link.group = item.u32()?,
            ifla::QDISC => {
                let word = item.text()?;
                link.queueing_discipline =
                    (!GIVEN_DISCIPLINES.contains(&word)).then(|| word.to_owned());
            }
            ifla::TXQLEN => link.transmit_queue_length = item.u32()?,
            // The operator may have put anything there; what is not UTF-8 is shown as well as it can be.
            ifla::IFALIAS => {
                let bytes = item.value.strip_suffix(&[0]).unwrap_or(item.value);
                if !bytes.is_empty() {
                    link.description = Some(String::from_utf8_lossy(bytes).into_owned());
                }
            }
            ifla::LINKINFO => {
                inner = info(item.nested(), link, &mut decoded.primary, &mut decoded.data)
                    .map_err(|f| f.within("IFLA_LINKINFO"))?;
            }
            ifla::AF_SPEC => {
                link.address_generation =
                    generation(item.nested()).map_err(|f| f.within("IFLA_AF_SPEC"))?;
            }
            ifla::PROP_LIST => {
                for name in item.nested() {
                    let name = name.map_err(|f| f.within("IFLA_PROP_LIST"))?;
                    if name.kind == ifla::ALT_IFNAME {
                        link.alternative_names.push(name.text()?.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    if link.name.is_empty() {
        return Err(Fault::new("has no IFLA_IFNAME"));
    }
    if !elsewhere {
        decoded.parent = inner.unwrap_or(below);
    }
    Ok(decoded)
}

/// Decodes IFLA_LINKINFO. Gives the index of the link below, where the kind itself names it.
fn info(
    list: Attributes<'_>,
    link: &mut Link,
    primary: &mut u32,
    raw: &mut Vec<u8>,
) -> Result<Option<u32>, Fault> {
    let none: &[u8] = &[];
    let (mut word, mut data, mut port_word, mut port_data) = (None, none, None, none);
    for item in list {
        let item = item?;
        match item.kind {
            ifla::INFO_KIND => word = Some(item.text()?),
            ifla::INFO_DATA => data = item.value,
            ifla::INFO_SLAVE_KIND => port_word = Some(item.text()?),
            ifla::INFO_SLAVE_DATA => port_data = item.value,
            _ => {}
        }
    }
    let mut parent = None;
    if let Some(word) = word {
        let found = kinds::decode(word, attributes(data), &mut link.unknown)
            .map_err(|f| f.within("IFLA_INFO_DATA").within(word))?;
        link.kind = found.kind;
        parent = found.parent;
        *primary = found.primary.unwrap_or(0);
        if kinds::resets(&link.kind) {
            raw.extend_from_slice(data);
        }
    }
    if let Some(word) = port_word {
        let unknown = Unknown {
            list: &mut link.unknown,
            place: unknown::INFO_SLAVE_DATA,
        };
        let found = port::decode(word, attributes(port_data), unknown)
            .map_err(|f| f.within("IFLA_INFO_SLAVE_DATA").within(word))?;
        link.port = Some(found);
    }
    Ok(parent)
}

fn generation(families: Attributes<'_>) -> Result<Option<AddressGeneration>, Fault> {
    let inner = |family: Attribute<'_>| -> Result<Option<AddressGeneration>, Fault> {
        for item in family.nested() {
            let item = item?;
            if item.kind == ifla::INET6_ADDR_GEN_MODE {
                let all = [
                    AddressGeneration::Eui64,
                    AddressGeneration::None,
                    AddressGeneration::StablePrivacy,
                    AddressGeneration::Random,
                ];
                return kinds::of(&all, item.u8()?.into(), &item).map(Some);
            }
        }
        Ok(None)
    };
    for family in families {
        let family = family?;
        if family.kind == AF_INET6 {
            return inner(family).map_err(|f| f.within("AF_INET6"));
        }
    }
    Ok(None)
}

/// `02:00:5e:00:53:01`.
pub fn mac(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for (position, byte) in bytes.iter().enumerate() {
        let colon = if position == 0 { "" } else { ":" };
        write!(text, "{colon}{byte:02x}").expect("a String takes all");
    }
    text
}

/// Puts names in the place of indices. One that `name` does not know is hidden or gone: it stays absent.
pub fn attach_names<'a>(decoded: &mut Decoded, name: impl Fn(u32) -> Option<&'a str>) {
    let name = |index: u32| match index {
        0 => None,
        index => name(index).map(str::to_owned),
    };
    decoded.link.controller = name(decoded.controller);
    match &mut decoded.link.kind {
        Kind::Veth(veth) => {
            veth.peer = name(decoded.parent);
            veth.peer_index = veth.peer.is_some().then_some(decoded.parent);
        }
        Kind::Bond(bond) => bond.primary = name(decoded.primary),
        kind => {
            if let Some(place) = kinds::parent_mut(kind) {
                *place = name(decoded.parent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::netlink::link::{Target, change, create};
    use crate::backends::netlink::message::Message;
    use crate::contract::netlink::{LinkChange, LinkSettings, LinkSpec, Tunnel, Vrf};
    use proptest::prelude::*;

    fn settings() -> LinkSettings {
        LinkSettings {
            mtu: Some(1400),
            mac: Some("02:00:5e:00:53:01".into()),
            ..LinkSettings::default()
        }
    }

    fn tunnel(ttl: Option<u8>, remote: Option<&str>) -> Kind {
        Kind::Gre(Tunnel {
            parent: None,
            local: None,
            remote: remote.map(str::to_owned),
            ttl,
            tos: None,
            input_key: None,
            output_key: None,
            path_mtu_discovery: None,
            encapsulation_limit: None,
            flow_label: None,
        })
    }

    fn body_of(kind: Kind) -> Vec<u8> {
        let spec = LinkSpec {
            name: "x0".into(),
            index: None,
            kind,
            alternative_names: Vec::new(),
            settings: settings(),
        };
        let messages = create(&spec, 7, 0, &|_| Ok(1)).unwrap();
        messages[0].body().to_vec()
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let wanted = Kind::Vrf(Vrf { table: 70_000 });
        let decoded = decode(&body_of(wanted.clone())).unwrap();
        assert_eq!(decoded.link.kind, wanted);
        assert_eq!((decoded.link.index, decoded.link.mtu), (7, 1400));
        assert_eq!(decoded.link.name, "x0");
    }

    #[test]
    fn changing_a_tunnel_sends_what_it_leaves_out_again() {
        let before = decode(&body_of(tunnel(Some(9), Some("192.0.2.7")))).unwrap();
        let wanted = LinkChange {
            link: "x0".into(),
            new_name: None,
            kind: Some(tunnel(Some(33), None)),
            settings: settings(),
        };
        let target = Target {
            index: 7,
            up: false,
            data: &before.data,
        };
        let messages = change(&wanted, &target, false, &|_| Ok(1)).unwrap();
        // The change does not repeat the name.
        let mut body = Message::new(0, 0, messages[0].body());
        body.text(ifla::IFNAME, "x0");
        let after = decode(body.body()).unwrap();
        assert_eq!(after.link.kind, tunnel(Some(33), Some("192.0.2.7")));
    }

    #[test]
    fn a_damaged_inner_attribute_is_an_error_that_names_its_place() {
        let mut body = body_of(Kind::Vrf(Vrf { table: 5 }));
        let length = body.len();
        // The last attribute is IFLA_VRF_TABLE: let it claim more than there is.
        body[length - 8] = 60;
        let fault = decode(&body).err().unwrap().to_string();
        assert!(
            fault.starts_with("RTM_NEWLINK/IFLA_LINKINFO/vrf/IFLA_INFO_DATA"),
            "{fault}"
        );
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_message_but_never_a_panic() {
        let body = body_of(tunnel(Some(9), Some("192.0.2.7")));
        for length in 0..body.len() {
            let _ = decode(&body[..length]);
        }
        assert!(decode(&body[..15]).is_err());
        assert!(decode(&body[..body.len() - 2]).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_flipped_byte_never_panics(place in 0usize..88, value in any::<u8>()) {
            let mut body = body_of(tunnel(Some(9), Some("192.0.2.7")));
            let length = body.len();
            body[place % length] = value;
            let _ = decode(&body);
        }
    }
}
