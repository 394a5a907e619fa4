//! Batches of requests, as one pipeline of messages.
//!
//! Names are resolved before anything is sent. A link that the batch creates gets a free index up front, so that what follows can name it
//! without waiting for the kernel's answer. The pipeline is flushed only where a name's meaning hangs on the answer: at a rename, at a creation
//! over a name that an earlier deletion may have freed, and around what is not rtnetlink (TUN's ioctls, WireGuard's generic netlink).

mod links;

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use super::answer::Trouble;
use super::describe::describe;
use super::errno::no_link;
use super::link::{
    self, RTM_DELLINK, RTM_DELLINKPROP, RTM_NEWLINK, RTM_NEWLINKPROP, alternative_names, ifinfomsg,
};
use super::message::Message;
use super::resolve::{Names, free_indices};
use super::route::Verb;
use super::socket::Channel;
use super::{Netlink, address, neighbour, route, rule, vlan};
use crate::contract::netlink::{ControllerChange, Kind, Request};
use crate::contract::types::Failure;
use crate::progress;

/// Deleting a link waits for all processors to forget it; adding a port or setting a link up costs some of that too.
fn work(message: &Message) -> usize {
    match message.kind() {
        RTM_DELLINK => 8,
        RTM_NEWLINK => 2,
        _ => 1,
    }
}

/// A link that this flush creates with several messages: if a later one is refused, it goes again.
struct Creation {
    request: usize,
    index: u32,
    /// The place of the creating message in the queue; none for what ioctl(2) has made already.
    place: Option<usize>,
}

pub struct Pipeline<'a> {
    netlink: &'a Netlink,
    channel: &'a mut Channel,
    requests: &'a [Request],
    answers: Vec<Result<(), Failure>>,
    names: Names,
    free: Vec<u32>,
    queue: Vec<Message>,
    /// The request of each message in the queue.
    owners: Vec<usize>,
    creations: Vec<Creation>,
    /// Which request used which link, since the last flush.
    uses: RefCell<Vec<(usize, u32)>>,
    /// A link was deleted, and others may have gone with it: what is known of names is a guess.
    deleted: bool,
}

/// Calls `name` with each link that a request names.
fn names_of<'a>(request: &'a Request, name: &mut dyn FnMut(&'a str)) {
    let attach = |change: &'a ControllerChange, name: &mut dyn FnMut(&'a str)| {
        if let ControllerChange::Attach(controller) = change {
            name(controller);
        }
    };
    let inside = |kind: &'a Kind, name: &mut dyn FnMut(&'a str)| {
        if let Some(Some(parent)) = link::parent(kind) {
            name(parent);
        }
        match kind {
            Kind::Bond(bond) => bond
                .primary
                .iter()
                .filter(|p| !p.is_empty())
                .for_each(|p| name(p)),
            Kind::Veth(veth) => veth.peer.iter().for_each(|p| name(p)),
            _ => {}
        }
    };
    match request {
        Request::CreateLink(spec) => {
            name(&spec.name);
            inside(&spec.kind, name);
            attach(&spec.settings.controller, name);
        }
        Request::ChangeLink(change) => {
            name(&change.link);
            change.kind.iter().for_each(|kind| inside(kind, name));
            attach(&change.settings.controller, name);
        }
        Request::DeleteLink(link) => name(link),
        Request::AddAlternativeName(pair) | Request::DeleteAlternativeName(pair) => {
            name(&pair.link)
        }
        Request::PutAddress(address) | Request::DeleteAddress(address) => name(&address.link),
        Request::AddRoute(route) | Request::PutRoute(route) | Request::DeleteRoute(route) => {
            for hop in &route.next_hops {
                hop.link.iter().for_each(|link| name(link));
            }
        }
        // Rules name links as text, for links that are not there yet as well.
        Request::AddRule(_) | Request::DeleteRule(_) => {}
        Request::PutNeighbour(neighbour) | Request::DeleteNeighbour(neighbour) => {
            name(&neighbour.link);
        }
        Request::PutBridgeVlan(vlan) | Request::DeleteBridgeVlan(vlan) => name(&vlan.link),
    }
}

