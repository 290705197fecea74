//! What a handler is given: the caller, the body, the query, the id, the demands. Refused here, it never reaches one.

use axum::RequestPartsExt;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::problem::{Code, Problem};
use crate::auth::{Gate, Visit, came_too_slowly};
use crate::domain::access::{Caller, Credential, Right, Scope};
use crate::domain::change::{Cause, Via};

/// The largest body: an appointment with all the notes it may have fits ten times over.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Who asks, and under which circumstances. No scope is asked for.
pub struct Visitor {
    /// The user and the credential.
    pub caller: Caller,
    /// The request.
    pub visit: Visit,
    /// What is kept with a change that this request makes.
    pub cause: Cause,
}

/// A visitor who may see and change appointments: whoever signs in, and tokens with the scope `appointments`.
pub struct Who(pub Visitor);

/// One who may also manage the account: as [`Who`], but not with an app password. A device's secret that is lost must
/// not have made others that outlive it.
pub struct Holder(pub Visitor);

impl FromRequestParts<Gate> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Visitor, Problem> {
        let visit = parts.extensions.get::<Visit>().cloned().ok_or_else(Problem::internal)?;
        let caller = gate.any(&parts.headers, &visit).await?;
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_safe && caller.most == Right::Read {
            return Err(Problem::new(Code::ReadOnly, "this app password may only read"));
        }
        if !is_safe && matches!(caller.credential, Credential::Session(_)) && is_cross_site(&parts.headers, &visit) {
            return Err(Problem::new(Code::CrossSite, "a browser may change things from this site's own pages only"));
        }
        let cause = visit.cause(Via::Api, &caller, &parts.headers);
        Ok(Visitor { caller, visit, cause })
    }
}

impl FromRequestParts<Gate> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Who, Problem> {
        let visitor = Visitor::from_request_parts(parts, gate).await?;
        if visitor.caller.has_scope(Scope::Appointments) {
            Ok(Who(visitor))
        } else {
            Err(Problem::new(Code::ScopeMissing, "this needs a token with the scope appointments"))
        }
    }
}

impl FromRequestParts<Gate> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Holder, Problem> {
        let Who(visitor) = Who::from_request_parts(parts, gate).await?;
        match visitor.caller.credential {
            Credential::AppPassword(_) => {
                Err(Problem::new(Code::AccountOnly, "sign in with your own password or a token for this"))
            }
            _ => Ok(Holder(visitor)),
        }
    }
}

/// As [`Holder`], for what concerns syncing: whoever signs in with their own credentials, and tokens with the scope `sync`.
pub struct Syncer(pub Visitor);

impl FromRequestParts<Gate> for Syncer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Syncer, Problem> {
        let visitor = Visitor::from_request_parts(parts, gate).await?;
        if !visitor.caller.has_scope(Scope::Sync) {
            return Err(Problem::new(Code::ScopeMissing, "this needs a token with the scope sync"));
        }
        match visitor.caller.credential {
            Credential::AppPassword(_) => {
                Err(Problem::new(Code::AccountOnly, "sign in with your own password or a token for this"))
            }
            _ => Ok(Syncer(visitor)),
        }
    }
}

/// Whether a browser says that another site sends this. SameSite=Lax keeps the cookie away from those already; this
/// also holds for other subdomains of the same site.
fn is_cross_site(headers: &HeaderMap, visit: &Visit) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin != visit.base_url,
        (None, None) => false,
    }
}

/// A JSON object of the shape `T`, and the hash of the request it is.
pub struct Body<T> {
    /// What it says.
    pub value: T,
    /// Of method, path and bytes: the same request has the same.
    pub hash: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<Gate> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Gate) -> Result<Body<T>, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Problem::new(Code::NotJson, "send application/json").at("content-type"));
        }
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
            return Err(too_large());
        }
        let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
            let source = std::error::Error::source(&error);
            match source.is_some_and(|s| s.is::<http_body_util::LengthLimitError>()) {
                true => too_large(),
                false if came_too_slowly(&error) => Problem::new(Code::TooSlow, "the body came too slowly"),
                false => Problem::new(Code::BadJson, "the body ended too early"),
            }
        })?;
        let mut hash = Sha256::new();
        for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Ok(Body { value: from_json(&bytes)?, hash: hash.finalize().into() })
    }
}

