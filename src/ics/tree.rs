//! Documents and components: the tree of a calendar, written out again byte for byte where nothing was edited.

use bytes::Bytes;

use super::error::{IcsError, shorten};
use super::limits::DEPTH_MAX;
use super::line::{BOM, Line, Other, Property, read_lines};
use super::text;

/// Everything in one body: normally a single VCALENDAR.
///
/// `Document::parse(b)?.to_bytes() == b` for every body that parses.
#[derive(Debug, Clone)]
pub struct Document {
    items: Vec<Item>,
}

/// A component: its properties, its components and the lines that begin and end it, in the order they came.
#[derive(Debug, Clone)]
pub struct Component {
    begin: Property,
    items: Vec<Item>,
    end: Property,
}

/// What a component or a document holds.
#[derive(Debug, Clone)]
pub enum Item {
    /// A content line.
    Property(Property),
    /// A component.
    Component(Component),
    /// A blank line, or one that is no content line.
    Other(Other),
}

impl Document {
    /// Reads a body. Refused are: broken nesting, bytes that are not UTF-8, and what exceeds a limit.
    /// What a legal calendar object is beyond that says [`super::validate`].
    pub fn parse(bytes: &Bytes) -> Result<Self, IcsError> {
        Self::parse_part(bytes, 1)
    }

    /// Reads a part of something larger, in which it begins at `first_line`.
    pub(crate) fn parse_part(bytes: &Bytes, first_line: u32) -> Result<Self, IcsError> {
        let mut items = Vec::new();
        let mut open: Vec<Component> = Vec::new();
        for line in read_lines(bytes, first_line)? {
            let item = match line {
                Line::Property(p) if p.is("BEGIN") => {
                    if open.len() >= DEPTH_MAX {
                        return Err(IcsError::TooLarge { line: p.line(), what: "nesting", limit: DEPTH_MAX });
                    }
                    open.push(Component { end: p.clone(), begin: p, items: Vec::new() });
                    continue;
                }
                Line::Property(p) if p.is("END") => Item::Component(close(open.pop(), p)?),
                Line::Property(p) => Item::Property(p),
                Line::Other(other) => Item::Other(other),
            };
            match open.last_mut() {
                Some(parent) => parent.items.push(item),
                None => items.push(item),
            }
        }
        match open.pop() {
            Some(c) => Err(IcsError::NoEnd { line: c.begin.line(), name: shorten(c.name()) }),
            None => Ok(Self { items }),
        }
    }

    /// A document of one new calendar.
    pub fn new(calendar: Component) -> Self {
        Self { items: vec![Item::Component(calendar)] }
    }

    /// Everything at the top, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The components at the top.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        components(&self.items)
    }

    /// The first component at the top.
    pub(crate) fn into_component(self) -> Option<Component> {
        self.items.into_iter().find_map(|item| match item {
            Item::Component(component) => Some(component),
            Item::Property(_) | Item::Other(_) => None,
        })
    }

    /// The first VCALENDAR.
    pub fn calendar(&self) -> Option<&Component> {
        self.components().find(|c| c.is("VCALENDAR"))
    }

    /// The first VCALENDAR, to be edited.
    pub fn calendar_mut(&mut self) -> Option<&mut Component> {
        components_mut(&mut self.items).find(|c| c.is("VCALENDAR"))
    }

    /// The bytes: exactly those that were parsed, except where it was edited.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        each_line(&self.items, &mut |line| out.extend_from_slice(line.raw()));
        Bytes::from(out)
    }

    /// The same as text that XML can carry: lines folded inside a character are folded anew,
    /// and a byte order mark is left out. Everything else is as in the bytes.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        each_line(&self.items, &mut |line| {
            let raw: &[u8] = line.raw();
            let raw = if out.is_empty() { raw.strip_prefix(BOM).unwrap_or(raw) } else { raw };
            match (std::str::from_utf8(raw), line) {
                (Ok(text), _) => out.push_str(text),
                (Err(_), LineRef::Property(p)) => out.push_str(&text::fold(p.unfolded())),
                (Err(_), LineRef::Other(_)) => out.push_str(&String::from_utf8_lossy(raw)),
            }
        });
        out
    }

    /// The lines that are no content lines, in order.
    pub fn strays(&self) -> impl Iterator<Item = &Other> {
        let mut found = Vec::new();
        each_line(&self.items, &mut |line| {
            if let LineRef::Other(other) = line {
                found.push(other);
            }
        });
        found.into_iter()
    }

    /// Every property of the document in the order of lines, BEGIN and END included.
    pub fn all_properties(&self) -> Vec<&Property> {
        let mut found = Vec::new();
        each_line(&self.items, &mut |line| {
            if let LineRef::Property(property) = line {
                found.push(property);
            }
        });
        found
    }
}

