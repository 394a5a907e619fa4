//! Calls, properties and signals on a D-Bus message bus.
