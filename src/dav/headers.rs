//! Request headers, parsed once: Depth, Overwrite, Destination, preferences and what a writer demands of the state.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::error::DavError;
use super::if_header::{self, Demand};
use crate::domain::change::{EtagList, Guard};
use crate::domain::object::ETag;
use crate::store::Overwrite;

/// RFC 4918 §10.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The resource itself.
    Zero,
    /// And its members.
    One,
    /// And theirs.
    Infinity,
}

/// The `Depth` header; `None` if there is none.
///
/// # Errors
/// It is none of `0`, `1`, `infinity`.
pub fn depth(headers: &HeaderMap) -> Result<Option<Depth>, DavError> {
    let Some(text) = text(headers, "depth") else { return Ok(None) };
    match text.trim() {
        "0" => Ok(Some(Depth::Zero)),
        // `1,noroot` is from before RFC 8144.
        "1" | "1,noroot" => Ok(Some(Depth::One)),
        other if other.eq_ignore_ascii_case("infinity") => Ok(Some(Depth::Infinity)),
        _ => Err(DavError::Bad("Depth is 0, 1 or infinity".to_owned())),
    }
}

/// The `Overwrite` header (RFC 4918 §10.6).
///
/// # Errors
/// It is neither `T` nor `F`.
pub fn overwrite(headers: &HeaderMap) -> Result<Overwrite, DavError> {
    match text(headers, "overwrite").map(str::trim) {
        None | Some("T" | "t") => Ok(Overwrite::Yes),
        Some("F" | "f") => Ok(Overwrite::No),
        Some(_) => Err(DavError::Bad("Overwrite is T or F".to_owned())),
    }
}

/// What a client prefers (RFC 7240, RFC 8144) and will be told was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=minimal`: leave out what is not found.
    pub minimal: bool,
    /// `return=representation`: send back what was stored.
    pub representation: bool,
    /// `depth-noroot`: leave out the collection itself.
    pub noroot: bool,
}

impl Preferences {
    /// From `Prefer` and from `Brief`, which came before it.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Preferences {
        let mut found = Preferences::default();
        let lines = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok());
        for preference in lines.flat_map(|line| line.split([',', ';'])) {
            let compact: String = preference.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
            match compact.to_ascii_lowercase().as_str() {
                // With a hyphen: macOS 10.9, after a draft.
                "return=minimal" | "return-minimal" => found.minimal = true,
                "return=representation" | "return-representation" => found.representation = true,
                "depth-noroot" => found.noroot = true,
                _ => {}
            }
        }
        if text(headers, "brief").is_some_and(|b| b.trim().eq_ignore_ascii_case("t")) {
            found.minimal = true;
        }
        if text(headers, "depth").is_some_and(|d| d.trim() == "1,noroot") {
            found.noroot = true;
        }
        found
    }

    /// Says in an answer what was honoured.
    pub fn applied(self, answer: &mut HeaderMap) {
        let all = [
            (self.minimal, "return=minimal"),
            (self.representation, "return=representation"),
            (self.noroot, "depth-noroot"),
        ];
        let honoured: Vec<&str> = all.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        if let (false, Ok(value)) = (honoured.is_empty(), HeaderValue::from_str(&honoured.join(", "))) {
            answer.insert(HeaderName::from_static("preference-applied"), value);
        }
        answer.append(header::VARY, HeaderValue::from_static("Brief, Prefer"));
    }
}

/// What `If-Match`, `If-None-Match`, `If` and `If-Schedule-Tag-Match` demand.
///
/// # Errors
/// [`DavError::PreconditionFailed`] where no state at all can meet the demand; [`DavError::Bad`] for what is no list.
pub fn guard(headers: &HeaderMap) -> Result<Guard, DavError> {
    let mut guard =
        Guard { if_match: etags(headers, &header::IF_MATCH)?, if_none_match: etags(headers, &header::IF_NONE_MATCH)? };
    if let Some(line) = text(headers, "if") {
        match if_header::demand(line).ok_or_else(|| DavError::Bad("the If header is malformed".to_owned()))? {
            Demand::Nothing => {}
            Demand::Never => return Err(DavError::PreconditionFailed),
            Demand::OneOf(tags) if guard.if_match.is_none() => guard.if_match = Some(EtagList::OneOf(tags)),
            Demand::OneOf(_) => return Err(DavError::Bad("If and If-Match in one request".to_owned())),
        }
    }
    // No object here has a schedule tag. An empty demand is met by an object without one: macOS sends it with edits
    // of attendees (fixture apple-macos/37).
    if text(headers, "if-schedule-tag-match").is_some_and(|tag| !tag.trim().is_empty()) {
        return Err(DavError::PreconditionFailed);
    }
    Ok(guard)
}

fn etags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<EtagList>, DavError> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let mut tags = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| DavError::Bad(format!("{name} is not readable")))?;
        for tag in split_tags(line) {
            match tag {
                "*" => return Ok(Some(EtagList::Any)),
                tag => tags.push(etag(tag)),
            }
        }
    }
    Ok(Some(EtagList::OneOf(tags)))
}

