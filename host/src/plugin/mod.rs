//! Plugins: engine, loader, and one bounded actor per Store.
