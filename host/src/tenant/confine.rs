//! What the kernel holds a tenant's command to (setrlimit(2), setpriority(2)).
//!
//! - RLIMIT_DATA rather than RLIMIT_AS: it counts what can be written to, not the addresses that the Wasm engine sets aside and never fills.
//! - RLIMIT_CPU has a soft and a hard side: at the first the kernel sends SIGXCPU, which undoes a transaction, at the second SIGKILL.
//! - RLIMIT_CORE is 0: a core file would hold the tenant's secrets.
//!
//! They hold for the process and for all that it starts, and cannot be taken back by it without CAP_SYS_RESOURCE, which no plugin has.

use std::io;

use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

use super::Quota;

/// Processor time beyond the quota for undoing what was begun, in seconds.
const CPU_FOR_UNDO: u64 = 30;

/// Holds this process to a quota, from now on.
///
/// # Errors
/// When the kernel refuses: then nothing may be done for the tenant.
pub fn confine(quota: &Quota) -> io::Result<()> {
    let memory = quota.memory.0 as u64;
    let cpu_time = quota.cpu_time.0.as_secs();
    for (resource, soft, hard) in [
        (Resource::Data, memory, memory),
        (Resource::Cpu, cpu_time, cpu_time + CPU_FOR_UNDO),
        (Resource::Nofile, quota.open_files, quota.open_files),
        (Resource::Core, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, limit)?;
    }
    Ok(setpriority_process(None, i32::from(quota.nice))?)
}
