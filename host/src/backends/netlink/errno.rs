//! The kernel's error numbers (errno(3)) as names and as failures.

use std::io;

use rustix::io::Errno;

use crate::contract::types::{BackendError, Failure, FailureCode};

/// Name, what a failure with it means to a plugin, and what it says to a person.
const TABLE: &[(Errno, &str, FailureCode, &str)] = {
    use FailureCode::*;
    &[
        (
            Errno::PERM,
            "EPERM",
            Refused,
            "operation not permitted; the host needs CAP_NET_ADMIN over this network namespace",
        ),
        (
            Errno::ACCESS,
            "EACCES",
            Refused,
            "not allowed in the present state",
        ),
        (Errno::ROFS, "EROFS", Refused, "read-only"),
        (Errno::NOENT, "ENOENT", NotFound, "no such object"),
        (Errno::SRCH, "ESRCH", NotFound, "no such object"),
        (Errno::NODEV, "ENODEV", NotFound, "no such link"),
        (Errno::NXIO, "ENXIO", NotFound, "no such device or address"),
        (
            Errno::ADDRNOTAVAIL,
            "EADDRNOTAVAIL",
            NotFound,
            "no such address",
        ),
        (Errno::EXIST, "EEXIST", Exists, "exists already"),
        (Errno::INVAL, "EINVAL", Invalid, "invalid argument"),
        (Errno::RANGE, "ERANGE", Invalid, "out of range"),
        (Errno::DOM, "EDOM", Invalid, "out of range"),
        (Errno::NAMETOOLONG, "ENAMETOOLONG", Invalid, "name too long"),
        (Errno::MSGSIZE, "EMSGSIZE", Invalid, "message too long"),
        (Errno::PROTOTYPE, "EPROTOTYPE", Invalid, "wrong protocol"),
        (Errno::LOOP, "ELOOP", Invalid, "a loop of links"),
        (
            Errno::OPNOTSUPP,
            "EOPNOTSUPP",
            Unsupported,
            "not supported; a kernel module may be missing",
        ),
        (
            Errno::AFNOSUPPORT,
            "EAFNOSUPPORT",
            Unsupported,
            "address family not supported; it may be switched off",
        ),
        (
            Errno::PROTONOSUPPORT,
            "EPROTONOSUPPORT",
            Unsupported,
            "protocol not supported",
        ),
        (
            Errno::PFNOSUPPORT,
            "EPFNOSUPPORT",
            Unsupported,
            "protocol family not supported",
        ),
        (
            Errno::NOSYS,
            "ENOSYS",
            Unsupported,
            "not offered by this kernel",
        ),
        (Errno::BUSY, "EBUSY", Refused, "busy"),
        (Errno::NETDOWN, "ENETDOWN", Refused, "the link is down"),
        (
            Errno::NETUNREACH,
            "ENETUNREACH",
            Refused,
            "no route leads there",
        ),
        (Errno::HOSTUNREACH, "EHOSTUNREACH", Refused, "not reachable"),
        (Errno::ADDRINUSE, "EADDRINUSE", Refused, "address in use"),
        (Errno::NOTCONN, "ENOTCONN", Refused, "not connected"),
        (Errno::NOTUNIQ, "ENOTUNIQ", Exists, "name not unique"),
        (Errno::XDEV, "EXDEV", Refused, "in another namespace"),
        (Errno::NOTEMPTY, "ENOTEMPTY", Refused, "not empty"),
        (Errno::NOBUFS, "ENOBUFS", Limit, "no buffer space"),
        (Errno::NOMEM, "ENOMEM", Limit, "out of memory"),
        (Errno::NOSPC, "ENOSPC", Limit, "no space"),
        (Errno::MFILE, "EMFILE", Limit, "too many open files"),
        (
            Errno::NFILE,
            "ENFILE",
            Limit,
            "too many open files on this host",
        ),
        (Errno::DQUOT, "EDQUOT", Limit, "quota exceeded"),
        (Errno::AGAIN, "EAGAIN", Conflict, "try again"),
        (Errno::INTR, "EINTR", Conflict, "interrupted"),
        (Errno::TIMEDOUT, "ETIMEDOUT", Timeout, "timed out"),
        (
            Errno::CONNREFUSED,
            "ECONNREFUSED",
            Unavailable,
            "nobody answers",
        ),
        (Errno::NODATA, "ENODATA", NotFound, "no data"),
        (Errno::IO, "EIO", Refused, "input/output error"),
    ]
};

/// The kernel's name of an error number, e.g. `EEXIST`.
pub fn name(errno: i32) -> String {
    match entry(errno) {
        Some((_, name, ..)) => (*name).to_owned(),
        None => format!("errno {errno}"),
    }
}

fn entry(errno: i32) -> Option<&'static (Errno, &'static str, FailureCode, &'static str)> {
    TABLE.iter().find(|row| row.0.raw_os_error() == errno)
}

/// The failure that the kernel's answer `errno` to `what` makes, with the words of its extended acknowledgement.
pub fn failure(errno: i32, text: Option<String>, what: &str) -> Failure {
    let (code, meaning) = match entry(errno) {
        Some((_, _, code, meaning)) => (*code, (*meaning).to_owned()),
        None => (
            FailureCode::Refused,
            io::Error::from_raw_os_error(errno).to_string(),
        ),
    };
    let message = match &text {
        Some(text) => format!("{what}: {meaning} ({text})"),
        None => format!("{what}: {meaning}"),
    };
    Failure {
        code,
        message,
        backend: Some(BackendError {
            name: name(errno),
            text,
        }),
    }
}

/// The failure of a system call of ours, as opposed to the kernel's answer to a request.
pub fn io_failure(error: &io::Error, what: &str) -> Failure {
    match error.raw_os_error() {
        Some(errno) => failure(errno, None, what),
        None => Failure {
            code: FailureCode::Unavailable,
            message: format!("{what}: {error}"),
            backend: None,
        },
    }
}

/// An argument that is malformed; nothing was sent.
pub fn invalid(message: String) -> Failure {
    Failure {
        code: FailureCode::Invalid,
        message,
        backend: None,
    }
}

/// The link does not exist in this namespace; nothing was sent.
pub fn no_link(name: &str) -> Failure {
    Failure {
        code: FailureCode::NotFound,
        message: format!("there is no link {name:?}"),
        backend: Some(BackendError {
            name: "ENODEV".into(),
            text: None,
        }),
    }
}
