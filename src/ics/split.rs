//! Files of any size, one component at a time: a reader that hands out whole components with their bytes
//! and their place in the file, says what is wrong with a bad one, and goes on.
//!
//! Memory is bounded by one component, whatever the file holds.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::ops::Range;

use bytes::Bytes;

use super::error::{IcsError, shorten};
use super::limits::{BODY_BYTES_MAX, DEPTH_MAX};
use super::line::{BOM, Property, line_end_byte, without_line_end};
use super::repair::{Repair, repair};
use super::tree::{Component, Document};
use super::validate::OBJECT_COMPONENTS;

/// Longest stretch of lines that is held while it is not known to end: a component may have
/// [`BODY_BYTES_MAX`], and its folds come on top.
const HELD_BYTES_MAX: usize = BODY_BYTES_MAX + BODY_BYTES_MAX / 8;

/// Something found in a file.
#[derive(Debug)]
pub enum Piece {
    /// A property of a VCALENDAR.
    Property(Property),
    /// A component standing in a VCALENDAR (or, as some exporters have it, in none).
    Component(RawComponent),
    /// Something that cannot be kept.
    Bad(IcsError),
}

/// A component as it stands in the file.
#[derive(Debug)]
pub struct RawComponent {
    /// Which VCALENDAR of the file it stands in, counted from 1.
    pub calendar: u32,
    /// Its first physical line, counted from 1.
    pub line: u32,
    /// Where its bytes are in the file.
    pub at: Range<u64>,
    /// Those bytes.
    pub raw: Bytes,
}

impl RawComponent {
    /// The component, put right where that is possible.
    pub fn read(&self) -> Result<(Component, Vec<Repair>), IcsError> {
        component_of(&self.raw, self.line)
    }
}

/// Reads the bytes of one component that begins at `line`, and says what had to be put right.
pub(crate) fn component_of(raw: &[u8], line: u32) -> Result<(Component, Vec<Repair>), IcsError> {
    let raw = raw.strip_prefix(BOM).unwrap_or(raw);
    let (repaired, repairs) = repair(raw, line);
    let document = Document::parse_part(&Bytes::from(repaired), line)?;
    let component = document.into_component().ok_or(IcsError::NoComponent)?;
    Ok((component, repairs))
}

/// Reads pieces off a stream.
#[derive(Debug)]
pub struct Splitter<R> {
    lines: LogicalLines<R>,
    ready: VecDeque<Piece>,
    calendar: u32,
    in_calendar: bool,
    held: Option<Held>,
}

/// The component that is being read.
#[derive(Debug)]
struct Held {
    names: Vec<String>,
    line: u32,
    start: u64,
    raw: Vec<u8>,
    fault: Option<IcsError>,
}

impl<R: BufRead> Splitter<R> {
    /// A reader from the beginning of a stream.
    pub fn new(reader: R) -> Self {
        let lines = LogicalLines::new(reader);
        Self { lines, ready: VecDeque::new(), calendar: 0, in_calendar: false, held: None }
    }

