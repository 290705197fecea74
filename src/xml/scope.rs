//! Which prefix means which namespace in which part of a document.

use std::borrow::Cow;

use super::error::XmlError;
use super::names::{XML, XMLNS, known_namespace};

/// What one element declares, and the scope it stands in. Scopes are kept in one list and named by their place.
#[derive(Clone, Debug)]
struct Scope {
    parent: Option<usize>,
    bindings: Vec<(String, Cow<'static, str>)>,
    lang: Option<String>,
}

/// All scopes of a document. The first one is that of the document itself, which declares nothing.
#[derive(Clone, Debug)]
pub(super) struct Scopes(Vec<Scope>);

impl Scopes {
    pub(super) fn new() -> Scopes {
        Scopes(vec![Scope { parent: None, bindings: Vec::new(), lang: None }])
    }

    /// The scope inside an element with these raw attributes: its parent's, if it declares nothing.
    pub(super) fn enter(&mut self, parent: usize, attributes: &[(&str, String)]) -> Result<usize, XmlError> {
        let mut bindings = Vec::new();
        let mut lang = None;
        for (name, value) in attributes {
            if *name == "xmlns" {
                bindings.push((String::new(), declare("", value)?));
            } else if let Some(prefix) = name.strip_prefix("xmlns:") {
                super::lex::split_name(prefix)?;
                bindings.push((prefix.to_owned(), declare(prefix, value)?));
            } else if *name == "xml:lang" {
                lang = Some(value.clone());
            }
        }
        if bindings.is_empty() && lang.is_none() {
            return Ok(parent);
        }
        self.0.push(Scope { parent: Some(parent), bindings, lang });
        Ok(self.0.len() - 1)
    }

    fn up(&self, from: usize) -> impl Iterator<Item = &Scope> {
        std::iter::successors(self.0.get(from), |scope| scope.parent.and_then(|parent| self.0.get(parent)))
    }

    /// The namespace that a prefix stands for; the empty prefix may stand for none.
    pub(super) fn resolve(&self, scope: usize, prefix: &str) -> Result<Cow<'static, str>, XmlError> {
        if prefix == "xml" {
            return Ok(Cow::Borrowed(XML));
        }
        let bound = self.up(scope).flat_map(|s| &s.bindings).find(|(p, _)| p == prefix);
        match bound {
            Some((_, namespace)) => Ok(namespace.clone()),
            None if prefix.is_empty() => Ok(Cow::Borrowed("")),
            None => Err(XmlError::UnboundPrefix(prefix.chars().take(40).collect())),
        }
    }

    /// How many prefixes are declared around a scope.
    pub(super) fn count(&self, scope: usize) -> usize {
        self.up(scope).map(|s| s.bindings.len()).sum()
    }

    /// What is declared around an element and not on it: prefixes with their namespaces, each once.
    pub(super) fn inherited(&self, outer: usize, inner: usize) -> Vec<(&str, &str)> {
        let own = self.own(outer, inner);
        let mut found: Vec<(&str, &str)> = Vec::new();
        for (prefix, namespace) in self.up(outer).flat_map(|s| &s.bindings) {
            let hidden = own.is_some_and(|s| s.bindings.iter().any(|(p, _)| p == prefix));
            if !hidden && !found.iter().any(|(p, _)| p == prefix) {
                found.push((prefix, namespace));
            }
        }
        found
    }

    /// The language that an element is in by what stands around it, unless it names its own.
    pub(super) fn inherited_lang(&self, outer: usize, inner: usize) -> Option<&str> {
        if self.own(outer, inner).is_some_and(|s| s.lang.is_some()) {
            return None;
        }
        self.up(outer).find_map(|s| s.lang.as_deref())
    }

    fn own(&self, outer: usize, inner: usize) -> Option<&Scope> {
        if inner == outer { None } else { self.0.get(inner) }
    }
}

fn declare(prefix: &str, namespace: &str) -> Result<Cow<'static, str>, XmlError> {
    let wrong = match (prefix, namespace) {
        ("xml", XML) => false,
        ("xml" | "xmlns", _) | (_, XML | XMLNS) => true,
        (prefix, namespace) => !prefix.is_empty() && namespace.is_empty(),
    };
    if wrong {
        return Err(XmlError::Malformed("a namespace declaration that XML does not allow"));
    }
    Ok(known_namespace(namespace).map_or_else(|| Cow::Owned(namespace.to_owned()), Cow::Borrowed))
}
