//! `cargo xtask vm-test`: whole-system tests on a full Debian kernel.
//!
//! The tests are built on the machine; a virtual machine boots over the machine's own file system
//! (virtme-ng), read-only but for one directory, loads the modules and runs them.

mod machine;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{cargo, output, target_subdirectory, workspace};
use crate::prerequisites::{self, Prerequisite};

pub use machine::kernel;

/// The tests that run if no filter is given: those of link kinds, of which few kernels have all.
const DEFAULT_FILTER: &str = "kinds";

/// Test programs of the host that have tests for a full kernel.
const PROGRAMS: [&str; 2] = ["netlink", "system"];

/// For boot and all tests. Under software emulation everything takes some ten times longer.
const DEADLINE: Duration = Duration::from_secs(40 * 60);

/// Modules of the link kinds. The kernel loads most of them itself when a link is made, but not
/// for a process in a network namespace of another user.
const MODULES: &str = "bonding dummy 8021q vrf wireguard geneve ip_gre ip6_gre ipip sit ip6_tunnel \
                       macvlan macvtap ipvlan ifb vxlan tun bridge veth team \
                       openvswitch vport_vxlan";

/// Runs the tests of the target `system` whose name contains `filter`. What the machine says goes to `output`; it ends early once
/// `stop` is set.
///
/// # Errors
/// A test failed, or a program ran none (with a filter: none of them did), or the machine did not get that far before the deadline.
pub fn run(filter: Option<&str>, output: &mut dyn Write, stop: &AtomicBool) -> Result<()> {
    prerequisites::ensure(&[Prerequisite::WasmTarget, Prerequisite::VirtualMachine])?;
    let tests = build_tests()?;
    // A filter of one's own may be meant for one program alone.
    let may_be_idle = filter.map_or(0, |_| PROGRAMS.len() - 1);
    let filter = filter.unwrap_or(DEFAULT_FILTER);
    let shared = target_subdirectory("vm/shared")?;
    let result = shared.join("result");
    if result.exists() {
        fs::remove_file(&result)?;
    }
    let script = shared.join("run");
    fs::write(
        &script,
        format!(
            "echo \"kernel $(uname -r), booted in $(cut -d' ' -f1 /proc/uptime) s\"\n\
             for module in {MODULES}; do modprobe $module; done\n\
             echo \"modules loaded after $(cut -d' ' -f1 /proc/uptime) s\"\n\
             export OP_DBUS_VM=1 HOME=/tmp TMPDIR=/tmp RUST_BACKTRACE=1\n\
             export OP_DBUS_TEST_CACHE='{shared}/cache'\n\
             cd '{host}'\n\
             status=0\n\
             {tests}\
             echo $status > '{result}'\n\
             echo \"tests done after $(cut -d' ' -f1 /proc/uptime) s\"\n",
            shared = shared.display(),
            host = workspace().join("host").display(),
            tests = tests
                .iter()
                .map(|program| format!(
                    "'{}' --color never --test-threads 2 '{filter}' || status=$?\n",
                    program.display()
                ))
                .collect::<String>(),
            result = result.display(),
        ),
    )?;
    let start = Instant::now();
    let seen = machine::run(&script, &shared, output, stop, start + DEADLINE)?;
    writeln!(
        output,
        "virtual machine: {:.1} s",
        start.elapsed().as_secs_f64()
    )?;
    // The exit status of vng tells of the machine's end, not of the command's.
    let status = fs::read_to_string(&result)
        .context("the virtual machine ended before the tests did; its output is above")?;
    ensure!(
        status.trim() == "0",
        "tests failed on the full kernel (exit status {})",
        status.trim()
    );
    let idle = seen.matches("running 0 tests").count();
    if idle > may_be_idle {
        bail!(
            "no test's name contains {filter:?} in {idle} of the programs {}",
            PROGRAMS.join(", ")
        );
    }
    Ok(())
}

/// Compiles the tests and returns the paths of their programs.
fn build_tests() -> Result<Vec<PathBuf>> {
    let mut build = cargo();
    build.args(["test", "--workspace", "--tests", "--no-run", "--quiet"]);
    let messages = output(build.args(["--message-format", "json-render-diagnostics"]))?;
    let programs: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let name = message.pointer("/target/name")?.as_str()?;
            let executable = message.get("executable")?.as_str()?;
            PROGRAMS.contains(&name).then(|| executable.into())
        })
        .collect();
    ensure!(
        programs.len() == PROGRAMS.len(),
        "cargo built {programs:?} instead of the test programs {PROGRAMS:?}"
    );
    Ok(programs)
}
