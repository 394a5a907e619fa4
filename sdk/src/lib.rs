//! Write op-dbus plugins in Rust.
//!
//! A plugin implements [`Plugin`] and ends with [`export!`]. Its capabilities are the modules [`netlink`], [`ovsdb`], [`dbus`] and [`log`];
//! compiled for Wasm they call the host, compiled natively they call the simulated host of [`mock`], so that a plugin's logic is tested
//! with plain `cargo test`.
//!
//! # Layout
//! - [`Plugin`] and [`export!`]: what a plugin is. [`Action`], [`Outcome`], [`Problem`], [`Mismatch`]: what it speaks of.
//! - [`compare`]: what is wished against what is, for `diff` and `verify`.
//! - [`Batch`]: many requests to the kernel in one call, and an outcome for each step.
//! - [`Pointer`]: the place of a problem or mismatch. [`Failure`]: why something failed.
//! - [`section`]: types that sections of several plugins share, and how their objects are declared.
//! - [`mock`]: the simulated host; [`goldens`]: plans and validation as files. Native only.
//!
//! # A complete plugin
//! It keeps the free-text description of links. Its crate has `crate-type = ["cdylib", "rlib"]`.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use op_dbus_plugin::netlink::{self, LinkChange, LinkSelector, LinkSettings, Request};
//! use op_dbus_plugin::{
//!     Action, Batch, CheckpointData, Description, Failure, Features, Mismatch, Operation, Outcome, Plugin, Pointer, Problem,
//! };
//!
//! /// `{"eth0": "uplink to the switch"}`; an empty text removes the description.
//! type Section = BTreeMap<String, String>;
//!
//! struct Descriptions;
//!
//! impl Plugin for Descriptions {
//!     type Desired = Section;
//!     type Current = Section;
//!
//!     fn describe() -> Description {
//!         Description {
//!             name: "descriptions".into(),
//!             version: env!("CARGO_PKG_VERSION").into(),
//!             summary: "Descriptions of network links".into(),
//!             schema: r#"{"type": "object", "additionalProperties": {"type": "string"}}"#.into(),
//!             supports: Features { checkpoints: true, atomic: false, scoped_query: true },
//!             asks: r#"{"netlink": {"change": ["*"]}}"#.into(),
//!         }
//!     }
//!
//!     fn validate(desired: &Section) -> Vec<Problem> {
//!         let long = desired.iter().filter(|(_, text)| text.len() > 255);
//!         long.map(|(name, _)| Problem {
//!             path: Pointer::root().key(name).into(),
//!             message: "the kernel keeps 255 bytes; shorten the text".into(),
//!         })
//!         .collect()
//!     }
//!
//!     fn query(within: Option<&Section>) -> Result<Section, Failure> {
//!         let selectors: Vec<LinkSelector> =
//!             within.into_iter().flatten().map(|(name, _)| LinkSelector::Name(name.clone())).collect();
//!         if within.is_some() && selectors.is_empty() {
//!             // No selector would mean every link.
//!             return Ok(Section::new());
//!         }
//!         let links = netlink::links(&selectors)?.into_iter();
//!         Ok(links.map(|link| (link.name, link.description.unwrap_or_default())).collect())
//!     }
//!
//!     fn diff(current: &Section, desired: &Section) -> Result<Vec<Action>, Failure> {
//!         let mut actions = Vec::new();
//!         for (name, want) in desired.iter().filter(|(name, want)| current.get(*name) != Some(want)) {
//!             let Some(have) = current.get(name) else {
//!                 return Err(Failure::not_found(format!("there is no link {name}")));
//!             };
//!             actions.push(Action {
//!                 operation: Operation::Modify,
//!                 target: name.clone(),
//!                 before: Some(serde_json::to_string(have)?),
//!                 after: Some(serde_json::to_string(want)?),
//!                 summary: format!("describe {name} as \"{want}\""),
//!                 disruptive: false,
//!             });
//!         }
//!         Ok(actions)
//!     }
//!
//!     fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
//!         let mut batch = Batch::new();
//!         for action in &actions {
//!             batch.action(action, requests(action));
//!         }
//!         Ok(batch.execute())
//!     }
//!
//!     fn verify(desired: &Section) -> Result<Vec<Mismatch>, Failure> {
//!         let current = Self::query(Some(desired))?;
//!         let wrong = desired.iter().filter(|(name, want)| current.get(*name) != Some(want));
//!         wrong
//!             .map(|(name, want)| {
//!                 Ok(Mismatch {
//!                     path: Pointer::root().key(name).into(),
//!                     want: serde_json::to_string(want)?,
//!                     have: current.get(name).map(serde_json::to_string).transpose()?,
//!                 })
//!             })
//!             .collect()
//!     }
//!
//!     fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
//!         let then: Section = serde_json::from_str(&to.state)?;
//!         let now = Self::query(Some(&then))?;
//!         Self::apply(Self::diff(&now, &then)?)
//!     }
//! }
//!
//! fn requests(action: &Action) -> Result<Vec<Request>, Failure> {
//!     let text = action.after.as_deref().ok_or_else(|| Failure::invalid("no description to set"))?;
//!     Ok(vec![Request::ChangeLink(LinkChange {
//!         link: action.target.clone(),
//!         new_name: None,
//!         kind: None,
//!         settings: LinkSettings {
//!             description: Some(serde_json::from_str(text)?),
//!             ..Default::default()
//!         },
//!     })])
//! }
//!
//! op_dbus_plugin::export!(Descriptions);
//!
//! // What a test of it looks like.
//! # fn main() -> Result<(), Failure> {
//! let host = op_dbus_plugin::mock::Host::new();
//! host.kernel().add_ethernet("eth0").add_ethernet("eth1");
//! let desired = Section::from([("eth0".to_owned(), "uplink".to_owned())]);
//! host.enter(|| {
//!     let before = Descriptions::checkpoint(Some(&desired))?;
//!     let actions = Descriptions::diff(&Descriptions::query(Some(&desired))?, &desired)?;
//!     assert_eq!(Descriptions::verify(&desired)?.len(), 1);
//!     assert!(Descriptions::apply(actions)?.iter().all(|outcome| outcome.failed.is_none()));
//!     assert!(Descriptions::verify(&desired)?.is_empty());
//!     Descriptions::rollback(before)?;
//!     assert_eq!(Descriptions::query(Some(&desired))?["eth0"], "");
//!     Ok(())
//! })
//! # }
//! ```

