//! Where one JSON text ends in a stream of bytes.
//!
//! RFC 7047 section 4 puts JSON-RPC messages on the stream one after another, with nothing between them to show where
//! one ends. [`Framer`] looks at each byte once, however the stream is cut up, and hands out each message as soon as
//! its last byte is there. Whether the message is valid JSON is for the parser to say.

/// How deep a message may nest: the depth that the contract allows (`wit/types.wit`), and what serde_json reads.
pub const MAX_DEPTH: usize = 128;

/// Room that an empty buffer may keep: that of many small messages, not that of one huge message long gone.
const KEPT_CAPACITY: usize = 1 << 20;

/// The stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message is larger than the cap.
    #[error("a message is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The cap in bytes.
        limit: usize,
    },
    /// A message nests deeper than [`MAX_DEPTH`].
    #[error("a message nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A message does not start with `{`.
    #[error("a message starts with the byte 0x{found:02x} where '{{' is expected")]
    NoObject {
        /// What stands there.
        found: u8,
    },
}

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the message that is being scanned starts.
    start: usize,
    /// How far the scanner has looked.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    limit: usize,
    failed: Option<FrameError>,
}

impl Framer {
    /// An empty stream whose messages have at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            limit,
            failed: None,
        }
    }

    /// Takes bytes that arrived. Take out the messages with [`Framer::next`] before pushing more: what memory holds is
    /// then bounded by the limit and one piece.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if its last byte has arrived.
    ///
    /// # Errors
    /// The stream broke a limit or is no sequence of objects. It stays so: every later call says the same.
    #[allow(
        clippy::should_implement_trait,
        reason = "what it returns borrows the buffer"
    )]
    pub fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.scan() {
            Ok(None) => Ok(None),
            Ok(Some(end)) => {
                let start = std::mem::replace(&mut self.start, end);
                Ok(Some(&self.buffer[start..end]))
            }
            Err(error) => {
                self.buffer = Vec::new();
                (self.start, self.scanned) = (0, 0);
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Bytes of a message whose end has not come yet.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Room that the buffer holds, in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    fn scan(&mut self) -> Result<Option<usize>, FrameError> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.depth == 0 {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        self.scanned += 1;
                        self.start = self.scanned;
                        continue;
                    }
                    b'{' => {}
                    found => return Err(FrameError::NoObject { found }),
                }
            }
            if self.scanned - self.start >= self.limit {
                return Err(FrameError::TooLarge { limit: self.limit });
            }
            self.scanned += 1;
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' if self.depth == MAX_DEPTH => return Err(FrameError::TooDeep),
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Ok(Some(self.scanned));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
