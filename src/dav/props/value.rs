//! What a property holds, and how that is written.

use crate::xml::{Name, Writer, names};

/// A property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the element is empty.
    Empty,
    /// A text.
    Text(String),
    /// `DAV:href`s.
    Hrefs(Vec<String>),
    /// Empty elements of these names.
    Elements(Vec<Name>),
    /// The element as somebody gave it, name and all.
    Kept(String),
    /// What stands in the element, written already.
    Inner(String),
}

impl Value {
    /// One `DAV:href`.
    #[must_use]
    pub fn href(path: String) -> Value {
        Value::Hrefs(vec![path])
    }

    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// What `write` writes.
    pub fn inner(write: impl FnOnce(&mut Writer)) -> Value {
        let mut writer = Writer::part();
        write(&mut writer);
        Value::Inner(writer.into_string())
    }

    /// Writes the property.
    pub fn write(&self, name: &Name, writer: &mut Writer) {
        match self {
            Value::Empty => writer.empty(name),
            Value::Text(text) => writer.leaf(name, text),
            Value::Kept(xml) => writer.kept(xml),
            Value::Hrefs(paths) => {
                writer.open(name);
                for path in paths {
                    writer.leaf(&names::HREF, path);
                }
                writer.close(name);
            }
            Value::Elements(elements) => {
                writer.open(name);
                for element in elements {
                    writer.empty(element);
                }
                writer.close(name);
            }
            Value::Inner(xml) => {
                writer.open(name);
                writer.kept(xml);
                writer.close(name);
            }
        }
    }
}
