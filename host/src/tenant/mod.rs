//! Tenants: several parties on one host, each locked into its own network namespace, grants and quotas.
//!
//! Each command for a tenant is a process of its own, so that what one tenant's plugins do to it (memory, time, a crash) ends with it.
//!
//! # Layout
//! - [`TenantName`], [`Quota`]: what the operator says of one. [`namespaces`]: no two share a network namespace, nor one with the host.
//! - [`confine`](mod@confine): what the kernel enforces. [`slots`]: how many commands run at once.
//!
//! What a tenant may keep on disk is [counted](crate::transaction::room) where it is written.

pub mod confine;
mod name;
pub mod namespaces;
pub mod quota;
pub mod slots;

pub use name::TenantName;
pub use quota::Quota;

use crate::backends::dbus::BusAddress;

/// The tenant that a command works for.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name.
    pub name: TenantName,
    /// Its network namespace: a name as in ip-netns(8), or a path.
    pub netns: String,
    /// The message bus that it works on; nothing stands in for it.
    pub dbus_address: Option<BusAddress>,
    /// What it may use.
    pub quota: Quota,
}

impl Tenant {
    /// A quota's place in the configuration, for whoever reads that it is used up.
    pub fn setting(&self, quota: &str) -> String {
        format!("tenants.{}.quota.{quota}", self.name)
    }
}
