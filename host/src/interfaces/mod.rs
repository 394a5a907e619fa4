//! Thin shims between the WIT interfaces and the gate: one file per interface.

mod dbus;
mod log;
mod netlink;
mod ovsdb;

pub use dbus::Subscription;
pub use log::LogBudget;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::boundary::Crossings;
use crate::contract::StatePlugin;
use crate::gate::Gate;
use crate::plugin::limits::Meter;

/// What one instance of a plugin can reach.
pub struct Ctx {
    /// Every effect goes through here.
    pub gate: Gate,
    /// What it may still allocate.
    pub meter: Meter,
    /// What it may still say.
    pub log: LogBudget,
    /// An empty context: no files, no sockets, no environment.
    pub wasi: WasiCtx,
    /// Handles that the instance holds.
    pub table: ResourceTable,
    /// What went through, and who listens.
    pub crossings: Crossings,
    /// Subscriptions to signals so far.
    pub subscriptions: u32,
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

struct HasCtx;

impl wasmtime::component::HasData for HasCtx {
    type Data<'a> = &'a mut Ctx;
}

/// Makes the contract's interfaces available to a component, and WASI over an empty context where it imports WASI.
///
/// # Errors
/// When a name is defined twice, which the tests would have shown.
pub fn add_to_linker(linker: &mut Linker<Ctx>, with_wasi: bool) -> wasmtime::Result<()> {
    StatePlugin::add_to_linker::<Ctx, HasCtx>(linker, |ctx| ctx)?;
    if with_wasi {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
    }
    Ok(())
}