#[cfg(target_family = "wasm")]
#[allow(missing_docs, clippy::all)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "state-plugin",
        pub_export_macro: true,
        default_bindings_module: "op_dbus_plugin::bindings",
        additional_derives: [PartialEq],
    });
}

/// Natively the types can be written down as well: that is how the host's conformance kit hands calls to [`mock`].
#[cfg(not(target_family = "wasm"))]
#[allow(missing_docs, clippy::all)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "state-plugin",
        pub_export_macro: true,
        default_bindings_module: "op_dbus_plugin::bindings",
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}

mod batch;
pub mod compare;
pub mod dbus;
mod export;
mod failure;
#[cfg(not(target_family = "wasm"))]
pub mod goldens;
pub mod log;
#[cfg(not(target_family = "wasm"))]
pub mod mock;
pub mod netlink;
pub mod ovsdb;
mod plugin;
mod pointer;
pub mod section;

pub use batch::Batch;
pub use bindings::exports::op_dbus::plugin::state::{
    Action, CheckpointData, Description, Features, Mismatch, Operation, Outcome, Problem, Signal,
    Watch,
};
pub use bindings::op_dbus::plugin::types::{BackendError, Failure, FailureCode, Secret};
pub use export::Exported;
pub use plugin::Plugin;
pub use pointer::Pointer;
