//! Looks at every request before anybody else: who is at the door, under which address they reached us, and which
//! number the visit gets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::App;
use super::body::PacedBody;
use crate::auth::Visit;
use crate::dav;

/// The answer's, and the request's if it brings a sensible one.
const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// What proxies and platforms call the same. Taken where the other one is not there, and given back to whoever sent it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ones, or such with odd characters, are replaced: they end up in logs.
const CORRELATION_CHARS_MAX: usize = 64;

/// The other end of a connection, as the listener saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether TLS ended here.
    pub encrypted: bool,
}

/// What the doorstep needs to know.
#[derive(Clone, Debug)]
pub struct Doorstep {
    app: App,
    base_url: Option<String>,
    trusted: Arc<[IpAddr]>,
}

impl Doorstep {
    /// For a server.
    #[must_use]
    pub fn new(app: &App) -> Doorstep {
        Doorstep {
            app: app.clone(),
            base_url: app.config.base_url.clone(),
            trusted: app.config.trusted_proxies.clone().into(),
        }
    }

    fn visit(&self, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Visit {
        let believed = self.trusted.contains(&peer.address);
        let address =
            if believed { forwarded_for(headers, &self.trusted).unwrap_or(peer.address) } else { peer.address };
        Visit {
            correlation_id: self.correlation_id(headers),
            address,
            base_url: self.base_url(peer, uri, headers, believed),
        }
    }

    fn correlation_id(&self, headers: &HeaderMap) -> String {
        match brought(headers, &CORRELATION).or_else(|| brought(headers, &REQUEST_ID)) {
            Some(id) => id.to_owned(),
            None => hex::encode(self.app.store().chance().bytes::<12>()),
        }
    }

    fn base_url(&self, peer: Peer, uri: &Uri, headers: &HeaderMap, believed: bool) -> String {
        if let Some(base) = &self.base_url {
            return base.clone();
        }
        let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let forwarded = |name: &'static str| text(HeaderName::from_static(name)).filter(|_| believed);
        let standard = |name| text(header::FORWARDED).filter(|_| believed).and_then(|v| forwarded_pair(v, name));
        let host = standard("host")
            .or_else(|| forwarded("x-forwarded-host"))
            .or_else(|| uri.authority().map(|a| a.as_str()))
            .or_else(|| text(header::HOST))
            .filter(|h| is_authority(h))
            .unwrap_or("localhost");
        let scheme = match standard("proto").or_else(|| forwarded("x-forwarded-proto")) {
            Some("https") => "https",
            Some(_) => "http",
            None if peer.encrypted => "https",
            None => "http",
        };
        format!("{scheme}://{host}")
    }
}

/// The id that a request brings under this name, if it is a sensible one.
fn brought<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let id = headers.get(name)?.to_str().ok()?;
    ((1..=CORRELATION_CHARS_MAX).contains(&id.len()) && id.chars().all(sane)).then_some(id)
}

/// What is wrong with the host of a request (RFC 9112 §3.2, RFC 9113 §8.3.1). A request for two hosts is read one way by
/// a proxy and another way here.
fn host_fault(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?").trim());
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Some("a request has one Host"),
        (None, None) => return (version == Version::HTTP_11).then_some("an HTTP/1.1 request has a Host"),
        (Some(host), None) => host,
    };
    let others = uri.authority().filter(|_| version >= Version::HTTP_2);
    match others {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Some("Host and :authority differ"),
        _ if host.is_empty() || is_authority(host) => None,
        _ => Some("the Host is a name or address, with a port or without"),
    }
}

/// What the nearest proxy says in `Forwarded` (RFC 7239 §4): the last element is its own.
fn forwarded_pair<'a>(value: &'a str, wanted: &str) -> Option<&'a str> {
    value.rsplit(',').next()?.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim_matches('"'))
    })
}

/// Host and port, and nothing that would turn a link into something else.
fn is_authority(host: &str) -> bool {
    !host.is_empty() && host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

/// The last address in the chain that is not a proxy of ours: what stands before it anybody can have made up.
fn forwarded_for(headers: &HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let values = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let standard: Vec<String> = values("forwarded")
        .iter()
        .filter_map(|element| {
            element.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case("for").then(|| value.trim_matches('"').to_owned())
            })
        })
        .collect();
    let chain = if standard.is_empty() { values("x-forwarded-for") } else { standard };
    chain.iter().rev().filter_map(|text| address_of(text)).find(|address| !trusted.contains(address))
}

/// An address with or without port and brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()))
        .or_else(|| text.strip_prefix('[').and_then(|t| t.split(']').next()).and_then(|t| t.parse().ok()))
}

/// Which face a path belongs to, for metrics and logs; never the path itself, which may hold a feed's secret.
fn face(method: &Method, path: &str) -> &'static str {
    if dav::wants(method, path) {
        return "caldav";
    }
    match path.trim_start_matches('/').split('/').next() {
        Some("api") if path.starts_with("/api/ics/") => "feed",
        Some("api") => "api",
        Some("metrics" | "healthz" | "readyz") => "ops",
        _ => "web",
    }
}

