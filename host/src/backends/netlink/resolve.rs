//! Names and indices: the contract names links, the kernel numbers them.

use std::collections::HashMap;

use super::answer::{Received, Refusal, Trouble};
use super::attribute::Fault;
use super::link::{
    self, Decoded, RTEXT_FILTER_SKIP_STATS, RTM_GETLINK, RTM_NEWLINK, ifinfomsg, ifla,
};
use super::message::Message;
use super::socket::Channel;
use crate::contract::netlink::Kind;
use rustix::io::Errno;

/// Above this many names one dump is cheaper than asking for each.
pub const MANY: usize = 256;
/// IFNAMSIZ without the NUL; a longer name can only be an alternative one.
const LONGEST_NAME: usize = 15;

/// A dump of links.
pub fn dump_request() -> Message {
    let mut message = Message::new(RTM_GETLINK, 0, &ifinfomsg(0, 0, 0));
    message.u32(ifla::EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    message
}

fn by_index(index: u32) -> Message {
    let mut message = Message::new(RTM_GETLINK, 0, &ifinfomsg(index, 0, 0));
    message.u32(ifla::EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    message
}

fn by_name(name: &str) -> Message {
    let mut message = dump_request();
    let kind = match name.len() <= LONGEST_NAME {
        true => ifla::IFNAME,
        false => ifla::ALT_IFNAME,
    };
    message.text(kind, name);
    message
}

/// How to ask for one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// By name or alternative name.
    Name(&'a str),
    Index(u32),
}

/// Whether the kernel's refusal says that the link is not there.
fn absent(refusal: &Refusal) -> bool {
    [Errno::NODEV, Errno::NOENT, Errno::INVAL, Errno::RANGE]
        .iter()
        .any(|errno| errno.raw_os_error() == refusal.errno)
}

/// Looks links up, each by itself, pipelined. One that does not exist is left out; `found` gets the position of the key.
pub async fn ask(
    channel: &mut Channel,
    keys: &[Key<'_>],
    mut found: impl FnMut(usize, Decoded),
) -> Result<(), Trouble> {
    let requests: Vec<_> = keys
        .iter()
        .map(|key| match key {
            Key::Name(name) => by_name(name),
            Key::Index(index) => by_index(*index),
        })
        .collect();
    let mut refused = None;
    let answer = |position: usize, result: Result<Received<'_>, Refusal>| -> Result<(), Fault> {
        match result {
            Ok(message) if message.kind == RTM_NEWLINK => {
                found(position, link::decode(message.body)?);
            }
            Ok(message) => {
                return Err(Fault::new(format!(
                    "type {} instead of RTM_NEWLINK",
                    message.kind
                )));
            }
            Err(refusal) if absent(&refusal) => {}
            Err(refusal) => refused = Some(refusal),
        }
        Ok(())
    };
    channel.ask(&requests, answer).await?;
    match refused {
        Some(refusal) => Err(Trouble::Refused(refusal)),
        None => Ok(()),
    }
}

/// All links.
pub async fn all(channel: &mut Channel) -> Result<Vec<Decoded>, Trouble> {
    channel
        .dump(&dump_request(), |message, found| {
            if message.kind == RTM_NEWLINK {
                found.push(link::decode(message.body)?);
            }
            Ok(())
        })
        .await
}

/// A link that a batch names, as it will be at this place in the batch.
#[derive(Clone, Debug)]
pub struct Known {
    pub index: u32,
    pub up: bool,
    pub kind: Kind,
    /// IFLA_INFO_DATA of a tunnel.
    pub data: Vec<u8>,
    /// A change of its kind is under way: what is known of it is no longer so.
    pub stale: bool,
}

/// What a batch's names mean. Alternative names do not count: a grant is written for names.
#[derive(Default)]
pub struct Names {
    pub known: HashMap<String, Known>,
    /// The largest index seen, 0 if not all links were looked at.
    pub largest: u32,
}

impl Names {
    /// Takes what the kernel says of these names. With `everything`, all links are looked at.
    pub async fn learn(
        &mut self,
        channel: &mut Channel,
        names: &[&str],
        everything: bool,
    ) -> Result<(), Trouble> {
        for name in names {
            self.known.remove(*name);
        }
        if everything || names.len() > MANY {
            for decoded in all(channel).await? {
                self.largest = self.largest.max(decoded.link.index);
                if names.len() > MANY || names.contains(&decoded.link.name.as_str()) {
                    self.insert(decoded);
                }
            }
            return Ok(());
        }
        let keys: Vec<_> = names.iter().map(|name| Key::Name(name)).collect();
        ask(channel, &keys, |position, decoded| {
            if decoded.link.name == names[position] {
                self.insert(decoded);
            }
        })
        .await
    }

    fn insert(&mut self, decoded: Decoded) {
        let known = Known {
            index: decoded.link.index,
            up: decoded.link.up,
            kind: decoded.link.kind,
            data: decoded.data,
            stale: false,
        };
        self.known.insert(decoded.link.name, known);
    }
}

/// Indices that no link has, `count` of them from `start` on.
pub async fn free_indices(
    channel: &mut Channel,
    start: u32,
    count: usize,
) -> Result<Vec<u32>, Trouble> {
    let mut free = Vec::with_capacity(count);
    let mut next = start.max(2);
    while free.len() < count {
        let candidates: Vec<u32> = (next..).take(count - free.len()).collect();
        let keys: Vec<_> = candidates.iter().map(|index| Key::Index(*index)).collect();
        let mut taken = vec![false; candidates.len()];
        ask(channel, &keys, |position, _| taken[position] = true).await?;
        next = candidates
            .last()
            .map_or(next, |last| last.wrapping_add(1))
            .max(2);
        free.extend(
            candidates
                .into_iter()
                .zip(taken)
                .filter(|(_, taken)| !taken)
                .map(|(index, _)| index),
        );
    }
    Ok(free)
}
