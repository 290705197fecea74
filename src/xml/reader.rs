//! Reads a body from outside. What the parser crate accepts and XML does not is refused here: see `lex` and `scope`.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::error::XmlError;
use super::lex;
use super::name::Name;
use super::scope::Scopes;
use super::tree::{Document, Element, Node};

/// Deepest nesting: a filter with parameters inside a report reaches ten.
pub const DEPTH_MAX: usize = 32;
/// Most elements in one body: some tens of thousands of hrefs in a multiget.
pub const ELEMENTS_MAX: usize = 50_000;
/// Most attributes in one element: comp-filters and texts have two or three.
pub const ATTRIBUTES_MAX: usize = 64;
/// Most prefixes in scope at once; clients declare up to a dozen. Each name looks through all of them.
pub const PREFIXES_MAX: usize = 128;
/// Longest name with its prefix; it becomes part of a key in the store.
pub const NAME_BYTES_MAX: usize = 512;
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Document {
    /// Reads a body of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// See [`XmlError`]; [`XmlError::Empty`] where there is nothing but white space.
    pub fn parse(body: &[u8], bytes_max: usize) -> Result<Document, XmlError> {
        if body.len() > bytes_max {
            return Err(XmlError::TooLarge(bytes_max));
        }
        let text = std::str::from_utf8(body).map_err(|_| XmlError::NotUtf8)?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        if let Some(bad) = text.chars().find(|c| !lex::is_xml_char(*c)) {
            return Err(XmlError::BadCharacter(bad));
        }
        if text.chars().all(lex::is_space) {
            return Err(XmlError::Empty);
        }
        let mut parsing = Parsing { scopes: Scopes::new(), open: Vec::new(), root: None, elements: 0 };
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        loop {
            let start = position(&reader);
            let event = reader.read_event().map_err(|e| XmlError::Syntax(e.to_string()))?;
            let end = position(&reader);
            match event {
                Event::Start(tag) => parsing.open(&tag, start)?,
                Event::Empty(tag) => {
                    parsing.open(&tag, start)?;
                    parsing.close(end)?;
                }
                Event::End(_) => parsing.close(end)?,
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err(XmlError::Malformed("]]> in a text"));
                    }
                    parsing.text(&text.xml10_content())?;
                }
                Event::CData(text) => {
                    parsing.inside()?;
                    parsing.text(&text.xml10_content())?;
                }
                Event::GeneralRef(name) => {
                    parsing.inside()?;
                    parsing.text(lex::reference(&name)?.encode_utf8(&mut [0; 4]))?;
                }
                Event::Decl(declaration) => {
                    if start != 0 {
                        return Err(XmlError::Malformed("an XML declaration that is not at the beginning"));
                    }
                    let encoding = declaration.encoding().transpose().map_err(|e| XmlError::Syntax(e.to_string()))?;
                    if encoding.is_some_and(|e| !e.eq_ignore_ascii_case("utf-8") && !e.eq_ignore_ascii_case("us-ascii"))
                    {
                        return Err(XmlError::NotUtf8);
                    }
                }
                Event::PI(instruction) if instruction.target().eq_ignore_ascii_case("xml") => {
                    return Err(XmlError::Malformed("an XML declaration that is none"));
                }
                Event::PI(_) | Event::Comment(_) => {}
                Event::DocType(_) => return Err(XmlError::DocumentType),
                Event::Eof => break,
            }
        }
        if !parsing.open.is_empty() {
            return Err(XmlError::Malformed("an element is not closed"));
        }
        let root = parsing.root.ok_or(XmlError::Malformed("there is no element"))?;
        Ok(Document { source: text.to_owned(), scopes: parsing.scopes, root })
    }
}

/// Where the reader stands; a body is far below the 4 GiB that could be lost on a small machine.
fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

