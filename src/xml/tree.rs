//! Elements of a document that was read, and how one of them is kept exactly as it came.

use std::ops::Range;

use super::name::Name;
use super::scope::Scopes;
use super::writer::escape_attribute;

/// A body from outside: well-formed, within limits, every prefix resolved.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) source: String,
    pub(super) scopes: Scopes,
    pub(super) root: Element,
}

/// An element.
#[derive(Clone, Debug)]
pub struct Element {
    pub(super) name: Name,
    pub(super) attributes: Vec<(Name, String)>,
    pub(super) nodes: Vec<Node>,
    /// Where it stands in the source, from `<` to `>`.
    pub(super) span: Range<usize>,
    /// Where its raw name ends.
    pub(super) name_end: usize,
    pub(super) outer_scope: usize,
    pub(super) inner_scope: usize,
}

/// What an element holds.
#[derive(Clone, Debug)]
pub enum Node {
    /// An element.
    Element(Element),
    /// A text, references resolved. Texts that follow each other are one.
    Text(String),
}

impl Document {
    /// The root element.
    #[must_use]
    pub fn root(&self) -> &Element {
        &self.root
    }

    /// The text of an element of this document as it came, to the octet, but for one thing: its start tag also
    /// declares whatever it takes from the elements around it, so that it means the same in any other document.
    #[must_use]
    pub fn keep(&self, element: &Element) -> String {
        let (Some(head), Some(tail)) = (
            self.source.get(element.span.start..element.name_end),
            self.source.get(element.name_end..element.span.end),
        ) else {
            return String::new();
        };
        let mut kept = String::with_capacity(head.len() + tail.len() + 64);
        kept.push_str(head);
        let mut add = |attribute: &str, value: &str| {
            kept.push(' ');
            kept.push_str(attribute);
            kept.push_str("=\"");
            escape_attribute(value, &mut kept);
            kept.push('"');
        };
        for (prefix, namespace) in self.scopes.inherited(element.outer_scope, element.inner_scope) {
            if prefix.is_empty() {
                if !namespace.is_empty() {
                    add("xmlns", namespace);
                }
            } else if is_mentioned(prefix, head, tail) {
                add(&format!("xmlns:{prefix}"), namespace);
            }
        }
        if let Some(lang) = self.scopes.inherited_lang(element.outer_scope, element.inner_scope) {
            add("xml:lang", lang);
        }
        kept.push_str(tail);
        kept
    }
}

/// Whether a prefix occurs, be it in a name or in a text that holds a qualified name.
fn is_mentioned(prefix: &str, head: &str, tail: &str) -> bool {
    let mention = format!("{prefix}:");
    head.contains(&mention) || tail.contains(&mention)
}

impl Element {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether it has that name.
    #[must_use]
    pub fn is(&self, name: &Name) -> bool {
        self.name == *name
    }

    /// Everything in it, in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The elements directly in it.
    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The elements of that name directly in it.
    pub fn children_named<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a Element> + use<'a> {
        let name = name.clone();
        self.children().filter(move |child| child.is(&name))
    }

    /// The first element of that name directly in it.
    #[must_use]
    pub fn child(&self, name: &Name) -> Option<&Element> {
        self.children().find(|child| child.is(name))
    }

    /// The text directly in it, elements left out.
    #[must_use]
    pub fn text(&self) -> String {
        self.nodes
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// The attribute of that local name in no namespace.
    #[must_use]
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n.namespace().is_empty() && n.local() == local).map(|(_, v)| v.as_str())
    }

    /// The attribute of that qualified name.
    #[must_use]
    pub fn attribute_named(&self, name: &Name) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every attribute, namespace declarations left out.
    #[must_use]
    pub fn attributes(&self) -> &[(Name, String)] {
        &self.attributes
    }
}
