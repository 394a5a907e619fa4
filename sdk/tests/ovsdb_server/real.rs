//! A real ovsdb-server with a schema of the test's choice, spoken to as plainly as can be.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Answer;

/// An ovsdb-server of the test's own, and a connection to it.
pub struct Real {
    server: Child,
    stream: UnixStream,
    calls: u64,
    /// Ends with the server.
    _directory: tempfile::TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Real {
    /// Starts one; `None`, and loudly so, where Open vSwitch is not installed, which is a failure in CI.
    pub fn start(schema: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("schema"), schema).expect("a file");
        let made = Command::new("ovsdb-tool")
            .arg("create")
            .args([path("db"), path("schema")])
            .status();
        let Ok(made) = made else {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "Open vSwitch is not installed");
            eprintln!("!! SKIPPED: Open vSwitch is not installed (Debian: openvswitch-switch)");
            return None;
        };
        assert!(made.success(), "the mock's schema is one");
        let mut command = Command::new("ovsdb-server");
        for name in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(name, directory.path());
        }
        let server = command
            .arg(path("db"))
            .arg(format!("--remote=punix:{}", path("socket").display()))
            .args(["-vconsole:off", "--no-chdir"])
            .stdout(Stdio::null())
            .spawn()
            .expect("ovsdb-server starts");
        let stream = connect(&path("socket"));
        Some(Self {
            server,
            stream,
            calls: 0,
            _directory: directory,
        })
    }

    /// Carries out a transaction.
    pub fn transact(&mut self, operations: &Value) -> Answer {
        let mut params = vec![json!("Open_vSwitch")];
        params.extend(operations.as_array().expect("a list").iter().cloned());
        self.calls += 1;
        let request = json!({"method": "transact", "params": params, "id": self.calls});
        self.stream
            .write_all(request.to_string().as_bytes())
            .expect("the server reads");
        // One call at a time: nothing of the next answer can be in the buffer.
        let mut texts = serde_json::Deserializer::from_reader(BufReader::new(&self.stream));
        let reply = Value::deserialize(&mut texts).expect("the server answers");
        assert_eq!(reply["id"], self.calls, "{reply}");
        let mut results = reply["result"].as_array().cloned().unwrap_or_default();
        let error = results
            .iter()
            .position(|result| result["error"].is_string());
        match error {
            None => Ok(results),
            Some(at) => {
                let name = results.swap_remove(at)["error"].as_str().map(str::to_owned);
                let number = (at + 1 < params.len()).then_some(at);
                Err((number, name.expect("it is a text")))
            }
        }
    }

    /// Empties the database but for this row; its UUID comes among the results.
    pub fn starts_over(&mut self, row: &Value) -> Vec<Value> {
        let delete = |table: &str| json!({"op": "delete", "table": table, "where": []});
        let roots = json!([delete("Open_vSwitch"), delete("QoS"), row]);
        let mut results = self
            .transact(&roots)
            .expect("rows that nothing refers to go");
        results.split_off(2)
    }
}

fn connect(socket: &Path) -> UnixStream {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < give_up, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
