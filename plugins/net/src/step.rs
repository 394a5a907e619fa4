//! One step of a plan before it becomes an action of the contract: typed, with what it makes true of the section.

use op_dbus_plugin::{Action, Failure, Mismatch, Operation};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::section::{Address, Interface, Neighbour, Route, Rule, Section, Vlans};

/// What a step makes, changes or removes; in the section's words, so that a person can read an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A link without its addresses and routes. Of a change, only what changes.
    Link(Box<Interface>),
    /// VLANs of a bridge's port, or of the bridge itself.
    Vlans(PortVlans),
    /// An address of a link.
    Address(OnLink<Address>),
    /// A neighbour on a link.
    Neighbour(OnLink<Neighbour>),
    /// A route; each of its ways names its link.
    Route(Box<Route>),
    /// A route rule.
    Rule(Box<Rule>),
    /// Bridges and ports of Open vSwitch, as a section that holds nothing else. Of a change, only what changes.
    #[serde(rename = "open_vswitch")]
    Switch(Box<Section>),
}

/// Something that hangs from a link. In JSON its own keys, and the link's name under `interface`.
#[derive(Clone, Debug, PartialEq)]
pub struct OnLink<T> {
    /// The link's name.
    pub interface: String,
    /// What hangs from it.
    pub object: T,
}

// By way of a tree: with serde's `flatten` every type would be translated in a second way, which costs a component much code.
impl<T: Serialize> Serialize for OnLink<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = tree(&self.object);
        keys["interface"] = Value::String(self.interface.clone());
        keys.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OnLink<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(mut keys) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("an object is expected"));
        };
        let Some(Value::String(interface)) = keys.remove("interface") else {
            return Err(D::Error::missing_field("interface"));
        };
        let object = of_tree(keys).map_err(D::Error::custom)?;
        Ok(Self { interface, object })
    }
}

/// The VLANs of one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortVlans {
    /// The link's name.
    pub interface: String,
    /// They are the bridge's own.
    pub on_bridge: bool,
    /// Exactly these.
    pub vlans: Vlans,
}

/// A place of the section where what is differs from the wish.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// JSON Pointer into the section.
    pub path: String,
    /// What the file says, as JSON.
    pub want: String,
    /// What is, as JSON, unless there is nothing.
    pub have: Option<String>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub operation: Operation,
    /// The object in the operator's terms.
    pub target: String,
    /// The object before.
    pub before: Option<Object>,
    /// The object after.
    pub after: Option<Object>,
    /// For a person.
    pub summary: String,
    /// Whether it interrupts traffic.
    pub disruptive: bool,
    /// The places of the section that it makes true. Empty where it only keeps what another step would lose.
    pub differences: Vec<Difference>,
}

impl Step {
    /// A step that makes, changes or removes, by which of the two is there.
    pub fn new(
        target: impl Into<String>,
        before: Option<Object>,
        after: Option<Object>,
        summary: impl Into<String>,
    ) -> Self {
        let operation = match (&before, &after) {
            (None, _) => Operation::Create,
            (Some(_), None) => Operation::Delete,
            (Some(_), Some(_)) => Operation::Modify,
        };
        Self {
            operation,
            target: target.into(),
            before,
            after,
            summary: summary.into(),
            disruptive: false,
            differences: Vec::new(),
        }
    }

    /// With a place that it makes true.
    pub fn at(mut self, path: Option<String>, want: String, have: Option<String>) -> Self {
        self.differences
            .extend(path.map(|path| Difference { path, want, have }));
        self
    }

    /// The contract's form.
    ///
    /// # Errors
    /// None in practice: every object can be written as JSON.
    pub fn action(self) -> Result<Action, Failure> {
        let json = |object: Option<Object>| {
            object
                .map(|object| serde_json::to_string(&object))
                .transpose()
        };
        Ok(Action {
            operation: self.operation,
            target: self.target,
            before: json(self.before)?,
            after: json(self.after)?,
            summary: self.summary,
            disruptive: self.disruptive,
        })
    }
}

/// The contract's form of differences.
pub fn mismatches(steps: Vec<Step>) -> Vec<Mismatch> {
    let differences = steps.into_iter().flat_map(|step| step.differences);
    let mismatch = |difference: Difference| Mismatch {
        path: difference.path,
        want: difference.want,
        have: difference.have,
    };
    differences.map(mismatch).collect()
}

/// The section's JSON of a value.
pub fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The same as a tree. It goes through the text, so that each type is translated one way only: a component is small that way.
pub fn tree<T: Serialize>(value: &T) -> Value {
    serde_json::from_str(&json(value)).unwrap_or(Value::Null)
}

/// A value from a tree, through the text as well.
///
/// # Errors
/// What does not fit the type.
pub fn of_tree<T: DeserializeOwned>(tree: Map<String, Value>) -> Result<T, serde_json::Error> {
    serde_json::from_str(&Value::Object(tree).to_string())
}
