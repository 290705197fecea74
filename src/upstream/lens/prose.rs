//! Descriptions: a provider's may be HTML, and ours may carry the guests as text at their end.

use crate::ics::text::clean;

/// Begins the guests in a description.
const GUESTS_BEGIN: &str = "--- Guests ---";
/// Ends them.
const GUESTS_END: &str = "--- End of guests ---";

/// Elements that the providers' editors write. Text with none of them is plain, whatever brackets are in it.
const ELEMENTS: [&str; 33] = [
    "a",
    "b",
    "blockquote",
    "body",
    "br",
    "code",
    "div",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "hr",
    "html",
    "html-blob",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "table",
    "tr",
    "u",
    "ul",
];
/// Elements that end a line.
const BLOCKS: [&str; 11] = ["blockquote", "div", "h1", "h2", "h3", "h4", "hr", "li", "p", "table", "tr"];
/// The longest entity that is read.
const ENTITY_MAX: usize = 12;

/// A tag at the beginning of `text`: its name in lower case, whether it closes, and what follows it.
fn tag(text: &str) -> Option<(String, bool, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return comment.split_once("-->").map(|(_, after)| (String::new(), false, after));
    }
    let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |rest| (true, rest));
    let name_end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '-')?;
    let (name, rest) = inner.split_at(name_end);
    if !rest.starts_with(['>', '/', ' ', '\n', '\t', '\r']) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let (_, after) = rest.split_once('>')?;
    ELEMENTS.contains(&name.as_str()).then_some((name, closes, after))
}

/// Whether a description is HTML.
pub(in crate::upstream) fn is_html(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| text.get(at..).and_then(tag).is_some())
}

/// A description as plain text.
pub(in crate::upstream) fn plain(text: &str) -> String {
    if is_html(text) { clean(&strip(text)).into_owned() } else { clean(text).into_owned() }
}

fn strip(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    // A block's line ends where more text comes, not at the very end.
    let mut line_ended = false;
    let mut rest = html;
    let mut hidden: Option<String> = None;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((name, closes, after)) = tag(rest)
        {
            rest = after;
            match (name.as_str(), closes) {
                ("style" | "head", false) => hidden = Some(name),
                _ if closes && hidden.as_ref() == Some(&name) => hidden = None,
                _ if hidden.is_some() => {}
                ("br", _) => {
                    flush(&mut out, &mut line_ended);
                    out.push('\n');
                }
                ("li", false) => {
                    line_ended |= !out.is_empty() && !out.ends_with('\n');
                    flush(&mut out, &mut line_ended);
                    out.push_str("- ");
                }
                (name, closes) if BLOCKS.contains(&name) => {
                    line_ended |= if closes { !out.is_empty() } else { !out.is_empty() && !out.ends_with('\n') };
                }
                _ => {}
            }
            continue;
        }
        let (written, after) = if c == '&' { entity(rest) } else { (Some(c), rest.get(c.len_utf8()..).unwrap_or("")) };
        rest = after;
        if hidden.is_none()
            && let Some(c) = written
        {
            flush(&mut out, &mut line_ended);
            out.push(c);
        }
    }
    out
}

fn flush(out: &mut String, line_ended: &mut bool) {
    if std::mem::take(line_ended) {
        out.push('\n');
    }
}

/// The character of an entity at the beginning of `text`, and what follows; the ampersand itself where it is none.
fn entity(text: &str) -> (Option<char>, &str) {
    let itself = (Some('&'), text.get(1..).unwrap_or(""));
    let Some(end) = text.bytes().take(ENTITY_MAX).position(|b| b == b';') else { return itself };
    let (Some(name), Some(after)) = (text.get(1..end), text.get(end + 1..)) else { return itself };
    let found = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => name.strip_prefix('#').and_then(|number| {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            };
            code.and_then(char::from_u32)
        }),
    };
    if found.is_some() { (found, after) } else { itself }
}

