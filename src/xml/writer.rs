//! Writes XML into a text. Names are written with the prefixes of [`names`](super::names) that the root element
//! declares; any other namespace is declared where it is used.

use super::lex::is_xml_char;
use super::name::Name;
use super::names::PREFIXES;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// A text that grows by elements. The caller closes what it opens.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
}

impl Writer {
    /// An empty text, for a part of a document whose root has been written already.
    #[must_use]
    pub fn part() -> Writer {
        Writer::default()
    }

    /// A document with its root element open; the root is of a namespace that has a prefix.
    #[must_use]
    pub fn document(root: &Name) -> Writer {
        let mut writer = Writer { out: DECLARATION.to_owned() };
        let (prefix, local) = (prefix_of(root.namespace()), root.local());
        writer.out.push('<');
        writer.push_name(prefix, local);
        for (namespace, prefix) in PREFIXES {
            writer.push_attribute(&format!("xmlns:{prefix}"), namespace);
        }
        writer.out.push('>');
        writer
    }

    /// Opens an element.
    pub fn open(&mut self, name: &Name) {
        self.open_with(name, &[]);
    }

    /// Opens an element with attributes in no namespace.
    pub fn open_with(&mut self, name: &Name, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.out.push('>');
    }

    /// Closes an element.
    pub fn close(&mut self, name: &Name) {
        self.out.push_str("</");
        self.push_name(prefix_of(name.namespace()), name.local());
        self.out.push('>');
    }

    /// Writes an element with nothing in it.
    pub fn empty(&mut self, name: &Name) {
        self.empty_with(name, &[]);
    }

    /// Writes an element with attributes and nothing in it.
    pub fn empty_with(&mut self, name: &Name, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.out.push_str("/>");
    }

    /// Writes an element that holds a text.
    pub fn leaf(&mut self, name: &Name, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// Writes a text: escaped where it must be, without the characters that XML does not have.
    pub fn text(&mut self, text: &str) {
        escape_text(text, &mut self.out);
    }

    /// Writes XML that was kept by [`Document::keep`](super::Document::keep).
    pub fn kept(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.out
    }

    /// The text so far; what is written next begins a new one.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    fn start(&mut self, name: &Name, attributes: &[(&str, &str)]) {
        let prefix = prefix_of(name.namespace());
        self.out.push('<');
        self.push_name(prefix, name.local());
        if prefix.is_none() {
            self.push_attribute("xmlns", name.namespace());
        }
        for (attribute, value) in attributes {
            self.push_attribute(attribute, value);
        }
    }

    fn push_name(&mut self, prefix: Option<&str>, local: &str) {
        if let Some(prefix) = prefix {
            self.out.push_str(prefix);
            self.out.push(':');
        }
        self.out.push_str(local);
    }

    fn push_attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape_attribute(value, &mut self.out);
        self.out.push('"');
    }
}

fn prefix_of(namespace: &str) -> Option<&'static str> {
    PREFIXES.iter().find(|(known, _)| *known == namespace).map(|(_, prefix)| *prefix)
}

/// Appends a text as element content. A carriage return is written as a reference, since a reader would drop it;
/// characters that XML does not have are left out, since one of them would make the whole answer unreadable.
pub fn escape_text(text: &str, out: &mut String) {
    escape(text, out, |c| matches!(c, '\t' | '\n' | '"'));
}

/// Appends a text as the content of a double-quoted attribute value.
pub fn escape_attribute(text: &str, out: &mut String) {
    escape(text, out, |_| false);
}

/// Everything that is markup somewhere is escaped unless `is_plain` here. Nearly all of a text is neither: bytes are
/// passed over and written together.
fn escape(text: &str, out: &mut String, is_plain: fn(char) -> bool) {
    let is_special = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}') || c < ' ';
    let (mut written, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| MAY_BE_SPECIAL[*byte as usize]))
    {
        at += found;
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let next = at + c.len_utf8();
        if is_special(c) && !is_plain(c) {
            out.push_str(text.get(written..at).unwrap_or_default());
            written = next;
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                c if is_xml_char(c) => {
                    out.push_str("&#");
                    out.push_str(&u32::from(c).to_string());
                    out.push(';');
                }
                _ => {}
            }
        }
        at = next;
    }
    out.push_str(text.get(written..).unwrap_or_default());
}

/// Bytes with which a character begins that may have to be escaped; 0xef begins U+FFFE and U+FFFF among others.
const MAY_BE_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte < b' ' as usize
            || byte == b'&' as usize
            || byte == b'<' as usize
            || byte == b'>' as usize
            || byte == b'"' as usize
            || byte == 0xef;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document;
    use crate::xml::names::{CALENDAR_DATA, DISPLAYNAME, MULTISTATUS, PROP};

    #[test]
    fn what_is_written_is_read_back() {
        let foreign = Name::new("urn:x?a&b", "foo");
        let nameless = Name::new("", "bar");
        let mut writer = Writer::document(&MULTISTATUS);
        writer.open(&PROP);
        writer.leaf(&DISPLAYNAME, "a < b & \"c\" ]]> ü");
        writer.leaf(&CALENDAR_DATA, "BEGIN:VCALENDAR\r\n\tX\u{1}\u{ffff}\r\n");
        writer.open_with(&foreign, &[("q", "\"<&>\"\r\n\t")]);
        writer.empty(&nameless);
        writer.close(&foreign);
        writer.close(&PROP);
        writer.close(&MULTISTATUS);
        let text = writer.into_string();
        let document = Document::parse(text.as_bytes(), 10_000).unwrap();
        let prop = document.root().child(&PROP).unwrap();
        assert_eq!(prop.child(&DISPLAYNAME).unwrap().text(), "a < b & \"c\" ]]> ü");
        assert_eq!(prop.child(&CALENDAR_DATA).unwrap().text(), "BEGIN:VCALENDAR\r\n\tX\r\n");
        let foo = prop.child(&foreign).unwrap();
        assert_eq!(foo.attribute("q"), Some("\"<&>\"\r\n\t"));
        assert!(foo.child(&nameless).is_some());
    }
}