impl Component {
    /// A new, empty component.
    pub fn new(name: &str) -> Self {
        Self { begin: Property::new("BEGIN", name), items: Vec::new(), end: Property::new("END", name) }
    }

    /// One that begins and ends by the same lines and holds nothing yet.
    pub(crate) fn emptied(&self) -> Self {
        Self { begin: self.begin.clone(), items: Vec::with_capacity(self.items.len()), end: self.end.clone() }
    }

    /// Its name as written; compare with [`Component::is`].
    pub fn name(&self) -> &str {
        self.begin.value().trim()
    }

    /// Whether this is a component of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The physical line it begins at, counted from 1; 0 for one made here.
    pub fn line(&self) -> u32 {
        self.begin.line()
    }

    /// The line it begins with.
    pub fn begin(&self) -> &Property {
        &self.begin
    }

    /// The line it ends with.
    pub fn end(&self) -> &Property {
        &self.end
    }

    /// Everything in it, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Its own properties, without those of the components in it.
    pub fn properties(&self) -> impl Iterator<Item = &Property> {
        self.items.iter().filter_map(|item| match item {
            Item::Property(property) => Some(property),
            Item::Component(_) | Item::Other(_) => None,
        })
    }

    /// Its own properties of that name.
    pub fn properties_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties().filter(move |p| p.is(name))
    }

    /// Its first property of that name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties().find(|p| p.is(name))
    }

    /// The TEXT of its first property of that name, unescaped.
    pub fn text(&self, name: &str) -> Option<String> {
        self.property(name).map(|p| p.to_text().into_owned())
    }

    /// The components directly in it.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        components(&self.items)
    }

    /// The components of that name directly in it.
    pub fn components_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Component> {
        self.components().filter(move |c| c.is(name))
    }

    /// The components directly in it, to be edited.
    pub fn components_mut(&mut self) -> impl Iterator<Item = &mut Component> {
        components_mut(&mut self.items)
    }

    /// Its own properties, to be replaced in place.
    pub fn properties_mut(&mut self) -> impl Iterator<Item = &mut Property> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Property(property) => Some(property),
            Item::Component(_) | Item::Other(_) => None,
        })
    }

    /// Puts the property where the first one of its name stands and removes the others; adds it when there is none.
    /// When the one that stands there says the same already, its bytes stay.
    pub fn set(&mut self, property: Property) {
        let mut placed = false;
        self.items.retain_mut(|item| match item {
            Item::Property(old) if old.is(property.name()) => {
                if !placed && *old != property {
                    *old = property.clone();
                }
                !std::mem::replace(&mut placed, true)
            }
            Item::Property(_) | Item::Component(_) | Item::Other(_) => true,
        });
        if !placed {
            self.push(property);
        }
    }

    /// Adds a property after the last one, before the components.
    pub fn push(&mut self, property: Property) {
        let last = self.items.iter().rposition(|item| matches!(item, Item::Property(_)));
        self.items.insert(last.map_or(0, |i| i + 1), Item::Property(property));
    }

    /// Removes every property of that name; says how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        self.retain(|p| !p.is(name))
    }

    /// Keeps the properties that `keep` wants; says how many were removed.
    pub fn retain(&mut self, mut keep: impl FnMut(&Property) -> bool) -> usize {
        let before = self.items.len();
        self.items.retain(|item| match item {
            Item::Property(property) => keep(property),
            Item::Component(_) | Item::Other(_) => true,
        });
        before - self.items.len()
    }

    /// Adds a component after everything else.
    pub fn push_component(&mut self, component: Component) {
        self.items.push(Item::Component(component));
    }

    /// Adds a component before the others, where readers look for time zones.
    pub fn insert_component(&mut self, component: Component) {
        let first = self.items.iter().position(|item| matches!(item, Item::Component(_)));
        self.items.insert(first.unwrap_or(self.items.len()), Item::Component(component));
    }

    /// Keeps the components that `keep` wants; says how many were removed.
    pub fn retain_components(&mut self, mut keep: impl FnMut(&Component) -> bool) -> usize {
        let before = self.items.len();
        self.items.retain(|item| match item {
            Item::Component(component) => keep(component),
            Item::Property(_) | Item::Other(_) => true,
        });
        before - self.items.len()
    }

    /// The same, written by the letter of the RFC: CRLF everywhere, no blank or broken lines, whole characters.
    /// Lines that are so already keep their folding.
    #[must_use]
    pub(crate) fn normalized(self) -> Self {
        let line = Property::normalized;
        let items = self.items.into_iter().filter_map(|item| match item {
            Item::Property(property) => Some(Item::Property(line(property))),
            Item::Component(component) => Some(Item::Component(component.normalized())),
            Item::Other(_) => None,
        });
        Self { begin: line(self.begin), items: items.collect(), end: line(self.end) }
    }

    /// Every property in it and in the components in it, BEGIN and END left out.
    pub(crate) fn deep_properties(&self) -> Vec<&Property> {
        let mut found = Vec::new();
        each_line(&self.items, &mut |line| match line {
            LineRef::Property(p) if !p.is("BEGIN") && !p.is("END") => found.push(p),
            LineRef::Property(_) | LineRef::Other(_) => {}
        });
        found
    }

    /// Every content line of it and of the components in it, from BEGIN to END.
    pub fn lines(&self) -> Vec<&Property> {
        let mut found = Vec::new();
        each_line_of(self, &mut |line| {
            if let LineRef::Property(property) = line {
                found.push(property);
            }
        });
        found
    }

    /// Its bytes, from BEGIN to END.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        each_line_of(self, &mut |line| out.extend_from_slice(line.raw()));
        Bytes::from(out)
    }

    /// How many bytes that are.
    pub fn bytes_len(&self) -> usize {
        let mut bytes = 0;
        each_line_of(self, &mut |line| bytes += line.raw().len());
        bytes
    }

    /// The component for every reader: its content lines as they came where that is lawful, else folded anew; lines
    /// that are none are left out.
    pub fn lawful(&self) -> Bytes {
        let mut out = Vec::new();
        each_line_of(self, &mut |line| {
            if let LineRef::Property(property) = line {
                out.extend_from_slice(&property.lawful());
            }
        });
        Bytes::from(out)
    }
}

