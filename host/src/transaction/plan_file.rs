//! A plan on disk: exactly these steps, from exactly that state, or nothing.
//!
//! A plan is `{"op-dbus-plan": 1, "seal": …, "content": …}`. The seal is keyed with the key of this host's fingerprints: only who can read the
//! state directory can make one, so a plan that others have written or changed is told from ours. Secrets are in it by name and by keyed
//! fingerprint, as plugins see them. A plan holds for the network namespace that it was made in, until the machine is started again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::moved::{moved, settled};
use super::plan::Part;
use super::state_dir::{Namespace, write_durably};
use crate::contract::exports::op_dbus::plugin::state::Action;
use crate::secrets::SecretStore;

/// The version of the form.
const VERSION: u32 = 1;

/// No larger plan is read, in bytes: it holds a state file and the state that the file concerns.
const LARGEST: u64 = 256 << 20;

/// What keeps the seal of a plan apart from the fingerprint of a secret.
const DOMAIN: &str = "op-dbus plan\0";

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(rename = "op-dbus-plan")]
    version: u32,
    seal: String,
    content: Box<RawValue>,
}

/// What was planned.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlanFile {
    /// When, RFC 3339.
    pub created: String,
    /// For which network namespace.
    pub namespace: Namespace,
    /// The state file, as JSON.
    pub state_file: Box<RawValue>,
    /// Each plugin's part, in the order in which they apply.
    pub plugins: Vec<Planned>,
}

/// One plugin's part of a plan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Planned {
    /// The plugin.
    pub plugin: String,
    /// SHA-256 of the component that made the plan.
    pub digest: String,
    /// Its section, with the fingerprints of secrets.
    desired: Value,
    /// The state that it was computed from, without what moves by itself.
    state: Value,
    /// The steps.
    actions: Vec<Action>,
}

/// Why a plan is not applied. Nothing has been touched.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read or written.
    #[error("the plan {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// The key of the seal cannot be kept.
    #[error(
        "a plan is sealed with a key of the state directory, and you cannot write there; run it as root, or choose another directory with --state-dir"
    )]
    NoKey,
    /// It is none, or not all of it is there.
    #[error(
        "{path} is no plan, or its end is missing ({reason}); make one with `op-dbus diff --out`"
    )]
    NoPlan {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// Somebody has changed it, or it was sealed on another host.
    #[error(
        "the plan {0} is not as this host wrote it: it was changed, or comes from elsewhere. Make one here with `op-dbus diff --out`"
    )]
    NotOurs(PathBuf),
    /// It is for another network namespace, or from before the machine was started.
    #[error("the plan was made {0}; make it anew")]
    Elsewhere(&'static str),
    /// The plugin is another one now.
    #[error(
        "the plan was made by another version of plugin {plugin} (sha256 {then}, now {now}); make it anew"
    )]
    OtherPlugin {
        /// The plugin.
        plugin: String,
        /// Its digest then.
        then: String,
        /// Its digest now.
        now: String,
    },
    /// Secrets have another text now.
    #[error("since the plan was made, these secrets have changed: {0}; make it anew")]
    Secrets(String),
    /// The state has moved: what was then and what is now, object by object, as steps from the one to the other.
    #[error("the state has moved since the plan was made")]
    Moved(Vec<(String, Vec<Action>)>),
}

impl Planned {
    /// # Errors
    /// When the plugin's state or section is no JSON.
    pub fn of(part: &Part<'_>) -> serde_json::Result<Self> {
        Ok(Self {
            plugin: part.name().to_owned(),
            digest: part.caller.plugin.digest.clone(),
            desired: serde_json::from_str(&part.desired)?,
            state: settled(serde_json::from_str(&part.current)?),
            actions: part.actions.clone(),
        })
    }
}

