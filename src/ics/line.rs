//! Content lines: bytes are unfolded below the level of characters, since some clients fold inside one,
//! and every line keeps the bytes it came from.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::error::IcsError;
use super::limits::{BODY_BYTES_MAX, FOLD_OCTETS, LINE_BYTES_MAX, LINES_MAX};
use super::text;

/// One property: a name, parameters in their order, a value, and the bytes that say so.
///
/// Cheap to clone: text and bytes are shared with the document it came from.
#[derive(Clone)]
pub struct Property {
    source: Arc<str>,
    name: Range<usize>,
    params: Range<usize>,
    value: Range<usize>,
    raw: Bytes,
    line: u32,
}

impl Property {
    /// A new line with a value that is already in its written form (a date, a URI, an escaped TEXT).
    ///
    /// Characters that would end the line or may not stand in one are dropped from name and value.
    pub fn new(name: &str, value: &str) -> Self {
        Self::compose(&token(name), "", &text::clean(value).replace('\n', ""))
    }

    /// A new line with a TEXT value, escaped here.
    pub fn text(name: &str, value: &str) -> Self {
        Self::compose(&token(name), "", &text::escape(value))
    }

    /// The same line with one more parameter, encoded and quoted as needed.
    #[must_use]
    pub fn with_param(&self, name: &str, value: &str) -> Self {
        self.with_param_list(name, [value])
    }

    /// The same line with one more parameter of several values, each of them quoted (MEMBER, DELEGATED-TO).
    #[must_use]
    pub fn with_param_list<'a>(&self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<String> = values.into_iter().map(text::encode_param).collect();
        let params = format!("{};{}={}", self.params_text(), token(name), values.join(","));
        Self::compose(self.name(), &params, self.value())
    }

    /// The same line without the parameters of this name.
    #[must_use]
    pub fn without_param(&self, name: &str) -> Self {
        let mut params = String::new();
        for param in self.params().filter(|p| !p.is(name)) {
            params.push(';');
            params.push_str(param.written);
        }
        Self::compose(self.name(), &params, self.value())
    }

    /// The same name and parameters with another value in its written form.
    #[must_use]
    pub fn with_value(&self, value: &str) -> Self {
        Self::compose(self.name(), self.params_text(), &text::clean(value).replace('\n', ""))
    }

    /// The name as written; compare with [`Property::is`].
    pub fn name(&self) -> &str {
        &self.source[self.name.clone()]
    }

    /// Whether this is the property of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The value as written: unfolded, still escaped.
    pub fn value(&self) -> &str {
        &self.source[self.value.clone()]
    }

    /// The value read as TEXT.
    pub fn to_text(&self) -> Cow<'_, str> {
        text::unescape(self.value())
    }

    /// The parameters in their order, duplicates included.
    pub fn params(&self) -> impl Iterator<Item = Param<'_>> {
        let mut rest = self.params_text();
        std::iter::from_fn(move || {
            rest = rest.strip_prefix(';')?;
            let end = param_end(rest);
            let (written, after) = rest.split_at(end);
            rest = after;
            Some(Param { written })
        })
    }

    /// The first value of the first parameter of this name, decoded.
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params().find(|p| p.is(name)).and_then(|p| p.values().next())
    }

    /// The bytes this line came from, with its folds and its line end; for a new line, the bytes it will be written as.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The physical line it began at, counted from 1; 0 for a line made here.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The whole unfolded line, `NAME;PARAM=x:value`.
    pub fn unfolded(&self) -> &str {
        &self.source[self.name.start..self.value.end]
    }

    /// The bytes to publish: those it came from where they are by the letter of RFC 5545 3.1 (CRLF, 75 octets a line at
    /// most, whole characters), else the line folded anew.
    pub fn lawful(&self) -> Bytes {
        if is_lawful(&self.raw) { self.raw.clone() } else { Bytes::from(text::fold(self.unfolded())) }
    }

    /// The same with bytes by the letter of the RFC; they stay where they are so already.
    pub(crate) fn normalized(self) -> Self {
        let sound = std::str::from_utf8(&self.raw).is_ok_and(|text| {
            text.strip_suffix("\r\n").is_some_and(|line| !line.replace("\r\n ", "").contains(['\r', '\n']))
        });
        if sound { self } else { Self { raw: Bytes::from(text::fold(self.unfolded())), ..self } }
    }

    /// The parameters as written, each with its leading semicolon; empty without any.
    fn params_text(&self) -> &str {
        &self.source[self.params.clone()]
    }

    /// Name and parameters are trusted to be well formed here; the value to be one line.
    fn compose(name: &str, params: &str, value: &str) -> Self {
        let line = format!("{name}{params}:{value}");
        let params_end = name.len() + params.len();
        Self {
            name: 0..name.len(),
            params: name.len()..params_end,
            value: params_end + 1..line.len(),
            raw: Bytes::from(text::fold(&line)),
            source: Arc::from(line),
            line: 0,
        }
    }

    /// Reads one unfolded line of `source`; `None` when it is no content line.
    fn read(source: &Arc<str>, at: Range<usize>, raw: Bytes, line: u32) -> Option<Self> {
        let (name_end, params_end) = parts(&source[at.clone()])?;
        Some(Self {
            source: Arc::clone(source),
            name: at.start..at.start + name_end,
            params: at.start + name_end..at.start + params_end,
            value: at.start + params_end + 1..at.end,
            raw,
            line,
        })
    }
}

