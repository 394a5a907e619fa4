//! `op-dbus plugin remove`: takes a plugin out of the configuration, and its files away.

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::settle::{given_to_tenants, refuse_pending, rewrite};
use super::store::Store;
use crate::commands::options::Options;
use crate::commands::print;
use crate::commands::session::Session;
use crate::config::component::Component;
use crate::plugin::builtin::Builtin;

/// Take a plugin out of the configuration, with its grant and its files.
#[derive(Args)]
pub struct Remove {
    /// Its name in the configuration
    name: String,
}

impl Remove {
    pub(super) async fn run(&self, options: &Options, builtins: &[Builtin]) -> anyhow::Result<()> {
        let session = Session::open(options, builtins).await?;
        let name = &self.name;
        let file = match options.configuration.component(name) {
            Some(Component::File(path)) => Some(path.clone()),
            Some(Component::Builtin(_)) => None,
            None => {
                // A name that there is not gets the nearest.
                session.builtin(name)?;
                bail!(
                    "{name} is part of the program; it can be narrowed with [plugins.{name}.grant], and not be removed"
                );
            }
        };
        if let Some(file) = &file {
            let given = given_to_tenants(options, file);
            ensure!(
                given.is_empty(),
                "{name} is a tenant's too: {}. Take it out there first",
                given.join(", ")
            );
        }
        let (state, _lock) = session.lock().await?;
        refuse_pending(options, name)?;
        let store = Store::open(options.state_dir())
            .with_context(|| options.state_dir().join("plugins").display().to_string())?;
        let is_builtin = builtins.iter().any(|builtin| builtin.name == name);
        rewrite(options, builtins, &state, |edit| {
            edit.take(name, is_builtin)
        })?;
        if let Some(file) = file {
            store
                .discard(&file)
                .with_context(|| format!("{name} is removed; its file stays"))?;
        }
        print(&format!("removed {name}\n"))?;
        if is_builtin {
            let granted = match options.configuration.grant(name) {
                Some(_) => "what the configuration says",
                None => "everything that it is for",
            };
            print(&format!(
                "the built-in plugin {name} takes its place, and is granted {granted}\n"
            ))?;
        }
        Ok(())
    }
}