/// Methods by name; what a client made up counts as one.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 16] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "PROPPATCH",
        "REPORT",
        "MKCALENDAR",
        "MKCOL",
        "MOVE",
        "COPY",
        "LOCK",
        "ACL",
    ];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Around every answer: the request gets its [`Visit`] and a body with a deadline, every answer its correlation id, and
/// both are counted.
#[expect(clippy::disallowed_methods, reason = "the latency of an answer is measured, not decided by")]
pub async fn greet<F>(doorstep: &Doorstep, mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let began = Instant::now();
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.unwrap_or(Peer { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), encrypted: false });
    let visit = doorstep.visit(peer, request.uri(), request.headers());
    let (face, method) = (face(request.method(), request.uri().path()), method_name(request.method()));
    let correlation_id = visit.correlation_id.clone();
    let request_id = brought(request.headers(), &REQUEST_ID).and_then(|id| HeaderValue::from_str(id).ok());
    request.extensions_mut().insert(visit);
    let request = request.map(|body| Body::new(PacedBody::around(body)));
    // Whatever is logged on the way carries the visit's number.
    let span = tracing::info_span!("request", correlation_id);
    let mut response = match host_fault(request.version(), request.uri(), request.headers()) {
        Some(fault) => (StatusCode::BAD_REQUEST, format!("{fault}\n")).into_response(),
        None => next(request).instrument(span).await,
    };
    if let Ok(value) = HeaderValue::from_str(&correlation_id) {
        response.headers_mut().insert(CORRELATION, value);
    }
    if let Some(value) = request_id {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, took) = (response.status().as_u16(), began.elapsed());
    doorstep.app.metrics.request_answered(face, method, status, took);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::warn!(correlation_id, face, method, status, took_ms, "answered");
    } else {
        tracing::debug!(correlation_id, face, method, status, took_ms, "answered");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_what_our_own_proxies_added_is_believed() {
        let proxy: IpAddr = "10.0.0.1".parse().expect("an address");
        let chain = headers(&[("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.1")]);
        assert_eq!(forwarded_for(&chain, &[proxy]), "192.0.2.7".parse().ok());
        let standard = headers(&[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https")]);
        assert_eq!(forwarded_for(&standard, &[proxy]), "2001:db8::1".parse().ok());
        assert_eq!(forwarded_for(&headers(&[("x-forwarded-for", "unknown")]), &[proxy]), None);
    }

    #[test]
    fn the_nearest_proxy_says_how_it_was_reached() {
        let value = "for=6.6.6.6;host=evil.example, for=192.0.2.7;Host=\"cal.example:8443\";proto=https";
        assert_eq!(forwarded_pair(value, "host"), Some("cal.example:8443"));
        assert_eq!(forwarded_pair(value, "proto"), Some("https"));
        assert_eq!(forwarded_pair("for=192.0.2.7", "host"), None);
    }

    #[test]
    fn a_host_that_is_no_host_makes_no_link() {
        assert!(is_authority("cal.example:8443") && is_authority("[::1]:80"));
        assert!(!is_authority("evil.example/<script>") && !is_authority(""));
    }

    #[test]
    fn an_id_that_could_spoil_a_log_is_not_taken() {
        for (id, taken) in [
            ("a-B_1.2", true),
            (&*"x".repeat(64), true),
            (&*"x".repeat(65), false),
            ("", false),
            ("a b", false),
            ("a;b", false),
        ] {
            assert_eq!(brought(&headers(&[("x-request-id", id)]), &REQUEST_ID), taken.then_some(id));
        }
    }

    #[test]
    fn a_request_is_for_one_host() {
        let (path, whole) = (Uri::from_static("/dav/"), Uri::from_static("https://cal.example/dav/"));
        let (one, none) = (headers(&[("host", "cal.example:8443")]), headers(&[]));
        let mut two = one.clone();
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        for (version, uri, headers, is_fine) in [
            (Version::HTTP_11, &path, &one, true),
            (Version::HTTP_11, &path, &none, false),
            (Version::HTTP_11, &path, &two, false),
            (Version::HTTP_11, &path, &headers(&[("host", "a/b")]), false),
            (Version::HTTP_11, &path, &headers(&[("host", "")]), true),
            (Version::HTTP_10, &path, &none, true),
            (Version::HTTP_10, &path, &two, false),
            // A proxy's request in absolute form: the Host does not count (RFC 9112 §3.2.2).
            (Version::HTTP_11, &whole, &one, true),
            (Version::HTTP_2, &whole, &none, true),
            (Version::HTTP_2, &whole, &headers(&[("host", "CAL.example")]), true),
            (Version::HTTP_2, &whole, &one, false),
        ] {
            assert_eq!(host_fault(version, uri, headers).is_none(), is_fine, "{version:?} {uri} {headers:?}");
        }
    }

    #[test]
    fn secrets_in_paths_never_become_labels() {
        let propfind = Method::from_bytes(b"PROPFIND").expect("a method");
        assert_eq!(face(&Method::GET, "/api/ics/SECRET.ics"), "feed");
        assert_eq!(face(&Method::GET, "/dav/calendars/ada/"), "caldav");
        assert_eq!(face(&propfind, "/"), "caldav");
        assert_eq!(face(&Method::GET, "/anything/else"), "web");
    }
}
