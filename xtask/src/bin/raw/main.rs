//! The bench's measuring tools, small so that they weigh little themselves.
//!
//! - `raw measure NETNS REPORT PROGRAM…` runs a program in a network namespace and writes its wall
//!   time (ns), CPU time (µs, with its children's), peak memory (KiB) and exit code into REPORT.
//! - `raw dump` reads all links, addresses and routes of the current namespace and prints how many
//!   there are: the least that any query costs. `raw census` counts IPv4's alone.
//! - `raw ports N` makes bridges with N ports, a thousand to each, `raw routes N [PROTOCOL]` makes N routes through
//!   192.0.2.2:
//!   the least that any apply costs. Requests are pipelined, answers are checked.
//! - `raw ovs REMOTE N [wait]` makes a bridge with N ports in Open vSwitch's database, in one transaction.

mod measure;
mod netlink;
mod ovsdb;
mod requests;

use std::io::{Error, ErrorKind, Result};
use std::num::ParseIntError;
use std::process::ExitCode;
use std::str::FromStr;

use libc::RTPROT_STATIC;
use netlink::Socket;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raw: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["measure", namespace, report, program @ ..] if !program.is_empty() => {
            measure::run(namespace, report, program)
        }
        ["dump"] => dump(libc::AF_UNSPEC),
        ["census"] => dump(libc::AF_INET),
        ["ports", count] => requests::ports(&mut Socket::open()?, parse(count)?),
        ["routes", count] => requests::routes(&mut Socket::open()?, parse(count)?, RTPROT_STATIC),
        ["routes", count, protocol] => {
            requests::routes(&mut Socket::open()?, parse(count)?, parse(protocol)?)
        }
        ["ovs", remote, count] => ovsdb::bridge(remote, parse(count)?, false),
        ["ovs", remote, count, "wait"] => ovsdb::bridge(remote, parse(count)?, true),
        _ => Err(Error::new(
            ErrorKind::InvalidInput,
            "see the head of its source for its use",
        )),
    }
}

fn parse<N: FromStr<Err = ParseIntError>>(number: &str) -> Result<N> {
    number
        .parse()
        .map_err(|error| Error::new(ErrorKind::InvalidInput, format!("{number}: {error}")))
}

/// Of IPv4 alone where that says what others did: the kernel makes addresses and routes of IPv6 when it likes.
fn dump(family: i32) -> Result<()> {
    let mut socket = Socket::open()?;
    let links = socket.dump(libc::RTM_GETLINK, libc::AF_UNSPEC)?;
    let addresses = socket.dump(libc::RTM_GETADDR, family)?;
    let routes = socket.dump(libc::RTM_GETROUTE, family)?;
    println!("{links} links, {addresses} addresses, {routes} routes");
    Ok(())
}
