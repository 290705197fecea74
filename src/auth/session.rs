//! The browser session's cookie.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// The cookie's name. The prefix makes browsers refuse it from a parent domain or an unencrypted page; without TLS
/// (on loopback, or behind a proxy that ends it badly) the plain name is used.
pub const SESSION_COOKIE: &str = "__Host-kalends";
const PLAIN_COOKIE: &str = "kalends";

/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: i64 = 14 * 24 * 3_600;

/// Reading and writing the cookie.
#[derive(Clone, Copy, Debug)]
pub struct SessionCookie;

impl SessionCookie {
    /// The secret in a request's cookies.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<String> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == SESSION_COOKIE || *name == PLAIN_COOKIE)
            .map(|(_, value)| value.to_owned())
    }

    /// The `Set-Cookie` that begins a session reached under `base_url`.
    #[must_use]
    pub fn begin(secret: &str, base_url: &str) -> String {
        Self::line(secret, SESSION_SECONDS, base_url)
    }

    /// The `Set-Cookie` that ends it.
    #[must_use]
    pub fn end(base_url: &str) -> String {
        Self::line("", 0, base_url)
    }

    fn line(value: &str, seconds: i64, base_url: &str) -> String {
        let secure = base_url.starts_with("https://");
        let (name, flag) = if secure { (SESSION_COOKIE, "; Secure") } else { (PLAIN_COOKIE, "") };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{flag}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "a=b; kalends=secret; c=d".parse().expect("a header"));
        assert_eq!(SessionCookie::read(&headers).as_deref(), Some("secret"));
        headers.insert(COOKIE, "kalendsx=secret".parse().expect("a header"));
        assert_eq!(SessionCookie::read(&headers), None);
    }

    #[test]
    fn under_tls_the_cookie_is_bound_to_the_host() {
        assert!(SessionCookie::begin("s", "https://cal.example").starts_with("__Host-kalends=s; Path=/;"));
        assert!(SessionCookie::begin("s", "https://cal.example").contains("; Secure"));
        assert!(!SessionCookie::begin("s", "http://127.0.0.1:1").contains("Secure"));
        assert!(SessionCookie::end("http://x").contains("Max-Age=0"));
    }
}
