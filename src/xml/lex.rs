//! The parts of XML's grammar that the parser crate lets pass unchecked: characters, names, attributes and
//! references.

use super::error::XmlError;

/// A character of XML 1.0 (its production 2).
pub(super) fn is_xml_char(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic()
        || c == '_'
        || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
            | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || c.is_ascii_digit()
        || matches!(c, '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

fn is_nc_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Prefix (empty for none) and local name of a qualified name.
pub(super) fn split_name(raw: &str) -> Result<(&str, &str), XmlError> {
    let (prefix, local) = match raw.split_once(':') {
        Some(("", _)) => return Err(XmlError::Malformed("a name begins with a colon")),
        Some(parts) => parts,
        None => ("", raw),
    };
    if (prefix.is_empty() || is_nc_name(prefix)) && is_nc_name(local) {
        Ok((prefix, local))
    } else {
        Err(XmlError::Malformed("that is no name"))
    }
}

/// The attributes in a start tag, after its name: each raw name with its value, references resolved.
pub(super) fn attributes(mut rest: &str, max: usize) -> Result<Vec<(&str, String)>, XmlError> {
    let mut found = Vec::new();
    loop {
        let trimmed = rest.trim_start_matches(is_space);
        if trimmed.is_empty() {
            return Ok(found);
        }
        if trimmed.len() == rest.len() {
            return Err(XmlError::Malformed("attributes need space before them"));
        }
        let (name, after) = trimmed.split_once('=').ok_or(XmlError::Malformed("an attribute needs a value"))?;
        let after = after.trim_start_matches(is_space);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quote = quote.ok_or(XmlError::Malformed("an attribute value needs quotes"))?;
        let (value, after) = after
            .get(1..)
            .and_then(|text| text.split_once(quote))
            .ok_or(XmlError::Malformed("an attribute value is not closed"))?;
        if found.len() >= max {
            return Err(XmlError::TooMany { what: "attributes in one element", limit: max });
        }
        found.push((name.trim_end_matches(is_space), attribute_value(value)?));
        rest = after;
    }
}

/// A value as XML means it: white space is a blank unless it is written as a reference.
fn attribute_value(raw: &str) -> Result<String, XmlError> {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['&', '<', '\r', '\n', '\t']) {
        let (before, from) = rest.split_at(at);
        value.push_str(before);
        rest = if from.starts_with('<') {
            return Err(XmlError::Malformed("< in an attribute value"));
        } else if let Some(after) = from.strip_prefix('&') {
            let (name, after) = after.split_once(';').ok_or(XmlError::Malformed("a reference is not closed"))?;
            value.push(reference(name)?);
            after
        } else {
            value.push(' ');
            from.strip_prefix("\r\n").or_else(|| from.get(1..)).unwrap_or_default()
        };
    }
    value.push_str(rest);
    Ok(value)
}

/// What `&name;` stands for: one of the five, or a character by its number.
pub(super) fn reference(name: &str) -> Result<char, XmlError> {
    match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => {}
    }
    let (digits, radix) = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(decimal)) => (decimal, 10),
        (None, None) => return Err(XmlError::DocumentType),
    };
    let bad = XmlError::Malformed("a character reference names no character");
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(bad);
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| bad.clone())?;
    char::from_u32(code).filter(|c| is_xml_char(*c)).ok_or(bad)
}

/// White space of XML.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_characters_and_nothing_else() {
        for (name, character) in [("lt", '<'), ("#13", '\r'), ("#x1F600", '\u{1f600}'), ("#x0041", 'A')] {
            assert_eq!(reference(name), Ok(character), "{name}");
        }
        for name in ["#0", "#x1", "#xD800", "#x110000", "#99999999999999999999", "#", "#x", "#+65", "#x+41", "#X41"] {
            assert!(matches!(reference(name), Err(XmlError::Malformed(_))), "{name}");
        }
        assert_eq!(reference("nbsp"), Err(XmlError::DocumentType));
    }

    #[test]
    fn attribute_values_are_normalised_as_xml_says() {
        let read = |text| attributes(text, 9).map(|a| a.into_iter().map(|(_, v)| v).collect::<Vec<_>>());
        assert_eq!(read(" a = 'x\r\ny\tz' b=\"&#13;&#10;&quot;'\" ").unwrap(), ["x y z", "\r\n\"'"]);
        for bad in ["a='1'", " a='1'b='2'", " a", " a=1", " a='1", " a='<'", " a='&'", " a='&x;'"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_have_one_colon_and_begin_with_a_letter() {
        assert_eq!(split_name("D:prop"), Ok(("D", "prop")));
        assert_eq!(split_name("größe"), Ok(("", "größe")));
        for bad in ["", ":a", "a:", "a:b:c", "1a", "a:1", "a b", "-a", "a/b"] {
            assert!(split_name(bad).is_err(), "{bad}");
        }
    }
}
