//! The plugin on a simulated host, from query to rollback.

mod kernel;
mod properties;
mod support;
mod switch;
mod switch_properties;
