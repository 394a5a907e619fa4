//! Where an OVSDB server listens, in the notation of ovsdb(7), and a stream to it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::error::OvsdbError;
use super::tls::{self, TlsFiles};

/// The port that IANA gave to OVSDB (RFC 7047 section 6).
pub const DEFAULT_PORT: u16 = 6640;

/// Where a server listens. Reads and prints as `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A Unix domain socket.
    Unix(PathBuf),
    /// Plain TCP.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// 6640 if the text has none.
        port: u16,
    },
    /// TLS over TCP.
    Tls {
        /// A name or an address, without brackets.
        host: String,
        /// 6640 if the text has none.
        port: u16,
    },
}

impl FromStr for Remote {
    type Err = OvsdbError;

    fn from_str(text: &str) -> Result<Self, OvsdbError> {
        let wrong = |reason: &str| OvsdbError::Remote {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (kind, rest) = text
            .split_once(':')
            .ok_or_else(|| wrong("it names no method"))?;
        match kind {
            "unix" if rest.is_empty() => Err(wrong("the path is missing")),
            "unix" if rest.contains('\0') => Err(wrong("the path has a NUL in it")),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" | "ssl" | "tls" => {
                let (host, port) = host_and_port(rest).map_err(wrong)?;
                Ok(match kind {
                    "tcp" => Self::Tcp { host, port },
                    _ => Self::Tls { host, port },
                })
            }
            "punix" | "ptcp" | "pssl" => Err(wrong("that is a method to listen by")),
            _ => Err(wrong("that method is unknown")),
        }
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or("the bracket of the IPv6 address is not closed")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("no IPv6 address stands in the brackets");
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err("only a colon and a port may follow the bracket"),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address must stand in brackets");
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("the host is missing or malformed");
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(number) if number > 0 && !port.starts_with('+') => number,
            _ => return Err("the port is no number from 1 to 65535"),
        },
    };
    Ok((host.to_owned(), port))
}

impl fmt::Display for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, host, port) = match self {
            Self::Unix(path) => return write!(formatter, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Tls { host, port } => ("ssl", host, port),
        };
        if host.contains(':') {
            write!(formatter, "{kind}:[{host}]:{port}")
        } else {
            write!(formatter, "{kind}:{host}:{port}")
        }
    }
}

/// A stream to a server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens a stream, once.
///
/// # Errors
/// `Connect` if nobody answers there, `Tls` if a file is unusable or the two sides do not trust each other.
pub(super) async fn open(
    remote: &Remote,
    files: Option<&TlsFiles>,
) -> Result<Box<dyn Stream>, OvsdbError> {
    let failed = |cause| OvsdbError::Connect {
        remote: remote.to_string(),
        cause: Arc::new(cause),
    };
    match remote {
        Remote::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?)),
        Remote::Tcp { host, port } => Ok(Box::new(tcp(host, *port).await.map_err(failed)?)),
        Remote::Tls { host, port } => {
            let refused = |reason: String| OvsdbError::Tls {
                remote: remote.to_string(),
                reason,
            };
            let files = files.ok_or_else(|| {
                refused("it needs a private key, a certificate and a CA certificate".to_owned())
            })?;
            let connector = tls::connector(files, host).map_err(refused)?;
            let stream = tcp(host, *port).await.map_err(failed)?;
            let stream = connector
                .connect(stream)
                .await
                .map_err(|error| refused(error.to_string()))?;
            Ok(Box::new(stream))
        }
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Requests are small and waited for.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_read_and_print_the_same() {
        for text in [
            "unix:/run/openvswitch/db.sock",
            "unix:relative:with:colons",
            "tcp:192.0.2.1:6640",
            "tcp:[2001:db8::1]:16640",
            "ssl:ovs.example:6640",
        ] {
            assert_eq!(text.parse::<Remote>().unwrap().to_string(), text);
        }
        let tls: Remote = "tls:[::1]".parse().unwrap();
        assert_eq!(tls.to_string(), "ssl:[::1]:6640");
    }

    #[test]
    fn a_malformed_remote_is_refused_with_what_is_valid() {
        for text in [
            "",
            "/run/db.sock",
            "unix:",
            "udp:192.0.2.1:1",
            "punix:/run/db.sock",
            "tcp:",
            "tcp::6640",
            "tcp:192.0.2.1:0",
            "tcp:192.0.2.1:+1",
            "tcp:192.0.2.1:65536",
            "tcp:192.0.2.1:",
            "tcp:2001:db8::1:6640",
            "tcp:[2001:db8::1",
            "tcp:[example]:1",
            "ssl:[::1]6640",
            "ssl:a b:1",
        ] {
            let error = text.parse::<Remote>().unwrap_err().to_string();
            assert!(
                error.contains("unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT"),
                "{error}"
            );
        }
    }
}
