//! A change that awaits confirmation: what its keeper is told, and what it answers.
//!
//! The keeper is a process that holds the lock and decides. It listens on a socket in the namespace's state directory, which its owner alone
//! may enter; the process that applied talks to it over a socket of their own. Both speak in lines of JSON.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::deadline::Deadline;
use super::record::Difference;
use super::state_dir::StateDir;

/// No longer line is read, in bytes: an ending lists every object that is not as it was.
const LONGEST_LINE: u64 = 64 << 20;

/// What a keeper is told.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// All is applied and verified: take over, until then.
    Hold(Deadline),
    /// There is nothing to keep: go.
    Dismiss,
    /// Keep the new state.
    Confirm,
    /// Bring back the old one, now.
    Rollback,
}

/// What a keeper says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It watches over the process that applies.
    Ready,
    /// It has taken over.
    Holding,
    /// It could not start, or not take over.
    Failed(String),
    /// It has decided.
    Ended(Ended),
}

/// How a pending change ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Whether the new state holds.
    pub kept: bool,
    /// Why, for a person.
    pub why: String,
    /// Where the old state holds: each object that is not as it was.
    pub incomplete: Vec<Difference>,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

/// A line at a time, both ways.
pub struct Talk {
    stream: BufReader<UnixStream>,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
}

impl Talk {
    /// Over this socket.
    pub fn over(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            line: Vec::new(),
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub async fn say(&mut self, what: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.stream.write_all(&line).await
    }

    /// What is said next; nothing once the other side has gone. Dropped half-way and called again, it goes on where it was.
    ///
    /// # Errors
    /// When that is no word of this language.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut limited = (&mut self.stream).take(LONGEST_LINE);
        match limited.read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.is_empty() => Ok(None),
            Ok(_) => Ok(Some(serde_json::from_slice(&std::mem::take(
                &mut self.line,
            ))?)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who is on the other side, for the audit log.
    pub fn peer(&self) -> String {
        match self.stream.get_ref().peer_cred() {
            Ok(peer) => match peer.pid() {
                Some(pid) => format!("uid {} (process {pid})", peer.uid()),
                None => format!("uid {}", peer.uid()),
            },
            Err(_) => "somebody".to_owned(),
        }
    }
}

/// The socket's path, through a descriptor of its directory: a path to a socket has room for 107 bytes only (unix(7)).
struct Place {
    _directory: File,
    path: PathBuf,
}

impl Place {
    fn of(state: &StateDir) -> io::Result<Self> {
        let directory = File::open(state.path())?;
        let path = format!("/proc/self/fd/{}/confirm.sock", directory.as_raw_fd()).into();
        Ok(Self {
            _directory: directory,
            path,
        })
    }
}

/// Listens for those who confirm. What a dead keeper left is taken away: the lock says that there is no other.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(state: &StateDir) -> io::Result<UnixListener> {
    stop_listening(state)?;
    UnixListener::bind(&Place::of(state)?.path)
}

/// Takes the socket away.
///
/// # Errors
/// When that cannot be done.
pub fn stop_listening(state: &StateDir) -> io::Result<()> {
    match fs::remove_file(Place::of(state)?.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Asks the keeper of this namespace to decide, and waits for what comes of it; nothing where nothing is pending.
///
/// # Errors
/// When the keeper dies over it.
pub async fn ask(state: &StateDir, what: &Ask) -> io::Result<Option<Ended>> {
    let place = Place::of(state)?;
    let stream = match UnixStream::connect(&place.path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut talk = Talk::over(stream);
    // One that decides at this very moment does not hear it, and does not answer: then nothing is pending any more.
    if talk.say(what).await.is_err() {
        return Ok(None);
    }
    match talk.hear().await? {
        Some(Answer::Ended(ended)) => Ok(Some(ended)),
        Some(other) => Err(io::Error::other(format!("it answered {other:?}"))),
        None => Ok(None),
    }
}
