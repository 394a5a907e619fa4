//! Carriers: the kernel notes a change at once and tells it later.
//!
//! A link whose carrier came or went is put on a list, and a worker of the kernel works it off, up to a second later and more on a slow machine
//! (net/core/link_watch.c). Until then `ip link` shows the old operational state. ethtool tells the carrier itself (newer kernels work off
//! the link's entry as well before they answer): where that is not what the flags say, the news is still to come.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// `struct ethtool_value` (linux/ethtool.h).
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

/// Is there a carrier? (linux/ethtool.h)
const ETHTOOL_GLINK: u32 = 0x0a;

/// The worker comes every second, on a machine that has time for it. A link that does not follow its carrier is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(20);

type Name = [libc::c_char; libc::IFNAMSIZ];

/// Waits until the flags of all links in a namespace say what their carriers are.
///
/// # Panics
/// The namespace cannot be entered.
pub fn settle(namespace: &str) {
    let file = File::open(Path::new("/run/netns").join(namespace)).expect("the namespace exists");
    // A namespace belongs to a thread: this one ends, and takes nothing along.
    let wait = || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter a namespace");
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).expect("a socket");
        let give_up = Instant::now() + PATIENCE;
        while links().iter().any(|name| is_behind(&socket, name)) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    std::thread::scope(|scope| scope.spawn(wait).join().expect("the thread inside ends"));
}

/// Names of all links that this thread sees.
fn links() -> Vec<Name> {
    let mut names = Vec::new();
    // SAFETY: if_nameindex(3) returns an array that ends with a null name, or null; it is freed once.
    unsafe {
        let list = libc::if_nameindex();
        let mut item = list;
        while !item.is_null() && !(*item).if_name.is_null() {
            let bytes = CStr::from_ptr((*item).if_name).to_bytes_with_nul();
            let mut name = [0; libc::IFNAMSIZ];
            for (to, from) in name.iter_mut().zip(bytes) {
                *to = from.cast_signed();
            }
            names.push(name);
            item = item.add(1);
        }
        if !list.is_null() {
            libc::if_freenameindex(list);
        }
    }
    names
}

/// Whether a link that is up has a carrier and does not show it, or shows one that it does not have. One that went meanwhile, or that cannot
/// tell, is none of our business.
fn is_behind(socket: &impl AsRawFd, name: &Name) -> bool {
    let mut carrier = EthtoolValue {
        command: ETHTOOL_GLINK,
        value: 0,
    };
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name = *name;
    request.ifr_ifru.ifru_data = (&raw mut carrier).cast();
    // SAFETY: both structures live until the call returns.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } != 0 {
        return false;
    }
    request.ifr_ifru.ifru_flags = 0;
    // SAFETY: as above.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) } != 0 {
        return false;
    }
    // SAFETY: the kernel has just filled in this member.
    let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    flags & libc::IFF_UP != 0 && (flags & libc::IFF_RUNNING != 0) != (carrier.value != 0)
}
