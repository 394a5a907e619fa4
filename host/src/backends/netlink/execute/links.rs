//! Links in a batch: what a creation or a change takes beyond a message.

use super::super::describe::describe;
use super::super::errno::{invalid, no_link};
use super::super::link::{self, RTM_DELLINK, Target, ifinfomsg};
use super::super::message::Message;
use super::super::resolve::Known;
use super::super::{tun, wireguard};
use super::{Creation, Pipeline, Stop, work};
use crate::contract::netlink::{ControllerChange, Kind, LinkChange, LinkSpec, Tun, Wireguard};
use crate::contract::types::{Failure, FailureCode};

impl<'a> Pipeline<'a> {
    pub(super) async fn create(&mut self, position: usize, spec: &'a LinkSpec) -> Result<(), Stop> {
        let mut made = vec![spec.name.as_str()];
        if let Kind::Veth(veth) = &spec.kind {
            made.extend(veth.peer.as_deref());
        }
        let taken = made.iter().any(|name| self.names.known.contains_key(*name));
        if taken && self.deleted {
            self.flush().await.map_err(Stop::Batch)?;
            let learnt = self.names.learn(self.channel, &made, false).await;
            learnt.map_err(|trouble| Stop::Batch(trouble.failure("look links up again")))?;
        }
        if let Kind::Tun(tun) = &spec.kind {
            return self.create_tun(position, spec, tun).await;
        }
        let mut fresh = || self.free.pop().unwrap_or(0);
        let index = spec.index.unwrap_or_else(&mut fresh);
        let peer_index = match &spec.kind {
            Kind::Veth(veth) => veth.peer_index.unwrap_or_else(&mut fresh),
            _ => 0,
        };
        let messages = link::create(spec, index, peer_index, &|name| self.index(position, name))?;
        self.creations.push(Creation {
            request: position,
            index,
            place: Some(self.queue.len()),
        });
        self.push(position, messages);
        for (name, index) in made.into_iter().zip([index, peer_index]) {
            // What is there already stays what the name means: the kernel will refuse this creation.
            self.names.known.entry(name.to_owned()).or_insert(Known {
                index,
                up: name == spec.name && spec.settings.up == Some(true),
                kind: spec.kind.clone(),
                data: Vec::new(),
                stale: true,
            });
        }
        match &spec.kind {
            Kind::Wireguard(wireguard) if wireguard::says_anything(wireguard) => {
                self.flush().await.map_err(Stop::Batch)?;
                if self.answers[position].is_err() {
                    return Ok(());
                }
                self.set_wireguard(position, index, wireguard).await?;
                if self.answers[position].is_err() {
                    self.names.known.remove(&spec.name);
                    let undo = [Message::new(RTM_DELLINK, 0, &ifinfomsg(index, 0, 0))];
                    let undone = self.channel.change(&undo, work, |_| {}).await;
                    undone.map_err(|(_, trouble)| {
                        Stop::Batch(trouble.failure("take a half-made link back"))
                    })?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sets what goes over generic netlink; what is queued must have been flushed.
    async fn set_wireguard(
        &mut self,
        position: usize,
        index: u32,
        settings: &Wireguard,
    ) -> Result<(), Stop> {
        let shared = &self.netlink.0;
        let mut generic = shared.generic.lock().await;
        let what = describe(&self.requests[position]);
        let done = wireguard::write(&mut generic, &shared.secrets, index, settings, &what).await;
        if let Err(failure) = done {
            self.answers[position] = Err(failure);
        }
        Ok(())
    }

    /// A TUN or TAP device: made by ioctl(2), finished over rtnetlink.
    async fn create_tun(
        &mut self,
        position: usize,
        spec: &'a LinkSpec,
        settings: &Tun,
    ) -> Result<(), Stop> {
        self.flush().await.map_err(Stop::Batch)?;
        link::check_name(&spec.name)?;
        if self.names.known.contains_key(&spec.name) {
            return Err(Stop::Request(Failure {
                code: FailureCode::Exists,
                message: format!("{}: exists already", describe(&self.requests[position])),
                backend: None,
            }));
        }
        let index = spec.index.or_else(|| self.free.pop()).unwrap_or(0);
        // Checked before anything is made.
        let messages = link::finish_tun(spec, index, &|name| self.index(position, name))?;
        tun::create(&self.netlink.0.namespace, &spec.name, index, settings)?;
        self.creations.push(Creation {
            request: position,
            index,
            place: None,
        });
        self.push(position, messages);
        self.names.known.insert(
            spec.name.clone(),
            Known {
                index,
                up: spec.settings.up == Some(true),
                kind: spec.kind.clone(),
                data: Vec::new(),
                stale: true,
            },
        );
        Ok(())
    }

    pub(super) async fn change(
        &mut self,
        position: usize,
        change: &'a LinkChange,
    ) -> Result<(), Stop> {
        let name = change.link.as_str();
        self.index(position, name)?;
        if change.kind.is_some() && self.names.known[name].stale {
            self.flush().await.map_err(Stop::Batch)?;
            let learnt = self.names.learn(self.channel, &[name], false).await;
            learnt.map_err(|trouble| Stop::Batch(trouble.failure("look a link up again")))?;
        }
        let known = self.names.known.get(name).ok_or_else(|| no_link(name))?;
        if let Some(kind) = &change.kind {
            check_kind(name, &known.kind, kind)?;
        }
        let needs_down = match &change.settings.controller {
            ControllerChange::Attach(controller) => self
                .names
                .known
                .get(controller)
                .is_some_and(|known| matches!(known.kind, Kind::Bond(_))),
            _ => false,
        };
        let target = Target {
            index: known.index,
            up: known.up,
            data: &known.data,
        };
        let messages = link::change(change, &target, needs_down, &|name| {
            self.index(position, name)
        })?;
        let index = target.index;
        self.push(position, messages);
        if let Some(Kind::Wireguard(wireguard)) = &change.kind {
            self.flush().await.map_err(Stop::Batch)?;
            if self.answers[position].is_ok() {
                self.set_wireguard(position, index, wireguard).await?;
            }
        }
        let known = self
            .names
            .known
            .get_mut(name)
            .ok_or_else(|| no_link(name))?;
        known.up = change.settings.up.unwrap_or(known.up);
        known.stale |= change.kind.is_some();
        if let Some(new) = change.new_name.as_deref().filter(|new| *new != name) {
            self.flush().await.map_err(Stop::Batch)?;
            if self.answers[position].is_ok() {
                let known = self.names.known.remove(name);
                self.names
                    .known
                    .extend(known.map(|known| (new.to_owned(), known)));
            }
        }
        Ok(())
    }
}

/// A kind cannot change, and neither can what identifies some kinds; the kernel would ignore that silently.
fn check_kind(name: &str, present: &Kind, wanted: &Kind) -> Result<(), Failure> {
    let refuse = |what: String| {
        Err(invalid(format!(
            "link {name:?}: {what}; delete it and create it anew"
        )))
    };
    if std::mem::discriminant(present) != std::mem::discriminant(wanted) {
        let word = |kind| link::word(kind).unwrap_or("ethernet").to_owned();
        return refuse(format!(
            "its kind is {}, and cannot become {}",
            word(present),
            word(wanted)
        ));
    }
    match (present, wanted) {
        (Kind::Vlan(old), Kind::Vlan(new)) if old.id != new.id => refuse(format!(
            "its VLAN is {}, and cannot become {}",
            old.id, new.id
        )),
        (Kind::Vlan(old), Kind::Vlan(new))
            if new.protocol.is_some() && new.protocol != old.protocol =>
        {
            refuse("its VLAN protocol cannot change".to_owned())
        }
        (Kind::Vrf(old), Kind::Vrf(new)) if old.table != new.table => refuse(format!(
            "its table is {}, and cannot become {}",
            old.table, new.table
        )),
        (Kind::Tun(old), Kind::Tun(new)) if old.mode != new.mode => {
            refuse("its mode cannot change".to_owned())
        }
        _ => Ok(()),
    }
}