/// Equal in what they say: folding and position do not count, the order of parameters does.
impl PartialEq for Property {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.name()) && self.params_text() == other.params_text() && self.value() == other.value()
    }
}

impl Eq for Property {}

impl std::fmt::Debug for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Property({:?})", self.unfolded())
    }
}

/// One parameter of a property.
#[derive(Debug, Clone, Copy)]
pub struct Param<'a> {
    written: &'a str,
}

impl<'a> Param<'a> {
    /// The name as written.
    pub fn name(&self) -> &'a str {
        self.written.split_once('=').map_or(self.written, |(name, _)| name)
    }

    /// Whether it has that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Everything after the `=` as written, with quotes; empty for a parameter that has no value.
    pub fn written_value(&self) -> &'a str {
        self.written.split_once('=').map_or("", |(_, value)| value)
    }

    /// Whether there is a `=`, and so a value, be it empty.
    pub fn has_value(&self) -> bool {
        self.written.contains('=')
    }

    /// Its values as written, with quotes and still encoded: split at commas outside of quotes.
    pub fn written_values(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = Some(self.written_value());
        std::iter::from_fn(move || {
            let value = rest?;
            let end = scan(value, 0, |c| c == ',');
            rest = value.get(end + 1..);
            Some(&value[..end])
        })
    }

    /// Its values: split at commas outside of quotes, unquoted, RFC 6868 decoded. At least one, perhaps empty.
    pub fn values(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        self.written_values().map(decode_value)
    }
}

/// One logical line of a document.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// A content line.
    Property(Property),
    /// Blank, or not a content line.
    Other(Other),
}

/// A line that says nothing this server understands, kept where it was.
#[derive(Debug, Clone)]
pub struct Other {
    raw: Bytes,
    line: u32,
    blank: bool,
}

impl Other {
    /// Its bytes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The physical line it began at, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Whether there is nothing on it.
    pub fn is_blank(&self) -> bool {
        self.blank
    }
}

/// All logical lines of `bytes`, whose raw parts concatenated are `bytes` again. The first is counted as `first_line`.
pub(crate) fn read_lines(bytes: &Bytes, first_line: u32) -> Result<Vec<Line>, IcsError> {
    if bytes.len() > BODY_BYTES_MAX {
        return Err(IcsError::TooLarge { line: 0, what: "calendar object in bytes", limit: BODY_BYTES_MAX });
    }
    let (unfolded, spans) = unfold(bytes, first_line)?;
    let source: Arc<str> = match String::from_utf8(unfolded) {
        Ok(text) => Arc::from(text),
        Err(error) => {
            let bad = error.utf8_error().valid_up_to();
            let line = spans.iter().take_while(|s| s.text.start <= bad).last().map_or(0, |s| s.line);
            return Err(IcsError::NotUtf8 { line });
        }
    };
    Ok(spans
        .into_iter()
        .map(|span| {
            let raw = bytes.slice(span.raw);
            let blank = source[span.text.clone()].trim().is_empty();
            match Property::read(&source, span.text, raw.clone(), span.line) {
                Some(property) => Line::Property(property),
                None => Line::Other(Other { raw, line: span.line, blank }),
            }
        })
        .collect())
}

/// The byte that ends lines: LF, or CR in the old files that have no LF at all.
/// A CR inside a line of a file that has LFs is a control character like any other, never a line end:
/// other readers would not see the line that hides behind it.
pub(crate) fn line_end_byte(bytes: &[u8]) -> u8 {
    if !bytes.contains(&b'\n') && bytes.contains(&b'\r') { b'\r' } else { b'\n' }
}

/// The content of a physical line without its line end.
pub(crate) fn without_line_end(physical: &[u8], end_byte: u8) -> &[u8] {
    let Some(mut content) = physical.strip_suffix(&[end_byte]) else { return physical };
    while let Some(shorter) = content.strip_suffix(b"\r") {
        content = shorter;
    }
    content
}

/// The UTF-8 byte order mark.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

struct Span {
    raw: Range<usize>,
    text: Range<usize>,
    line: u32,
}

