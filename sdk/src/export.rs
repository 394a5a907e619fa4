//! From the contract's JSON texts to a plugin's types and back.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::exports::op_dbus::plugin::state::Guest;
use crate::{
    Action, CheckpointData, Description, Failure, Mismatch, Outcome, Plugin, Problem, Watch, log,
};

/// A plugin as the host sees it. Made by [`export!`](crate::export), not by hand.
#[doc(hidden)]
pub struct Exported<P>(PhantomData<P>);

fn read<T: DeserializeOwned>(json: Option<String>) -> Result<Option<T>, Failure> {
    json.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(Failure::from)
}

impl<P: Plugin> Guest for Exported<P> {
    fn describe() -> Description {
        log::panics();
        P::describe()
    }

    fn watches() -> Vec<Watch> {
        log::panics();
        P::watches()
    }

    fn validate(desired: String) -> Vec<Problem> {
        log::panics();
        match serde_json::from_str(&desired) {
            Ok(desired) => P::validate(&desired),
            Err(error) => vec![Problem {
                path: String::new(),
                message: error.to_string(),
            }],
        }
    }

    fn query(within: Option<String>) -> Result<String, Failure> {
        log::panics();
        let within: Option<P::Desired> = read(within)?;
        Ok(serde_json::to_string(&P::query(within.as_ref())?)?)
    }

    fn diff(current: String, desired: String) -> Result<Vec<Action>, Failure> {
        log::panics();
        P::diff(
            &serde_json::from_str(&current)?,
            &serde_json::from_str(&desired)?,
        )
    }

    fn apply(actions: Vec<Action>) -> Result<Vec<Outcome>, Failure> {
        log::panics();
        P::apply(actions)
    }

    fn verify(desired: String) -> Result<Vec<Mismatch>, Failure> {
        log::panics();
        P::verify(&serde_json::from_str(&desired)?)
    }

    fn checkpoint(within: Option<String>) -> Result<CheckpointData, Failure> {
        log::panics();
        let within: Option<P::Desired> = read(within)?;
        P::checkpoint(within.as_ref())
    }

    fn rollback(to: CheckpointData) -> Result<Vec<Outcome>, Failure> {
        log::panics();
        P::rollback(to)
    }

    fn release(checkpoint: CheckpointData) -> Result<(), Failure> {
        log::panics();
        P::release(checkpoint)
    }
}

/// Makes a type that implements [`Plugin`] the plugin of this component. Built for anything but WebAssembly, a crate exports nothing: the
/// names of a component's exports are none that other linkers take.
///
/// ```ignore
/// op_dbus_plugin::export!(Net);
/// ```
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        type ExportedPlugin = $crate::Exported<$plugin>;
        #[cfg(target_family = "wasm")]
        $crate::bindings::export!(ExportedPlugin with_types_in $crate::bindings);
    };
}
