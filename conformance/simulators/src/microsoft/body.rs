//! Bodies: kept as HTML, wrapped as the service wraps them, and read out as text.

use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::html::escape;

const HEAD: &str =
    "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>\r\n";
const TAIL: &str = "\r\n</body></html>";
const PREVIEW_MAX: usize = 255;

/// What is kept of an itemBody: HTML, empty for an empty one.
pub(crate) fn read(value: &Value) -> Result<String, Refusal> {
    let content = match value.get("content") {
        None | Some(Value::Null) => "",
        Some(Value::String(content)) => content,
        Some(_) => return Err(Refusal::body("Cannot convert a value to target type 'Edm.String'.")),
    };
    match value.get("contentType").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        None | Some("text") => Ok(from_text(content)),
        Some("html") => Ok(from_html(content)),
        Some(other) => Err(Refusal::body(format!("Requested value '{other}' was not found."))),
    }
}

/// The itemBody.
pub(crate) fn write(html: &str, as_text: bool) -> Value {
    if as_text {
        json!({ "contentType": "text", "content": text(html) })
    } else {
        json!({ "contentType": "html", "content": html })
    }
}

/// The first characters, on one line.
pub(crate) fn preview(html: &str) -> String {
    let text = text(html);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(PREVIEW_MAX).collect()
}

fn from_text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let lines: Vec<String> =
        text.replace("\r\n", "\n").split('\n').map(|line| escape(line).replace("&#39;", "'")).collect();
    format!("{HEAD}<div class=\"PlainText\">{}</div>{TAIL}", lines.join("<br>\r\n"))
}

/// The service parses HTML and writes it anew: one frame around what is within the body, no scripts.
fn from_html(html: &str) -> String {
    if html.is_empty() {
        return String::new();
    }
    let inner = between(html, "<body", "</body>").unwrap_or(html);
    let mut clean = String::new();
    let mut rest = inner;
    while let Some(at) = find(rest, "<script") {
        clean.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at..).unwrap_or_default();
        rest = find(after, "</script>").and_then(|end| after.get(end + 9..)).unwrap_or_default();
    }
    clean.push_str(rest);
    format!("{HEAD}{}{TAIL}", clean.trim_matches(['\r', '\n']))
}

/// The position of an ASCII text, whatever its case.
fn find(text: &str, wanted: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(wanted)
}

fn between<'a>(html: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let after = html.get(find(html, open)?..)?;
    let inner = after.get(after.find('>')? + 1..)?;
    inner.get(..find(inner, close).unwrap_or(inner.len()))
}

/// HTML as text: tags go, breaks and blocks end lines, a last line end closes it.
pub(crate) fn text(html: &str) -> String {
    if html.is_empty() {
        return String::new();
    }
    let inner = between(html, "<body", "</body>").unwrap_or(html);
    let mut out = String::new();
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(&words(before));
        let Some((tag, tail)) = after.split_once('>') else {
            rest = "";
            break;
        };
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        let ends = tag.starts_with('/') && matches!(name.as_str(), "p" | "div" | "tr" | "li" | "h1" | "h2" | "h3");
        if name == "br" || ends {
            out.push('\n');
        }
        rest = tail;
    }
    out.push_str(&words(rest));
    let text = out.trim_end_matches('\n').replace('\n', "\r\n");
    format!("{text}\r\n")
}

/// Text between tags: line ends are blanks or nothing, entities are characters.
fn words(text: &str) -> String {
    let flat = text.replace("\r\n", "\n");
    let flat = flat.trim_matches('\n').replace('\n', " ");
    let mut out = String::new();
    let mut rest = flat.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        match entity.and_then(|(name, tail)| character(name).map(|c| (c, tail))) {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(kind: &str, content: &str) -> String {
        read(&json!({ "contentType": kind, "content": content })).unwrap()
    }

    #[test]
    fn text_comes_back_wrapped_and_as_text_with_a_line_end_more() {
        let html = stored("text", "a < b\nd & \"e\"");
        assert!(html.starts_with("<html><head>") && html.contains("a &lt; b<br>\r\nd &amp; &quot;e&quot;"), "{html}");
        assert_eq!(text(&html), "a < b\r\nd & \"e\"\r\n");
        assert_eq!(preview(&html), "a < b d & \"e\"");
        assert_eq!(write(&html, true)["contentType"], "text");
    }

    #[test]
    fn html_is_wrapped_once_and_loses_its_scripts() {
        let html = stored("html", "<p>One</p><SCRIPT>alert(1)</script><p>T&eacute;&#x41;&nbsp;</p>");
        assert!(!html.contains("alert"));
        assert_eq!(stored("HTML", &html), html);
        assert_eq!(text(&html), "One\r\nT&eacute;A\u{a0}\r\n");
    }

    #[test]
    fn nothing_stays_nothing_and_nonsense_is_refused() {
        assert_eq!(stored("text", ""), "");
        assert_eq!(text(""), "");
        assert!(read(&json!({ "contentType": "markdown", "content": "x" })).is_err());
        assert!(read(&json!({ "content": 7 })).is_err());
        assert_eq!(text("<body>a<b"), "a\r\n");
    }
}