/// Plain text as a provider takes it: text that would be read as HTML is written as HTML that says it.
pub(in crate::upstream) fn written(text: &str) -> String {
    if !is_html(text) {
        return text.to_owned();
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<span>{escaped}</span>")
}

/// Plain text without the guests in it, and the guests.
pub(in crate::upstream) fn without_guests(text: &str) -> (String, Vec<String>) {
    let (mut rest, mut guests) = (text.to_owned(), Vec::new());
    while let Some((before, block, after)) = block(&rest) {
        guests.extend(block.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        rest = match (before.trim_end_matches('\n'), after.trim_start_matches('\n')) {
            (before, "") => before.to_owned(),
            ("", after) => after.to_owned(),
            (before, after) => format!("{before}\n{after}"),
        };
    }
    (rest, guests)
}

/// What stands before, in and after the first block: the first end that has a beginning, from the last one before it.
fn block(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices(GUESTS_END).find_map(|(end, _)| {
        let (before, block) = text.get(..end)?.rsplit_once(GUESTS_BEGIN)?;
        Some((before, block, text.get(end + GUESTS_END.len()..)?))
    })
}

/// Plain text with the guests at its end.
pub(in crate::upstream) fn with_guests(text: &str, guests: &[String]) -> String {
    if guests.is_empty() {
        return text.to_owned();
    }
    let gap = if text.is_empty() { "" } else { "\n\n" };
    format!("{text}{gap}{GUESTS_BEGIN}\n{}\n{GUESTS_END}", guests.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_text() {
        for (html, text) in [
            ("plain", "plain"),
            ("R&amp;D stays as written", "R&amp;D stays as written"),
            ("a < b > c <- d", "a < b > c <- d"),
            ("see <https://example.org>", "see <https://example.org>"),
            ("a<br>b<BR/>c<br />d", "a\nb\nc\nd"),
            ("<p>one</p><p>two</p>", "one\ntwo"),
            ("<ul><li>one</li><li>two</li></ul>end", "- one\n- two\nend"),
            ("<b>R&amp;D</b> &lt;x&gt; &#39;q&#x27; &nbsp;&unknown; & &", "R&D <x> 'q'  &unknown; & &"),
            ("<style>p { color: red }</style><i>x</i>", "x"),
            ("<!-- hidden --><b>x</b>", "x"),
            ("<a href=\"https://example.org\">here</a>", "here"),
            ("<b unclosed", "<b unclosed"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn guests_stand_apart_and_are_found_again() {
        let guests = ["Ada <ada@example.org>".to_owned(), "bob@example.org".to_owned()];
        let text = with_guests("Notes\n", &guests);
        assert_eq!(text, "Notes\n\n\n--- Guests ---\nAda <ada@example.org>\nbob@example.org\n--- End of guests ---");
        assert_eq!(with_guests("x", &[]), "x");
        let (rest, found) = without_guests(&format!("{}\nadded below", with_guests("Notes", &guests)));
        assert_eq!((rest.as_str(), found.as_slice()), ("Notes\nadded below", guests.as_slice()));
        assert_eq!(without_guests("--- Guests --- only half"), ("--- Guests --- only half".to_owned(), vec![]));
    }

    proptest! {
        #[test]
        fn text_survives_being_written(text in "(<b>|</p>|&amp;|&|<|>|\n|--- Guests ---|[a-zé ]){0,12}") {
            prop_assert_eq!(plain(&written(&text)), text);
        }

        #[test]
        fn guests_are_taken_out_for_good(text in "(--- Guests ---|--- End of guests ---|\n|x){0,8}") {
            let (rest, _) = without_guests(&text);
            prop_assert_eq!(without_guests(&rest).0, rest.clone());
            let guests = ["bob@example.org".to_owned()];
            if !rest.ends_with('\n') {
                prop_assert_eq!(without_guests(&with_guests(&rest, &guests)), (rest, guests.to_vec()));
            }
        }

        #[test]
        fn any_description_is_read(text in any::<String>()) {
            let once = plain(&text);
            prop_assert!(once.len() <= text.len() + 2 * text.matches('<').count());
        }
    }
}
