//! XML as WebDAV needs it, for both directions: the CalDAV server and the CalDAV connector. Pure.
//!
//! Job: read a body from outside within limits into a small tree of qualified names, keep an element exactly as it
//! came, and write answers. Neighbours: `dav` and `upstream::caldav` give the names meaning; this module knows no
//! method, no status and no calendar.
//!
//! | file | what |
//! | --- | --- |
//! | `name` | a qualified name |
//! | `names` | every name that is spoken here, once |
//! | `error` | why a body is refused |
//! | `lex` | what the parser crate lets pass: names, attributes, references, characters |
//! | `scope` | which prefix means which namespace where |
//! | `tree` | elements, and an element kept as it came |
//! | `reader` | [`Document::parse`] |
//! | `writer` | [`Writer`] |

mod error;
mod lex;
mod name;
pub mod names;
mod reader;
mod scope;
mod tree;
mod writer;

pub use error::XmlError;
pub use name::Name;
pub use reader::{ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, NAME_BYTES_MAX, PREFIXES_MAX};
pub use tree::{Document, Element, Node};
pub use writer::{Writer, escape_attribute, escape_text};
