//! Whole-system tests: the binary `op-dbus` on the real kernel, each test in a network namespace of
//! its own, read back with `ip -j`.
//!
//! They need root (`cargo xtask test` sees to that, with a user namespace where it must). Those of
//! `kinds` run a second time on a full Debian kernel: `cargo xtask vm-test`.

mod apply;
mod book;
mod carrier;
#[path = "../ovsdb/certificates.rs"]
mod certificates;
mod configuration;
mod confirm;
mod confirm_deaths;
mod conformance;
mod death;
mod doctor;
mod fidelity;
mod full_disk;
mod kinds;
mod kinds_switch;
mod misdeeds;
mod namespace;
mod network_manager;
mod network_plugin;
mod paused;
mod plans;
mod plugin_add;
mod plugin_files;
mod plugin_trust;
mod probes;
mod profiles;
mod progress;
mod registry;
mod rehearsal;
mod rollback;
#[allow(dead_code, reason = "the tests of the OVSDB client use more of it")]
#[path = "../ovsdb/server.rs"]
mod server;
mod stopped;
mod switch;
mod switch_disturbed;
mod switch_large;
mod tenants;
mod trace;
mod validation;
