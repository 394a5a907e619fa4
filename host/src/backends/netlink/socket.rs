//! The transport: requests out, answers in, nothing lost on the way (netlink(7)).
//!
//! The kernel works on a request while it is being sent, and on a dump while it is being received; when `send` returns, the answers are in
//! the receive queue. There is nothing to wait for, so the calls below are plain system calls with a yield to the runtime between chunks.
//! A future that is dropped at such a yield leaves at most a dump unfinished, which the next call drains before it sends.

use std::io;

use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;

use super::answer::{
    DUMP_ATTEMPTS, Messages, NLMSG_DONE, NLMSG_ERROR, Received, Refusal, Trouble, outcome,
};
use super::attribute::Fault;
use super::message::{Message, NLM_F_DUMP};
use super::names::LinkNames;

const NLMSG_OVERRUN: u16 = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const MSG_DONTWAIT: i32 = 0x40;
const MSG_TRUNC: i32 = 0x20;

/// The kernel packs at most 32 KiB of a dump into one datagram; a single link with many virtual functions may be larger.
const BUFFER: usize = 64 * 1024;
/// Room for the answers to a chunk and for bursts of events. Beyond `rmem_max` only with CAP_NET_ADMIN.
const RECEIVE_QUEUE: usize = 8 * 1024 * 1024;
/// Below the smallest send buffer that the kernel gives (`wmem_default`, 208 KiB), with room for its bookkeeping.
const CHUNK_BYTES: usize = 32 * 1024;
/// Work in one `send`, in units of a cheap request: bounds how long a chunk holds the thread, and how many answers queue up.
const CHUNK_WORK: usize = 128;
/// Answers that carry an object are a hundred times larger than acknowledgements.
const CHUNK_QUERIES: usize = 32;
/// Datagrams of a dump between two yields to the runtime.
const YIELD_EVERY: usize = 16;

/// Opens a socket in the present namespace, with every check and word that the kernel offers switched on.
pub fn open(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.set_ext_ack(true)?;
    socket.set_cap_ack(true)?;
    socket.set_netlink_get_strict_chk(true)?;
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
    if set_socket_recv_buffer_size_force(&socket, RECEIVE_QUEUE).is_err() {
        set_socket_recv_buffer_size(&socket, RECEIVE_QUEUE)?;
    }
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// A socket for requests, one exchange at a time.
pub struct Channel {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    /// A dump was started whose end has not been seen.
    unfinished: bool,
    /// Names that are known already.
    pub names: LinkNames,
}

/// A dump whose datagrams come in.
struct Dump<'a> {
    /// What was sent, for the attribute that a refusal points at.
    request: &'a [u8],
    sequence: u32,
    /// The kernel has said that its objects changed meanwhile: some may be missing, or be there twice.
    torn: bool,
}

/// How far a dump has come after a datagram.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// There is more to come.
    More,
    /// It must be started anew.
    Again,
    /// Everything has come.
    Whole,
}

impl Dump<'_> {
    /// Takes a datagram in.
    ///
    /// # Errors
    /// The kernel's refusal of the dump; a message that cannot be decoded, which must not be left out.
    fn take<T>(
        &mut self,
        datagram: &[u8],
        found: &mut Vec<T>,
        decode: &mut impl FnMut(Received<'_>, &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Progress, Trouble> {
        for message in (Messages { rest: datagram }) {
            let message = message?;
            // What an earlier exchange left.
            if message.sequence != self.sequence {
                continue;
            }
            self.torn |= message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                NLMSG_DONE | NLMSG_ERROR => {
                    return match outcome(message, Some(self.request))? {
                        // The kernel's own word that a dump must be started anew.
                        Err(refusal) if refusal.errno == Errno::INTR.raw_os_error() => {
                            Ok(Progress::Again)
                        }
                        Err(refusal) => Err(Trouble::Refused(refusal)),
                        Ok(()) if self.torn => Ok(Progress::Again),
                        Ok(()) => Ok(Progress::Whole),
                    };
                }
                NLMSG_OVERRUN => return Ok(Progress::Again),
                kind if kind < 16 => {}
                kind => {
                    decode(message, found).map_err(|fault| Trouble::Undecodable { kind, fault })?
                }
            }
        }
        Ok(Progress::More)
    }
}

