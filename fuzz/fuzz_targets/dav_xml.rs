//! An XML body: read within limits; an element that is kept says the same when it is read again.
#![no_main]

use kalends::xml::{Document, Element, Node, escape_attribute, escape_text};
use libfuzzer_sys::fuzz_target;

/// Names, attributes and texts, without anything about prefixes.
fn meaning(element: &Element) -> String {
    let mut out = String::new();
    let mut open = vec![element.nodes().iter()];
    out.push_str(&format!("<{:?} {:?}", element.name(), element.attributes()));
    while let Some(nodes) = open.last_mut() {
        match nodes.next() {
            Some(Node::Element(child)) => {
                out.push_str(&format!("<{:?} {:?}", child.name(), child.attributes()));
                open.push(child.nodes().iter());
            }
            Some(Node::Text(text)) => out.push_str(text),
            None => {
                out.push('>');
                open.pop();
            }
        }
    }
    out
}

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = Document::parse(data, 1 << 20) {
        for element in document.root().children().take(20).chain([document.root()]) {
            let kept = document.keep(element);
            let again = Document::parse(kept.as_bytes(), 1 << 21).expect("a kept element is a document");
            assert_eq!(meaning(again.root()), meaning(element), "{kept}");
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let mut body = String::from("<a b=\"");
        escape_attribute(text, &mut body);
        body.push_str("\">");
        escape_text(text, &mut body);
        body.push_str("</a>");
        let document = Document::parse(body.as_bytes(), 1 << 24).expect("what is escaped can be read");
        let in_xml = |c: &char| matches!(c, '\t' | '\n' | '\r') || (*c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
        let expected: String = text.chars().filter(in_xml).collect();
        assert_eq!(document.root().text(), expected);
        assert_eq!(document.root().attribute("b"), Some(expected.as_str()));
    }
});
