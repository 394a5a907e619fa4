//! Plugins: the engine they share, how they are loaded, and one bounded actor per Store.

pub mod builtin;
pub mod cache;
pub mod code_memory;
pub mod compile;
pub mod engine;
pub mod failure;
pub mod instance;
pub mod limits;
pub mod loader;
pub mod misfit;
pub mod source;
pub mod stack;
