//! What a client wants to know: `DAV:prop`, `DAV:allprop` with `DAV:include`, or `DAV:propname` (RFC 4918 §14.20).

use crate::xml::{Element, Name, names};

/// Properties named in one request. Apple's programs name some forty.
pub const NAMES_MAX: usize = 5_000;

/// A request for properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropRequest {
    /// These, each once.
    Named(Vec<Name>),
    /// Those that everybody is told, and these.
    All(Vec<Name>),
    /// The names of all.
    Names,
}

impl PropRequest {
    /// From an element that holds `DAV:prop`, `DAV:allprop` or `DAV:propname` among others: a `DAV:propfind`, or a
    /// report. `Ok(None)`: it holds none of them.
    ///
    /// # Errors
    /// A sentence for who wrote the client.
    pub fn of(element: &Element) -> Result<Option<PropRequest>, &'static str> {
        let named = element.child(&names::PROP).map(names_in).transpose()?;
        let all = element.child(&names::ALLPROP).is_some();
        let propname = element.child(&names::PROPNAME).is_some();
        match (named, all, propname) {
            (None, false, false) => Ok(None),
            (Some(named), false, false) => Ok(Some(PropRequest::Named(named))),
            (None, true, false) => {
                let include = element.child(&names::INCLUDE).map(names_in).transpose()?;
                Ok(Some(PropRequest::All(include.unwrap_or_default())))
            }
            (None, false, true) => Ok(Some(PropRequest::Names)),
            _ => Err("one of prop, allprop and propname"),
        }
    }
}

/// The names of the elements in an element, each once, in their order.
///
/// # Errors
/// There are more than [`NAMES_MAX`].
fn names_in(element: &Element) -> Result<Vec<Name>, &'static str> {
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in element.children().map(Element::name) {
        if seen.insert(name) {
            if found.len() >= NAMES_MAX {
                return Err("too many properties at once");
            }
            found.push(name.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document;

    fn read(inner: &str) -> Result<Option<PropRequest>, &'static str> {
        let text = format!("<propfind xmlns='DAV:'>{inner}</propfind>");
        PropRequest::of(Document::parse(text.as_bytes(), 10_000).unwrap().root())
    }

    #[test]
    fn a_request_names_each_property_once() {
        let named = read("<prop><getetag/><x:getetag xmlns:x='urn:x'/><getetag/></prop>");
        assert_eq!(named, Ok(Some(PropRequest::Named(vec![names::GETETAG, Name::new("urn:x", "getetag")]))));
        assert_eq!(read("<allprop/>"), Ok(Some(PropRequest::All(vec![]))));
        let include = read("<allprop/><include><sync-token/></include>");
        assert_eq!(include, Ok(Some(PropRequest::All(vec![names::SYNC_TOKEN]))));
        assert_eq!(read("<propname/><unknown/>"), Ok(Some(PropRequest::Names)));
        assert_eq!(read("<unknown/>"), Ok(None));
        assert!(read("<allprop/><propname/>").is_err());
    }
}
