//! What the kernel says of itself: changes of links, addresses, routes, rules and neighbours.

use std::collections::VecDeque;
use std::io;

use netlink_sys::Socket;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::answer::Messages;
use super::errno;
use super::{address, link, neighbour, route, rule};
use crate::contract::types::Failure;

const MSG_DONTWAIT: i32 = 0x40;
const MSG_TRUNC: i32 = 0x20;
const BUFFER: usize = 64 * 1024;

/// What to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Links, their settings and state.
    Links,
    /// IPv4 and IPv6 addresses.
    Addresses,
    /// IPv4 and IPv6 routes.
    Routes,
    /// Routing rules.
    Rules,
    /// Entries of the neighbour tables.
    Neighbours,
}

impl Group {
    /// RTNLGRP_* of linux/rtnetlink.h, for IPv4 and IPv6.
    pub(super) fn numbers(self) -> &'static [u32] {
        match self {
            Self::Links => &[1],
            Self::Addresses => &[5, 9],
            Self::Routes => &[7, 11],
            Self::Rules => &[8, 19],
            Self::Neighbours => &[3],
        }
    }
}

/// Something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An object of this group was made, changed or, with `gone`, deleted. Read again what matters: a later event may have overtaken this one.
    Changed {
        /// What kind of object it is.
        group: Group,
        /// The index of the link that it is or hangs from; 0 for rules, and for routes, which may leave by several.
        link: u32,
        /// It was deleted.
        gone: bool,
    },
    /// Events were lost: everything may have changed.
    Overrun,
}

/// A stream of events over a socket of its own. Dropping a call of [`Events::next`] loses nothing.
pub struct Events {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
    waiting: VecDeque<Event>,
}

impl Events {
    pub(super) fn new(socket: Socket) -> Result<Self, Failure> {
        // SAFETY: a Socket owns its descriptor and gives the same one until it is dropped.
        let socket = unsafe { AsyncFd::register(socket) }
            .map_err(|error| errno::io_failure(&error.into_parts().1, "watch a netlink socket"))?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER],
            waiting: VecDeque::new(),
        })
    }

    /// The next event. Waits for one.
    ///
    /// # Errors
    /// When the socket fails; an overrun is an event.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let mut ready = self
                .socket
                .readable()
                .await
                .map_err(|error| errno::io_failure(&error, "wait for netlink events"))?;
            let mut space: &mut [u8] = &mut self.buffer;
            let result = ready.try_io(|socket| {
                socket
                    .get_ref()
                    .recv_from(&mut space, MSG_DONTWAIT | MSG_TRUNC)
            });
            match result {
                Err(_would_block) => {}
                Ok(Ok((_, sender))) if sender.port_number() != 0 => {}
                Ok(Ok((length, _))) if length > self.buffer.len() => {
                    self.buffer.resize(length.next_multiple_of(BUFFER), 0);
                    return Ok(Event::Overrun);
                }
                Ok(Ok((length, _))) => self.take(length),
                Ok(Err(error)) => match Errno::from_io_error(&error) {
                    Some(Errno::NOBUFS) => return Ok(Event::Overrun),
                    Some(Errno::INTR) => {}
                    _ => return Err(failed(&error)),
                },
            }
        }
    }

    fn take(&mut self, length: usize) {
        for message in (Messages {
            rest: &self.buffer[..length],
        }) {
            let Ok(message) = message else {
                // What cannot be read may have said anything.
                self.waiting.push_back(Event::Overrun);
                return;
            };
            self.waiting.extend(event(message.kind, message.body));
        }
    }
}

fn failed(error: &io::Error) -> Failure {
    errno::io_failure(error, "read netlink events")
}

/// The event that a message is, if it is one.
fn event(kind: u16, body: &[u8]) -> Option<Event> {
    let (group, gone) = match kind {
        link::RTM_NEWLINK => (Group::Links, false),
        link::RTM_DELLINK => (Group::Links, true),
        address::RTM_NEWADDR => (Group::Addresses, false),
        address::RTM_DELADDR => (Group::Addresses, true),
        route::RTM_NEWROUTE => (Group::Routes, false),
        route::RTM_DELROUTE => (Group::Routes, true),
        rule::RTM_NEWRULE => (Group::Rules, false),
        rule::RTM_DELRULE => (Group::Rules, true),
        neighbour::RTM_NEWNEIGH => (Group::Neighbours, false),
        neighbour::RTM_DELNEIGH => (Group::Neighbours, true),
        _ => return None,
    };
    // ifinfomsg, ifaddrmsg and ndmsg have the index at the same place; fib_rule_hdr and rtmsg have none.
    let index = match group {
        Group::Routes | Group::Rules => None,
        _ => body.get(4..8).and_then(|bytes| bytes.first_chunk::<4>()),
    };
    Some(Event::Changed {
        group,
        link: index.map_or(0, |bytes| u32::from_ne_bytes(*bytes)),
        gone,
    })
}
