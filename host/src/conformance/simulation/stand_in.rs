//! Services on the simulated bus as a file describes them: properties that keep what is written to them, and methods that set properties.
//!
//! ```json
//! {"org.freedesktop.hostname1": {"/org/freedesktop/hostname1": {"org.freedesktop.hostname1": {
//!     "properties": {"StaticHostname": {"type": "s", "data": "before"}},
//!     "methods": {"SetStaticHostname": {"sets": {"StaticHostname": 0}}}}}}}
//! ```
//! A method's `sets` says which property takes which argument, by number; `returns` is what it answers, `{"signature": …, "values": […]}`,
//! nothing unless it is said.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use op_dbus_plugin::dbus::{MethodCall, Reply, Subscription};
use op_dbus_plugin::{BackendError, Failure, FailureCode, mock};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::backends::dbus::PROPERTIES;

/// Services, by well-known name and object path.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Services(BTreeMap<String, BTreeMap<String, BTreeMap<String, Interface>>>);

/// An interface of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Interface {
    properties: BTreeMap<String, Variant>,
    methods: BTreeMap<String, Method>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    #[serde(rename = "type")]
    signature: String,
    data: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Method {
    sets: BTreeMap<String, usize>,
    returns: Option<Returns>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Returns {
    signature: String,
    values: Value,
}

impl Services {
    /// The well-known names.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Every property that there is, in order, for a comparison.
    fn state(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, objects) in &self.0 {
            for (path, interfaces) in objects {
                for (interface, of) in interfaces {
                    for (property, value) in &of.properties {
                        let data = &value.data;
                        lines.push(format!("{name} {path} {interface}.{property} = {data}"));
                    }
                }
            }
        }
        lines
    }

    fn call(&mut self, call: &MethodCall) -> Result<Reply, Failure> {
        let arguments: Vec<Value> = serde_json::from_str(&call.arguments)?;
        let objects = self.0.get_mut(&call.destination).ok_or_else(|| {
            let name = "org.freedesktop.DBus.Error.ServiceUnknown";
            refused(FailureCode::Unavailable, name, &call.destination)
        })?;
        let object = objects.get_mut(&call.path).ok_or_else(|| {
            let name = "org.freedesktop.DBus.Error.UnknownObject";
            refused(FailureCode::NotFound, name, &call.path)
        })?;
        if call.interface == PROPERTIES {
            return properties(object, &call.member, &arguments);
        }
        let interface = object
            .get_mut(&call.interface)
            .ok_or_else(|| unknown_method(call))?;
        let method = interface.methods.get(&call.member);
        let method = method.ok_or_else(|| unknown_method(call))?.clone();
        for (property, number) in &method.sets {
            let argument = arguments.get(*number).cloned();
            let of = interface.properties.get_mut(property);
            let (Some(argument), Some(of)) = (argument, of) else {
                let text = format!("{} sets {property} from argument {number}", call.member);
                return Err(invalid_arguments(&text));
            };
            of.data = argument;
        }
        Ok(match method.returns {
            Some(returns) => Reply {
                signature: returns.signature,
                values: returns.values.to_string(),
            },
            None => nothing(),
        })
    }
}

/// `org.freedesktop.DBus.Properties` (D-Bus specification, "Standard Interfaces").
fn properties(
    object: &mut BTreeMap<String, Interface>,
    member: &str,
    arguments: &[Value],
) -> Result<Reply, Failure> {
    let text = |number: usize| arguments.get(number).and_then(Value::as_str);
    let name = text(0).unwrap_or_default();
    let interface = object.get_mut(name).ok_or_else(|| {
        let error = "org.freedesktop.DBus.Error.UnknownInterface";
        refused(FailureCode::Unsupported, error, name)
    })?;
    let shown = |of: &Variant| json!({"type": of.signature, "data": of.data});
    if member == "GetAll" {
        let all: serde_json::Map<_, _> = interface
            .properties
            .iter()
            .map(|(name, value)| (name.clone(), shown(value)))
            .collect();
        return Ok(Reply {
            signature: "a{sv}".into(),
            values: json!([all]).to_string(),
        });
    }
    let property = text(1).unwrap_or_default();
    let of = interface.properties.get_mut(property).ok_or_else(|| {
        let error = "org.freedesktop.DBus.Error.UnknownProperty";
        refused(FailureCode::NotFound, error, property)
    })?;
    match member {
        "Get" => Ok(Reply {
            signature: "v".into(),
            values: json!([shown(of)]).to_string(),
        }),
        "Set" => {
            let value = arguments.get(2).cloned().unwrap_or_default();
            if value["type"] != of.signature.as_str() {
                return Err(invalid_arguments(property));
            }
            of.data = value["data"].clone();
            Ok(nothing())
        }
        other => Err(refused(
            FailureCode::Unsupported,
            "org.freedesktop.DBus.Error.UnknownMethod",
            other,
        )),
    }
}

