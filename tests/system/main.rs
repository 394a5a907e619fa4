//! Whole-system tests: the binary `op-dbus` on the real kernel, each test in a network namespace of
//! its own, read back with `ip -j`.
//!
//! They need root (`cargo xtask test` sees to that, with a user namespace where it must). Those of
//! `kinds` run a second time on a full Debian kernel: `cargo xtask vm-test`.

mod apply;
mod carrier;
mod kinds;
mod namespace;
mod network_manager;
mod network_plugin;
mod rollback;
mod validation;
