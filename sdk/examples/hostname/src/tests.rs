//! The plugin on a simulated bus.

use std::cell::RefCell;
use std::rc::Rc;

use op_dbus_plugin::dbus::Reply;
use op_dbus_plugin::{Failure, Plugin, mock};
use serde_json::{Value, json};

use crate::{Hostname, SETTINGS, Section};

/// A host whose services keep what is set, and refuse the name `refused`.
fn host() -> mock::Host {
    let kept: Rc<RefCell<Section>> = Rc::default();
    let host = mock::Host::new();
    let read = kept.clone();
    host.on_get_property(move |property| {
        let value = read
            .borrow()
            .get(&property.name)
            .cloned()
            .unwrap_or_default();
        Ok(json!({"type": "s", "data": value}).to_string())
    });
    host.on_method_call(move |call| {
        let arguments: Value = serde_json::from_str(&call.arguments)?;
        let value = arguments[0].as_str().unwrap_or_default();
        if value == "refused" {
            return Err(Failure::invalid("Invalid static hostname"));
        }
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.method == call.member);
        let property = setting.expect("a method of the service").property;
        kept.borrow_mut().insert(property.into(), value.into());
        Ok(Reply {
            signature: String::new(),
            values: "[]".into(),
        })
    });
    host
}

fn section(pairs: [(&str, &str); 2]) -> Section {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn what_was_applied_is_there_and_rollback_takes_it_back() {
    let desired = section([("hostname", "web1"), ("timezone", "Europe/Berlin")]);
    host().enter(|| {
        let before = Hostname::checkpoint(Some(&desired)).unwrap();
        let actions = Hostname::diff(&Hostname::query(Some(&desired)).unwrap(), &desired).unwrap();
        Hostname::apply(actions).unwrap();
        assert!(Hostname::verify(&desired).unwrap().is_empty());
        assert_eq!(Hostname::query(None).unwrap()["pretty_hostname"], "");
        Hostname::rollback(before).unwrap();
        assert_eq!(Hostname::query(None).unwrap()["hostname"], "");
    });
}

#[test]
fn what_the_service_refuses_fails_in_its_own_words() {
    let desired = section([("hostname", "refused"), ("timezone", "UTC")]);
    host().enter(|| {
        let actions = Hostname::diff(&Section::new(), &desired).unwrap();
        let outcomes = Hostname::apply(actions).unwrap();
        let words = outcomes[0]
            .failed
            .as_ref()
            .map(|failure| failure.message.as_str());
        assert_eq!(words, Some("Invalid static hostname"));
        assert_eq!(outcomes[1].failed, None);
    });
}
