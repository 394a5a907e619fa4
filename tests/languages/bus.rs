//! A private message bus with stand-ins for systemd-hostnamed and systemd-timedated.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures_core::Stream;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, Variant};

/// The bus and its services, until it is dropped.
pub struct Bus {
    daemon: Child,
    socket: PathBuf,
    kept: Kept,
    _directory: tempfile::TempDir,
}

/// Values of properties by name, as the services keep them.
type Kept = Arc<Mutex<BTreeMap<String, String>>>;

/// Properties, and how the services call the methods that set them.
const PROPERTIES: [&str; 3] = ["StaticHostname", "PrettyHostname", "Timezone"];

/// The name that the stand-in refuses.
pub const REFUSED: &str = "refused";

impl Drop for Bus {
    fn drop(&mut self) {
        // The services end with the bus.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Bus {
    /// Starts all of it.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("socket");
        let configuration = directory.path().join("bus.conf");
        let text = format!(
            r#"<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
</policy></busconfig>"#,
            socket.display()
        );
        std::fs::write(&configuration, text).expect("a file");
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon starts");
        // It prints its address when it listens.
        let mut line = String::new();
        let stdout = daemon.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert!(line.starts_with("unix:"), "{line:?}");
        let values = [
            ("StaticHostname", "before"),
            ("PrettyHostname", ""),
            ("Timezone", "UTC"),
        ];
        let values = values.map(|(property, value)| (property.to_owned(), value.to_owned()));
        let bus = Self {
            daemon,
            socket,
            kept: Arc::new(Mutex::new(values.into())),
            _directory: directory,
        };
        bus.serve();
        bus
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    /// What the services keep, in a line.
    pub fn kept(&self) -> String {
        format!(
            "{:?}",
            self.kept.lock().expect("no panic while it was held")
        )
    }

    /// Runs the services on a thread of their own, and waits until they have their names.
    fn serve(&self) {
        let (address, kept) = (self.address(), self.kept.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the kernel gives an event queue");
            runtime.block_on(async {
                let connection = Builder::address(&*address)
                    .build()
                    .await
                    .expect("the bus listens");
                let incoming = MessageStream::from(&connection);
                for name in ["org.freedesktop.hostname1", "org.freedesktop.timedate1"] {
                    connection
                        .request_name(name)
                        .await
                        .expect("the name is free");
                }
                ready.send(()).expect("the test waits");
                answer_all(incoming, &connection, &kept).await;
            });
        });
        is_ready.recv().expect("the services start");
    }
}

async fn answer_all(mut incoming: MessageStream, connection: &Connection, kept: &Kept) {
    while let Some(Ok(message)) =
        poll_fn(|context| Pin::new(&mut incoming).poll_next(context)).await
    {
        if message.message_type() == Type::MethodCall {
            let reply = answer(&message, kept).expect("a reply");
            if connection.send(&reply).await.is_err() {
                return;
            }
        }
    }
}

/// org.freedesktop.DBus.Properties.Get, and the methods that set a property.
fn answer(call: &Message, kept: &Kept) -> zbus::Result<Message> {
    let header = call.header();
    let member = header.member().map(|it| it.to_string()).unwrap_or_default();
    let body = call.body();
    let mut kept = kept.lock().expect("no panic while it was held");
    if member == "Get" {
        let (_, property): (&str, &str) = body.deserialize()?;
        let value = kept.get(property).cloned().unwrap_or_default();
        return Message::method_return(&header).build(&Variant::from(value.as_str()));
    }
    let property = PROPERTIES
        .into_iter()
        .find(|it| member == format!("Set{it}"));
    let Some(property) = property else {
        return Message::error(&header, "org.freedesktop.DBus.Error.UnknownMethod").build(&member);
    };
    let (value, _): (&str, bool) = body.deserialize()?;
    if value == REFUSED {
        let words = format!("Invalid static hostname '{value}'");
        return Message::error(&header, "org.freedesktop.DBus.Error.InvalidArgs").build(&words);
    }
    kept.insert(property.to_owned(), value.to_owned());
    Message::method_return(&header).build(&())
}
