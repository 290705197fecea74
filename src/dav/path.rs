//! Paths: which resource a path means, and the one true path of a resource. Read from the raw path, since a decoded
//! one no longer tells a slash from `%2F`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::ids::{BadName, ResourceName, Slug, UserName};
use crate::xml::{Writer, names};

/// Where the tree of CalDAV begins.
pub const ROOT: &str = "/dav/";

/// What may stand unescaped in a segment: the unreserved characters of RFC 3986, and `@`, which clients leave alone
/// in names made of mail addresses.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The longest path that is looked at: four segments of 255 bytes, each byte escaped, are shorter.
const PATH_BYTES_MAX: usize = 4_096;

/// What a path can mean. That it exists is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A path outside of `/dav/` where clients look for a way in, as it was asked for.
    Entry(String),
    /// `/dav/`
    Root,
    /// `/dav/principals/`
    Principals,
    /// `/dav/principals/{user}/`
    Principal(UserName),
    /// `/dav/calendars/`
    Calendars,
    /// `/dav/calendars/{user}/`
    Home(UserName),
    /// `/dav/calendars/{user}/{calendar}/`
    Calendar(UserName, Slug),
    /// `/dav/calendars/{user}/{calendar}/{name}`
    Object(UserName, Slug, ResourceName),
}

/// The kinds of resources, for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`Resource::Entry`].
    Entry,
    /// See [`Resource::Root`].
    Root,
    /// See [`Resource::Principals`].
    Principals,
    /// See [`Resource::Principal`].
    Principal,
    /// See [`Resource::Calendars`].
    Calendars,
    /// See [`Resource::Home`].
    Home,
    /// See [`Resource::Calendar`].
    Calendar,
    /// See [`Resource::Object`].
    Object,
}

impl Resource {
    /// What a raw, percent-encoded path means; `None`: nothing here can have it. Double slashes count as one, a slash
    /// at the end neither makes nor breaks a resource.
    #[must_use]
    pub fn parse(path: &str) -> Option<Resource> {
        if path.len() > PATH_BYTES_MAX {
            return None;
        }
        let path = path.strip_prefix('/')?;
        let segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["dav"] => Some(Resource::Root),
            ["dav", "principals"] => Some(Resource::Principals),
            ["dav", "principals", user] => Some(Resource::Principal(UserName::parse(user).ok()?)),
            ["dav", "calendars"] => Some(Resource::Calendars),
            ["dav", "calendars", user] => Some(Resource::Home(UserName::parse(user).ok()?)),
            ["dav", "calendars", user, slug] => {
                Some(Resource::Calendar(UserName::parse(user).ok()?, Slug::parse(slug).ok()?))
            }
            ["dav", "calendars", user, slug, name] => Some(Resource::Object(
                UserName::parse(user).ok()?,
                Slug::parse(slug).ok()?,
                ResourceName::parse(name).ok()?,
            )),
            // Where Apple's programs look, in the order in which they look (macOS 10.9 to 26, iOS 5 to 18); fixtures
            // apple-macos/04 to 09.
            [] | ["principals"] | ["principals", "users", _] | ["caldav", "v2"] | ["calendar", "dav", _, "user"] => {
                Some(Resource::Entry(format!("/{path}")))
            }
            _ => None,
        }
    }

    /// The path under which everybody names it: collections end in a slash.
    #[must_use]
    pub fn href(&self) -> String {
        match self {
            Resource::Entry(path) => path.clone(),
            Resource::Root => ROOT.to_owned(),
            Resource::Principals => format!("{ROOT}principals/"),
            Resource::Principal(user) => format!("{ROOT}principals/{}/", segment(user.as_str())),
            Resource::Calendars => format!("{ROOT}calendars/"),
            Resource::Home(user) => format!("{ROOT}calendars/{}/", segment(user.as_str())),
            Resource::Calendar(user, slug) => calendar_href(user, slug),
            Resource::Object(user, slug, name) => format!("{}{}", calendar_href(user, slug), segment(name.as_str())),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Entry(_) => Kind::Entry,
            Resource::Root => Kind::Root,
            Resource::Principals => Kind::Principals,
            Resource::Principal(_) => Kind::Principal,
            Resource::Calendars => Kind::Calendars,
            Resource::Home(_) => Kind::Home,
            Resource::Calendar(..) => Kind::Calendar,
            Resource::Object(..) => Kind::Object,
        }
    }

    /// Whose it is, where it is somebody's.
    #[must_use]
    pub fn owner(&self) -> Option<&UserName> {
        match self {
            Resource::Entry(_) | Resource::Root | Resource::Principals | Resource::Calendars => None,
            Resource::Principal(user)
            | Resource::Home(user)
            | Resource::Calendar(user, _)
            | Resource::Object(user, _, _) => Some(user),
        }
    }
}