impl PlanFile {
    /// Writes it, readable by its owner alone.
    ///
    /// # Errors
    /// `NoKey` where the secrets' key does not last; when the file cannot be written.
    pub fn write(&self, path: &Path, secrets: &SecretStore) -> Result<(), PlanError> {
        if !secrets.is_lasting() {
            return Err(PlanError::NoKey);
        }
        let failed = |cause: io::Error| PlanError::Io {
            path: path.to_owned(),
            cause,
        };
        let content =
            serde_json::value::to_raw_value(self).map_err(|error| failed(error.into()))?;
        let envelope = Envelope {
            version: VERSION,
            seal: seal(secrets, content.get()),
            content,
        };
        let mut text = serde_json::to_vec(&envelope).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        write_durably(path, &text).map_err(failed)
    }

    /// Reads one that this host wrote.
    ///
    /// # Errors
    /// When there is none, or it is not as this host wrote it.
    pub fn read(path: &Path, secrets: &SecretStore) -> Result<Self, PlanError> {
        let failed = |cause: io::Error| PlanError::Io {
            path: path.to_owned(),
            cause,
        };
        let no_plan = |reason: String| PlanError::NoPlan {
            path: path.to_owned(),
            reason,
        };
        let mut text = String::new();
        let mut file = File::open(path).map_err(failed)?.take(LARGEST);
        file.read_to_string(&mut text).map_err(failed)?;
        let envelope: Envelope =
            serde_json::from_str(&text).map_err(|error| no_plan(error.to_string()))?;
        if envelope.version != VERSION {
            return Err(no_plan(format!("its form is {}", envelope.version)));
        }
        if seal(secrets, envelope.content.get()) != envelope.seal {
            return Err(PlanError::NotOurs(path.to_owned()));
        }
        serde_json::from_str(envelope.content.get()).map_err(|error| no_plan(error.to_string()))
    }

    /// Whether it is for this namespace.
    ///
    /// # Errors
    /// When it is not.
    pub fn is_for(&self, namespace: &Namespace) -> Result<(), PlanError> {
        if self.namespace.boot_id != namespace.boot_id {
            return Err(PlanError::Elsewhere("before this machine was started"));
        }
        if !self.namespace.is(namespace) {
            return Err(PlanError::Elsewhere("for another network namespace"));
        }
        Ok(())
    }

    /// Whether what was computed anew from the present state is what was planned.
    ///
    /// # Errors
    /// What is not as it was then.
    pub fn is_what(&self, now: &[Planned]) -> Result<(), PlanError> {
        let mut found = Vec::new();
        for (then, now) in self.plugins.iter().zip(now) {
            if then.digest != now.digest {
                return Err(PlanError::OtherPlugin {
                    plugin: then.plugin.clone(),
                    then: then.digest.clone(),
                    now: now.digest.clone(),
                });
            }
            if then.desired != now.desired {
                let mut names = Vec::new();
                changed_secrets(&then.desired, &now.desired, &mut names);
                return Err(PlanError::Secrets(names.join(", ")));
            }
            let mut objects = moved(&then.state, &now.state);
            if objects.is_empty() && then.actions != now.actions {
                // The state is told without what moves by itself; should a plugin go by that after all, its steps tell.
                objects = now.actions.clone();
            }
            if !objects.is_empty() {
                found.push((then.plugin.clone(), objects));
            }
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(PlanError::Moved(found)),
        }
    }
}

/// What only somebody with the key of this host can have written.
fn seal(secrets: &SecretStore, content: &str) -> String {
    secrets.fingerprint(&format!("{DOMAIN}{content}"))
}

