//! Why a body is refused: a sentence for the person who wrote the client.

/// Why bytes are not taken as XML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Nothing but white space; what that means is the method's business.
    #[error("the body is empty")]
    Empty,
    /// Larger than the caller allows.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// More of something than anybody needs.
    #[error("the body has {what} beyond the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not UTF-8, or said to be something else.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// A character that XML does not have.
    #[error("the body holds the character U+{:04X}", u32::from(*.0))]
    BadCharacter(char),
    /// A document type, or an entity that only a document type could define.
    #[error("document types and entities are not read")]
    DocumentType,
    /// A prefix that is bound to no namespace.
    #[error("the prefix {0:?} is bound to no namespace")]
    UnboundPrefix(String),
    /// Not well-formed.
    #[error("the body is not well-formed XML: {0}")]
    Malformed(&'static str),
    /// Not well-formed, in the parser's words.
    #[error("the body is not well-formed XML: {0}")]
    Syntax(String),
}
