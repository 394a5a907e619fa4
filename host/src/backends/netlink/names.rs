//! Names of links by index, kept in step with the kernel by its own events.
//!
//! Addresses, routes, neighbours and VLANs come with indices, and a dump of thousands of links for the names of each kind of object would be
//! most of the work. The first such dump is kept; from just before it on, the kernel reports every link that is made, renamed, moved or
//! deleted, and it queues the report before the call that did it returns. What is queued is taken in before each use, so the names are as
//! fresh as those of a new dump. When reports were lost, the names are as well.

use std::collections::HashMap;
use std::sync::Arc;

use netlink_sys::Socket;
use rustix::io::Errno;

use super::answer::Messages;
use super::attribute::attributes;
use super::events::Group;
use super::link::{IFINFOMSG, RTM_DELLINK, RTM_NEWLINK, ifla};

const MSG_DONTWAIT: i32 = 0x40;
const MSG_TRUNC: i32 = 0x20;
const BUFFER: usize = 64 * 1024;

/// Names of links by index.
pub type Index = HashMap<u32, String>;

/// See the module. Without a socket for events it keeps nothing.
#[derive(Default)]
pub struct LinkNames {
    events: Option<Socket>,
    listening: bool,
    kept: Option<Arc<Index>>,
}

impl LinkNames {
    /// Keeps names by the events of this socket, which is in the namespace of the names and in no group yet.
    pub fn new(events: Socket) -> Self {
        Self {
            events: Some(events),
            ..Self::default()
        }
    }

    /// The names as they are now, if they are known.
    pub fn current(&mut self) -> Option<Arc<Index>> {
        if self.kept.is_some() && !self.catch_up() {
            self.kept = None;
        }
        self.kept.clone()
    }

    /// Listens from now on: to be called before the dump whose names are [kept](Self::keep).
    pub fn listen(&mut self) {
        let Some(events) = &mut self.events else {
            return;
        };
        let groups = Group::Links.numbers();
        self.listening = self.listening || groups.iter().all(|g| events.add_membership(*g).is_ok());
        self.kept = None;
    }

    /// Takes the names that a dump gave, whose events are queued.
    pub fn keep(&mut self, names: Index) -> Arc<Index> {
        let names = Arc::new(names);
        if self.listening {
            self.kept = Some(names.clone());
        }
        names
    }

    /// Takes in what is queued; false if something was lost.
    fn catch_up(&mut self) -> bool {
        let (Some(events), Some(kept)) = (&self.events, &mut self.kept) else {
            return false;
        };
        let mut buffer = vec![0; BUFFER];
        loop {
            let mut space: &mut [u8] = &mut buffer;
            match events.recv_from(&mut space, MSG_DONTWAIT | MSG_TRUNC) {
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((length, _)) => {
                    let Some(rest) = buffer.get(..length) else {
                        return false;
                    };
                    let mut messages = Messages { rest };
                    if !messages.all(|m| m.is_ok_and(|m| take(kept, m.kind, m.body))) {
                        return false;
                    }
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => return true,
                    _ => return false,
                },
            }
        }
    }
}

/// Takes in one event; false if it says nothing that can be understood.
fn take(names: &mut Arc<Index>, kind: u16, body: &[u8]) -> bool {
    let Some((header, rest)) = body.split_first_chunk::<IFINFOMSG>() else {
        return false;
    };
    // Those of other families tell of a link's part in a bridge or the like: it does not come or go with that.
    if header[0] != 0 {
        return true;
    }
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    match kind {
        RTM_NEWLINK => {
            let name = attributes(rest).find_map(|item| {
                let item = item.ok().filter(|item| item.kind == ifla::IFNAME)?;
                item.text().ok().map(str::to_owned)
            });
            let Some(name) = name else { return false };
            // Most events are of other changes: a map that somebody else still holds is not copied for them.
            if names.get(&index) != Some(&name) {
                Arc::make_mut(names).insert(index, name);
            }
        }
        RTM_DELLINK if names.contains_key(&index) => {
            Arc::make_mut(names).remove(&index);
        }
        _ => {}
    }
    true
}