impl<'a> Pipeline<'a> {
    /// Resolves what `requests` name. Nothing is changed yet.
    pub async fn open(
        netlink: &'a Netlink,
        channel: &'a mut Channel,
        requests: &'a [Request],
    ) -> Result<Self, Trouble> {
        let mut wanted = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut indices = 0;
        for request in requests {
            names_of(request, &mut |name| {
                if seen.insert(name) {
                    wanted.push(name);
                }
            });
            if let Request::CreateLink(spec) = request {
                indices += usize::from(spec.index.is_none());
                indices += usize::from(
                    matches!(&spec.kind, Kind::Veth(veth) if veth.peer_index.is_none()),
                );
            }
        }
        let mut names = Names::default();
        let hint = netlink.0.next_index.load(Ordering::Relaxed);
        names
            .learn(channel, &wanted, indices > 0 && hint == 0)
            .await?;
        let start = hint.max(names.largest.saturating_add(1));
        let asked: Vec<u32> = requests
            .iter()
            .flat_map(|request| match request {
                Request::CreateLink(spec) => match &spec.kind {
                    Kind::Veth(veth) => [spec.index, veth.peer_index],
                    _ => [spec.index, None],
                },
                _ => [None, None],
            })
            .flatten()
            .collect();
        let mut free = free_indices(channel, start, indices + asked.len()).await?;
        free.retain(|index| !asked.contains(index));
        free.truncate(indices);
        if let Some(last) = free.last() {
            netlink
                .0
                .next_index
                .store(last.saturating_add(1), Ordering::Relaxed);
        }
        free.reverse();
        Ok(Self {
            netlink,
            channel,
            requests,
            answers: requests.iter().map(|_| Ok(())).collect(),
            names,
            free,
            queue: Vec::new(),
            owners: Vec::new(),
            creations: Vec::new(),
            uses: RefCell::default(),
            deleted: false,
        })
    }

    /// Carries the requests out.
    pub async fn run(mut self) -> Vec<Result<(), Failure>> {
        for position in 0..self.requests.len() {
            let result = match self.step(position).await {
                Ok(()) => continue,
                Err(Stop::Request(failure)) => Err(failure),
                Err(Stop::Batch(failure)) => {
                    self.give_up(position, &failure);
                    return self.answers;
                }
            };
            self.answers[position] = result;
        }
        if let Err(failure) = self.flush().await {
            self.give_up(self.requests.len(), &failure);
        }
        self.answers
    }

    /// The exchange broke: nobody knows of what was queued, and the rest is not tried.
    fn give_up(&mut self, from: usize, failure: &Failure) {
        let queued: Vec<usize> = self.owners.drain(..).collect();
        for position in queued.into_iter().chain(from..self.requests.len()) {
            if self.answers[position].is_ok() {
                self.answers[position] = Err(failure.clone());
            }
        }
    }

    async fn step(&mut self, position: usize) -> Result<(), Stop> {
        let messages = match &self.requests[position] {
            Request::CreateLink(spec) => return self.create(position, spec).await,
            Request::ChangeLink(change) => return self.change(position, change).await,
            Request::DeleteLink(name) => {
                self.deleted = true;
                vec![Message::new(
                    RTM_DELLINK,
                    0,
                    &ifinfomsg(self.index(position, name)?, 0, 0),
                )]
            }
            Request::AddAlternativeName(pair) => {
                let index = self.index(position, &pair.link)?;
                vec![alternative_names(
                    RTM_NEWLINKPROP,
                    index,
                    std::slice::from_ref(&pair.name),
                )?]
            }
            Request::DeleteAlternativeName(pair) => {
                let index = self.index(position, &pair.link)?;
                vec![alternative_names(
                    RTM_DELLINKPROP,
                    index,
                    std::slice::from_ref(&pair.name),
                )?]
            }
            Request::PutAddress(one) => {
                vec![address::put(one, self.index(position, &one.link)?)?]
            }
            Request::DeleteAddress(one) => {
                vec![address::delete(one, self.index(position, &one.link)?)?]
            }
            Request::AddRoute(one) => {
                vec![route::encode(one, Verb::Add, &|name| {
                    self.index(position, name)
                })?]
            }
            Request::PutRoute(one) => {
                vec![route::encode(one, Verb::Put, &|name| {
                    self.index(position, name)
                })?]
            }
            Request::DeleteRoute(one) => {
                vec![route::encode(one, Verb::Delete, &|name| {
                    self.index(position, name)
                })?]
            }
            Request::AddRule(one) => vec![rule::encode(one, true)?],
            Request::DeleteRule(one) => vec![rule::encode(one, false)?],
            Request::PutNeighbour(one) => {
                vec![neighbour::put(one, self.index(position, &one.link)?)?]
            }
            Request::DeleteNeighbour(one) => {
                vec![neighbour::delete(one, self.index(position, &one.link)?)?]
            }
            Request::PutBridgeVlan(one) => {
                vec![vlan::encode(one, self.index(position, &one.link)?, true)?]
            }
            Request::DeleteBridgeVlan(one) => {
                vec![vlan::encode(one, self.index(position, &one.link)?, false)?]
            }
        };
        self.push(position, messages);
        Ok(())
    }