fn too_large() -> Problem {
    Problem::new(Code::TooLarge, format!("a body has at most {BODY_BYTES_MAX} bytes"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn from_json<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        // An array would be taken for the fields in their order.
        return Err(Problem::new(Code::BadJson, "the body must be a JSON object"));
    }
    if has_nul(bytes) {
        return Err(Problem::new(Code::BadValue, "the character U+0000 cannot be kept"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => said_by_serde(&path, &inner.to_string()),
            // A word is wanted and something else is there: serde_json takes that for a fault of the text.
            serde_json::error::Category::Syntax if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() => {
                said_by_serde(&path, "a word is expected here")
            }
            _ => Problem::new(Code::BadJson, format!("this is not JSON: {inner}")),
        }
    })?;
    json.end().map_err(|error| Problem::new(Code::BadJson, format!("this is not one JSON object: {error}")))?;
    Ok(value)
}

/// Whether a JSON text spells U+0000, which PostgreSQL keeps in no text.
fn has_nul(json: &[u8]) -> bool {
    const NUL: &[u8] = b"\\u0000";
    json.windows(NUL.len()).enumerate().any(|(at, window)| {
        let before = json.get(..at).unwrap_or_default().iter().rev().take_while(|b| **b == b'\\').count();
        window == NUL && before % 2 == 0
    })
}

/// What serde says about a value, with the field it says it about.
fn said_by_serde(path: &str, message: &str) -> Problem {
    let sentence = message.split(" at line ").next().unwrap_or(message).to_owned();
    let named = |prefix: &str| message.strip_prefix(prefix)?.split('`').next();
    let below = |name: &str| match path {
        "." | "?" => name.to_owned(),
        // The path may or may not reach down to the field itself.
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    if let Some(name) = named("unknown field `") {
        return Problem::new(Code::UnknownField, sentence).at(&below(name));
    }
    if let Some(name) = named("missing field `") {
        return Problem::new(Code::MissingField, sentence).at(&below(name));
    }
    if let Some(name) = named("duplicate field `") {
        return Problem::new(Code::BadValue, sentence).at(&below(name));
    }
    match path {
        "." | "?" => Problem::new(Code::BadValue, sentence),
        path => Problem::value(path, sentence),
    }
}

/// The query, of the shape `T`; what `T` does not name is refused.
pub struct Query<T>(pub T);

/// The query of an operation that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<T: DeserializeOwned> FromRequestParts<Gate> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gate) -> Result<Query<T>, Problem> {
        from_query(parts.uri.query().unwrap_or_default()).map(Query)
    }
}

fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = || url::form_urlencoded::parse(query.as_bytes());
    if let Some((name, _)) = pairs().find(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(Problem::value(&name.replace('\0', ""), "the character U+0000 is in no value"));
    }
    let given = serde_urlencoded::Deserializer::new(pairs());
    serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string();
        said_by_serde(&path, &error.into_inner().to_string())
    })
}

/// The id in the path, in the form that our ids have; with any other there is nothing.
pub struct Id(pub String);

impl FromRequestParts<Gate> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gate) -> Result<Id, Problem> {
        let Path(id) = parts.extract::<Path<String>>().await.map_err(|_| Problem::not_found())?;
        is_id(&id).then_some(Id(id)).ok_or_else(Problem::not_found)
    }
}

/// The id and the number of a version in the path.
pub struct IdAndNumber(pub String, pub i64);

impl FromRequestParts<Gate> for IdAndNumber {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gate) -> Result<IdAndNumber, Problem> {
        let Path((id, number)) = parts.extract::<Path<(String, String)>>().await.map_err(|_| Problem::not_found())?;
        match number.parse() {
            Ok(number) if is_id(&id) => Ok(IdAndNumber(id, number)),
            _ => Err(Problem::not_found()),
        }
    }
}

/// Whether a text has the form of one of our ids: a hyphenated UUID in lower case.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() && !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// `If-Match` and `If-None-Match` against the tags of this API (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    if_match: Option<Vec<String>>,
    if_none_match: Option<Vec<String>>,
}

impl Demands {
    /// Whether `If-Match` allows a change of what has this tag.
    ///
    /// # Errors
    /// [`Code::PreconditionFailed`].
    pub fn allow(&self, tag: &str) -> Result<(), Problem> {
        match &self.if_match {
            Some(tags) if !tags.iter().any(|t| t == "*" || t == tag) => {
                Err(Problem::new(Code::PreconditionFailed, format!("its present state is {tag}")).at("if-match"))
            }
            _ => Ok(()),
        }
    }

    /// Whether `If-Match` allows to make what is not there.
    ///
    /// # Errors
    /// [`Code::PreconditionFailed`].
    pub fn allow_absent(&self) -> Result<(), Problem> {
        match &self.if_match {
            Some(_) => Err(Problem::new(Code::PreconditionFailed, "it is deleted, so it has no state").at("if-match")),
            None => Ok(()),
        }
    }

    /// Whether the client has this state already.
    #[must_use]
    pub fn has(&self, tag: &str) -> bool {
        let weak = |t: &String| t.strip_prefix("W/").unwrap_or(t) == tag || t == "*";
        self.if_none_match.as_ref().is_some_and(|tags| tags.iter().any(weak))
    }
}

impl FromRequestParts<Gate> for Demands {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gate) -> Result<Demands, Problem> {
        let list = |name: header::HeaderName| -> Result<Option<Vec<String>>, Problem> {
            if !parts.headers.contains_key(&name) {
                return Ok(None);
            }
            let mut tags = Vec::new();
            for value in parts.headers.get_all(&name) {
                let bad = || Problem::new(Code::BadHeader, "a list of quoted tags, or *").at(name.as_str());
                tags.extend(tags_of(value.to_str().map_err(|_| bad())?).ok_or_else(bad)?);
            }
            Ok(Some(tags))
        };
        Ok(Demands { if_match: list(header::IF_MATCH)?, if_none_match: list(header::IF_NONE_MATCH)? })
    }
}

