//! How requests go over a connection: HTTP/1.1, one after the other, or HTTP/2, side by side. Both cost next to nothing: what
//! is sent is prepared, and of what comes only the status is looked at.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

const FRAME: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// What a connection is owed, each with when it was due.
#[derive(Debug)]
pub enum Wire {
    Http1(VecDeque<Duration>),
    Http2 {
        next: u32,
        open: HashMap<u32, (Duration, u16)>,
    },
}

impl Wire {
    /// A new connection, and what it begins with.
    pub fn new(http2: bool) -> (Self, Vec<u8>) {
        if !http2 {
            return (Self::Http1(VecDeque::new()), Vec::new());
        }
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // No table of headers, so that each answer is read by itself; windows that are never full.
        frame(
            &mut hello,
            SETTINGS,
            0,
            0,
            &[0, 1, 0, 0, 0, 0, 0, 4, 0x3f, 0xff, 0xff, 0xff],
        );
        frame(&mut hello, 8, 0, 0, &0x3fff_0000_u32.to_be_bytes());
        let open = HashMap::new();
        (Self::Http2 { next: 1, open }, hello)
    }

    /// A request for `path`, as it is sent.
    pub fn request(http2: bool, path: &str) -> Vec<u8> {
        if !http2 {
            return super::get(path);
        }
        // GET, http, and the path and the authority as they are.
        let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap_or(126)];
        block.extend(path.bytes().take(126));
        block.extend(b"\x01\x0atolerancia");
        let mut request = Vec::new();
        frame(&mut request, HEADERS, 4 | END_STREAM, 0, &block);
        request
    }

    pub fn owed(&self) -> usize {
        match self {
            Self::Http1(owed) => owed.len(),
            Self::Http2 { open, .. } => open.len(),
        }
    }

    /// What is owed still and will not come.
    pub fn give_up(&mut self) -> Vec<Duration> {
        match self {
            Self::Http1(owed) => owed.drain(..).collect(),
            Self::Http2 { open, .. } => open.drain().map(|(_, (due, _))| due).collect(),
        }
    }

    /// Adds `request` to what is sent.
    pub fn ask(&mut self, request: &[u8], due: Duration, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(request);
        match self {
            Self::Http1(owed) => owed.push_back(due),
            Self::Http2 { next, open } => {
                out[at + 5..at + FRAME].copy_from_slice(&next.to_be_bytes());
                open.insert(*next, (due, 0));
                *next += 2;
            }
        }
    }

    /// Takes what came, and hands on each whole answer: when it was due, and its status. `out` is what must be sent. Whether the
    /// connection goes on.
    pub fn take(&mut self, rest: &mut Vec<u8>, out: &mut Vec<u8>, mut answer: impl FnMut(Duration, u16)) -> bool {
        let (mut used, mut goes_on) = (0, true);
        match self {
            Self::Http1(owed) => {
                while let Some((status, length)) = super::answer(&rest[used..]) {
                    used += length;
                    let Some(due) = owed.pop_front() else { return false };
                    answer(due, status);
                }
            }
            Self::Http2 { open, .. } => {
                while let Some((kind, flags, stream, payload)) = next_frame(&rest[used..]) {
                    used += FRAME + payload.len();
                    match kind {
                        HEADERS => {
                            if let Some((_, status)) = open.get_mut(&stream) {
                                *status = status_of(payload);
                            }
                        }
                        RESET => _ = open.remove(&stream).map(|(due, _)| answer(due, 0)),
                        SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
                        PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
                        GOAWAY => goes_on = false,
                        _ => {}
                    }
                    if matches!(kind, HEADERS | DATA)
                        && flags & END_STREAM != 0
                        && let Some((due, status)) = open.remove(&stream)
                    {
                        answer(due, status);
                    }
                }
            }
        }
        rest.drain(..used);
        goes_on
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(&[length[1], length[2], length[3], kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn next_frame(bytes: &[u8]) -> Option<(u8, u8, u32, &[u8])> {
    let head = bytes.get(..FRAME)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], head[4], stream, bytes.get(FRAME..FRAME + length)?))
}

/// 200 and 503 are all that is to be told apart; anything else is 1.
fn status_of(block: &[u8]) -> u16 {
    // Before it, the size of the table may be said.
    let said = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap_or(0);
    match &block[said..] {
        [0x88, ..] => 200,
        // `503`, packed or not.
        [0x08 | 0x18 | 0x48, 0x83, 0x6c, 0x0c, 0xff, ..] | [0x08 | 0x18 | 0x48, 3, b'5', b'0', b'3', ..] => 503,
        _ => 1,
    }
}
