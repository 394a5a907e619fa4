//! A moment on the clock that nobody can set and that goes on while the machine sleeps (CLOCK_BOOTTIME, clock_gettime(2)).

use std::io;
use std::time::{Duration, SystemTime};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use serde::{Deserialize, Serialize};

use super::watched::watched;

/// A moment in this boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// By the wall clock when it was set, for a person: RFC 3339, UTC.
    pub shown: String,
    /// In milliseconds of CLOCK_BOOTTIME. This decides.
    pub boottime_ms: u64,
}

/// Now, in milliseconds.
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1000 + now.tv_nsec.unsigned_abs() / 1_000_000
}

impl Deadline {
    /// So long from now.
    pub fn after(within: Duration) -> Self {
        Self {
            shown: humantime::format_rfc3339_seconds(SystemTime::now() + within).to_string(),
            boottime_ms: now_ms() + u64::try_from(within.as_millis()).unwrap_or(u64::MAX / 2),
        }
    }

    /// How long it is until then; nothing once it has passed.
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(self.boottime_ms.saturating_sub(now_ms()))
    }

    /// Waits until it has passed.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub async fn passed(&self) -> io::Result<()> {
        let timer = timerfd_create(
            TimerfdClockId::Boottime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let seconds = i64::try_from(self.boottime_ms / 1000).map_err(io::Error::other)?;
        let at = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: seconds,
                // A time of nothing at all would disarm the timer.
                tv_nsec: ((self.boottime_ms % 1000) * 1_000_000 + 1) as _,
            },
        };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &at)?;
        watched(timer)?.readable().await?.retain_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_passes_and_one_that_has_passed_does_at_once() {
        let deadline = Deadline::after(Duration::from_millis(20));
        deadline.passed().await.unwrap();
        assert_eq!(deadline.remaining(), Duration::ZERO);
        deadline.passed().await.unwrap();
        let later = Deadline::after(Duration::from_secs(3600));
        assert!(later.remaining() > Duration::from_secs(3000));
    }
}
