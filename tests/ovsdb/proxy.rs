//! A real server that lacks some methods, as an older one does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use op_dbus::backends::ovsdb::Remote;
use op_dbus::backends::ovsdb::frame::Framer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Passes on all that is no request for a lacking method, which it refuses as ovsdb-server does.
pub struct Proxy {
    directory: tempfile::TempDir,
    refused: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// In front of the server at this socket.
    pub fn start(server: PathBuf, lacking: &'static [&'static str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("db.sock")).expect("a socket");
        let refused = Arc::new(Mutex::new(Vec::new()));
        let noted = refused.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server)
                    .await
                    .expect("the server listens");
                serve(client, server, lacking, &noted).await;
            }
        });
        Self {
            directory,
            refused,
            task,
        }
    }

    /// Where it listens.
    pub fn remote(&self) -> Remote {
        Remote::Unix(self.directory.path().join("db.sock"))
    }

    /// The methods that it was asked for and refused.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().expect("nobody panicked").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: UnixStream,
    mut server: UnixStream,
    lacking: &[&str],
    refused: &Mutex<Vec<String>>,
) {
    let mut framer = Framer::new(1 << 26);
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => framer.push(&up[..count]),
            },
            read = server.read(&mut down) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => client.write_all(&down[..count]).await.expect("the client reads"),
            },
        }
        while let Some(text) = framer.next().expect("the client sends objects") {
            let request: Value = serde_json::from_slice(text).expect("the client sends JSON");
            let method = request["method"].as_str().unwrap_or_default();
            if !lacking.contains(&method) {
                server.write_all(text).await.expect("the server reads");
                continue;
            }
            refused
                .lock()
                .expect("nobody panicked")
                .push(method.to_owned());
            let id = &request["id"];
            let error = r#"{"error":"unknown method","details":"unknown method","syntax":"x"}"#;
            let reply = format!(r#"{{"id":{id},"result":null,"error":{error}}}"#);
            client
                .write_all(reply.as_bytes())
                .await
                .expect("the client reads");
        }
    }
}
