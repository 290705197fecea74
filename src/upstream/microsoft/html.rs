//! Bodies: HTML as Graph keeps it, and plain text.

use serde_json::{Value, json};

use super::super::lens::prose;

/// Elements between which the ends of lines are nothing.
const BLOCKS: [&str; 25] = [
    "blockquote",
    "body",
    "br",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "hr",
    "html",
    "li",
    "meta",
    "ol",
    "p",
    "pre",
    "style",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];

/// A body as a description: HTML without what is no content, or plain text.
pub(super) fn read(body: Option<&Value>) -> String {
    let part = |name: &str| body.and_then(|body| body.get(name)).and_then(Value::as_str).unwrap_or_default();
    let content = part("content");
    if !part("contentType").eq_ignore_ascii_case("html") {
        return prose::written(&content.replace("\r\n", "\n"));
    }
    let html = tidied(content);
    if html.is_empty() || prose::is_html(&html) { html } else { format!("<span>{html}</span>") }
}

/// A description as a body.
pub(super) fn written(description: &str) -> Value {
    if prose::is_html(description) {
        json!({ "contentType": "html", "content": description.replace('\n', "<br>\n") })
    } else {
        json!({ "contentType": "text", "content": description })
    }
}

/// The name of the tag that begins here, and what follows the tag.
fn tag(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return Some((String::new(), comment.split_once("-->").map_or("", |(_, after)| after)));
    }
    let name = inner.strip_prefix(['/', '!', '?']).unwrap_or(inner);
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(())?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | ':')).unwrap_or(name.len());
    let (_, after) = inner.split_once('>')?;
    Some((name.get(..end)?.to_ascii_lowercase(), after))
}

/// HTML in which an end of a line is a space, or nothing between elements that end lines themselves, and whose elements
/// are those that mean something in a description.
fn tidied(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let (mut space, mut after_block, mut verbatim) = (String::new(), true, false);
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = tag(rest) {
            let whole = rest.get(..rest.len() - after.len()).unwrap_or_default();
            let block = BLOCKS.contains(&name.as_str());
            settle(&mut out, &mut space, after_block, block);
            if name == "pre" {
                verbatim = !whole.starts_with("</");
            }
            if prose::is_html(whole) {
                out.push_str(whole);
            }
            after_block |= block;
            rest = after;
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c.is_ascii_whitespace() && !verbatim {
            space.push(c);
        } else if c != '\r' {
            settle(&mut out, &mut space, after_block, false);
            after_block = false;
            out.push(c);
        }
    }
    out
}

/// What white space between two things comes to.
fn settle(out: &mut String, space: &mut String, after_block: bool, before_block: bool) {
    let breaks = space.contains(['\n', '\r']);
    match (after_block, before_block) {
        (true, true) => {}
        (true, false) | (false, true) if breaks => {}
        (false, false) if breaks => out.push(' '),
        _ => out.push_str(space),
    }
    space.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Outlook makes of plain text.
    fn wrapped(text: &str) -> String {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>\r\n");
        format!(
            "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n\
             <body>\r\n<div class=\"PlainText\">{escaped}</div>\r\n</body>\r\n</html>\r\n"
        )
    }

    fn html(content: &str) -> String {
        prose::plain(&read(Some(&json!({ "contentType": "html", "content": content }))))
    }

    #[test]
    fn what_outlook_writes_around_a_text_is_no_text() {
        assert_eq!(html(&wrapped("one\ntwo & <three>")), "one\ntwo & <three>");
        assert_eq!(html("<html><body><p class=\"MsoNormal\">a<o:p></o:p></p>\r\n<p>b</p></body></html>"), "a\nb");
        assert_eq!(html("R&amp;D"), "R&D");
        assert_eq!(html("<b>bold</b>\r\n<i>thin</i>"), "bold thin");
        assert_eq!(html("<div>a</div> <div>b  c</div>\r\n"), "a\nb  c");
        assert_eq!(html("<table><tbody><tr><td>x</td></tr></tbody></table>"), "x");
        assert_eq!(html(""), "");
        assert_eq!(html("a < b"), "a < b");
    }

    #[test]
    fn a_text_does_not_grow_in_twenty_rounds() {
        let first = "Bring the notes.\n\n--- Guests ---\nAda <ada@example.org>\n--- End of guests ---";
        let mut text = first.to_owned();
        for _ in 0..20 {
            let body = written(&prose::written(&text));
            let content = body["content"].as_str().expect("text");
            let kept = if body["contentType"] == "html" { content.to_owned() } else { wrapped(content) };
            text = html(&kept);
        }
        assert_eq!(text, first);
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "[a-z<>&;é]( ?[a-z<>&;é]|\n{1,2}[a-z<>&;é]){0,12}") {
            let body = written(&prose::written(&text));
            let content = body["content"].as_str().expect("text");
            let kept = if body["contentType"] == "html" { content.to_owned() } else { wrapped(content) };
            prop_assert_eq!(html(&kept), text);
        }

        #[test]
        fn any_html_is_read(text in any::<String>()) {
            let _ = html(&text);
        }
    }
}