/// Names of the secrets whose fingerprints differ.
fn changed_secrets(then: &Value, now: &Value, names: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            if let Some(Value::String(name)) = now.get("secret")
                && then.get("fingerprint") != now.get("fingerprint")
            {
                names.push(name.clone());
            }
            for (key, then) in then {
                if let Some(now) = now.get(key) {
                    changed_secrets(then, now, names);
                }
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            for (then, now) in then.iter().zip(now) {
                changed_secrets(then, now, names);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::exports::op_dbus::plugin::state::Operation;
    use crate::transaction::state_dir::tests::namespace;

    fn store(directory: &Path) -> SecretStore {
        SecretStore::open(Vec::new(), Some(directory.join("secrets"))).unwrap()
    }

    fn planned(state: Value) -> Planned {
        Planned {
            plugin: "net".into(),
            digest: "d1".into(),
            desired: json!({"interfaces": [{"name": "wg0", "key": {"secret": "k", "fingerprint": "f"}}]}),
            state,
            actions: Vec::new(),
        }
    }

    fn plan() -> PlanFile {
        PlanFile {
            created: "2026-01-31T12:00:00Z".into(),
            namespace: namespace(7),
            state_file: RawValue::from_string("{}".into()).unwrap(),
            plugins: vec![planned(json!({"interfaces": []}))],
        }
    }

    #[test]
    fn what_was_written_is_read_again_and_every_change_to_it_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = store(directory.path());
        let path = directory.path().join("plan");
        plan().write(&path, &secrets).unwrap();
        let read = PlanFile::read(&path, &secrets).unwrap();
        read.is_what(&plan().plugins).unwrap();

        let good = std::fs::read(&path).unwrap();
        for place in 0..good.len() - 1 {
            let mut bad = good.clone();
            bad[place] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(
                PlanFile::read(&path, &secrets).is_err(),
                "byte {place} was changed"
            );
            std::fs::write(&path, &good[..place]).unwrap();
            assert!(
                PlanFile::read(&path, &secrets).is_err(),
                "cut off at {place}"
            );
        }
    }

    #[test]
    fn a_plan_of_another_host_is_not_ours() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = here.path().join("plan");
        plan().write(&path, &store(there.path())).unwrap();
        let error = PlanFile::read(&path, &store(here.path())).unwrap_err();
        assert!(matches!(error, PlanError::NotOurs(_)), "{error}");
    }

    #[test]
    fn who_cannot_keep_the_key_cannot_plan() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = SecretStore::open(Vec::new(), None).unwrap();
        let error = plan()
            .write(&directory.path().join("plan"), &secrets)
            .unwrap_err();
        assert!(matches!(error, PlanError::NoKey), "{error}");
    }

    #[test]
    fn a_plan_holds_in_its_namespace_and_boot_alone() {
        let plan = plan();
        plan.is_for(&namespace(7)).unwrap();
        assert!(plan.is_for(&namespace(8)).is_err());
        let later = Namespace {
            boot_id: "later".into(),
            ..namespace(7)
        };
        assert!(plan.is_for(&later).is_err());
    }

    #[test]
    fn another_plugin_another_secret_another_state_and_other_steps_are_told_apart() {
        let plan = plan();
        let now = |change: &dyn Fn(&mut Planned)| {
            let mut now = planned(json!({"interfaces": []}));
            change(&mut now);
            plan.is_what(&[now]).unwrap_err()
        };
        let error = now(&|now| now.digest = "d2".into());
        assert!(matches!(error, PlanError::OtherPlugin { .. }), "{error}");
        let error = now(&|now| now.desired["interfaces"][0]["key"]["fingerprint"] = json!("g"));
        assert!(
            matches!(&error, PlanError::Secrets(names) if names == "k"),
            "{error}"
        );
        let error = now(&|now| now.state = json!({"interfaces": [{"name": "br0"}]}));
        assert!(
            matches!(&error, PlanError::Moved(found) if found[0].1[0].target == "interfaces br0"),
            "{error:?}"
        );
        let error = now(&|now| {
            now.actions.push(Action {
                operation: Operation::Create,
                target: "interface br0".into(),
                before: None,
                after: None,
                summary: String::new(),
                disruptive: false,
            });
        });
        assert!(matches!(error, PlanError::Moved(_)), "{error}");
    }
}