    fn push(&mut self, position: usize, messages: Vec<Message>) {
        self.owners.extend(messages.iter().map(|_| position));
        self.queue.extend(messages);
    }

    /// The index of a link at this place in the batch.
    fn index(&self, position: usize, name: &str) -> Result<u32, Failure> {
        let known = self.names.known.get(name).ok_or_else(|| no_link(name))?;
        self.uses.borrow_mut().push((position, known.index));
        Ok(known.index)
    }

    /// Sends what is queued and takes the answers; a creation that was refused half way is taken back.
    async fn flush(&mut self) -> Result<(), Failure> {
        let queue = std::mem::take(&mut self.queue);
        let creations = std::mem::take(&mut self.creations);
        let uses = std::mem::take(self.uses.get_mut());
        if queue.is_empty() {
            return Ok(());
        }
        // The last request of which the kernel has answered a message.
        let told = |answered: usize| {
            if let Some(last) = answered.checked_sub(1) {
                progress::count(self.owners[last] + 1, self.requests.len());
            }
        };
        let (answers, trouble) = match self.channel.change(&queue, work, told).await {
            Ok(answers) => (answers, None),
            Err((answers, trouble)) => (answers, Some(trouble)),
        };
        let owners: Vec<usize> = self.owners.drain(..answers.len()).collect();
        for (owner, answer) in owners.iter().zip(&answers) {
            if let (Err(refusal), true) = (answer, self.answers[*owner].is_ok()) {
                let what = describe(&self.requests[*owner]);
                self.answers[*owner] = Err(refusal.clone().failure(&what));
            }
        }
        if let Some(trouble) = trouble {
            return Err(trouble.failure("carry out a batch"));
        }
        self.owners.clear();
        let mut undo = Vec::new();
        for creation in creations {
            let made = creation.place.is_none_or(|place| answers[place].is_ok());
            if self.answers[creation.request].is_err() && made {
                undo.push(Message::new(
                    RTM_DELLINK,
                    0,
                    &ifinfomsg(creation.index, 0, 0),
                ));
                self.orphan(&creation, &uses);
            }
        }
        if !undo.is_empty() {
            let undone = self.channel.change(&undo, work, |_| {}).await;
            undone.map_err(|(_, trouble)| trouble.failure("take half-made links back"))?;
        }
        Ok(())
    }

    /// What this batch did on a link that is taken back did not last.
    fn orphan(&mut self, creation: &Creation, uses: &[(usize, u32)]) {
        let Request::CreateLink(spec) = &self.requests[creation.request] else {
            return;
        };
        for (position, index) in uses {
            if *index == creation.index
                && *position > creation.request
                && self.answers[*position].is_ok()
            {
                self.answers[*position] = Err(no_link(&spec.name));
            }
        }
        self.names.known.remove(&spec.name);
    }
}

/// Why a step did not go into the queue.
enum Stop {
    /// This request is at fault; the others go on.
    Request(Failure),
    /// The exchange with the kernel broke.
    Batch(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Request(failure)
    }
}

/// The failure of a batch of which nothing was tried.
pub fn nothing_tried(requests: &[Request], failure: &Failure) -> Vec<Result<(), Failure>> {
    requests.iter().map(|_| Err(failure.clone())).collect()
}