    /// The next piece; `None` at the end of the stream.
    ///
    /// # Errors
    /// Only those of the stream itself; what is wrong with its content is a [`Piece::Bad`].
    pub fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            match self.lines.next()? {
                Some(line) => self.take(line),
                None => match self.held.take() {
                    Some(held) => self.give_up(held),
                    None => return Ok(None),
                },
            }
        }
    }

    fn take(&mut self, line: LogicalLine) {
        let directive = line.directive();
        match (&directive, self.held.take()) {
            (Some(Directive::Begin(name)), Some(held)) if stands_alone(name) => {
                // It cannot be inside of the one that is open, so that one was never closed.
                self.give_up(held);
                self.begin(name, &line);
            }
            (Some(Directive::Begin(name)), None) => self.begin(name, &line),
            (Some(Directive::End(name)), Some(held)) if name.eq_ignore_ascii_case("VCALENDAR") => {
                self.give_up(held);
                self.in_calendar = false;
            }
            (Some(Directive::End(name)), None) if name.eq_ignore_ascii_case("VCALENDAR") => self.in_calendar = false,
            (_, Some(held)) => self.hold(held, directive, line),
            (_, None) => self.outside(&line),
        }
    }

    fn begin(&mut self, name: &str, line: &LogicalLine) {
        if name.eq_ignore_ascii_case("VCALENDAR") {
            self.calendar = self.calendar.saturating_add(1);
            self.in_calendar = true;
            return;
        }
        self.held = Some(Held {
            names: vec![name.to_owned()],
            line: line.number,
            start: line.start,
            raw: line.raw.clone(),
            fault: None,
        });
    }

    fn hold(&mut self, mut held: Held, directive: Option<Directive>, line: LogicalLine) {
        if line.too_long || held.raw.len() + line.raw.len() > HELD_BYTES_MAX {
            let what = "component in bytes";
            held.fault.get_or_insert(IcsError::TooLarge { line: held.line, what, limit: BODY_BYTES_MAX });
        }
        if held.fault.is_none() {
            held.raw.extend_from_slice(&line.raw);
        } else {
            held.raw = Vec::new();
        }
        match directive {
            Some(Directive::Begin(_)) if held.names.len() >= DEPTH_MAX => {
                let fault = IcsError::TooLarge { line: line.number, what: "nesting", limit: DEPTH_MAX };
                held.fault.get_or_insert(fault);
            }
            Some(Directive::Begin(name)) => held.names.push(name),
            Some(Directive::End(name)) => match held.names.iter().rposition(|open| open.eq_ignore_ascii_case(&name)) {
                Some(at) => {
                    if at + 1 < held.names.len() && held.fault.is_none() {
                        let open = held.names.last().map(|open| shorten(open)).unwrap_or_default();
                        let found = shorten(&name);
                        held.fault = Some(IcsError::WrongEnd { line: line.number, found, open });
                    }
                    held.names.truncate(at);
                }
                // With nesting too deep the names are not all known; the fault says so already.
                None if held.fault.is_some() => {}
                None => {
                    let open = held.names.last().map(|open| shorten(open)).unwrap_or_default();
                    held.fault = Some(IcsError::WrongEnd { line: line.number, found: shorten(&name), open });
                }
            },
            None => {}
        }
        if held.names.is_empty() {
            let end = line.start + line.length;
            self.ready.push_back(match held.fault {
                Some(fault) => Piece::Bad(fault),
                None => Piece::Component(RawComponent {
                    calendar: self.calendar,
                    line: held.line,
                    at: held.start..end,
                    raw: Bytes::from(held.raw),
                }),
            });
        } else {
            self.held = Some(held);
        }
    }

    /// A line in a calendar but in no component, or in nothing at all: only properties of calendars matter there.
    fn outside(&mut self, line: &LogicalLine) {
        if !self.in_calendar || line.too_long {
            return;
        }
        let (repaired, _) = repair(&line.raw, line.number);
        let Ok(document) = Document::parse_part(&Bytes::from(repaired), line.number) else { return };
        let properties = document.all_properties().into_iter().filter(|p| !p.is("END"));
        self.ready.extend(properties.cloned().map(Piece::Property));
    }

    fn give_up(&mut self, held: Held) {
        let name = held.names.first().map(|name| shorten(name)).unwrap_or_default();
        let never_closed = IcsError::NoEnd { line: held.line, name };
        self.ready.push_back(Piece::Bad(held.fault.unwrap_or(never_closed)));
    }
}

/// Whether a component of that name stands directly in a calendar, or is one.
fn stands_alone(name: &str) -> bool {
    OBJECT_COMPONENTS.iter().chain(&["VTIMEZONE", "VCALENDAR"]).any(|known| known.eq_ignore_ascii_case(name))
}

enum Directive {
    Begin(String),
    End(String),
}

/// A physical line with the lines that continue it.
#[derive(Debug)]
struct LogicalLine {
    raw: Vec<u8>,
    number: u32,
    start: u64,
    /// Bytes in the file; more than `raw` has when it is too long.
    length: u64,
    too_long: bool,
}

/// No BEGIN or END is longer.
const DIRECTIVE_BYTES_MAX: usize = 512;