/// A line on its way out.
#[derive(Clone, Copy)]
enum LineRef<'a> {
    Property(&'a Property),
    Other(&'a Other),
}

impl LineRef<'_> {
    fn raw(&self) -> &Bytes {
        match self {
            Self::Property(property) => property.raw(),
            Self::Other(other) => other.raw(),
        }
    }
}

fn close(open: Option<Component>, end: Property) -> Result<Component, IcsError> {
    let found = end.value().trim();
    match open {
        Some(component) if component.is(found) => Ok(Component { end, ..component }),
        other => {
            let open = other.map_or_else(|| "anything".to_owned(), |c| shorten(c.name()));
            Err(IcsError::WrongEnd { line: end.line(), found: shorten(found), open })
        }
    }
}

fn components(items: &[Item]) -> impl Iterator<Item = &Component> {
    items.iter().filter_map(|item| match item {
        Item::Component(component) => Some(component),
        Item::Property(_) | Item::Other(_) => None,
    })
}

fn components_mut(items: &mut [Item]) -> impl Iterator<Item = &mut Component> {
    items.iter_mut().filter_map(|item| match item {
        Item::Component(component) => Some(component),
        Item::Property(_) | Item::Other(_) => None,
    })
}

/// Calls itself once per level, of which a parsed document has [`DEPTH_MAX`] at most.
fn each_line<'a>(items: &'a [Item], visit: &mut impl FnMut(LineRef<'a>)) {
    for item in items {
        match item {
            Item::Property(property) => visit(LineRef::Property(property)),
            Item::Other(other) => visit(LineRef::Other(other)),
            Item::Component(component) => each_line_of(component, visit),
        }
    }
}

