//! What the pages of all providers share.

use http::{HeaderMap, header};

const STYLE: &str = "
body{font:16px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e;background:#fff}
a{color:#0b57d0}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #e3e3e6;vertical-align:top}
th{color:#5f6368;font-weight:500}.dim{color:#5f6368}.gone{text-decoration:line-through;color:#5f6368}
form.box{border:1px solid #dadce0;border-radius:8px;padding:1rem;display:grid;gap:.7rem;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr))}
form.box label{display:grid;gap:.2rem;font-size:.85rem;color:#5f6368}form.box .wide{grid-column:1/-1}
input,select,textarea,button{font:inherit;padding:.35rem .5rem;box-sizing:border-box;max-width:100%}
form.box label>*{width:100%;min-width:0}form.box input[type=checkbox]{width:auto;justify-self:start}
button{border:1px solid #dadce0;border-radius:6px;background:#f6f8fc;cursor:pointer}button.main{background:#0b57d0;color:#fff;border-color:#0b57d0}
.note{background:#fde7e9;border-radius:6px;padding:.6rem .9rem}
@media(prefers-color-scheme:dark){body{background:#161618;color:#e8e8ea}a{color:#8ab4f8}td,th,form.box,button{border-color:#3c4043}
button{background:#28292c;color:inherit}.note{background:#5c1a1f}input,select,textarea{background:#202124;color:inherit;border:1px solid #3c4043}}";

/// A whole page.
pub(crate) fn frame(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title}</h1>{body}</html>"
    )
}

/// Whether a form comes from this server's own page: one of another site does not act here.
pub(crate) fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, rest)| rest == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// Text within HTML, attributes included.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
