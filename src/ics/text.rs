//! The text rules of RFC 5545 and RFC 6868: escaping, lists, parameter values, folding, and what may not be written at all.

use std::borrow::Cow;

use super::limits::FOLD_OCTETS;

/// A TEXT value as a person wrote it: `\n`, `\,`, `\;` and `\\` undone. A lone backslash stays.
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'N') => out.push('\n'),
            Some(escaped @ ('\\' | ',' | ';' | ':' | '"')) => out.push(escaped),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    Cow::Owned(out)
}

/// A person's text as a TEXT value. Line breaks become `\n`, other control characters are dropped.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in clean(text).chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\\' | ',' | ';' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

/// The items of a comma list of TEXT values (CATEGORIES, RESOURCES), unescaped. `a\,b,c` has two.
pub fn list(value: &str) -> impl Iterator<Item = Cow<'_, str>> {
    split_escaped(value, ',').map(unescape)
}

/// A comma list of TEXT values.
pub fn join<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let escaped: Vec<String> = items.into_iter().map(escape).collect();
    escaped.join(",")
}

/// The parts of a structured TEXT value (REQUEST-STATUS, GEO), still escaped.
pub fn split_escaped(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let mut escaped = false;
        for (i, c) in value.char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == separator {
                rest = Some(&value[i + c.len_utf8()..]);
                return Some(&value[..i]);
            }
        }
        rest = None;
        Some(value)
    })
}

/// A parameter value as meant: RFC 6868 (`^n`, `^^`, `^'`) undone. Other carets stay.
pub fn decode_param(value: &str) -> Cow<'_, str> {
    if !value.contains('^') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let decoded = match (c, chars.peek()) {
            ('^', Some('n' | 'N')) => '\n',
            ('^', Some('^')) => '^',
            ('^', Some('\'')) => '"',
            _ => {
                out.push(c);
                continue;
            }
        };
        chars.next();
        out.push(decoded);
    }
    Cow::Owned(out)
}

/// A parameter value ready to be written: cleaned, RFC 6868 encoded, quoted when it has to be.
pub fn encode_param(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    for c in clean(value).chars() {
        match c {
            '\n' => out.push_str("^n"),
            '^' => out.push_str("^^"),
            '"' => out.push_str("^'"),
            other => out.push(other),
        }
    }
    if out.contains([':', ';', ',']) { format!("\"{out}\"") } else { out }
}

/// Text without what no calendar may carry: line ends become `\n`, other forbidden characters vanish.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_forbidden(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' => out.push('\n'),
            c if is_forbidden(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Characters that cannot be inside a content line: controls other than TAB, and the two that XML 1.0 cannot express.
pub fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{a}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}')
}

/// Bytes as text: what is not UTF-8 is read as Windows-1252, which is what old exporters wrote
/// (and what they called Latin-1).
pub fn from_legacy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|byte| windows_1252(*byte)));
    }
    Cow::Owned(out)
}

fn windows_1252(byte: u8) -> char {
    const C1: &str = "€\u{fffd}‚ƒ„…†‡ˆ‰Š‹Œ\u{fffd}Ž\u{fffd}\u{fffd}‘’“”•–—˜™š›œ\u{fffd}žŸ";
    match byte {
        0x80..=0x9f => C1.chars().nth(usize::from(byte) - 0x80).unwrap_or(char::REPLACEMENT_CHARACTER),
        other => char::from(other),
    }
}

/// A content line as it is written: folded at 75 octets, never inside a character, ended by CRLF.
pub fn fold(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + line.len() / FOLD_OCTETS * 3 + 2);
    let mut octets = 0;
    for c in line.chars() {
        let width = c.len_utf8();
        if octets + width > FOLD_OCTETS {
            out.push_str("\r\n ");
            octets = 1;
        }
        out.push(c);
        octets += width;
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_round_trips() {
        for text in ["", "a, b; c\\ d\ne", "\\n", "trailing\\", "ünï → 日本", "tab\there"] {
            assert_eq!(unescape(&escape(text)), text, "{text:?}");
        }
    }

    #[test]
    fn unescaping_is_tolerant() {
        for (value, text) in [
            (r"a\, b\; c\\ d\nE \N f", "a, b; c\\ d\nE \n f"),
            (r"C:\temp", "C:\\temp"),
            (r"end\", "end\\"),
            (r"\:\x", ":\\x"),
        ] {
            assert_eq!(unescape(value), text, "{value:?}");
        }
    }

    #[test]
    fn lists_split_at_bare_commas_only() {
        let items: Vec<_> = list(r"A,B\,C,,D\\,E").collect();
        assert_eq!(items, ["A", "B,C", "", "D\\", "E"]);
        assert_eq!(join(["A", "B,C"]), r"A,B\,C");
        assert_eq!(list("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn parameters_cannot_break_out_of_their_line() {
        assert_eq!(encode_param("a\"b\r\nX-INJ:1"), "\"a^'b^nX-INJ:1\"");
        assert_eq!(encode_param("plain"), "plain");
        assert_eq!(decode_param("a^nb^^c^'d^x^"), "a\nb^c\"d^x^");
        for value in ["a^b", "\"q\"", "x\ny", "^^n", "O'Neil"] {
            assert_eq!(decode_param(encode_param(value).trim_matches('"')), value);
        }
    }

    #[test]
    fn cleaning_keeps_tabs_and_line_breaks() {
        assert_eq!(clean("a\r\nb\rc\td\0\u{7}\u{7f}\u{ffff}e"), "a\nb\nc\tde");
        assert!(matches!(clean("nothing to do\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn folding_counts_octets_and_keeps_characters_whole() {
        let line = format!("DESCRIPTION:{}", "ü日😀".repeat(60));
        let folded = fold(&line);
        for physical in folded.split("\r\n") {
            assert!(physical.len() <= FOLD_OCTETS, "{}", physical.len());
        }
        assert_eq!(folded.replace("\r\n ", "").trim_end_matches("\r\n"), line);
        assert_eq!(fold(&"x".repeat(75)), format!("{}\r\n", "x".repeat(75)));
        assert_eq!(fold(&"x".repeat(76)), format!("{}\r\n x\r\n", "x".repeat(75)));
    }

    #[test]
    fn legacy_text_is_read_as_windows_1252() {
        for (bytes, text) in [
            (&b"caf\xe9"[..], "café"),
            ("café".as_bytes(), "café"),
            (b"\x80 \x93x\x94 \x9f\x81", "€ “x” Ÿ\u{fffd}"),
            (b"caf\xc3\xa9 \xe9", "café é"),
        ] {
            assert_eq!(from_legacy(bytes), text);
        }
    }
}
