//! Who keeps book of what plugins change.

use async_trait::async_trait;

use crate::backends::netlink::Kernel;
use crate::contract::dbus::MethodCall;
use crate::contract::netlink::Request;
use crate::contract::types::Failure;

/// A change that was only rehearsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Rehearsed {
    /// A request to the kernel.
    Netlink(Request),
    /// A transaction of an OVSDB server.
    Ovsdb {
        /// The database.
        database: String,
        /// The array of operations (RFC 7047 section 5.2) as the server would get it, secrets masked.
        operations: serde_json::Value,
    },
    /// A method call on the message bus.
    Dbus {
        /// The call, secrets masked.
        call: MethodCall,
    },
}

/// What a transaction wants to know of changes, before they happen.
///
/// What `before_…` is told is on disk when it returns, together with all that an undo needs. A failure keeps the change from being sent.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// The requests are about to be sent to the kernel.
    async fn before_netlink(
        &self,
        plugin: &str,
        kernel: &dyn Kernel,
        requests: &[Request],
    ) -> Result<(), Failure>;

    /// A transaction is about to be sent to an OVSDB server: a line for each of its operations, and what was there of the rows that they
    /// may change, in the form that [`BackendUndo`](crate::transaction::undoers::BackendUndo) restores from.
    async fn before_ovsdb(
        &self,
        plugin: &str,
        database: &str,
        operations: &[String],
        images: serde_json::Value,
    ) -> Result<(), Failure>;

    /// A switch's daemon is about to make, take or let go of these links of the kernel, because of what a transaction says that is about to be
    /// sent to an OVSDB server: they, and what hangs from them, are noted as they are.
    async fn before_links_change(
        &self,
        plugin: &str,
        kernel: &dyn Kernel,
        links: &[String],
    ) -> Result<(), Failure>;

    /// Calls that may change something are about to be sent to a message bus. Their undo is the plugin's own `rollback`.
    async fn before_dbus(&self, plugin: &str, calls: &[MethodCall]) -> Result<(), Failure>;

    /// The kernel has carried out so many requests, and refused so many.
    fn answered(&self, _plugin: &str, _done: usize, _refused: usize) {}

    /// The identity of the transaction, while one is open: what is sent to a backend that takes comments carries it.
    fn transaction(&self) -> Option<String> {
        None
    }

    /// The change would have been sent.
    fn rehearsed(&self, plugin: &str, change: Rehearsed);

    /// The plugin has done `done` of `total` steps.
    fn progress(&self, plugin: &str, done: u32, total: u32);

    /// The grant did not cover a call.
    fn denied(&self, plugin: &str, failure: &Failure);
}
