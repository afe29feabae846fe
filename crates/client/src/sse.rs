//! Streams of server-sent events, as far as a client of the services needs them.
//!
//! Who reads one decides when to connect again; with the [`Listener::last_id`] the stream goes on where it ended.
//!
//! Parsing follows the HTML standard, section 9.2.6: lines end with CR, LF or both, a blank line ends an
//! event, and an event without data is none.

use crate::http;

/// A line longer than this, or data of more, is from none of the services.
const MOST: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` if it has none.
    pub name: String,
    /// The id that was last seen, which is the event's own if it has one.
    pub id: Option<String>,
    /// Its data lines, joined by line feeds.
    pub data: String,
}

/// The stream is none of a service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream has an event of more than {MOST} bytes")]
pub struct TooLong;

/// A connection to a stream of events.
#[derive(Debug)]
pub struct Listener {
    url: String,
    response: reqwest::Response,
    parser: Parser,
}

impl Listener {
    /// Asks for the stream at `url`, after the event `last_id` if there is one. The `client` should be a
    /// [streaming](http::streaming) one: its idle time is how long a silence may be.
    ///
    /// # Errors
    /// A sentence that names the address, when nobody answers there, or not with a stream.
    pub async fn connect(client: &reqwest::Client, url: &str, last_id: Option<&str>) -> Result<Self, String> {
        let mut request = client.get(url);
        if let Some(last) = last_id {
            request = request.header("Last-Event-ID", last);
        }
        let response = request
            .send()
            .await
            .map_err(|error| format!("{url}: {}", http::cause(&error)))?;
        if !response.status().is_success() {
            return Err(format!("{url} answered {}", response.status()));
        }
        Ok(Self {
            url: url.to_owned(),
            response,
            parser: Parser::default(),
        })
    }

    /// Waits for the next sign of life, and gives the events that it completes: none if it was a comment, or half an
    /// event. `None` is the end of the stream. Nothing is lost when it is not waited for to the end.
    ///
    /// # Errors
    /// A sentence that names the address, when the connection is lost or silent for too long, or what comes is no
    /// service's stream.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, String> {
        let chunk = self.response.chunk().await;
        let Some(bytes) = chunk.map_err(|error| format!("{}: {}", self.url, http::cause(&error)))? else {
            return Ok(None);
        };
        let events = self.parser.feed(&bytes);
        events.map(Some).map_err(|error| format!("{}: {error}", self.url))
    }

    /// The id that was last seen on this connection.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.parser.id.as_deref()
    }
}

/// Takes bytes as they come and gives events as they end.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a CR, so an LF that follows belongs to it.
    after_cr: bool,
    name: String,
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When a line or an event's data is longer than 1 MiB.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() + self.data.as_ref().map_or(0, String::len) >= MOST => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            return Some(Event {
                name: if name.is_empty() { "message".to_owned() } else { name },
                id: self.id.clone(),
                data,
            });
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // A comment has an empty field name; other fields are to be ignored.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            id: id.map(str::to_owned),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text = ": connected\n\nevent: transition\nid: 7\ndata: {\"ñ\":1}\n\n\
                    data:a\r\ndata: b\r\n\r\nretry: 5\nid: 8\r\rdata\n\nevent: lost\ndata: never ended";
        let expected = [
            event("transition", Some("7"), "{\"ñ\":1}"),
            event("message", Some("7"), "a\nb"),
            event("message", Some("8"), ""),
        ];
        for size in 1..=text.len() {
            let mut parser = Parser::default();
            let events: Vec<_> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| parser.feed(chunk).unwrap())
                .collect();
            assert_eq!(events, expected, "chunks of {size}");
        }
    }

    #[test]
    fn a_name_without_data_is_no_event_and_does_not_linger() {
        let mut parser = Parser::default();
        let events = parser.feed(b"event: x\n\ndata: 1\n\n").unwrap();
        assert_eq!(events, [event("message", None, "1")]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(&vec![b'x'; MOST + 1]), Err(TooLong));
        let mut parser = Parser::default();
        let line = format!("data: {}\n", "x".repeat(1000));
        assert_eq!(parser.feed(line.repeat(MOST / 1000 + 1).as_bytes()), Err(TooLong));
    }
}
