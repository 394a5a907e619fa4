//! The plugin `net`: the kernel's network configuration, and Open vSwitch's, as a section of a state file.
//!
//! Layout
//! - [`section`] the section's types: what a state file says and what `query` shows, and their schema
//! - [`validate`] what a schema cannot say
//! - [`query`] reading what a section concerns, or everything
//! - [`mod@compare`] what is against the wish: the one comparison behind plan, verification and rollback, as [`step`]s
//! - [`order`] which step goes first; [`summary`] words for a person
//! - [`ovs`] Open vSwitch's rows and the section: reading them, changing them in one transaction
//! - [`compile`] from actions to netlink requests; [`apply`] carries them out
//! - [`checkpoint`] noting what is and going back to it
//! - [`kind`] the settings of a link's kind as a whole

pub mod apply;
pub mod checkpoint;
pub mod compare;
pub mod compile;
pub mod kind;
pub mod order;
pub mod ovs;
pub mod query;
pub mod section;
pub mod step;
pub mod summary;
pub mod validate;

use op_dbus_plugin::{
    Action, CheckpointData, Description, Failure, Features, Mismatch, Outcome, Plugin, Problem,
    Watch,
};

use crate::compare::{Extent, compare};
use crate::section::Section;

/// The plugin.
pub struct Net;

impl Plugin for Net {
    type Desired = Section;
    type Current = Section;

    fn describe() -> Description {
        Description {
            name: "net".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Links, addresses, routes and rules of the kernel, and Open vSwitch"
                .to_owned(),
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
        vec![
            Watch::Links,
            Watch::Addresses,
            Watch::Routes,
            Watch::Rules,
            Watch::Neighbours,
            Watch::OvsdbTable("Open_vSwitch/Bridge".to_owned()),
            Watch::OvsdbTable("Open_vSwitch/Port".to_owned()),
            Watch::OvsdbTable("Open_vSwitch/Interface".to_owned()),
        ]
    }

    fn validate(desired: &Section) -> Vec<Problem> {
        validate::problems(desired)
    }

    fn query(within: Option<&Section>) -> Result<Section, Failure> {
        match within {
            Some(within) => query::within(within),
            None => query::everything(),
        }
    }

    fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
        let steps = compare(current, desired, Extent::Partial)?;
        steps.into_iter().map(|step| step.action()).collect()
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        apply::apply(actions)
    }

    fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
        let current = query::within(desired)?;
        Ok(step::mismatches(compare(
            &current,
            desired,
            Extent::Partial,
        )?))
    }

    fn checkpoint(within: Option<&Section>) -> Result<CheckpointData, Failure> {
        checkpoint::take(within)
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        checkpoint::go_back(&to)
    }
}

op_dbus_plugin::export!(Net);