/// The tags of a list, with their quotes.
fn tags_of(list: &str) -> Option<Vec<String>> {
    let mut rest = list.trim();
    let mut tags = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('*') {
            tags.push("*".to_owned());
            rest = after;
        } else {
            let quote = if rest.starts_with("W/\"") { 3 } else { 1 };
            rest.get(..quote)?.ends_with('"').then_some(())?;
            let end = rest.get(quote..)?.find('"')? + quote + 1;
            tags.push(rest.get(..end)?.to_owned());
            rest = rest.get(end..)?;
        }
        rest = rest.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
        #[serde(default)]
        count: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
    }

    fn refused(json: &str) -> (Code, String) {
        let problem = from_json::<Outer>(&Bytes::from(json.to_owned())).map(|o| (o.list, o.count)).expect_err(json);
        (problem.code, problem.field.unwrap_or_default())
    }

    #[test]
    fn a_refused_body_names_the_field() {
        for (json, code, field) in [
            (r#"{"list":[],"colour":1}"#, Code::UnknownField, "colour"),
            (r#"{"list":[{"name":"a"},{"nam":"b"}]}"#, Code::UnknownField, "list[1].nam"),
            (r#"{"list":[{}]}"#, Code::MissingField, "list[0].name"),
            (r#"{}"#, Code::MissingField, "list"),
            (r#"{"list":[{"name":1}]}"#, Code::BadValue, "list[0].name"),
            (r#"{"list":[],"count":-1}"#, Code::BadValue, "count"),
            (r#"{"list":[],"list":[]}"#, Code::BadValue, "list"),
            (r#"{"list":[{"name":"\u0000"}]}"#, Code::BadValue, ""),
            ("[[],1]", Code::BadJson, ""),
            ("", Code::BadJson, ""),
            ("{", Code::BadJson, ""),
            (r#"{"list":[]} x"#, Code::BadJson, ""),
            ("{\"list\":[{\"name\":\"\u{1}\"}]}", Code::BadJson, ""),
        ] {
            assert_eq!(refused(json), (code, field.to_owned()), "{json}");
        }
        let literal = from_json::<Outer>(&Bytes::from_static(br#"{"list":[{"name":"\\u0000"}]}"#)).expect("a text");
        assert_eq!(literal.list[0].name, "\\u0000");
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        expand: Option<bool>,
    }

    #[test]
    fn a_refused_query_names_the_parameter() {
        for (query, code, field) in [
            ("limt=1", Code::UnknownField, "limt"),
            ("limit=x", Code::BadValue, "limit"),
            ("limit=99999999999999999999", Code::BadValue, "limit"),
            ("limit=1&limit=2", Code::BadValue, "limit"),
            ("expand=maybe", Code::BadValue, "expand"),
            ("limit=%00", Code::BadValue, "limit"),
        ] {
            let problem = from_query::<Filter>(query).map(|f| (f.limit, f.expand)).expect_err(query);
            assert_eq!((problem.code, problem.field.as_deref()), (code, Some(field)), "{query}");
        }
    }

    #[test]
    fn tags_are_read_as_rfc_9110_writes_them() {
        let tags = |list: &str| tags_of(list).map(|tags| tags.join(" "));
        assert_eq!(tags("\"a\", W/\"b,c\" ,\"d\"").as_deref(), Some("\"a\" W/\"b,c\" \"d\""));
        assert_eq!(tags(" * ").as_deref(), Some("*"));
        for bad in ["", "a", "\"a", "\"a\" \"b\"", "W/a", "é"] {
            assert_eq!(tags(bad), None, "{bad}");
        }
        let demands = Demands { if_match: tags_of("W/\"1\""), if_none_match: tags_of("W/\"1\"") };
        assert!(demands.allow("\"1\"").is_err() && demands.has("\"1\""), "a weak tag allows no change");
    }

    #[test]
    fn ids_are_ours_or_nothing() {
        assert!(is_id("019aa0f3-9a6e-7c2e-a3c4-111111111111"));
        for bad in [
            "",
            "x",
            "019AA0F3-9A6E-7C2E-A3C4-111111111111",
            "019aa0f39a6e7c2ea3c4111111111111",
            "../../../../../../../../../../../../..",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_session_changes_things_from_its_own_pages_only() {
        let visit = Visit {
            correlation_id: String::new(),
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            base_url: "https://cal.example".into(),
        };
        for (headers, expected) in [
            (vec![], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://cal.example")], true),
            (vec![("origin", "https://cal.example")], false),
            (vec![("origin", "null")], true),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(n, v)| (n.parse::<header::HeaderName>().expect("a name"), v.parse().expect("a value")))
                .collect();
            assert_eq!(is_cross_site(&map, &visit), expected, "{headers:?}");
        }
    }
}
