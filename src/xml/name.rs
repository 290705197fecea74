//! A qualified name: what a prefix and a local name mean together.

use std::borrow::Cow;
use std::fmt;

/// A namespace and a local name. Names are equal if both are; prefixes do not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    namespace: Cow<'static, str>,
    local: Cow<'static, str>,
}

impl Name {
    /// A name that is known when the program is built.
    #[must_use]
    pub const fn new(namespace: &'static str, local: &'static str) -> Name {
        Name { namespace: Cow::Borrowed(namespace), local: Cow::Borrowed(local) }
    }

    /// A name from elsewhere. An empty namespace means none.
    #[must_use]
    pub fn owned(namespace: impl Into<Cow<'static, str>>, local: impl Into<String>) -> Name {
        Name { namespace: namespace.into(), local: Cow::Owned(local.into()) }
    }

    /// The namespace; empty for none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The local name.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}{}", self.namespace, self.local)
    }
}
