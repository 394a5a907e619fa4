//! The plugin `networkmanager`: NetworkManager's profiles as a section of a state file.
//!
//! Layout
//! - [`section`] the section's types: what a state file says and what `query` shows, and their schema
//! - [`validate`] what a schema cannot say
//! - [`value`] profiles as NetworkManager has them; [`table`] its properties' types and defaults; [`names`] its numbers by name
//! - [`compile`] from the section's words to wanted properties; [`show`] from profiles to the section's words
//! - [`bus`] calls; [`system`] what NetworkManager has; [`query`] what a section concerns, in its words
//! - [`wish`] one wish a profile, ports included; [`identity`] uuids that a file does not give
//! - [`mod@compare`] what is against the wish, as steps; [`job`] what an action carries; [`summary`] words for a person
//! - [`apply`] carries actions out; [`activate`] waits for activations; [`deadman`] for when this process dies meanwhile
//! - [`checkpoint`] noting what is and going back to it

pub mod activate;
pub mod apply;
pub mod bus;
pub mod checkpoint;
pub mod compare;
pub mod compile;
pub mod deadman;
pub mod identity;
pub mod job;
pub mod names;
pub mod query;
pub mod section;
pub mod show;
pub mod summary;
pub mod system;
pub mod table;
pub mod validate;
pub mod value;
pub mod wish;

use op_dbus_plugin::{
    Action, CheckpointData, Description, Failure, Features, Mismatch, Outcome, Plugin, Problem,
    Signal, Watch,
};

use crate::compare::compare;
use crate::query::Secrets;
use crate::section::Section;

/// The plugin.
pub struct NetworkManager;

impl Plugin for NetworkManager {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "networkmanager".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "NetworkManager's connection profiles, over D-Bus".to_owned(),
            schema: include_str!("../schema.json").to_owned(),
            supports: Features {
                checkpoints: true,
                atomic: false,
                scoped_query: true,
            },
            asks: include_str!("../asks.json").to_owned(),
        }
    }

    fn watches() -> Vec<Watch> {
        let signal = |interface: &str, member: &str| {
            Watch::DbusSignal(Signal {
                sender: bus::NAME.to_owned(),
                interface: interface.to_owned(),
                member: member.to_owned(),
            })
        };
        vec![
            signal(bus::SETTINGS_INTERFACE, "NewConnection"),
            signal(bus::SETTINGS_INTERFACE, "ConnectionRemoved"),
            signal(bus::PROFILE_INTERFACE, "Updated"),
            signal(bus::DEVICE_INTERFACE, "StateChanged"),
            signal(bus::ACTIVE_INTERFACE, "StateChanged"),
        ]
    }

    fn validate(desired: &Section) -> Vec<Problem> {
        validate::problems(desired)
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        query::section(within, Secrets::Shown)
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        let steps = compare(current, desired, Secrets::Shown)?;
        Ok(steps.into_iter().map(|step| step.action).collect())
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        apply::apply(actions)
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        // NetworkManager says that a profile was updated when its secrets are asked for, and that is watched. Asked for at each try, they would
        // wake the host for the next one, on and on: they come last, when all else is as it is wanted.
        for secrets in [Secrets::LeftOut, Secrets::Shown] {
            let current = query::section(Some(desired), secrets)?;
            let steps = compare(&current, desired, secrets)?;
            let found: Vec<Mismatch> = steps
                .into_iter()
                .flat_map(|step| step.differences)
                .collect();
            if !found.is_empty() || !compare::names_secrets(desired)? {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn checkpoint(within: Option<&Section>) -> Result<CheckpointData, Failure> {
        checkpoint::take(within)
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        checkpoint::go_back(&to)
    }

    fn release(checkpoint: CheckpointData) -> Result<(), Failure> {
        checkpoint::release(&checkpoint)
    }
}

op_dbus_plugin::export!(NetworkManager);
