//! Signals that ask a transaction to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that no signal kills the process half-way: the transaction is undone instead.
pub struct Interrupt {
    signals: [(&'static str, Signal); 4],
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the rest of the process, and SIGXCPU, which comes when a quota of processor time is used up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            signals: [
                ("SIGINT", signal(SignalKind::interrupt())?),
                ("SIGTERM", signal(SignalKind::terminate())?),
                ("SIGHUP", signal(SignalKind::hangup())?),
                ("SIGXCPU", signal(SignalKind::from_raw(libc::SIGXCPU))?),
            ],
        })
    }

    /// Waits for the next one, and says which it was.
    pub async fn came(&mut self) -> &'static str {
        let [(a, first), (b, second), (c, third), (d, fourth)] = &mut self.signals;
        tokio::select! {
            _ = first.recv() => a,
            _ = second.recv() => b,
            _ = third.recv() => c,
            _ = fourth.recv() => d,
        }
    }
}
