//! Thin shims between the WIT interfaces and the gate.
