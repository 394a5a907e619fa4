//! Carriers: the kernel notes a change at once and tells it later.
//!
//! A link whose carrier came or went is put on a list, and a worker of the kernel works it off, up to a second later on a slow machine
//! (net/core/link_watch.c). Until then `ip link` shows the old operational state. Asking a link for its carrier by ethtool makes the
//! kernel work off that link's entry first (`linkwatch_sync_dev`): then what is read is what is.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

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

/// Makes the kernel tell what it knows of the carriers of all links in a namespace.
///
/// # Panics
/// The namespace cannot be entered.
pub fn settle(namespace: &str) {
    let file = File::open(Path::new("/run/netns").join(namespace)).expect("the namespace exists");
    // A namespace belongs to a thread: this one ends, and takes nothing along.
    let enter = || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter a namespace");
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).expect("a socket");
        for name in links() {
            ask(&socket, &name);
        }
    };
    std::thread::scope(|scope| scope.spawn(enter).join().expect("the thread inside ends"));
}

/// Names of all links that this thread sees.
fn links() -> Vec<[libc::c_char; libc::IFNAMSIZ]> {
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

/// Asks one link. One that went meanwhile, or that cannot tell, is none of our business.
fn ask(socket: &impl AsRawFd, name: &[libc::c_char; libc::IFNAMSIZ]) {
    let mut question = EthtoolValue {
        command: ETHTOOL_GLINK,
        value: 0,
    };
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name = *name;
    request.ifr_ifru.ifru_data = (&raw mut question).cast();
    // SAFETY: both structures live until the call returns.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
}
