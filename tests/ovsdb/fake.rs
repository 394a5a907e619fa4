//! A server that says what a test tells it to.

use std::future::Future;
use std::time::Duration;

use op_dbus::backends::ovsdb::frame::Framer;
use op_dbus::backends::ovsdb::{Client, Options, Remote};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The server's side of one connection.
pub struct Peer {
    stream: UnixStream,
    framer: Framer,
}

impl Peer {
    /// A side of a connection.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            framer: Framer::new(1 << 26),
        }
    }

    /// The next request; `None` when the client hung up.
    pub async fn request(&mut self) -> Option<Value> {
        loop {
            if let Some(text) = self.framer.next().expect("the client sends objects") {
                return Some(serde_json::from_slice(text).expect("the client sends JSON"));
            }
            let mut piece = vec![0; 1 << 16];
            match self.stream.read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.framer.push(&piece[..count]),
            }
        }
    }

    /// Sends bytes; whether the client took them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Answers a request with a result, given as JSON text.
    pub async fn answer(&mut self, request: &Value, result: &str) -> bool {
        let text = format!(
            r#"{{"id":{},"result":{result},"error":null}}"#,
            request["id"]
        );
        self.send(text).await
    }

    /// Waits until the client hangs up.
    pub async fn wait_for_end(&mut self) {
        while self.request().await.is_some() {}
    }
}

/// A listening fake. Its task ends with it.
pub struct Fake {
    directory: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Fake {
    /// Treats each connection as `behave` says, one after another.
    pub fn start<F, B>(mut behave: B) -> Self
    where
        F: Future<Output = ()> + Send,
        B: FnMut(Peer) -> F + Send + 'static,
    {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("db.sock")).expect("a socket");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                behave(Peer::new(stream)).await;
            }
        });
        Self { directory, task }
    }

    /// Options for a client with small limits.
    pub fn options(&self) -> Options {
        Options {
            max_message: 1 << 20,
            idle: Duration::from_secs(60),
            reconnect_within: Duration::from_secs(1),
            ..Options::new(Remote::Unix(self.directory.path().join("db.sock")))
        }
    }

    /// A client with these options.
    pub async fn client(&self) -> Client {
        Client::connect(self.options())
            .await
            .expect("the fake listens")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps tests apart that measure memory or take much of it, where they share a process.
pub static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// How much memory this process has taken at most, in KiB.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("the kernel tells VmHWM")
}
