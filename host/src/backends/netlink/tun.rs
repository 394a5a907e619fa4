//! TUN and TAP devices (Documentation/networking/tuntap.rst). rtnetlink shows them but makes none: that takes ioctl(2) on /dev/net/tun.

use std::fs::File;
use std::io;

use rustix::ioctl::{self, Opcode};

use super::namespace::Namespace;
use crate::contract::netlink::{Tun, TunMode};
use crate::contract::types::Failure;

const TUNSETIFF: Opcode = ioctl::opcode::write::<i32>(b'T', 202);
const TUNSETPERSIST: Opcode = ioctl::opcode::write::<i32>(b'T', 203);
const TUNSETOWNER: Opcode = ioctl::opcode::write::<i32>(b'T', 204);
const TUNSETGROUP: Opcode = ioctl::opcode::write::<i32>(b'T', 206);
const TUNSETIFINDEX: Opcode = ioctl::opcode::write::<u32>(b'T', 218);

const IFF_TUN: u16 = 0x1;
const IFF_TAP: u16 = 0x2;
const IFF_MULTI_QUEUE: u16 = 0x100;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
/// Fails when the device exists, instead of opening it.
const IFF_TUN_EXCL: u16 = 0x8000;

/// `struct ifreq`, as far as TUNSETIFF reads it.
#[repr(C)]
struct Ifreq {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// Makes a persistent device with this index.
pub fn create(namespace: &Namespace, name: &str, index: u32, tun: &Tun) -> Result<(), Failure> {
    let mut request = Ifreq {
        name: [0; 16],
        flags: IFF_TUN_EXCL,
        rest: [0; 22],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    request.flags |= match tun.mode {
        TunMode::Tun => IFF_TUN,
        TunMode::Tap => IFF_TAP,
    };
    // The kernel's default is with packet information; everybody else's is without.
    let switches = [
        (IFF_NO_PI, tun.packet_information != Some(true)),
        (IFF_VNET_HDR, tun.vnet_header == Some(true)),
        (IFF_MULTI_QUEUE, tun.multi_queue == Some(true)),
    ];
    for (bit, on) in switches {
        request.flags |= if on { bit } else { 0 };
    }
    let work = || -> io::Result<()> {
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // SAFETY: these are the types that the kernel reads for these operations (linux/if_tun.h); it keeps no pointer.
        unsafe {
            ioctl::ioctl(&device, ioctl::Setter::<TUNSETIFINDEX, u32>::new(index))?;
            ioctl::ioctl(&device, ioctl::Setter::<TUNSETIFF, Ifreq>::new(request))?;
        }
        // Without TUNSETPERSIST the device goes when the file is closed: an error on the way leaves nothing behind.
        for (owner, group) in [(tun.owner, false), (tun.group, true)] {
            let Some(id) = owner else { continue };
            // SAFETY: the argument is a number, which the kernel takes as such.
            unsafe {
                match group {
                    false => ioctl::ioctl(
                        &device,
                        ioctl::IntegerSetter::<TUNSETOWNER>::new_usize(id as usize),
                    )?,
                    true => ioctl::ioctl(
                        &device,
                        ioctl::IntegerSetter::<TUNSETGROUP>::new_usize(id as usize),
                    )?,
                }
            }
        }
        // SAFETY: as above.
        unsafe { ioctl::ioctl(&device, ioctl::IntegerSetter::<TUNSETPERSIST>::new_usize(1))? };
        Ok(())
    };
    namespace.within(&format!("create link {name:?} of kind tun"), work)
}
