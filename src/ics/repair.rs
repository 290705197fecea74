//! What is put right in files that no client of ours wrote, so that one bad line does not cost an appointment:
//! lines that are none, text in an old character set, control characters, ends before their start. Only imports and
//! foreign calendars come through here; what a client sends is kept as it is or refused.

use std::borrow::Cow;
use std::fmt;

use super::error::IcsError;
use super::line::{is_content_line, line_end_byte, without_line_end};
use super::text;
use super::tree::Component;
use super::validate::check_component;
use super::value::When;

/// One thing that was put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The physical line of the file, counted from 1.
    pub line: u32,
    /// What was wrong there.
    pub kind: RepairKind,
}

/// What was wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairKind {
    /// It was no content line and was left out.
    NotAContentLine,
    /// Its text was not UTF-8 and was read as Windows-1252.
    NotUtf8,
    /// It held control characters, which were left out.
    ControlCharacters,
    /// Its TZID was a URI without quotes, so that the colon in it looked like the beginning of the value.
    ZoneWithoutQuotes,
    /// It gave an end before the start, and was left out.
    EndBeforeStart,
    /// It gave a DURATION beside an end, and was left out.
    DurationBesideEnd,
    /// It gave a second time what may be given once, and was left out.
    Repeated,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            RepairKind::NotAContentLine => "was not a content line and is left out",
            RepairKind::NotUtf8 => "was not UTF-8 and is read as Windows-1252",
            RepairKind::ControlCharacters => "held control characters, which are left out",
            RepairKind::ZoneWithoutQuotes => "named a time zone without the quotes it needs",
            RepairKind::EndBeforeStart => "put the end before the start and is left out",
            RepairKind::DurationBesideEnd => "gave a duration beside an end and is left out",
            RepairKind::Repeated => "said a second time what may be said once and is left out",
        };
        write!(f, "line {} {what}", self.line)
    }
}

/// Puts right what can be, line by line and without changing how many lines there are,
/// so that later messages name the lines of the file.
pub(crate) fn repair(raw: &[u8], first_line: u32) -> (Vec<u8>, Vec<Repair>) {
    let end_byte = line_end_byte(raw);
    let mut out = Vec::with_capacity(raw.len());
    let mut repairs = Vec::new();
    let mut logical: Vec<&[u8]> = Vec::new();
    let mut line = first_line;
    for physical in raw.split_inclusive(|b| *b == end_byte) {
        let content = without_line_end(physical, end_byte);
        if !logical.is_empty() && !content.starts_with(b" ") && !content.starts_with(b"\t") {
            repair_line(&logical, line, &mut out, &mut repairs);
            line = line.saturating_add(u32::try_from(logical.len()).unwrap_or(u32::MAX));
            logical.clear();
        }
        logical.push(content);
    }
    if !logical.is_empty() {
        repair_line(&logical, line, &mut out, &mut repairs);
    }
    (out, repairs)
}

