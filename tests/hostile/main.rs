//! Hostile plugins: what the host must survive, and that it does.
//!
//! Each test lets a component do one wrong thing and then asks an honest call of the same plugin: the host has stayed up. Errors are held
//! against their kind, and none may take for ever: a limit is small, a generous time around it is the test's own.
//!
//! What happens to the network is tested with the program itself, in `tests/system/misdeeds.rs`; what concerns a backend alone beside it.

mod boundary;
mod compiling;
mod documents;
mod floods;
mod memory;
mod stage;
mod time;
