//! The backend on a real dbus-daemon, with services of our own, good and hostile, and a real NetworkManager.

mod bus;
mod busctl;
pub(crate) mod fixture;
mod hostile;
pub(crate) mod network_manager;
pub(crate) mod service;
