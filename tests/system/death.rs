//! SIGKILL at every point that an apply, its undo and its recovery pass, and at random times: what the next command leaves is the old
//! state or the new one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use op_dbus::transaction::failpoint::NAMES;

use crate::namespace::{Namespace, assert_same};
use crate::paused::Paused;
use crate::rollback::{change, inhabited, refused};

/// Beginnings of points that no apply of `net` on the kernel passes; tests of NetworkManager, Open vSwitch, the audit log and `--confirm` die
/// at them.
const NOT_PASSED: [&str; 6] = [
    "undo.plugin.",
    "ovsdb-undo.",
    "audit.rotate.",
    "settle.",
    "hold.",
    "keeper.",
];

/// An apply that is to die, again and again in the same namespace.
struct Mortal {
    namespace: Namespace,
    before: Vec<String>,
    change: PathBuf,
    refused: PathBuf,
}

/// What became of a process that was to be killed.
#[derive(Debug, PartialEq)]
enum Fate {
    Killed,
    Survived,
}

impl Mortal {
    fn new() -> Self {
        let namespace = inhabited();
        Self {
            before: namespace.everything(),
            change: change(&namespace),
            refused: refused(&namespace),
            namespace,
        }
    }

    /// Runs a command that dies at the `count`th passage of a point, if it passes it so often.
    fn run(&self, arguments: &[&str], point: &str, count: u64) -> Fate {
        let mut command = self.namespace.op_dbus_command();
        command
            .args(arguments)
            .env("OP_DBUS_FAILPOINT", format!("{point}:{count}=kill"));
        let output = command.output().unwrap();
        match output.status.code() {
            None => Fate::Killed,
            Some(_) => Fate::Survived,
        }
    }

    /// Kills an apply half-way through its changes.
    fn die_half_way(&self) {
        let apply = ["apply", self.change.to_str().unwrap()];
        assert_eq!(
            self.run(&apply, "journal.finish.before-record", 1),
            Fate::Killed
        );
        assert_ne!(self.namespace.everything(), self.before);
    }

    /// Lets the next command recover. Then either state holds whole, the log is in order and nothing is left to recover; says whether it is
    /// the new state. Afterwards the old one holds.
    #[track_caller]
    fn recovers(&self, what: &str) -> bool {
        let change = self.change.to_str().unwrap();
        let verified = self.namespace.op_dbus(&["verify", change]);
        let is_new = verified.is_success();
        if is_new {
            self.namespace.op_dbus(&["rollback"]).success();
        }
        let now = self.namespace.everything();
        assert!(
            now == self.before,
            "{what}: neither old nor new\n{}",
            verified.stderr
        );
        self.namespace.op_dbus(&["audit", "verify"]).success();
        self.has_one_end_each(what);
        let run = self.namespace.op_dbus(&["query"]).success();
        assert!(
            !run.stderr.contains("recovery:"),
            "{what}: recovered twice\n{}",
            run.stderr
        );
        is_new
    }

    /// However a transaction that changed something ended, the audit log says so, once.
    fn has_one_end_each(&self, what: &str) {
        let run = self.namespace.op_dbus(&["audit", "show", "--json"]);
        let mut ends = BTreeMap::new();
        for line in run.success().stdout.lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let Some(transaction) = record["transaction"].as_str() else {
                continue;
            };
            let ended = ends.entry(transaction.to_owned()).or_insert(0);
            *ended += usize::from(record["kind"] == "transaction" || record["kind"] == "recovery");
        }
        let wrong: Vec<_> = ends.iter().filter(|(_, ended)| **ended != 1).collect();
        assert!(wrong.is_empty(), "{what}: {wrong:?}");
    }
}

#[test]
fn an_apply_killed_at_any_point_is_undone_by_the_next_command_or_was_done() {
    let mortal = Mortal::new();
    let mut killed = 0;
    for point in NAMES {
        let file = match point.starts_with("undo") {
            // An undo happens only where something fails.
            true => &mortal.refused,
            false => &mortal.change,
        };
        let apply = ["apply", file.to_str().unwrap()];
        let mut count = 0;
        loop {
            count += 1;
            let fate = mortal.run(&apply, point, count);
            let is_new = mortal.recovers(&format!("{point}:{count}"));
            if fate == Fate::Survived {
                break;
            }
            killed += 1;
            assert!(
                !is_new || point.starts_with("journal") || point.starts_with("audit"),
                "{point}: done although it had not come to its end"
            );
        }
        let is_passed = !NOT_PASSED.iter().any(|start| point.starts_with(start));
        assert_eq!(count > 1, is_passed, "{point}");
    }
    println!("killed {killed} applies at {} points", NAMES.len());
}

