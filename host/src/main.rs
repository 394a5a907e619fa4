//! The binary `op-dbus`.

fn main() {}
