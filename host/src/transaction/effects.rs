//! What a transaction has done so far, as its journal tells it: all that an undo works from, in this process or in a later one.

use serde::{Deserialize, Serialize};

use super::checkpoints::Noted;
use super::images::Images;
use super::record::{PluginDigest, Record};

/// The name under which effects on a message bus are recorded. They are the plugin's to undo.
pub const DBUS: &str = "dbus";
/// The name under which effects on an OVSDB server are recorded.
pub const OVSDB: &str = "ovsdb";

/// What a transaction has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// The plugins, in the order in which they apply.
    pub plugins: Vec<PluginDigest>,
    /// What plugins noted before, whose effects only they themselves can undo. A checkpoint keeps that elsewhere.
    #[serde(skip)]
    pub noted: Vec<Noted>,
    /// What was there of the kernel's objects that were touched, by whichever plugin: links are renamed and stacked across plugins, so that
    /// images of one plugin alone do not say what is where.
    pub kernel: Images,
    /// The plugins that touched the kernel's objects.
    pub in_kernel: Vec<String>,
    /// What an undo that was interrupted wanted to keep of others.
    #[serde(skip)]
    pub kept: Images,
    /// What was there in other backends, in the order in which it was touched.
    pub elsewhere: Vec<BackendImage>,
}

/// What was there of another backend's objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendImage {
    /// The backend: [`OVSDB`] or [`DBUS`].
    pub backend: String,
    /// On whose behalf it was touched.
    pub plugin: String,
    /// In the backend's own form.
    pub image: serde_json::Value,
}

impl Effects {
    /// What these records of a journal tell.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut effects = Self::default();
        for record in records {
            effects.note(record);
        }
        effects
    }

    /// Takes in one more record.
    pub fn note(&mut self, record: &Record) {
        match record {
            Record::Begin(begin) => self.plugins.clone_from(&begin.plugins),
            Record::PluginCheckpoint { plugin, data } => self.noted.push(Noted {
                plugin: plugin.clone(),
                checkpoint: data.clone(),
            }),
            Record::Before {
                plugin: Some(plugin),
                images,
            } => {
                self.kernel.merge(images.clone());
                self.touches_kernel(plugin);
            }
            Record::Before {
                plugin: None,
                images,
            } => self.kept.merge(images.clone()),
            Record::BackendBefore {
                backend,
                plugin,
                image,
            } => self.elsewhere.push(BackendImage {
                backend: backend.clone(),
                plugin: plugin.clone(),
                image: image.clone(),
            }),
            _ => {}
        }
    }

    /// Takes in that a plugin touches objects of the kernel, whose images are here already.
    pub fn touches_kernel(&mut self, plugin: &str) {
        if !self.in_kernel.iter().any(|known| known == plugin) {
            self.in_kernel.push(plugin.to_owned());
        }
    }

    /// Whether a plugin has changed anything, or has tried to.
    pub fn are_of(&self, plugin: &str) -> bool {
        self.in_kernel.iter().any(|known| known == plugin)
            || self.elsewhere.iter().any(|image| image.plugin == plugin)
    }

    /// What a plugin touched in a backend other than the kernel, in that order.
    pub fn elsewhere_of<'a>(
        &'a self,
        plugin: &'a str,
        backend: &'a str,
    ) -> impl Iterator<Item = &'a serde_json::Value> {
        self.elsewhere
            .iter()
            .filter(move |image| image.plugin == plugin && image.backend == backend)
            .map(|image| &image.image)
    }

    /// Whether a plugin has changed something that only it can undo.
    pub fn needs_plugin(&self, plugin: &str) -> bool {
        self.elsewhere_of(plugin, DBUS).next().is_some()
    }

    /// Objects on the message bus that a plugin touched, each once.
    pub fn dbus_objects(&self, plugin: &str) -> Vec<String> {
        let mut objects = Vec::new();
        for image in self.elsewhere_of(plugin, DBUS) {
            for object in image.as_array().into_iter().flatten() {
                if let Some(object) = object.as_str()
                    && !objects.iter().any(|known| known == object)
                {
                    objects.push(object.to_owned());
                }
            }
        }
        objects
    }

    /// What a plugin noted before the transaction.
    pub fn noted(&self, plugin: &str) -> Option<&Noted> {
        self.noted.iter().find(|noted| noted.plugin == plugin)
    }
}