impl LogicalLine {
    /// What it begins or ends, if it does.
    fn directive(&self) -> Option<Directive> {
        if self.raw.len() > DIRECTIVE_BYTES_MAX {
            return None;
        }
        let end_byte = line_end_byte(&self.raw);
        let mut text = Vec::new();
        for (index, physical) in self.raw.split_inclusive(|b| *b == end_byte).enumerate() {
            let content = without_line_end(physical, end_byte);
            let skip = if index > 0 { 1 } else { 0 };
            text.extend_from_slice(content.get(skip..).unwrap_or_default());
        }
        let text = std::str::from_utf8(text.strip_prefix(BOM).unwrap_or(&text)).ok()?;
        let (name, value) = text.split_once(':')?;
        let value = || value.trim().to_owned();
        match name.split(';').next()?.to_ascii_uppercase().as_str() {
            "BEGIN" => Some(Directive::Begin(value())),
            "END" => Some(Directive::End(value())),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct LogicalLines<R> {
    reader: R,
    end_byte: Option<u8>,
    offset: u64,
    number: u32,
    pending: Option<LogicalLine>,
}

impl<R: BufRead> LogicalLines<R> {
    fn new(reader: R) -> Self {
        Self { reader, end_byte: None, offset: 0, number: 0, pending: None }
    }

    fn next(&mut self) -> io::Result<Option<LogicalLine>> {
        loop {
            let Some(physical) = self.physical()? else { return Ok(self.pending.take()) };
            let continues = matches!(physical.raw.first(), Some(b' ' | b'\t'));
            match &mut self.pending {
                Some(open) if continues => {
                    open.length += physical.length;
                    open.too_long |= physical.too_long || open.raw.len() + physical.raw.len() > HELD_BYTES_MAX;
                    if !open.too_long {
                        open.raw.extend_from_slice(&physical.raw);
                    }
                }
                pending => {
                    if let Some(complete) = pending.replace(physical) {
                        return Ok(Some(complete));
                    }
                }
            }
        }
    }

    fn physical(&mut self) -> io::Result<Option<LogicalLine>> {
        let start = self.offset;
        let mut raw = Vec::new();
        let mut too_long = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                break;
            }
            // A CR at the very end may have its LF in the next buffer.
            let certain = buffer.strip_suffix(b"\r").unwrap_or(buffer);
            let end_byte = *self.end_byte.get_or_insert_with(|| line_end_byte(certain));
            let (part, complete) = match buffer.iter().position(|b| *b == end_byte) {
                Some(at) => (buffer.get(..=at).unwrap_or(buffer), true),
                None => (buffer, false),
            };
            too_long |= raw.len() + part.len() > HELD_BYTES_MAX;
            if !too_long {
                raw.extend_from_slice(part);
            }
            let used = part.len();
            self.offset += used as u64;
            self.reader.consume(used);
            if complete {
                break;
            }
        }
        let length = self.offset - start;
        if length == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        Ok(Some(LogicalLine { raw, number: self.number, start, length, too_long }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::super::import::Import;
    use super::super::{cases, validate};
    use super::*;

    /// What a file comes to, read through buffers of that size.
    fn pieces(bytes: &[u8], buffer: usize) -> Vec<String> {
        let mut splitter = Splitter::new(BufReader::with_capacity(buffer, bytes));
        let mut found = Vec::new();
        while let Some(piece) = splitter.next_piece().unwrap() {
            found.push(match piece {
                Piece::Property(property) => format!("property {}", property.unfolded()),
                Piece::Bad(fault) => format!("bad {fault}"),
                Piece::Component(raw) => {
                    let at = usize::try_from(raw.at.start).unwrap()..usize::try_from(raw.at.end).unwrap();
                    assert_eq!(raw.raw, &bytes[at], "the place of a component is wrong");
                    format!("component {} of {} at {}", String::from_utf8_lossy(&raw.raw), raw.calendar, raw.line)
                }
            });
        }
        found
    }

    /// Every object that comes out is one that a client could have sent.
    fn objects_are_legal(bytes: &[u8], name: &str) {
        let import = Import::scan(bytes).unwrap();
        for object in import.objects(io::Cursor::new(bytes)).flat_map(Result::unwrap) {
            let document = Document::parse(&object.bytes).unwrap();
            let shape = validate::check(&document).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(shape.uid, object.uid, "{name}");
        }
    }

    #[test]
    fn pieces_come_in_the_order_of_the_file() {
        let file =
            b"X:1\nBEGIN:VCALENDAR\nNAME:n\n m\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nBEGIN:VTODO\nEND:VCALENDAR\nY:1\n\
            BEGIN:VCALENDAR\nBEG\n IN:VEVENT\nBEGIN:VALARM\nEND:VALARM\nEND:vevent\n";
        assert_eq!(
            pieces(file, 8192),
            [
                "property NAME:nm",
                "component BEGIN:VEVENT\nUID:1\nEND:VEVENT\n of 1 at 5",
                "bad line 8: VTODO is never closed (no END:VTODO)",
                "component BEG\n IN:VEVENT\nBEGIN:VALARM\nEND:VALARM\nEND:vevent\n of 2 at 12",
            ]
        );
    }

    #[test]
    fn what_is_too_large_is_skipped_without_being_held() {
        let mut file = b"BEGIN:VEVENT\nUID:1\nATTACH:".to_vec();
        file.resize(HELD_BYTES_MAX + 100, b'x');
        file.extend_from_slice(b"\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\nEND:VEVENT\n");
        assert_eq!(
            pieces(&file, 65536),
            [
                "bad line 1: the component in bytes exceeds the limit of 10485760",
                "component BEGIN:VEVENT\nUID:2\nEND:VEVENT\n of 0 at 5",
            ]
        );
        let deep = [&b"BEGIN:VEVENT\n"[..], &b"BEGIN:X\n".repeat(20), &b"END:X\n".repeat(20), b"END:VEVENT\n"].concat();
        assert_eq!(pieces(&deep, 64), ["bad line 17: the nesting exceeds the limit of 16"]);
    }

    #[test]
    fn the_corpus_gives_legal_objects() {
        for (name, bytes) in cases::corpus() {
            objects_are_legal(&bytes, &name);
        }
    }

    proptest! {
        #[test]
        fn any_file_gives_legal_objects(bytes in cases::calendar_like()) {
            objects_are_legal(&bytes, "generated");
        }

        #[test]
        fn the_size_of_buffers_does_not_matter(bytes in cases::calendar_like(), buffer in 20_usize..60) {
            // What ends lines is told from the first buffer, so that one holds a whole line.
            let bytes = [b"BEGIN:VCALENDAR\r\n", &bytes[..]].concat();
            prop_assert_eq!(pieces(&bytes, buffer), pieces(&bytes, 8192));
        }
    }
}
