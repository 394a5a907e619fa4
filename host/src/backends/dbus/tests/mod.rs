//! The backend on a real dbus-daemon, with services of our own, good and hostile, and a real NetworkManager.

mod bus;
mod busctl;
mod fixture;
mod hostile;
mod network_manager;
mod service;
