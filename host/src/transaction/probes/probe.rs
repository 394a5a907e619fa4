//! What a probe asks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::measure::Period;

/// How long one try may take unless said otherwise: a name server that is down is given up after five seconds (resolv.conf(5)).
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// How long after a change a probe may go on failing unless said otherwise: a lease, a route learnt, a bridge
/// port that listens first take seconds. With spanning tree such a port takes 30, which wants a longer time.
pub const WITHIN: Duration = Duration::from_secs(30);

/// A question whose answer tells whether the host is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Probe {
    /// The question.
    pub check: Check,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long after the change it may go on failing; tried again until then.
    pub within: Duration,
}

/// The question of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A default gateway answers.
    Gateway(Families),
    /// A name has an address.
    Resolve(String),
    /// A server accepts a connection.
    Tcp(HostPort),
    /// A program, by its absolute path and with its arguments, ends with exit code 0. No shell sees them.
    Command(Vec<String>),
}

/// Of which address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Families {
    /// Either.
    Any,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A name or an address, and a port: `example.org:443`, `192.0.2.1:22`, `[2001:db8::1]:22`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| {
            let host = match host.strip_prefix('[') {
                Some(inner) => inner.strip_suffix(']')?,
                // An IPv6 address without brackets does not say where it ends.
                None if host.contains(':') => return None,
                None => host,
            };
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (!host.is_empty()).then(|| Self {
                host: host.to_owned(),
                port,
            })
        });
        parts.ok_or_else(|| {
            format!("{text:?} is no HOST:PORT; write it like example.org:443 or [2001:db8::1]:22")
        })
    }
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(Families::Any) => f.write_str("the default gateway answers"),
            Self::Gateway(Families::Ipv4) => f.write_str("the default gateway of IPv4 answers"),
            Self::Gateway(Families::Ipv6) => f.write_str("the default gateway of IPv6 answers"),
            Self::Resolve(name) => write!(f, "the name {name} resolves"),
            Self::Tcp(server) => write!(f, "{server} accepts TCP connections"),
            Self::Command(words) => write!(f, "{} ends with exit code 0", words.join(" ")),
        }
    }
}

/// A probe as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    gateway: Option<Families>,
    resolve: Option<String>,
    tcp: Option<HostPort>,
    command: Option<Vec<String>>,
    timeout: Option<Period>,
    within: Option<Period>,
}

impl TryFrom<Written> for Probe {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let asked = [
            written.gateway.map(Check::Gateway),
            written.resolve.map(Check::Resolve),
            written.tcp.map(Check::Tcp),
            written.command.map(Check::Command),
        ];
        let mut asked = asked.into_iter().flatten();
        let (Some(check), None) = (asked.next(), asked.next()) else {
            return Err(
                "a probe asks one thing: give it one of `gateway`, `resolve`, `tcp`, `command`"
                    .into(),
            );
        };
        match &check {
            Check::Command(words) if !words.first().is_some_and(|word| word.starts_with('/')) => {
                return Err(
                    "`command` is a list: the program by its absolute path, then its arguments"
                        .into(),
                );
            }
            Check::Resolve(name) if name.is_empty() => {
                return Err("`resolve` takes the name of a host".into());
            }
            _ => {}
        }
        Ok(Self {
            check,
            timeout: written.timeout.map_or(TIMEOUT, |period| period.0),
            within: written.within.map_or(WITHIN, |period| period.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_told_apart() {
        for (text, host, port) in [
            ("example.org:443", "example.org", 443),
            ("192.0.2.1:22", "192.0.2.1", 22),
            ("[2001:db8::1]:22", "2001:db8::1", 22),
        ] {
            let read: HostPort = text.parse().unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port));
            assert_eq!(read.to_string(), text);
        }
        for text in [
            "example.org",
            ":22",
            "a:0",
            "a:65536",
            "2001:db8::1:22",
            "[::1:22",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }
}
