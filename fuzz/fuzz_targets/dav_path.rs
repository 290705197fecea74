//! Paths, names and tokens as clients send them.
#![no_main]

use axum::http::Method;
use kalends::domain::calendar::SyncToken;
use kalends::domain::ids::{ResourceName, Slug, UserName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for method in ["PROPFIND", "OPTIONS", "GET", "MAKE"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let _ = kalends::dav::wants(&method, text);
    }
    if let Ok(name) = ResourceName::parse(text) {
        assert_eq!(name.as_str(), text);
        assert!(!text.contains('/') && text != "." && text != "..", "a name that is a path");
    }
    if let Ok(slug) = Slug::parse(text) {
        assert!(!slug.as_str().contains('/') && slug.as_str() != "..");
    }
    if let Ok(name) = UserName::parse(text) {
        assert!(!name.as_str().contains('/') && !name.as_str().contains(':'));
    }
    let made = ResourceName::for_uid(text);
    assert_eq!(ResourceName::parse(made.as_str()).as_ref(), Ok(&made), "a name made of a UID is a name");
    if let Some(token) = SyncToken::parse(text) {
        assert_eq!(SyncToken::parse(&token.to_uri()), Some(token));
    }
});
