//! Places where a test may kill the process, make a write fail, or stop the process to look around.
//!
//! `OP_DBUS_FAILPOINT=NAME[:COUNT][=kill|error|pause][,…]` acts when the point is passed for the COUNTth time (the first, unless said
//! otherwise): `kill` (the default) is SIGKILL to the process itself, `error` makes the step fail, `pause` is SIGSTOP until somebody
//! sends SIGCONT. Points exist in debug builds and with the feature `failpoints`; elsewhere they cost nothing.

/// All points, in the order in which a transaction passes them.
pub const NAMES: &[&str] = &[
    "noted",
    "journal.create.before-write",
    "journal.create.before-sync",
    "journal.create.before-rename",
    "journal.create.before-directory-sync",
    "journal.create.done",
    "journal.append.before-write",
    "journal.append.half-written",
    "journal.append.before-sync",
    "journal.append.before-mark",
    "journal.append.done",
    "apply.before-plugin",
    "apply.after-plugin",
    "verify.before",
    "settle.waiting",
    "verify.after",
    "probes.after",
    "hold.before-checkpoint",
    "hold.before-record",
    "hold.done",
    "keeper.ready",
    "keeper.before-listening",
    "keeper.holding",
    "keeper.before-commit",
    "keeper.after-commit",
    "keeper.before-undo",
    "keeper.after-undo",
    "journal.finish.before-record",
    "journal.finish.before-rename",
    "journal.finish.before-directory-sync",
    "journal.finish.done",
    "undo.plugin.before-rollback",
    "undo.plugin.after-rollback",
    "undo.before-read",
    "undo.before-execute",
    "undo.after-execute",
    "undo.done",
    "ovsdb-undo.before-read",
    "ovsdb-undo.before-transact",
    "ovsdb-undo.after-transact",
    "ovsdb-undo.done",
    "audit.append.before-write",
    "audit.append.before-head",
    "audit.rotate.before-rename",
    "audit.rotate.before-create",
    "audit.rotate.before-head",
    "audit.rotate.before-directory-sync",
];

/// Whether `name` is in [`NAMES`]; for the check at compile time that [`failpoint!`](crate::failpoint) makes.
pub const fn is_listed(name: &str) -> bool {
    let mut at = 0;
    while at < NAMES.len() {
        if equal(NAMES[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A place where a test may interfere: `failpoint!("journal.append.before-sync")?`. An [`std::io::Result`] with nothing in it.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {{
        const { assert!($crate::transaction::failpoint::is_listed($name)) };
        #[cfg(any(debug_assertions, feature = "failpoints"))]
        let outcome = $crate::transaction::failpoint::pass($name);
        #[cfg(not(any(debug_assertions, feature = "failpoints")))]
        let outcome = ::std::io::Result::<()>::Ok(());
        outcome
    }};
}

/// Acts if the environment names this point and its turn has come.
///
/// # Errors
/// Where the action is `error`.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn pass(name: &str) -> std::io::Result<()> {
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    use rustix::process::{Signal, getpid, kill_process};

    static CHOSEN: OnceLock<Vec<Chosen>> = OnceLock::new();

    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var("OP_DBUS_FAILPOINT").unwrap_or_default();
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts
            .map(Chosen::parse)
            .collect::<Result<_, _>>()
            .unwrap_or_else(|reason| panic!("OP_DBUS_FAILPOINT: {reason}"))
    });
    let mut named = chosen.iter().filter(|chosen| chosen.name == name);
    let due = named.find(|chosen| chosen.passed.fetch_add(1, Ordering::SeqCst) + 1 == chosen.count);
    let Some(chosen) = due else { return Ok(()) };
    match chosen.action {
        Action::Kill => {
            kill_process(getpid(), Signal::KILL)?;
            loop {
                std::thread::park();
            }
        }
        Action::Pause => Ok(kill_process(getpid(), Signal::STOP)?),
        Action::Error => Err(std::io::Error::other(format!("failpoint {name}"))),
    }
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
#[derive(Debug, PartialEq)]
enum Action {
    Kill,
    Error,
    Pause,
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
#[derive(Debug)]
struct Chosen {
    name: String,
    count: u64,
    action: Action,
    passed: std::sync::atomic::AtomicU64,
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
impl Chosen {
    fn parse(text: &str) -> Result<Self, String> {
        let (place, action) = text.split_once('=').unwrap_or((text, "kill"));
        let (name, count) = place.split_once(':').unwrap_or((place, "1"));
        if !is_listed(name) {
            return Err(format!(
                "no point is called {name}; there are {}",
                NAMES.join(", ")
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            count: count
                .parse()
                .map_err(|_| format!("{count} is not a count"))?,
            action: match action {
                "kill" => Action::Kill,
                "error" => Action::Error,
                "pause" => Action::Pause,
                other => return Err(format!("{other} is none of kill, error, pause")),
            },
            passed: Default::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_names_point_turn_and_action() {
        let parse = |text| Chosen::parse(text).map(|it| (it.name, it.count, it.action));
        assert_eq!(
            parse("journal.append.done:3=error"),
            Ok(("journal.append.done".into(), 3, Action::Error))
        );
        assert_eq!(
            parse("undo.done"),
            Ok(("undo.done".into(), 1, Action::Kill))
        );
        assert!(
            Chosen::parse("undo.dnoe")
                .unwrap_err()
                .contains("undo.done")
        );
        assert!(Chosen::parse("undo.done=explode").is_err());
        assert!(Chosen::parse("undo.done:x").is_err());
    }
}