/// Why nothing can be kept under a path, although it is one of a calendar or an object by its place.
#[must_use]
pub fn unkeepable(path: &str) -> Option<Unkeepable> {
    if path.len() > PATH_BYTES_MAX {
        return Some(Unkeepable::TooLong);
    }
    let (parent, last) = path.trim_end_matches('/').rsplit_once('/')?;
    let name = decode(last);
    let refused = |bad: Option<BadName>| bad.map(|bad| bad.to_string());
    let why = match (Resource::parse(parent)?, &name) {
        (Resource::Home(_) | Resource::Calendar(..), None) => Some("a name is UTF-8, and neither . nor ..".to_owned()),
        (Resource::Home(_), Some(name)) => refused(Slug::parse(name).err()),
        (Resource::Calendar(..), Some(name)) => refused(ResourceName::parse(name).err()),
        _ => None,
    };
    why.map(Unkeepable::Name)
}

/// See [`unkeepable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unkeepable {
    /// The path is longer than any that is looked at.
    TooLong,
    /// The last name in it is none, and why.
    Name(String),
}

/// The path of a calendar, to which the escaped names of its objects are appended.
#[must_use]
pub fn calendar_href(owner: &UserName, slug: &Slug) -> String {
    format!("{ROOT}calendars/{}/{}/", segment(owner.as_str()), segment(slug.as_str()))
}

/// A path on its way into an answer: written piece by piece, since a listing has thousands.
#[derive(Clone, Copy, Debug)]
pub struct Href<'a> {
    base: &'a str,
    object: Option<&'a ResourceName>,
}

impl<'a> Href<'a> {
    /// A path that is there as text.
    #[must_use]
    pub fn of(path: &'a str) -> Href<'a> {
        Href { base: path, object: None }
    }

    /// The path of an object in the calendar with this path.
    #[must_use]
    pub fn in_calendar(calendar: &'a str, object: &'a ResourceName) -> Href<'a> {
        Href { base: calendar, object: Some(object) }
    }

    /// Writes the `DAV:href`.
    pub fn write(self, writer: &mut Writer) {
        writer.open(&names::HREF);
        writer.text(self.base);
        // Escaped like this, nothing in it needs to be escaped for XML.
        self.object.into_iter().flat_map(|name| segment(name.as_str())).for_each(|piece| writer.kept(piece));
        writer.close(&names::HREF);
    }
}

/// A name as a path segment.
pub fn segment(name: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(name, ESCAPED)
}

/// A decoded segment; `None` for what would leave the tree or is not UTF-8.
fn decode(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    (text != "." && text != "..").then(|| text.into_owned())
}

/// Where an href points that is not on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere;

