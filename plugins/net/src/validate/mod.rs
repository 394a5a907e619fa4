//! What a schema cannot say.

use op_dbus_plugin::Problem;

use crate::section::Section;

/// Everything that is wrong with a section.
pub fn problems(desired: &Section) -> Vec<Problem> {
    let _ = desired;
    Vec::new()
}
