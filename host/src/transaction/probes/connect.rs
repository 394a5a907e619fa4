//! Whether a server accepts a connection.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tokio::net::TcpSocket;

use super::probe::HostPort;
use super::resolve::resolve;
use crate::backends::netlink::Place;

/// Connects to each address of the server in turn, until one accepts.
///
/// # Errors
/// The kernel's words on the last one; the resolver's.
pub async fn connects(place: &Arc<Place>, server: &HostPort) -> Result<(), String> {
    let addresses = match server.host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => resolve(place, &server.host).await?,
    };
    let mut why = String::new();
    for address in addresses {
        match connect(place, SocketAddr::new(address, server.port)).await {
            Ok(()) => return Ok(()),
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(why)
}

async fn connect(place: &Place, to: SocketAddr) -> Result<(), String> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = place
        .within("open a socket", || {
            Ok(socket_with(family, SocketType::STREAM, flags, None)?)
        })
        .map_err(|failure| failure.message)?;
    let socket = TcpSocket::from_std_stream(TcpStream::from(socket));
    socket
        .connect(to)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}