fn each_line_of<'a>(component: &'a Component, visit: &mut impl FnMut(LineRef<'a>)) {
    visit(LineRef::Property(&component.begin));
    each_line(&component.items, visit);
    visit(LineRef::Property(&component.end));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:a\r\n b\r\nx-a:1\r\n\
        BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:vevent\r\nEND:VCALENDAR\r\n";

    #[test]
    fn an_untouched_document_is_written_as_it_came() {
        for text in
            [EVENT, "", "\r\n", "junk", " leading fold\r\nBEGIN:A\r\nEND:A", "BEGIN:A\nX:1\n\n\ty\nEND:A\n\n\nZ:1"]
        {
            assert_eq!(parse(text).to_bytes(), text.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn an_edit_touches_one_line() {
        let mut document = parse(EVENT);
        let event = document.calendar_mut().unwrap().components_mut().next().unwrap();
        assert_eq!(event.text("summary").unwrap(), "ab");
        event.set(Property::text("SUMMARY", "new; text"));
        event.push(Property::new("STATUS", "CONFIRMED"));
        assert_eq!(event.remove("X-A"), 1);
        let expected = EVENT.replace("SUMMARY:a\r\n b\r\nx-a:1\r\n", "SUMMARY:new\\; text\r\nSTATUS:CONFIRMED\r\n");
        assert_eq!(document.to_bytes(), expected.as_bytes());
    }

    #[test]
    fn setting_what_is_there_keeps_its_folding() {
        let mut document = parse(EVENT);
        document.calendar_mut().unwrap().components_mut().next().unwrap().set(Property::new("summary", "ab"));
        assert_eq!(document.to_bytes(), EVENT.as_bytes());
    }

    #[test]
    fn broken_nesting_is_refused_with_its_line() {
        for (text, message) in [
            ("BEGIN:A\nBEGIN:B\nEND:A\n", "line 3: END:A does not close B"),
            ("END:A\n", "line 1: END:A does not close anything"),
            ("\nBEGIN:A\n", "line 2: A is never closed (no END:A)"),
        ] {
            assert_eq!(Document::parse(&Bytes::from(text)).unwrap_err().to_string(), message);
        }
        let deep = "BEGIN:A\r\n".repeat(20_000);
        assert!(matches!(Document::parse(&Bytes::from(deep)), Err(IcsError::TooLarge { line: 17, .. })));
    }

    #[test]
    fn lines_are_published_as_they_came_where_that_is_lawful() {
        let long = "x".repeat(80);
        for (line, published) in [
            ("X:a\r\n".to_owned(), "X:a\r\n".to_owned()),
            ("X:a\r\n b\r\n\tc\r\n".to_owned(), "X:a\r\n b\r\n\tc\r\n".to_owned()),
            ("X:a\n".to_owned(), "X:a\r\n".to_owned()),
            ("X:a".to_owned(), "X:a\r\n".to_owned()),
            (format!("X:{long}\r\n"), format!("X:{}\r\n {}\r\n", &long[..73], &long[73..])),
        ] {
            let document = parse(&line);
            let Some(Item::Property(property)) = document.items().first() else { panic!("{line}") };
            assert_eq!(property.lawful(), published.as_bytes(), "{line:?}");
        }
        let torn = Document::parse(&Bytes::from_static(b"\xef\xbb\xbfX:caf\xc3\r\n \xa9\r\n")).unwrap();
        assert_eq!(torn.all_properties()[0].lawful(), "X:café\r\n".as_bytes());
        let event = parse(EVENT);
        let lines: Vec<&str> = event.calendar().unwrap().lines().iter().map(|line| line.name()).collect();
        assert_eq!(
            lines,
            ["BEGIN", "VERSION", "BEGIN", "UID", "SUMMARY", "x-a", "BEGIN", "TRIGGER", "END", "END", "END"]
        );
    }

    #[test]
    fn text_for_xml_has_whole_characters_and_no_byte_order_mark() {
        let bytes = Bytes::from_static(b"\xef\xbb\xbfBEGIN:A\r\nX:caf\xc3\r\n \xa9\r\nY:1\r\n 2\r\nEND:A");
        let document = Document::parse(&bytes).unwrap();
        assert_eq!(document.to_bytes(), bytes);
        assert_eq!(document.to_text(), "BEGIN:A\r\nX:caf\u{e9}\r\nY:1\r\n 2\r\nEND:A");
    }
}