enum Datagram {
    Bytes(usize),
    /// The receive queue overflowed, or the buffer was too small (it has grown): something is missing.
    Incomplete,
}

impl Channel {
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            sequence: 0,
            buffer: vec![0; BUFFER],
            unfinished: false,
            names: LinkNames::default(),
        }
    }

    fn receive(&mut self) -> Result<Datagram, Trouble> {
        loop {
            let mut space: &mut [u8] = &mut self.buffer;
            match self.socket.recv_from(&mut space, MSG_TRUNC | MSG_DONTWAIT) {
                // Another process may send to our port; only the kernel's is 0.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((length, _)) if length > self.buffer.len() => {
                    self.buffer.resize(length.next_multiple_of(BUFFER), 0);
                    return Ok(Datagram::Incomplete);
                }
                Ok((length, _)) => return Ok(Datagram::Bytes(length)),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::NOBUFS) => return Ok(Datagram::Incomplete),
                    // Everything that was to come has come: an answer that is missing now will stay so.
                    Some(Errno::AGAIN) => return Err(Trouble::Lost),
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// Reads away what an abandoned exchange left.
    async fn drain(&mut self) -> Result<(), Trouble> {
        if !self.unfinished {
            return Ok(());
        }
        for count in 1.. {
            match self.receive() {
                Ok(_) => {}
                Err(Trouble::Lost) => break,
                Err(trouble) => return Err(trouble),
            }
            if count % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.unfinished = false;
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        loop {
            match self.socket.send(bytes, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Dumps objects. `decode` looks at each message (type and body) and appends what is wanted; it is called from the start
    /// again, with an empty list, when the kernel says that the dump was torn.
    pub async fn dump<T>(
        &mut self,
        request: &Message,
        mut decode: impl FnMut(Received<'_>, &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Vec<T>, Trouble> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(found) = self.dump_once(request, &mut decode).await? {
                return Ok(found);
            }
        }
        Err(Trouble::Torn)
    }

    async fn dump_once<T>(
        &mut self,
        request: &Message,
        decode: &mut impl FnMut(Received<'_>, &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Option<Vec<T>>, Trouble> {
        self.drain().await?;
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::with_capacity(request.len());
        request.finish(sequence, false, &mut bytes);
        let flags = u16::from_ne_bytes([bytes[6], bytes[7]]) | NLM_F_DUMP;
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.unfinished = true;
        self.send(&bytes)?;
        let mut found = Vec::new();
        let mut dump = Dump {
            request: &bytes,
            sequence,
            torn: false,
        };
        for count in 1.. {
            let length = match self.receive()? {
                Datagram::Bytes(length) => length,
                Datagram::Incomplete => return Ok(None),
            };
            match dump.take(&self.buffer[..length], &mut found, decode)? {
                Progress::More => {}
                Progress::Again => return Ok(None),
                Progress::Whole => {
                    self.unfinished = false;
                    return Ok(Some(found));
                }
            }
            if count % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
        }
        Err(Trouble::Torn)
    }

    /// Asks for single objects, pipelined. `answer` gets each request's position and its message, or the kernel's refusal.
    pub async fn ask(
        &mut self,
        requests: &[Message],
        mut answer: impl FnMut(usize, Result<Received<'_>, Refusal>) -> Result<(), Fault>,
    ) -> Result<(), Trouble> {
        for (number, chunk) in requests.chunks(CHUNK_QUERIES).enumerate() {
            // A datagram that was too large for the buffer is asked for again; the buffer has grown.
            let mut attempts = 0..DUMP_ATTEMPTS;
            while !self
                .ask_chunk(chunk, number * CHUNK_QUERIES, &mut answer)
                .await?
            {
                attempts.next().ok_or(Trouble::Lost)?;
            }
        }
        Ok(())
    }

    async fn ask_chunk(
        &mut self,
        chunk: &[Message],
        offset: usize,
        answer: &mut impl FnMut(usize, Result<Received<'_>, Refusal>) -> Result<(), Fault>,
    ) -> Result<bool, Trouble> {
        self.drain().await?;
        let first = self.number(chunk.len());
        let mut bytes = Vec::with_capacity(64 * chunk.len());
        for (position, request) in chunk.iter().enumerate() {
            request.finish(first.wrapping_add(position as u32), false, &mut bytes);
        }
        self.unfinished = true;
        self.send(&bytes)?;
        let mut missing = chunk.len();
        while missing > 0 {
            let length = match self.receive()? {
                Datagram::Bytes(length) => length,
                Datagram::Incomplete => return Ok(false),
            };
            for message in (Messages {
                rest: &self.buffer[..length],
            }) {
                let message = message?;
                let position = message.sequence.wrapping_sub(first) as usize;
                if position >= chunk.len() {
                    continue;
                }
                missing = missing.saturating_sub(1);
                let result = match message.kind {
                    NLMSG_ERROR => outcome(message, None)?.map(|()| message),
                    _ => Ok(message),
                };
                answer(offset + position, result).map_err(|fault| Trouble::Undecodable {
                    kind: message.kind,
                    fault,
                })?;
            }
        }
        self.unfinished = false;
        tokio::task::yield_now().await;
        Ok(true)
    }

    fn number(&mut self, count: usize) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count as u32);
        first
    }

    /// Sends changes in order, pipelined, and gives the kernel's answer to each. `told` hears after each chunk how many are answered.
    ///
    /// Only the last message of a chunk asks for an acknowledgement: the kernel answers a message that it refuses in any case, and works
    /// through them in order, so that what has no answer when the last one's is in took effect.
    pub async fn change(
        &mut self,
        requests: &[Message],
        work: impl Fn(&Message) -> usize,
        told: impl Fn(usize),
    ) -> Result<Vec<Result<(), Refusal>>, (Vec<Result<(), Refusal>>, Trouble)> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut rest = requests;
        while !rest.is_empty() {
            let (mut bytes, mut load) = (0, 0);
            let fits = rest.iter().take_while(|request| {
                bytes += request.len();
                load += work(request);
                bytes <= CHUNK_BYTES && load <= CHUNK_WORK
            });
            let (chunk, later) = rest.split_at(fits.count().max(1));
            let done = answers.len();
            answers.resize(done + chunk.len(), Ok(()));
            if let Err(trouble) = self.change_chunk(chunk, &mut answers[done..]).await {
                answers.truncate(done);
                return Err((answers, trouble));
            }
            rest = later;
            told(answers.len());
            if !rest.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(answers)
    }

    async fn change_chunk(
        &mut self,
        chunk: &[Message],
        answers: &mut [Result<(), Refusal>],
    ) -> Result<(), Trouble> {
        self.drain().await?;
        let first = self.number(chunk.len());
        let mut bytes = Vec::with_capacity(chunk.iter().map(Message::len).sum());
        let mut starts = Vec::with_capacity(chunk.len());
        for (position, request) in chunk.iter().enumerate() {
            starts.push(bytes.len());
            let last = position + 1 == chunk.len();
            request.finish(first.wrapping_add(position as u32), last, &mut bytes);
        }
        self.unfinished = true;
        self.send(&bytes)?;
        loop {
            let Datagram::Bytes(length) = self.receive()? else {
                return Err(Trouble::Lost);
            };
            for message in (Messages {
                rest: &self.buffer[..length],
            }) {
                let message = message?;
                let position = message.sequence.wrapping_sub(first) as usize;
                if position >= chunk.len() || message.kind != NLMSG_ERROR {
                    continue;
                }
                answers[position] = outcome(message, Some(&bytes[starts[position]..]))?;
                if position + 1 == chunk.len() {
                    self.unfinished = false;
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTM_NEWLINK: u16 = 16;

    /// A message of the dump with sequence number 7.
    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn done(flags: u16) -> Vec<u8> {
        message(NLMSG_DONE, flags, &0i32.to_ne_bytes())
    }

    /// What comes of datagrams: how far the dump is after the last one, and the bodies that were found.
    fn taken(datagrams: &[Vec<u8>]) -> Result<(Progress, Vec<Vec<u8>>), Trouble> {
        let mut dump = Dump {
            request: &[],
            sequence: 7,
            torn: false,
        };
        let mut found = Vec::new();
        let mut progress = Progress::More;
        for datagram in datagrams {
            progress = dump.take(datagram, &mut found, &mut |message, found| match message
                .body
                .first()
            {
                Some(255) => Err(Fault::new("is no link")),
                _ => {
                    found.push(message.body.to_vec());
                    Ok(())
                }
            })?;
        }
        Ok((progress, found))
    }

    #[test]
    fn a_dump_is_whole_when_the_kernel_says_so() {
        let first = [
            message(RTM_NEWLINK, 2, &[1; 4]),
            message(RTM_NEWLINK, 2, &[2; 4]),
        ];
        let datagrams = [first.concat(), message(RTM_NEWLINK, 2, &[3; 4])];
        let (progress, found) = taken(&datagrams).unwrap();
        assert_eq!((progress, found.len()), (Progress::More, 3));
        let (progress, found) = taken(&[datagrams.concat(), done(2)]).unwrap();
        assert_eq!(progress, Progress::Whole);
        assert_eq!(found, [[1; 4], [2; 4], [3; 4]]);
    }

    #[test]
    fn a_dump_that_was_torn_is_started_anew_wherever_the_kernel_says_it() {
        let link = message(RTM_NEWLINK, 2, &[1; 4]);
        let torn = message(RTM_NEWLINK, 2 | NLM_F_DUMP_INTR, &[2; 4]);
        let interrupted = message(NLMSG_DONE, 2, &(-Errno::INTR.raw_os_error()).to_ne_bytes());
        for datagrams in [
            vec![torn.clone(), link.clone(), done(2)],
            vec![[link.clone(), torn, done(2)].concat()],
            vec![link.clone(), done(2 | NLM_F_DUMP_INTR)],
            vec![link.clone(), interrupted],
            vec![link, message(NLMSG_OVERRUN, 0, &[])],
        ] {
            assert_eq!(
                taken(&datagrams).unwrap().0,
                Progress::Again,
                "{datagrams:?}"
            );
        }
    }

    #[test]
    fn an_object_that_cannot_be_decoded_is_an_error_and_not_left_out() {
        let datagrams = [
            message(RTM_NEWLINK, 2, &[1; 4]),
            message(RTM_NEWLINK, 2, &[255; 4]),
        ];
        let Err(Trouble::Undecodable { kind, fault }) = taken(&datagrams) else {
            panic!("it was left out");
        };
        assert_eq!(
            (kind, fault.to_string()),
            (RTM_NEWLINK, "is no link".to_owned())
        );
        let cut = &message(RTM_NEWLINK, 2, &[1; 4])[..18];
        assert!(matches!(
            taken(&[cut.to_vec()]),
            Err(Trouble::Undecodable { .. })
        ));
    }

    #[test]
    fn a_refusal_ends_the_dump_and_what_others_are_told_does_not() {
        let denied = (-Errno::PERM.raw_os_error()).to_ne_bytes();
        let Err(Trouble::Refused(refusal)) = taken(&[message(NLMSG_ERROR, 0, &denied)]) else {
            panic!("it went on");
        };
        assert_eq!(refusal.errno, Errno::PERM.raw_os_error());
        let mut earlier = message(RTM_NEWLINK, 2 | NLM_F_DUMP_INTR, &[9; 4]);
        earlier[8..12].copy_from_slice(&6u32.to_ne_bytes());
        let (progress, found) = taken(&[earlier, done(2)]).unwrap();
        assert_eq!((progress, found.len()), (Progress::Whole, 0));
    }
}