/// The unfolded text, its lines separated by LF, and where each line lies in both.
fn unfold(bytes: &[u8], first_line: u32) -> Result<(Vec<u8>, Vec<Span>), IcsError> {
    let end_byte = line_end_byte(bytes);
    let mut text = Vec::with_capacity(bytes.len());
    let mut spans: Vec<Span> = Vec::new();
    let mut start = 0;
    for (index, physical) in bytes.split_inclusive(|b| *b == end_byte).enumerate() {
        let line = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(first_line);
        if index >= LINES_MAX {
            return Err(IcsError::TooLarge { line, what: "number of lines", limit: LINES_MAX });
        }
        let end = start + physical.len();
        let mut content = without_line_end(physical, end_byte);
        if index == 0 {
            content = content.strip_prefix(BOM).unwrap_or(content);
        }
        match (content, spans.last_mut()) {
            ([b' ' | b'\t', rest @ ..], Some(open)) => {
                text.extend_from_slice(rest);
                open.raw.end = end;
                open.text.end = text.len();
                if open.text.len() > LINE_BYTES_MAX {
                    return Err(IcsError::TooLarge { line, what: "line in bytes", limit: LINE_BYTES_MAX });
                }
            }
            _ => {
                if !spans.is_empty() {
                    text.push(b'\n');
                }
                let text_start = text.len();
                text.extend_from_slice(content);
                if content.len() > LINE_BYTES_MAX {
                    return Err(IcsError::TooLarge { line, what: "line in bytes", limit: LINE_BYTES_MAX });
                }
                spans.push(Span { raw: start..end, text: text_start..text.len(), line });
            }
        }
        start = end;
    }
    Ok((text, spans))
}

/// Whether the bytes of one content line are folded as RFC 5545 3.1 asks. A byte order mark is no part of a line.
fn is_lawful(raw: &[u8]) -> bool {
    let mut physical = raw.split_inclusive(|b| *b == b'\n');
    physical.all(|line| {
        let Some(content) = line.strip_suffix(b"\r\n") else { return false };
        content.len() <= FOLD_OCTETS && !content.contains(&b'\r') && std::str::from_utf8(content).is_ok()
    }) && !raw.starts_with(BOM)
}

/// Whether an unfolded line has a name and a value.
pub(crate) fn is_content_line(unfolded: &str) -> bool {
    parts(unfolded).is_some()
}

/// Where the name and where the parameters of an unfolded line end; `None` when it is no content line.
fn parts(text: &str) -> Option<(usize, usize)> {
    let name_end = text.find([':', ';'])?;
    if name_end == 0 || !text[..name_end].chars().all(is_name_char) {
        return None;
    }
    let mut end = name_end;
    while text[end..].starts_with(';') {
        end += 1;
        end += param_end(&text[end..]);
    }
    text[end..].starts_with(':').then_some((name_end, end))
}

/// RFC 5545 allows letters, digits and `-`; `_`, `.` and `/` occur in the names that exporters invent.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

fn token(name: &str) -> String {
    name.chars().filter(|c| is_name_char(*c)).collect()
}

/// Where a parameter that begins at the start of `text` ends: at a `;` or `:` outside of quotes.
///
/// iOS 26 writes `X-TITLE=Main St 1-5\; 4041 Linz;`: a semicolon behind a backslash belongs to the value
/// unless another parameter follows it. Fixture: ics/cases/38-ios26-structured-location.ics
fn param_end(text: &str) -> usize {
    let mut from = 0;
    loop {
        let end = scan(text, from, |c| c == ';' || c == ':');
        let escaped = text[end..].starts_with(';') && text[..end].ends_with('\\') && !param_follows(&text[end + 1..]);
        if !escaped {
            return end;
        }
        from = end + 1;
    }
}

/// Whether `text` begins like `NAME=`.
fn param_follows(text: &str) -> bool {
    text.find(|c: char| !is_name_char(c)).is_some_and(|end| end > 0 && text[end..].starts_with('='))
}

/// Where the first character at or after `from`, outside of quotes, is that `stop` wants; the length when there is none.
/// Quotes open only where a value begins, as other readers have it, and one that is never closed quotes nothing.
fn scan(text: &str, mut from: usize, stop: impl Fn(char) -> bool) -> usize {
    while let Some(found) = text[from..].find(|c| c == '"' || stop(c)) {
        let at = from + found;
        if !text[at..].starts_with('"') {
            return at;
        }
        from = at + 1;
        let opens = at == 0 || text[..at].ends_with(['=', ',']);
        if opens && let Some(close) = text[from..].find('"') {
            from += close + 1;
        }
    }
    text.len()
}

fn decode_value(written: &str) -> Cow<'_, str> {
    let unquoted = written.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    match unquoted {
        Some(value) => text::decode_param(value),
        None if written.contains("\\;") => Cow::Owned(text::decode_param(written).replace("\\;", ";")),
        None => text::decode_param(written),
    }
}
