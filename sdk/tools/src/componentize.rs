//! `op-dbus-sdk componentize`: from what a compiler makes to what op-dbus loads.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};

use crate::bindings::Contract;
use crate::wasi;

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Componentize {
    /// The compiler's WebAssembly module
    module: PathBuf,
    #[command(flatten)]
    contract: Contract,
    /// File to write the component to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The eighth byte of a module is 0, that of a component 1 (component model, "Binary Format").
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

impl Componentize {
    /// Writes the component.
    ///
    /// # Errors
    /// The module is none, or not one for the contract.
    pub fn run(&self) -> anyhow::Result<()> {
        let name = self.module.display();
        let mut module = fs::read(&self.module).with_context(|| format!("cannot read {name}"))?;
        ensure!(
            !module.starts_with(COMPONENT),
            "{name} is a component already"
        );
        ensure!(module.starts_with(b"\0asm"), "{name} is no WebAssembly");
        if self.contract.world().is_some() {
            let (resolve, world) = self.contract.resolve()?;
            embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
                .with_context(|| format!("cannot say in {name} which world it is for"))?;
        }
        let (with_types, _) =
            metadata::decode(&module).with_context(|| format!("{name} is damaged"))?;
        ensure!(
            with_types.is_some(),
            "{name} does not say which world it is for: link the bindings' object file into it, or name the world with --wit and --world"
        );
        let adapter = wasi::stand_in(&module).with_context(|| format!("{name} is damaged"))?;
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|encoder| match &adapter {
                Some(adapter) => encoder.adapter(wasi::NAME, adapter),
                None => Ok(encoder),
            })
            .and_then(|mut encoder| encoder.encode())
            .with_context(|| format!("{name} does not do what its world says"))?;
        fs::write(&self.out, component)
            .with_context(|| format!("cannot write {}", self.out.display()))
    }
}
