//! UUIDs for new rows, chosen here so that they are known before the rows are there.

use std::fs::File;
use std::io::{BufReader, Read};

/// UUIDs for new rows.
pub trait NewUuids {
    /// One that nobody has.
    fn next(&mut self) -> String;
}

/// Random ones (RFC 4122 section 4.4).
pub struct RandomUuids {
    source: BufReader<File>,
}

impl RandomUuids {
    /// From the kernel's random bytes.
    ///
    /// # Errors
    /// `/dev/urandom` cannot be opened.
    pub fn open() -> std::io::Result<Self> {
        let source = BufReader::with_capacity(4096, File::open("/dev/urandom")?);
        Ok(Self { source })
    }
}

impl NewUuids for RandomUuids {
    fn next(&mut self) -> String {
        let mut bytes = [0u8; 16];
        let read = self.source.read_exact(&mut bytes);
        read.expect("random(4): reading urandom never fails once it is open");
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}