#[test]
fn a_recovery_killed_at_any_point_is_taken_up_by_the_next_one() {
    let mortal = Mortal::new();
    let mut killed = 0;
    for point in NAMES {
        let mut count = 0;
        loop {
            count += 1;
            mortal.die_half_way();
            let fate = mortal.run(&["query"], point, count);
            // Twice: the second recovery dies where the first one died, or further on.
            let again = mortal.run(&["query"], point, 1);
            assert!(
                !mortal.recovers(&format!("{point}:{count}")),
                "{point}: what died before its end was done"
            );
            killed += u32::from(fate == Fate::Killed) + u32::from(again == Fate::Killed);
            if fate == Fate::Survived {
                break;
            }
        }
    }
    println!("killed {killed} recoveries");
    assert!(killed > 20, "{killed}");
}

#[test]
fn an_outcome_that_is_on_disk_holds_although_the_files_of_the_transaction_cannot_be_put_away() {
    let mortal = Mortal::new();
    let change = mortal.change.to_str().unwrap();
    let output = mortal
        .namespace
        .op_dbus_command()
        .args(["apply", change])
        .env(
            "OP_DBUS_FAILPOINT",
            "journal.finish.before-rename=error,undo.before-execute:1=kill",
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    mortal.namespace.op_dbus(&["verify", change]).success();
    assert!(mortal.recovers("the journal kept its name"));

    let paused = Paused::at(&mortal.namespace, "probes.after=pause", &["apply", change]);
    let spaces = mortal.namespace.directory().join("state/ns");
    let mut spaces = std::fs::read_dir(spaces).unwrap();
    let noting = spaces.next().unwrap().unwrap().path().join("noting");
    std::fs::remove_file(&noting).unwrap();
    std::fs::create_dir(&noting).unwrap();
    let (code, said) = paused.go_on();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("noting: "), "{said}");
    std::fs::remove_dir(&noting).unwrap();
    assert!(mortal.recovers("what was noted could not be forgotten"));
}

#[test]
fn killed_at_random_times_nothing_is_lost() {
    // More by OP_DBUS_TEST_KILL_ROUNDS.
    let rounds = std::env::var("OP_DBUS_TEST_KILL_ROUNDS");
    let rounds: u32 = rounds.map_or(25, |rounds| rounds.parse().unwrap());
    let mortal = Mortal::new();
    let apply = ["apply", mortal.change.to_str().unwrap()];
    let started = Instant::now();
    mortal.namespace.op_dbus(&apply).success();
    let whole = started.elapsed();
    mortal.namespace.op_dbus(&["rollback"]).success();
    assert_same(&mortal.namespace.everything(), &mortal.before);

    let mut random = Random::seeded();
    let (mut new, mut recoveries) = (0, 0);
    for round in 0..rounds {
        // Every other time what is killed is the apply, then a recovery of it.
        kill_after(&mortal.namespace, &apply, random.below(whole));
        if round % 2 == 1 {
            recoveries += 1;
            kill_after(&mortal.namespace, &["query"], random.below(whole / 2));
        }
        new += u32::from(mortal.recovers(&format!("round {round}, seed {}", random.seed)));
    }
    println!("{rounds} rounds, {recoveries} with a recovery killed too; {new} were done");
}

/// Starts a command and kills it after a time, unless it has ended by then.
fn kill_after(namespace: &Namespace, arguments: &[&str], time: Duration) {
    let mut command = namespace.op_dbus_command();
    command
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Xorshift: enough to spread deaths, and its seed tells a failing run.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn seeded() -> Self {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = since.as_nanos() as u64 | 1;
        Self { seed, state: seed }
    }

    fn below(&mut self, most: Duration) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        most.mul_f64((self.state % 1000) as f64 / 1000.0)
    }
}
