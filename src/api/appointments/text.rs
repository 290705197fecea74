//! Words and texts: what may stand in one, and how long it may be.

use crate::api::problem::Problem;
use crate::ics::text::is_forbidden;

/// The longest title.
const TITLE_CHARS_MAX: usize = 1_000;
/// The longest notes: some thirty pages.
const NOTES_CHARS_MAX: usize = 100_000;
/// The longest place or address of a page.
const PLACE_CHARS_MAX: usize = 2_000;
/// The longest category.
const CATEGORY_CHARS_MAX: usize = 100;
/// Most categories.
const CATEGORIES_MAX: usize = 50;

/// What a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    chars_max: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Line,
    Lines,
    Url,
}

impl Limit {
    /// A title.
    pub const LINE: Limit = Limit { chars_max: TITLE_CHARS_MAX, kind: Kind::Line };
    /// Notes.
    pub const TEXT: Limit = Limit { chars_max: NOTES_CHARS_MAX, kind: Kind::Lines };
    /// A place, in lines as an address has them.
    pub const PLACE: Limit = Limit { chars_max: PLACE_CHARS_MAX, kind: Kind::Lines };
    /// The address of a page.
    pub const URL: Limit = Limit { chars_max: PLACE_CHARS_MAX, kind: Kind::Url };
}

/// Puts what was given. What is there already is not judged again, whoever wrote it.
///
/// # Errors
/// It is too long, or has characters that no calendar can carry.
pub fn put(
    place: &mut Option<String>,
    given: Option<Option<String>>,
    field: &str,
    limit: Limit,
) -> Result<(), Problem> {
    let Some(given) = given else { return Ok(()) };
    let given = given.map(|text| text.replace("\r\n", "\n"));
    if given != *place {
        if let Some(text) = &given {
            check(field, text, limit)?;
        }
        *place = given;
    }
    Ok(())
}

fn check(field: &str, text: &str, limit: Limit) -> Result<(), Problem> {
    if text.chars().count() > limit.chars_max {
        return Err(Problem::value(field, format!("at most {} characters", limit.chars_max)));
    }
    let is_line = limit.kind != Kind::Lines;
    if text.chars().any(|c| is_forbidden(c) && (is_line || c != '\n')) {
        return Err(Problem::value(field, "it has control characters or line breaks that cannot stand there"));
    }
    if limit.kind == Kind::Url && (url::Url::parse(text).is_err() || text.contains(char::is_whitespace)) {
        return Err(Problem::value(field, "this is not an absolute URL"));
    }
    Ok(())
}

/// Checks a name, an id or a short word: something, without control characters.
///
/// # Errors
/// It is empty or too long, or has control characters.
pub fn check_word(field: &str, word: &str, chars_max: usize) -> Result<(), Problem> {
    if word.trim().is_empty() {
        return Err(Problem::value(field, "it is empty"));
    }
    if word.chars().count() > chars_max {
        return Err(Problem::value(field, format!("at most {chars_max} characters")));
    }
    if word.chars().any(is_forbidden) {
        return Err(Problem::value(field, "it has control characters"));
    }
    Ok(())
}

/// Categories: trimmed, each once.
///
/// # Errors
/// There are too many, or one is no word.
pub fn words(field: &str, words: Vec<String>) -> Result<Vec<String>, Problem> {
    super::input::check_count(field, words.len(), CATEGORIES_MAX)?;
    let mut kept: Vec<String> = Vec::new();
    for (at, word) in words.into_iter().enumerate() {
        check_word(&format!("{field}[{at}]"), &word, CATEGORY_CHARS_MAX)?;
        let word = word.trim().to_owned();
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    Ok(kept)
}
