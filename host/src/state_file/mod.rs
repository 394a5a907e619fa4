//! Reading state files: JSON and YAML, with the place of every value.
