//! What a schema cannot say: combinations, references, ranges that depend on each other. Each problem names its place and the way out.

mod interface;
mod ip;
mod kinds;
mod ports;
mod routes;
mod rules;
mod stacking;
mod switch;

use op_dbus_plugin::Problem;

use crate::section::Section;

/// What was found so far.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn push(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            path: path.into(),
            message: message.into(),
        });
    }

    fn push_if(&mut self, wrong: bool, path: impl Into<String>, message: impl Into<String>) {
        if wrong {
            self.push(path, message);
        }
    }
}

/// Everything that is wrong with a section.
pub fn problems(desired: &Section) -> Vec<Problem> {
    let mut problems = Problems::default();
    interface::names(desired, &mut problems);
    for (at, interface) in desired.interfaces().iter().enumerate() {
        let path = format!("/interfaces/{at}");
        if interface.is_absent() {
            continue;
        }
        interface::check(interface, &path, &mut problems);
        kinds::check(interface, &path, &mut problems);
        switch::bridge(interface, &path, &mut problems);
        ip::check(interface, &path, &mut problems);
    }
    ports::check(desired, &mut problems);
    stacking::check(desired, &mut problems);
    ip::shared(desired, &mut problems);
    routes::check(desired, &mut problems);
    rules::check(desired, &mut problems);
    problems.0
}