/// The raw path in an href: `Destination`, or `DAV:href` in a body. It may be a path or a whole URI; a URI counts as
/// ours if its authority is one of `ours`.
///
/// # Errors
/// It names another host. `Ok(None)`: it is no href at all.
pub fn path_of_href(href: &str, ours: &[&str]) -> Result<Option<String>, Elsewhere> {
    let href = href.trim();
    let without_fragment = href.split(['?', '#']).next().unwrap_or_default();
    if without_fragment.starts_with('/') && !without_fragment.starts_with("//") {
        return Ok(Some(without_fragment.to_owned()));
    }
    // RFC 3986 4.2 takes `//x` for a host, clients that join paths carelessly mean a path.
    let Some((scheme, rest)) = without_fragment.split_once("://") else {
        let doubled = without_fragment.starts_with("//").then(|| without_fragment.to_owned());
        return Ok(doubled);
    };
    if !["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
        return Ok(None);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if !ours.iter().any(|our| without_default_port(our).eq_ignore_ascii_case(without_default_port(host))) {
        return Err(Elsewhere);
    }
    Ok(Some(if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}

fn without_default_port(authority: &str) -> &str {
    authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80")).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    #[test]
    fn every_spelling_of_a_path_is_one_resource() {
        let object = Resource::Object(
            user("ada@example.org"),
            Slug::parse("wörk").unwrap(),
            ResourceName::parse("a b.ics").unwrap(),
        );
        for path in [
            "/dav/calendars/ada@example.org/w%C3%B6rk/a%20b.ics",
            "/dav/calendars/ada%40example.org/w%c3%b6rk/a%20b%2eics",
            "//dav//calendars/ada@example%2Eorg/w%C3%B6rk//a%20b.ics/",
        ] {
            assert_eq!(Resource::parse(path).as_ref(), Some(&object), "{path}");
        }
        assert_eq!(object.href(), "/dav/calendars/ada@example.org/w%C3%B6rk/a%20b.ics");
        assert_eq!(Resource::parse(&object.href()), Some(object));
    }

    #[test]
    fn a_path_cannot_leave_its_place() {
        for path in [
            "",
            "dav/",
            "/dav/../etc",
            "/dav/calendars/ada/%2e%2e/bob",
            "/dav/calendars/ada/work/%2e",
            "/dav/calendars/ada/work/a%2Fb",
            "/dav/calendars/ada/work/a%00b",
            "/dav/calendars/ada/work/%ff",
            "/dav/calendars/ada/work/a/b",
            "/dav/calendars/ada/inbox/",
            "/dav/calendars/a:b/",
            "/dav/else/",
            "/DAV/",
            "/principals/users/",
            &format!("/dav/{}", "x".repeat(5_000)),
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_kept_has_a_reason() {
        for (path, why) in [
            (format!("/dav/calendars/ada/work/{}", "x".repeat(300)), "255 bytes"),
            ("/dav/calendars/ada/work/a%2Fb".to_owned(), "no slash"),
            ("/dav/calendars/ada/work/a%00b".to_owned(), "control character"),
            ("/dav/calendars/ada/work/%ff".to_owned(), "UTF-8"),
            ("/dav/calendars/ada/inbox/".to_owned(), "reserved"),
        ] {
            let Some(Unkeepable::Name(found)) = unkeepable(&path) else { panic!("{path}") };
            assert!(found.contains(why), "{path}: {found}");
        }
        assert_eq!(unkeepable(&format!("/dav/calendars/ada/work/{}", "x".repeat(5_000))), Some(Unkeepable::TooLong));
        for path in ["/dav/calendars/ada/work/x.ics", "/dav/calendars/ada/work/a/b", "/dav/else", "", "/"] {
            assert_eq!(unkeepable(path), None, "{path}");
        }
    }

    #[test]
    fn collections_end_in_a_slash() {
        for path in ["/dav", "/dav/principals", "/dav/principals/ada", "/dav/calendars", "/dav/calendars/ada/x"] {
            assert_eq!(Resource::parse(path).unwrap().href(), format!("{path}/"));
        }
    }

    #[test]
    fn an_href_is_ours_or_elsewhere() {
        let ours = ["cal.example", "127.0.0.1:8080"];
        for (href, path) in [
            ("/dav/x", Some("/dav/x")),
            (" //dav//x ", Some("//dav//x")),
            ("http://CAL.example/dav/x?y#z", Some("/dav/x")),
            ("https://cal.example:443/dav/x", Some("/dav/x")),
            ("http://u:p@127.0.0.1:8080/dav/x", Some("/dav/x")),
            ("http://cal.example", Some("/")),
            ("ftp://cal.example/x", None),
            ("dav/x", None),
            ("", None),
        ] {
            assert_eq!(path_of_href(href, &ours), Ok(path.map(str::to_owned)), "{href}");
        }
        assert_eq!(path_of_href("http://cal.example.evil/dav/", &ours), Err(Elsewhere));
        assert_eq!(path_of_href("http://cal.example@evil/dav/", &ours), Err(Elsewhere));
    }
}
