//! The single place where a call from a plugin is checked, journalled and audited before it takes effect.
