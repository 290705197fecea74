//! Which method may be used on which kind of resource. The one table: `Allow`, 405 and the handlers come from it.

use super::path::Kind;

/// A method that some resource here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 9110
    Options,
    /// RFC 9110
    Get,
    /// RFC 9110
    Head,
    /// RFC 5995
    Post,
    /// RFC 9110
    Put,
    /// RFC 9110
    Delete,
    /// RFC 4918
    Propfind,
    /// RFC 4918
    Proppatch,
    /// RFC 4791
    Mkcalendar,
    /// RFC 4918, RFC 5689
    Mkcol,
    /// RFC 4918
    Copy,
    /// RFC 4918
    Move,
    /// RFC 3253
    Report,
}

use Method as M;

/// What each kind of resource answers to.
const TABLE: [(Kind, &[Method]); 8] = [
    (Kind::Entry, &[M::Options, M::Propfind, M::Report]),
    (Kind::Root, &[M::Options, M::Get, M::Head, M::Propfind, M::Report]),
    (Kind::Principals, &[M::Options, M::Get, M::Head, M::Propfind, M::Report]),
    (Kind::Principal, &[M::Options, M::Get, M::Head, M::Propfind, M::Proppatch, M::Report]),
    (Kind::Calendars, &[M::Options, M::Get, M::Head, M::Propfind, M::Report]),
    (Kind::Home, &[M::Options, M::Get, M::Head, M::Propfind, M::Proppatch, M::Report]),
    (
        Kind::Calendar,
        &[
            M::Options,
            M::Get,
            M::Head,
            M::Post,
            M::Delete,
            M::Propfind,
            M::Proppatch,
            M::Mkcalendar,
            M::Mkcol,
            M::Copy,
            M::Move,
            M::Report,
        ],
    ),
    (
        Kind::Object,
        &[M::Options, M::Get, M::Head, M::Put, M::Delete, M::Propfind, M::Proppatch, M::Copy, M::Move, M::Report],
    ),
];

const NAMES: [(Method, &str); 13] = [
    (M::Options, "OPTIONS"),
    (M::Get, "GET"),
    (M::Head, "HEAD"),
    (M::Post, "POST"),
    (M::Put, "PUT"),
    (M::Delete, "DELETE"),
    (M::Propfind, "PROPFIND"),
    (M::Proppatch, "PROPPATCH"),
    (M::Mkcalendar, "MKCALENDAR"),
    (M::Mkcol, "MKCOL"),
    (M::Copy, "COPY"),
    (M::Move, "MOVE"),
    (M::Report, "REPORT"),
];

impl Method {
    /// The method of that name; methods have case (RFC 9110 §9.1).
    #[must_use]
    pub fn parse(name: &str) -> Option<Method> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(method, _)| *method)
    }

    /// Whether resources of that kind know it.
    #[must_use]
    pub fn is_for(self, kind: Kind) -> bool {
        methods(kind).contains(&self)
    }
}

fn methods(kind: Kind) -> &'static [Method] {
    TABLE.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, methods)| methods)
}

/// The `Allow` header of a kind of resource.
#[must_use]
pub fn allow(kind: Kind) -> String {
    let names = methods(kind).iter().filter_map(|m| NAMES.iter().find(|(known, _)| known == m));
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_never_replaced_by_put() {
        for (kind, methods) in TABLE {
            assert!(methods.contains(&M::Options), "{kind:?}");
            assert_eq!(methods.contains(&M::Put), kind == Kind::Object, "{kind:?}");
            assert_eq!(methods.contains(&M::Post), kind == Kind::Calendar, "{kind:?}");
        }
        assert_eq!(allow(Kind::Entry), "OPTIONS, PROPFIND, REPORT");
    }

    #[test]
    fn methods_are_known_by_their_names() {
        for (method, name) in NAMES {
            assert_eq!(Method::parse(name), Some(method));
        }
        for unknown in ["propfind", "LOCK", "PATCH", ""] {
            assert_eq!(Method::parse(unknown), None);
        }
    }
}
