//! The OVSDB client against a real ovsdb-server and ovs-vswitchd, and against servers that misbehave.
//!
//! The real ones run with directories of their own; ovs-vswitchd in a network namespace of its own, which needs root.
//! Without Open vSwitch those tests say so and pass, except where `CI=true`: there they fail.

mod certificates;
mod fake;
mod gate;
mod hostile;
mod huge;
mod monitor;
mod proxy;
mod scope;
mod server;
mod settle;
mod stage;
mod tls;
mod transact;
mod undo;
