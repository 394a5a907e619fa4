//! `op-dbus-sdk`: what those need who write plugins in languages whose compilers know nothing of components.
//!
//! # Layout
//! - `bindings`: the contract as source code of C or Go. `componentize`: a component from a compiler's module.
//! - `wasi`: a machine with nothing on it, for compilers that expect WASI.
//! - `reference/`: the contract as pages to read.

mod bindings;
mod componentize;
mod reference;
mod wasi;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Bindings, components and pages for those who write plugins of op-dbus.
#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write the contract as source code of C or Go
    Bindings(bindings::Bindings),
    /// Make a component of a compiler's module
    Componentize(componentize::Componentize),
    /// Write the contract as pages in Markdown, from its comments
    Reference(reference::Reference),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Bindings(verb) => verb.run(),
        Verb::Componentize(verb) => verb.run(),
        Verb::Reference(verb) => verb.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("op-dbus-sdk: {error:#}");
            ExitCode::FAILURE
        }
    }
}
