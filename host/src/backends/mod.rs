//! Native input and output: the kernel, Open vSwitch's database, the message bus. Nothing here knows plugins or grants.

pub mod dbus;
pub mod netlink;
pub mod ovsdb;
