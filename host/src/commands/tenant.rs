//! `op-dbus tenant`: those who share this host.

use std::process::ExitCode;

use clap::Subcommand;

use super::options::Options;
use super::print;
use crate::measure::Size;
use crate::output::json;
use crate::transaction::room;

/// Look at those who share this host.
#[derive(Subcommand)]
pub enum Tenant {
    /// List the tenants of the configuration, with their network namespaces, plugins and what of their quota on disk is used
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Tenant {
    pub(super) fn run(&self, options: &Options) -> anyhow::Result<ExitCode> {
        let Self::List { json: as_json } = self;
        let configuration = &options.configuration;
        let listed = configuration
            .tenants
            .iter()
            // A tenant sees itself.
            .filter(|(name, _)| options.tenant().is_none_or(|one| one.name == **name));
        let mut tenants = Vec::new();
        for (name, tenant) in listed {
            tenants.push(json::Tenant {
                tenant: name.to_string(),
                netns: tenant.netns.clone(),
                plugins: tenant.plugins.keys().cloned().collect(),
                state_used: room::size(&options.state_dir_of(name))?,
                state_quota: tenant.quota.state.0 as u64,
            });
        }
        if *as_json {
            print(&json::text(&json::TenantList {
                version: json::VERSION,
                tenants,
            }))?;
        } else if tenants.is_empty() {
            print(
                "there are no tenants; [tenants.NAME] with netns = \"…\" in the configuration makes one\n",
            )?;
        } else {
            for tenant in &tenants {
                print(&format!(
                    "{}  netns {}  plugins {}  {} KiB of {} used\n",
                    tenant.tenant,
                    tenant.netns,
                    match tenant.plugins.is_empty() {
                        true => "none".to_owned(),
                        false => tenant.plugins.join(","),
                    },
                    tenant.state_used >> 10,
                    Size(tenant.state_quota as usize)
                ))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
