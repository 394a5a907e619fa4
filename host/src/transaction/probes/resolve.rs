//! Whether a name has an address: asked as every program asks (getaddrinfo(3)), in the network namespace.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::backends::netlink::Place;

/// The addresses of a name. The resolver's configuration (resolv.conf(5), nsswitch.conf(5)) is the machine's own.
///
/// # Errors
/// The resolver's own words.
pub async fn resolve(place: &Arc<Place>, name: &str) -> Result<Vec<IpAddr>, String> {
    let (answer, answered) = oneshot::channel();
    let (place, name) = (place.clone(), name.to_owned());
    // The resolver cannot be stopped. Should it take longer than anybody waits, the thread ends when it does, or with the process.
    std::thread::spawn(move || {
        let look_up = || -> io::Result<Vec<SocketAddr>> {
            Ok((name.as_str(), 0).to_socket_addrs()?.collect())
        };
        let _ = answer.send(place.within(&format!("look up {name}"), look_up));
    });
    let addresses = answered
        .await
        .map_err(|_| "the resolver broke".to_owned())?
        .map_err(|failure| failure.message)?;
    match addresses.is_empty() {
        true => Err("it has no address".to_owned()),
        false => Ok(addresses.iter().map(SocketAddr::ip).collect()),
    }
}