struct Parsing {
    scopes: Scopes,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Parsing {
    fn open(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<(), XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Malformed("a second root element"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(XmlError::TooMany { what: "nesting", limit: DEPTH_MAX });
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(XmlError::TooMany { what: "elements", limit: ELEMENTS_MAX });
        }
        let raw_name = tag.name().0;
        if raw_name.len() > NAME_BYTES_MAX {
            return Err(XmlError::TooMany { what: "a name", limit: NAME_BYTES_MAX });
        }
        let raw_attributes = lex::attributes(tag.attributes_raw(), ATTRIBUTES_MAX)?;
        let outer_scope = self.open.last().map_or(0, |parent| parent.inner_scope);
        let inner_scope = self.scopes.enter(outer_scope, &raw_attributes)?;
        if self.scopes.count(inner_scope) > PREFIXES_MAX {
            return Err(XmlError::TooMany { what: "namespace prefixes", limit: PREFIXES_MAX });
        }
        self.open.push(Element {
            name: self.name(inner_scope, raw_name)?,
            attributes: self.attributes(inner_scope, raw_attributes)?,
            nodes: Vec::new(),
            span: start..start,
            // After the `<`.
            name_end: start + 1 + raw_name.len(),
            outer_scope,
            inner_scope,
        });
        Ok(())
    }

    fn name(&self, scope: usize, raw: &str) -> Result<Name, XmlError> {
        let (prefix, local) = lex::split_name(raw)?;
        if prefix == "xmlns" {
            return Err(XmlError::UnboundPrefix(prefix.to_owned()));
        }
        Ok(Name::owned(self.scopes.resolve(scope, prefix)?, local))
    }

    fn attributes(&self, scope: usize, raw: Vec<(&str, String)>) -> Result<Vec<(Name, String)>, XmlError> {
        let mut found: Vec<(Name, String)> = Vec::new();
        for (at, (raw_name, _)) in raw.iter().enumerate() {
            if raw.iter().take(at).any(|(other, _)| other == raw_name) {
                return Err(XmlError::Malformed("an attribute is given twice"));
            }
        }
        for (raw_name, value) in raw {
            if raw_name == "xmlns" || raw_name.starts_with("xmlns:") {
                continue;
            }
            let (prefix, local) = lex::split_name(raw_name)?;
            let namespace = if prefix.is_empty() { "".into() } else { self.scopes.resolve(scope, prefix)? };
            let name = Name::owned(namespace, local);
            if found.iter().any(|(other, _)| *other == name) {
                return Err(XmlError::Malformed("an attribute is given twice"));
            }
            found.push((name, value));
        }
        Ok(found)
    }

    fn close(&mut self, end: usize) -> Result<(), XmlError> {
        let mut element = self.open.pop().ok_or(XmlError::Malformed("nothing is open that could be closed"))?;
        element.span.end = end;
        match self.open.last_mut() {
            Some(parent) => parent.nodes.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn inside(&self) -> Result<(), XmlError> {
        if self.open.is_empty() { Err(XmlError::Malformed("text outside of the root element")) } else { Ok(()) }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(element) = self.open.last_mut() else {
            return if text.chars().all(lex::is_space) { Ok(()) } else { self.inside() };
        };
        match element.nodes.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => element.nodes.push(Node::Text(text.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::names::{DAV, DISPLAYNAME, PROP, PROPFIND};

    fn parse(text: &str) -> Result<Document, XmlError> {
        Document::parse(text.as_bytes(), 100_000)
    }

    #[test]
    fn a_body_becomes_names_texts_and_attributes() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hello --><?x y?><D:propfind xmlns:D='DAV:'>\
            <prop xmlns='DAV:' a='1' D:b='2'>x&#13;\r\n<![CDATA[<&]]>&amp;<displayname/>y</prop></D:propfind >\n";
        let document = parse(text).unwrap();
        let root = document.root();
        assert!(root.is(&PROPFIND));
        let prop = root.child(&PROP).unwrap();
        assert_eq!(prop.text(), "x\r\n<&&y");
        assert_eq!((prop.attribute("a"), prop.attribute("b")), (Some("1"), None));
        assert_eq!(prop.attribute_named(&Name::new(DAV, "b")), Some("2"));
        assert!(prop.child(&DISPLAYNAME).is_some());
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for bad in [
            "junk",
            "<a/><b/>",
            "<a xmlns='DAV:' xmlns='x:'/>",
            "<a b='1' b='2'/>",
            "<a b=c/>",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/>text",
            "<a/>&amp;",
            "<a>\u{1}</a>",
            "<a>\u{fffe}</a>",
            "<!DOCTYPE a><a/>",
            "<a>&x;</a>",
            "<a>&</a>",
            "<a>]]></a>",
            "<x:a/>",
            "<a x:b='1'/>",
            "<a xmlns:x=''/>",
            "<a xmlns:x='y' xmlns:z='y' x:b='' z:b=''/>",
            "<a xmlns:xml='x'/>",
            "<a xmlns:xmlns='x'/>",
            "<a><b xmlns:x='y'/><x:c/></a>",
            " <?xml version='1.0'?><a/>",
            "<?xml version='1.0' encoding='latin1'?><a/>",
            "<![CDATA[ ]]><a/>",
            "<a><!-- -- --></a>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse(" \r\n").unwrap_err(), XmlError::Empty);
        assert_eq!(Document::parse(b"<a/>", 3).unwrap_err(), XmlError::TooLarge(3));
        assert_eq!(Document::parse(b"<a>\xff</a>", 99).unwrap_err(), XmlError::NotUtf8);
    }

    #[test]
    fn limits_hold() {
        let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert!(parse(&deep(DEPTH_MAX)).is_ok());
        for text in [
            deep(DEPTH_MAX + 1),
            format!("<a {}/>", (0..=ATTRIBUTES_MAX).map(|n| format!("a{n}='' ")).collect::<String>()),
            format!("<{}/>", "n".repeat(NAME_BYTES_MAX + 1)),
        ] {
            assert!(matches!(parse(&text), Err(XmlError::TooMany { .. })));
        }
        let many = format!("<r>{}</r>", "<a/>".repeat(ELEMENTS_MAX));
        assert!(matches!(Document::parse(many.as_bytes(), usize::MAX), Err(XmlError::TooMany { .. })));
    }

    #[test]
    fn a_namespace_is_unescaped_once() {
        let document = parse("<r><x:foo xmlns:x='http://e/&amp;'/></r>").unwrap();
        assert_eq!(document.root().children().next().unwrap().name().namespace(), "http://e/&");
    }

    #[test]
    fn an_element_is_kept_as_it_came_and_stands_alone() {
        let inner = "<!-- c --> a&#13;\n<y:b  q='&quot;' ><![CDATA[<]]></y:b>\t";
        let text = format!(
            "<D:r xmlns:D='DAV:' xmlns:x='urn:x' xmlns:y='urn:&amp;y' xmlns:z='urn:z' xml:lang='de'>\
             <x:foo  n = '1'>{inner}</x:foo ></D:r>"
        );
        let document = parse(&text).unwrap();
        let kept = document.keep(document.root().children().next().unwrap());
        assert_eq!(
            kept,
            format!("<x:foo xmlns:x=\"urn:x\" xmlns:y=\"urn:&amp;y\" xml:lang=\"de\"  n = '1'>{inner}</x:foo >")
        );
        // Kept again it does not grow.
        let again = parse(&kept).unwrap();
        assert_eq!(again.keep(again.root()), kept);
    }

    #[test]
    fn a_default_namespace_goes_along() {
        let keep = |text: &str| {
            let document = parse(text).unwrap();
            document.keep(document.root().children().next().unwrap())
        };
        assert_eq!(keep("<r xmlns='a'><b/></r>"), "<b xmlns=\"a\"/>");
        assert_eq!(keep("<r xmlns='a'><b xmlns=''/></r>"), "<b xmlns=''/>");
        assert_eq!(keep("<r xmlns='a'><b xmlns='c' xml:lang='en'/></r>"), "<b xmlns='c' xml:lang='en'/>");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_stumble(text in "(<|>|/|!|\\?|&|;|#|x|:|=|'|\"|\\[|\\]|-| |a|D:|xmlns|[^a]){0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_kept_says_the_same(value in "[^\\x00-\\x1f\\x7f\u{fffe}\u{ffff}]{0,20}", uri in "[a-z&<\"]{1,8}") {
            let mut writer = crate::xml::Writer::document(&PROPFIND);
            let name = Name::owned(uri.clone(), "x");
            writer.open_with(&name, &[("a", &value)]);
            writer.text(&value);
            writer.close(&name);
            writer.close(&PROPFIND);
            let document = parse(&writer.into_string()).unwrap();
            let kept = document.keep(document.root().child(&name).unwrap());
            let again = parse(&kept).unwrap();
            proptest::prop_assert!(again.root().is(&name));
            proptest::prop_assert_eq!(again.root().text(), value.clone());
            proptest::prop_assert_eq!(again.root().attribute("a"), Some(value.as_str()));
        }
    }
}
