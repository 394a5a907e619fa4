//! Which links go away: those that the file wants gone, those that the kernel cannot change in place, and what it takes along with them.

use std::collections::BTreeMap;

use op_dbus_plugin::{Failure, FailureCode};

use super::link;
use super::{Extent, Index, Wishes};
use crate::kind;
use crate::section::{Interface, LinkType};

/// The links that go away, and why.
#[derive(Debug, Default)]
pub struct Doomed {
    /// Made anew: why.
    pub again: BTreeMap<String, String>,
    /// Gone for good.
    pub gone: Vec<String>,
    /// Gone for good along with another.
    pub along: BTreeMap<String, String>,
}

impl Doomed {
    /// Finds them.
    ///
    /// # Errors
    /// `unsupported` for a link that cannot be removed or made again, `conflict` for one that carries others which the file does not
    /// mention.
    pub fn find(current: &Index, wishes: &Wishes, extent: Extent) -> Result<Self, Failure> {
        let mut doomed = Self::default();
        let mut open: Vec<(String, bool)> = Vec::new();
        for wish in &wishes.list {
            let name = &wish.interface.name;
            let Some(have) = current.get(name).filter(|have| !is_of_database(have)) else {
                continue;
            };
            if wish.interface.is_absent() {
                removable(have)?;
                doomed.gone.push(name.clone());
                open.push((name.clone(), false));
                continue;
            }
            let change = link::compare(have, wish, extent == Extent::Exact);
            if !change.anew.is_empty() {
                doomed.again.insert(name.clone(), change.anew.join(", "));
                open.push((name.clone(), true));
            }
        }
        while let Some((name, again)) = open.pop() {
            doomed.spread(&name, again, current, wishes, extent, &mut open)?;
        }
        for name in doomed.again.keys() {
            if let Some(have) = current.get(name) {
                repeatable(have, &doomed.again[name])?;
            }
        }
        Ok(doomed)
    }

    /// Whether a link goes away, to come back or not.
    pub fn takes(&self, name: &str) -> bool {
        self.again.contains_key(name)
            || self.along.contains_key(name)
            || self.gone.iter().any(|gone| gone == name)
    }

    fn spread(
        &mut self,
        name: &str,
        again: bool,
        current: &Index,
        wishes: &Wishes,
        extent: Extent,
        open: &mut Vec<(String, bool)>,
    ) -> Result<(), Failure> {
        let peer = current.get(name).and_then(kind::peer);
        for other in current.children(name).chain(peer) {
            let Some(have) = current.get(other) else {
                continue;
            };
            let wish = wishes.get(other);
            if self.again.contains_key(other)
                || self.along.contains_key(other)
                || wish.is_some_and(|wish| wish.interface.is_absent())
            {
                continue;
            }
            let is_peer = kind::peer(have) == Some(name);
            // Where the file still wants the other, it comes back (and fails to, with the kernel's words, if what it stands on is gone).
            let stays = again && !(is_peer && leaves(name, other, wishes));
            if stays || wish.is_some_and(|wish| wish.path.is_some()) {
                self.again
                    .insert(other.to_owned(), format!("it goes away with {name}"));
                open.push((other.to_owned(), true));
            } else if is_peer || extent == Extent::Exact {
                self.along.insert(other.to_owned(), name.to_owned());
                open.push((other.to_owned(), false));
            } else {
                return Err(Failure::new(
                    FailureCode::Conflict,
                    format!(
                        "interface {name} carries {other}, which would vanish with it: say what becomes of {other}, \
                         for example {{\"name\": \"{other}\", \"state\": \"absent\"}}"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Whether a link that is made anew is no longer the peer of `other`.
fn leaves(name: &str, other: &str, wishes: &Wishes) -> bool {
    let Some(wish) = wishes.get(name).map(|wish| &wish.interface) else {
        return false;
    };
    let is_another = wish.r#type.as_ref().is_some_and(|of| *of != LinkType::Veth);
    is_another || kind::peer(wish).is_some_and(|peer| peer != other)
}

/// A patch port, a tunnel or a bond of Open vSwitch, of which the kernel knows nothing.
pub fn is_of_database(have: &Interface) -> bool {
    have.r#type == Some(LinkType::OvsPort)
}

fn removable(have: &Interface) -> Result<(), Failure> {
    match have.r#type {
        Some(LinkType::Ethernet | LinkType::Loopback) => Err(Failure::new(
            FailureCode::Unsupported,
            format!(
                "interface {} is hardware and cannot be removed: use \"state\": \"down\"",
                have.name
            ),
        )),
        Some(LinkType::Other(ref word)) if word == "openvswitch" => Err(Failure::new(
            FailureCode::Unsupported,
            format!(
                "interface {} belongs to Open vSwitch and cannot be removed here: its bridge or port can",
                have.name
            ),
        )),
        _ => Ok(()),
    }
}

fn repeatable(have: &Interface, why: &str) -> Result<(), Failure> {
    let obstacle = match &have.r#type {
        Some(LinkType::Ethernet | LinkType::Loopback) => "it is hardware".to_owned(),
        Some(LinkType::OvsPort) => return Ok(()),
        Some(LinkType::Other(word)) => format!("op-dbus cannot make links of the kind {word}"),
        None => "its kind is not known".to_owned(),
        Some(LinkType::Veth) if kind::peer(have).is_none() => {
            "its other end lies in another namespace or is hidden".to_owned()
        }
        Some(_) => match have.unknown.as_deref() {
            None | Some([]) => return Ok(()),
            Some(list) => format!(
                "it has attributes that op-dbus does not know and would lose ({})",
                list.iter()
                    .map(|unknown| unknown.place.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        },
    };
    Err(Failure::new(
        FailureCode::Unsupported,
        format!(
            "interface {} would have to be made anew ({why}), but {obstacle}: remove it first if that is meant",
            have.name
        ),
    ))
}
