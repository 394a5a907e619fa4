//! Writes a trace while plugins are at work.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::line::{Asked, Call, End, Header, Line, VERSION};
use super::replay::sentence;
use crate::boundary::{Entry, Listener, Numbers, Visit};
use crate::plugin::failure::PluginError;
use crate::plugin::misfit::VERSIONS;
use crate::secrets::SecretStore;

/// A trace that is being written. A line is in the file when what it tells of goes on, so that a process that dies leaves all but the end.
pub struct Recording {
    numbers: Numbers,
    file: Mutex<BufWriter<File>>,
    /// The first failure: from there on the trace has gaps.
    trouble: Mutex<Option<io::Error>>,
    /// What must not be written down. Plugins are told no secret in the first place; this looks for what they were told by mistake.
    secrets: Arc<SecretStore>,
}

impl Recording {
    /// Begins a trace in a new file that its owner alone may read; a file that is there already is not touched.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub fn begin(path: &Path, command: &str, secrets: Arc<SecretStore>) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let recording = Self {
            numbers: Numbers::default(),
            file: Mutex::new(BufWriter::new(file)),
            trouble: Mutex::default(),
            secrets,
        };
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now());
        recording.write(&Line::Header(Header {
            trace: VERSION,
            op_dbus: env!("CARGO_PKG_VERSION").to_owned(),
            contract: VERSIONS[0].to_owned(),
            command: command.to_owned(),
            time: now.to_string(),
        }))?;
        Ok(recording)
    }

    /// Whether all that happened is in the file.
    ///
    /// # Errors
    /// The first that kept something out.
    pub fn finish(&self) -> io::Result<()> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.take().map_or(Ok(()), Err)
    }

    fn note(&self, line: &Line) {
        if let Err(error) = self.write(line) {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.get_or_insert(error);
        }
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let mut line = serde_json::to_value(line)?;
        mask(&mut line, &self.secrets);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_writer(&mut *file, &line)?;
        file.write_all(b"\n")?;
        file.flush()
    }
}

/// Puts an ellipsis in place of every known secret, also where a text is itself JSON and spells it with escapes. Says whether there was
/// any: what is unchanged keeps its own spelling.
fn mask(value: &mut Value, secrets: &SecretStore) -> bool {
    match value {
        Value::String(text) => {
            let censored = secrets.censor(text);
            let mut found = censored.is_some();
            if let Some(censored) = censored {
                *text = censored;
            }
            if let Ok(mut within) = serde_json::from_str::<Value>(text)
                && (within.is_object() || within.is_array())
                && mask(&mut within, secrets)
            {
                *text = within.to_string();
                found = true;
            }
            found
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |found, item| mask(item, secrets) | found),
        Value::Object(entries) => entries
            .values_mut()
            .fold(false, |found, item| mask(item, secrets) | found),
        _ => false,
    }
}

/// A [`Recording`] as plugins are listened to with.
pub struct Tape(pub Arc<Recording>);

impl Listener for Tape {
    fn enter(&self, entry: Entry) -> Box<dyn Visit> {
        let call = self.0.numbers.next();
        self.0.note(&Line::Call(Call {
            call,
            plugin: entry.plugin,
            version: entry.version,
            digest: entry.digest,
            export: entry.call.to_owned(),
            mode: entry.mode.into(),
            arguments: entry.arguments,
        }));
        Box::new(Recorded {
            recording: self.0.clone(),
            call,
            pending: None,
        })
    }
}

struct Recorded {
    recording: Arc<Recording>,
    call: u64,
    /// A question that has no answer yet.
    pending: Option<(&'static str, Value)>,
}

impl Recorded {
    fn note_asked(&self, call: &'static str, arguments: Value, answer: Option<Value>) {
        self.recording.note(&Line::Asked(Asked {
            host: self.recording.numbers.next(),
            within: self.call,
            import: call.to_owned(),
            arguments,
            answer,
        }));
    }
}

impl Visit for Recorded {
    fn asked(&mut self, call: &'static str, arguments: &Value) -> wasmtime::Result<Option<Value>> {
        self.pending = Some((call, arguments.clone()));
        Ok(None)
    }

    fn answered(&mut self, call: &'static str, arguments: Value, answer: Value) -> Value {
        self.pending = None;
        self.note_asked(call, arguments, Some(answer.clone()));
        answer
    }

    fn leave(mut self: Box<Self>, answer: Result<Value, &PluginError>) {
        if let Some((call, arguments)) = self.pending.take() {
            self.note_asked(call, arguments, None);
        }
        let (answer, failed) = match answer {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(sentence(error))),
        };
        self.recording.note(&Line::End(End {
            end: self.recording.numbers.next(),
            of: self.call,
            answer,
            failed,
        }));
    }
}