fn nothing() -> Reply {
    Reply {
        signature: String::new(),
        values: "[]".into(),
    }
}

fn unknown_method(call: &MethodCall) -> Failure {
    let text = format!("{}.{}", call.interface, call.member);
    let name = "org.freedesktop.DBus.Error.UnknownMethod";
    refused(FailureCode::Unsupported, name, &text)
}

fn invalid_arguments(text: &str) -> Failure {
    let name = "org.freedesktop.DBus.Error.InvalidArgs";
    refused(FailureCode::Refused, name, text)
}

fn refused(code: FailureCode, name: &str, text: &str) -> Failure {
    Failure {
        code,
        message: format!("the stand-in knows no {text}"),
        backend: Some(BackendError {
            name: name.to_owned(),
            text: Some(text.to_owned()),
        }),
    }
}

/// Puts the services on a mock host's bus.
pub(super) fn install(host: &mock::Host, services: &Services) {
    let there = Rc::new(RefCell::new(services.clone()));
    let answering = there.clone();
    host.on_method_call(move |call| answering.borrow_mut().call(&call));
    let names = services.names();
    host.on_has_owner(move |name| Ok(names.contains(&name)));
    host.on_subscribe(|_| Ok(Subscription::new([])));
    STATE.set(Some(there));
}

thread_local! {
    /// The services of this thread's host.
    static STATE: RefCell<Option<Rc<RefCell<Services>>>> = const { RefCell::new(None) };
}

/// Every property of the services of this thread's host.
pub(super) fn state() -> Vec<String> {
    STATE.with_borrow(|there| there.as_ref().map_or(Vec::new(), |it| it.borrow().state()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTNAMED: &str = r#"{"org.freedesktop.hostname1": {"/org/freedesktop/hostname1": {"org.freedesktop.hostname1": {
        "properties": {"StaticHostname": {"type": "s", "data": "before"}},
        "methods": {"SetStaticHostname": {"sets": {"StaticHostname": 0}},
                    "Describe": {"returns": {"signature": "s", "values": ["{}"]}}}}}}}"#;

    fn call(
        services: &mut Services,
        interface: &str,
        member: &str,
        arguments: Value,
    ) -> Result<Reply, Failure> {
        services.call(&MethodCall {
            destination: "org.freedesktop.hostname1".into(),
            path: "/org/freedesktop/hostname1".into(),
            interface: interface.into(),
            member: member.into(),
            signature: String::new(),
            arguments: arguments.to_string(),
        })
    }

    #[test]
    fn properties_keep_what_methods_set() {
        const OWN: &str = "org.freedesktop.hostname1";
        let mut services: Services = serde_json::from_str(HOSTNAMED).unwrap();
        let get = json!([OWN, "StaticHostname"]);
        let reply = call(&mut services, PROPERTIES, "Get", get.clone()).unwrap();
        assert_eq!(reply.values, r#"[{"data":"before","type":"s"}]"#);
        call(
            &mut services,
            OWN,
            "SetStaticHostname",
            json!(["after", false]),
        )
        .unwrap();
        let reply = call(&mut services, PROPERTIES, "Get", get).unwrap();
        assert_eq!(reply.values, r#"[{"data":"after","type":"s"}]"#);
        assert_eq!(
            services.state(),
            [
                r#"org.freedesktop.hostname1 /org/freedesktop/hostname1 org.freedesktop.hostname1.StaticHostname = "after""#
            ]
        );
        let reply = call(&mut services, OWN, "Describe", json!([])).unwrap();
        assert_eq!(
            (reply.signature.as_str(), reply.values.as_str()),
            ("s", r#"["{}"]"#)
        );
    }

    #[test]
    fn what_is_not_there_is_refused_as_a_bus_does() {
        let mut services: Services = serde_json::from_str(HOSTNAMED).unwrap();
        let name = |answer: Result<Reply, Failure>| answer.unwrap_err().backend.unwrap().name;
        let unknown = call(
            &mut services,
            "org.freedesktop.hostname1",
            "Reboot",
            json!([]),
        );
        assert_eq!(name(unknown), "org.freedesktop.DBus.Error.UnknownMethod");
        let set = json!(["org.freedesktop.hostname1", "StaticHostname", {"type": "u", "data": 1}]);
        let wrong = call(&mut services, PROPERTIES, "Set", set);
        assert_eq!(name(wrong), "org.freedesktop.DBus.Error.InvalidArgs");
        assert!(
            serde_json::from_str::<Services>(r#"{"a": {"/": {"i": {"propertys": {}}}}}"#).is_err()
        );
    }
}