/// The members of a list, where a comma inside quotes divides nothing.
fn split_tags(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|tag| !tag.is_empty())
    .collect()
}

/// A tag as a client gives it back: proxies weaken it and write how they compressed the body into it (`-gzip`,
/// `--gzip`, `-br`, `;gzip`), some clients lose the quotes. Ours have no such endings of their own.
pub(super) fn etag(text: &str) -> ETag {
    let text = text.trim();
    let text = text.strip_prefix("W/").or_else(|| text.strip_prefix("w/")).unwrap_or(text);
    let mut text = text.trim().trim_matches('"');
    for ending in ["-gzip", "-br", "-zstd", "-deflate", ";gzip", ";br", "-df"] {
        if let Some(rest) = text.strip_suffix(ending) {
            text = rest.trim_end_matches('-');
            break;
        }
    }
    ETag::new(text)
}

/// Whether a conditional GET or HEAD may be answered with 304 (RFC 9110 §13.2.2): the date counts only where no tag
/// was given. `None`: a demand of `If-Match` that is not met.
pub fn not_modified(headers: &HeaderMap, current: &ETag, changed_seconds: i64) -> Result<bool, DavError> {
    let guard = Guard { if_match: etags(headers, &header::IF_MATCH)?, if_none_match: None };
    if !guard.holds(Some(current)) {
        return Err(DavError::PreconditionFailed);
    }
    if let Some(list) = etags(headers, &header::IF_NONE_MATCH)? {
        return Ok(match list {
            EtagList::Any => true,
            EtagList::OneOf(tags) => tags.contains(current),
        });
    }
    let since = text(headers, header::IF_MODIFIED_SINCE.as_str()).and_then(parse_http_date);
    Ok(since.is_some_and(|since| changed_seconds <= since))
}

fn parse_http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok().map(jiff::Timestamp::as_second)
}

/// An HTTP date (RFC 9110 §5.6.7); `None` outside the years it can name.
#[must_use]
pub fn http_date(at: crate::domain::time::Instant) -> Option<String> {
    at.timestamp().map(|t| t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// A header that occurs once, as text.
#[must_use]
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// Sets a header of an answer; one that cannot be a header is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Instant;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_tag_is_known_through_what_proxies_make_of_it() {
        let tag = ETag::new("0af3");
        for text in [
            "\"0af3\"",
            "W/\"0af3\"",
            "w/\"0af3\"",
            "\"0af3-gzip\"",
            "\"0af3--gzip\"",
            "\"0af3-br\"",
            "\"0af3;gzip\"",
            "0af3",
        ] {
            assert_eq!(etag(text), tag, "{text}");
        }
        assert_ne!(etag("\"0af\""), tag);
    }

    #[test]
    fn lists_of_tags_are_read() {
        let guard = guard(&headers(&[("if-match", "\"a,b\" , W/\"c\""), ("if-none-match", "*")])).unwrap();
        assert_eq!(guard.if_match, Some(EtagList::OneOf(vec![ETag::new("a,b"), ETag::new("c")])));
        assert_eq!(guard.if_none_match, Some(EtagList::Any));
        // An empty list matches nothing.
        let empty = super::guard(&headers(&[("if-match", "")])).unwrap();
        assert!(!empty.holds(Some(&ETag::new("a"))));
    }

    #[test]
    fn a_schedule_tag_is_demanded_of_nobody() {
        assert_eq!(guard(&headers(&[("if-schedule-tag-match", "")])).unwrap(), Guard::NONE);
        assert!(guard(&headers(&[("if-schedule-tag-match", "\"x\"")])).is_err());
    }

    #[test]
    fn preferences_are_read_in_every_spelling() {
        for line in ["return=minimal", "respond-async, return=\"minimal\"", "return-minimal", "foo;return = minimal"] {
            assert!(Preferences::of(&headers(&[("prefer", line)])).minimal, "{line}");
        }
        assert!(Preferences::of(&headers(&[("brief", "T")])).minimal);
        let both = Preferences::of(&headers(&[("prefer", "return=representation"), ("prefer", "depth-noroot")]));
        assert!(both.representation && both.noroot && !both.minimal);
    }

    #[test]
    fn depth_is_a_number_or_infinity() {
        for (text, depth) in [("0", Depth::Zero), ("1", Depth::One), ("Infinity", Depth::Infinity)] {
            assert_eq!(super::depth(&headers(&[("depth", text)])).unwrap(), Some(depth));
        }
        assert!(super::depth(&headers(&[("depth", "2")])).is_err());
        assert_eq!(super::depth(&headers(&[])).unwrap(), None);
    }

    #[test]
    fn dates_of_http_come_back() {
        let text = http_date(Instant::from_seconds(1_793_607_300)).unwrap();
        assert_eq!(text, "Mon, 02 Nov 2026 08:15:00 GMT");
        assert_eq!(parse_http_date(&text), Some(1_793_607_300));
        let tag = ETag::new("x");
        let asked = |since: &str| not_modified(&headers(&[("if-modified-since", since)]), &tag, 1_793_607_300).unwrap();
        assert!(asked(&text) && !asked("Mon, 02 Nov 2026 08:14:59 GMT") && !asked("yesterday"));
    }
}