/// Writes one logical line, given as its physical lines without their ends.
fn repair_line(logical: &[&[u8]], line: u32, out: &mut Vec<u8>, repairs: &mut Vec<Repair>) {
    let mut note = |kind| repairs.push(Repair { line, kind });
    let unfolded = unfold(logical);
    if let Some(quoted) = with_quoted_zone(&unfolded) {
        note(RepairKind::ZoneWithoutQuotes);
        out.extend_from_slice(quoted.as_bytes());
        // As many physical lines as there were.
        out.extend_from_slice("\r\n ".repeat(logical.len() - 1).as_bytes());
        out.extend_from_slice(b"\r\n");
        return;
    }
    let whole = std::str::from_utf8(&unfolded);
    let sound = whole.is_ok_and(|text| !text.chars().any(text::is_forbidden));
    if sound && whole.is_ok_and(|text| text.trim().is_empty() || is_content_line(text)) {
        for physical in logical {
            out.extend_from_slice(physical);
            out.extend_from_slice(b"\r\n");
        }
        return;
    }
    if whole.is_err() {
        note(RepairKind::NotUtf8);
    }
    let mut controls = false;
    let parts: Vec<String> = match whole {
        // Valid as a whole, perhaps folded inside a character: it is written as one line and folded anew later.
        Ok(text) => {
            let mut parts = vec![without_controls(text, &mut controls)];
            parts.resize(logical.len(), String::new());
            parts
        }
        Err(_) => logical.iter().map(|part| without_controls(&text::from_legacy(part), &mut controls)).collect(),
    };
    if controls {
        note(RepairKind::ControlCharacters);
    }
    let parts_bytes: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let unfolded = unfold(&parts_bytes);
    let text = String::from_utf8_lossy(&unfolded);
    let keep = is_content_line(&text);
    if !keep && !text.trim().is_empty() {
        note(RepairKind::NotAContentLine);
    }
    for (index, part) in parts.iter().enumerate() {
        if keep {
            if index > 0 && !part.starts_with([' ', '\t']) {
                out.push(b' ');
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Exchange writes `DTSTART;TZID=tzone://Microsoft/Utc:20261103T100000` without the quotes a colon asks for.
fn with_quoted_zone(unfolded: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(unfolded).ok()?;
    let (before, rest) = text.split_once(";TZID=tzone://")?;
    let (name, value) = rest.split_once(':')?;
    let plain = !before.contains([':', '"']) && !name.contains(['"', ';']);
    let quoted = format!("{before};TZID=\"tzone://{name}\":{value}");
    (plain && is_content_line(&quoted) && !quoted.chars().any(text::is_forbidden)).then_some(quoted)
}

/// Most faults of one component that are put right; one with more is not worth guessing at.
const MENDS_MAX: usize = 8;

/// Puts right what a whole component says, and gives its UID and which instance it is.
pub(crate) fn mend(component: &mut Component, repairs: &mut Vec<Repair>) -> Result<(String, Option<When>), IcsError> {
    for _ in 0..MENDS_MAX {
        let (line, kind) = match check_component(component) {
            Err(IcsError::EndsBeforeStart { line }) => {
                component.retain(|p| !p.is("DTEND") && !p.is("DURATION"));
                (line, RepairKind::EndBeforeStart)
            }
            Err(IcsError::Exclusive { line, .. }) => {
                component.remove("DURATION");
                (line, RepairKind::DurationBesideEnd)
            }
            Err(IcsError::Repeated { line, name }) => {
                let mut first = true;
                component.retain(|p| !p.is(&name) || std::mem::take(&mut first));
                (line, RepairKind::Repeated)
            }
            other => return other,
        };
        repairs.push(Repair { line, kind });
    }
    check_component(component)
}

fn unfold<'a>(logical: &[&'a [u8]]) -> Cow<'a, [u8]> {
    match logical {
        [only] => Cow::Borrowed(only),
        [first, rest @ ..] => {
            let mut out = first.to_vec();
            for part in rest {
                out.extend_from_slice(part.get(1..).unwrap_or_default());
            }
            Cow::Owned(out)
        }
        [] => Cow::Borrowed(&[]),
    }
}

fn without_controls(text: &str, found: &mut bool) -> String {
    text.chars()
        .filter(|c| {
            let forbidden = text::is_forbidden(*c);
            *found |= forbidden;
            !forbidden
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], expected: &str, expected_repairs: &[(u32, RepairKind)]) {
        let (out, repairs) = repair(raw, 10);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        let repairs: Vec<_> = repairs.into_iter().map(|r| (r.line, r.kind)).collect();
        assert_eq!(repairs, expected_repairs);
    }

    #[test]
    fn sound_lines_stay() {
        check(b"A:1\r\n 2\r\n\r\nB:3\r\n", "A:1\r\n 2\r\n\r\nB:3\r\n", &[]);
        check(b"A:1\n\t2\nB:3", "A:1\r\n\t2\r\nB:3\r\n", &[]);
        check(b"A:1\rB:2\r", "A:1\r\nB:2\r\n", &[]);
    }

    #[test]
    fn what_is_wrong_is_put_right_and_said() {
        check(b"A:1\r\njunk\r\n more\r\nB:2\r\n", "A:1\r\n\r\n\r\nB:2\r\n", &[(11, RepairKind::NotAContentLine)]);
        check(b"A:caf\xe9\r\n \x93x\x94\r\n", "A:café\r\n “x”\r\n", &[(10, RepairKind::NotUtf8)]);
        check(
            b"A:x\0\x07y\r\nB:a\rb\n",
            "A:xy\r\nB:ab\r\n",
            &[(10, RepairKind::ControlCharacters), (11, RepairKind::ControlCharacters)],
        );
        check(b"A:\xff\0\r\n", "A:ÿ\r\n", &[(10, RepairKind::NotUtf8), (10, RepairKind::ControlCharacters)]);
        check(
            b"DTSTART;TZID=tzone://Microsoft/U\r\n tc:20261103T100000\r\n",
            "DTSTART;TZID=\"tzone://Microsoft/Utc\":20261103T100000\r\n \r\n",
            &[(10, RepairKind::ZoneWithoutQuotes)],
        );
        check(b"\0\r\n", "\r\n", &[(10, RepairKind::ControlCharacters)]);
    }
}
