//! What requests bring: filters, pages, a body that may be left out. A page says where the next one begins, as the path
//! to ask for.

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use jiff::ToSpan;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::api::appointments::reader_zone;
use crate::api::extract::{Body, is_id};
use crate::api::problem::Problem;
use crate::api::times::Given;
use crate::auth::Gate;
use crate::domain::access::Caller;
use crate::domain::ids::UserId;
use crate::domain::sync::Provider;
use crate::domain::time::Instant;
use crate::store::ReadTx;

/// Items on a page.
pub const PAGE: u32 = 100;
/// Of the mark in a cursor: enough that nobody makes one up.
const MARK_BYTES: usize = 8;
/// The longest word of a filter.
const WORD_CHARS_MAX: usize = 200;

/// How many items a page has.
pub fn limit(given: Option<u32>) -> Result<u32, Problem> {
    match given.unwrap_or(PAGE) {
        limit @ 1..=PAGE => Ok(limit),
        _ => Err(Problem::value("limit", format!("between 1 and {PAGE}"))),
    }
}

/// Where a page begins: behind the item that our own mark in the cursor is about, whether that is still there or not. Any
/// other cursor is refused, also one of another list or firm.
pub fn cursor<'a>(
    gate: &Gate,
    caller: &Caller,
    path: &str,
    given: Option<&'a str>,
) -> Result<Option<&'a str>, Problem> {
    let Some(text) = given else { return Ok(None) };
    // The mark is no secret to guess: nothing is reached behind it that is not reached without.
    let own = text.split_once('.').filter(|(place, mark)| *mark == mark_of(gate, caller, path, place));
    own.map(|(place, _)| Some(place)).ok_or_else(|| Problem::value("cursor", "take it from `next` of the page before"))
}

fn mark_of(gate: &Gate, caller: &Caller, path: &str, place: &str) -> String {
    let hash = gate.store.hash("page", &format!("{} {path} {place}", caller.firm));
    hash.iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// A word to filter by.
pub fn word(field: &str, given: Option<String>) -> Result<Option<String>, Problem> {
    match given {
        Some(text) if text.is_empty() || text.chars().count() > WORD_CHARS_MAX => {
            Err(Problem::value(field, format!("between 1 and {WORD_CHARS_MAX} characters")))
        }
        other => Ok(other),
    }
}

/// One of some words.
pub fn one_of<T>(
    field: &str,
    given: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    words: &str,
) -> Result<Option<T>, Problem> {
    given.map(|text| parse(text).ok_or_else(|| Problem::value(field, words))).transpose()
}

/// A provider to filter by.
pub fn provider(given: Option<&str>) -> Result<Option<Provider>, Problem> {
    one_of("provider", given, Provider::of_user, "google, microsoft (or outlook), apple, caldav or ics")
}

/// From when until when: dates of the reader's zone, the last one included, or times.
pub async fn range(
    tx: &mut ReadTx,
    caller: &Caller,
    (start, end): (Option<&str>, Option<&str>),
) -> Result<(Option<Instant>, Option<Instant>), Problem> {
    if start.is_none() && end.is_none() {
        return Ok((None, None));
    }
    let zone = reader_zone(tx, caller).await?;
    let from = start.map(|text| Given::parse("start_date", text)).transpose()?.map(|given| given.instant(&zone));
    let until = match end.map(|text| Given::parse("end_date", text)).transpose()? {
        Some(Given::Date(day)) => Some(Given::Date(day.saturating_add(1.day())).instant(&zone)),
        Some(given) => Some(given.instant(&zone)),
        None => None,
    };
    match (from, until) {
        (Some(from), Some(until)) if from >= until => Err(Problem::value("end_date", "it must be after start_date")),
        range => Ok(range),
    }
}

/// A user of the firm by id or name; nobody of that name has nothing.
pub async fn user(tx: &mut ReadTx, caller: &Caller, given: Option<&str>) -> Result<Option<UserId>, Problem> {
    let Some(text) = given else { return Ok(None) };
    if is_id(text) {
        return Ok(Some(UserId::from_text(text)));
    }
    let found = tx.user_in_firm(&caller.firm, text).await?;
    Ok(Some(found.map_or_else(|| UserId::from_text(""), |user| user.id)))
}

/// Cuts a page out of rows of which one more was asked for than it has; where the next one goes on, if there is one.
pub fn cut<R>(rows: &mut Vec<R>, limit: u32, place: impl Fn(&R) -> String) -> Option<String> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    rows.last().filter(|_| more).map(place)
}

/// The path of the page after one: the same question, as it was asked, going on after `after`.
pub fn next(gate: &Gate, caller: &Caller, path: &str, asked: Option<&str>, after: Option<&str>) -> Option<String> {
    let after = after?;
    Some(next_path(path, asked, &format!("{after}.{}", mark_of(gate, caller, path, after))))
}

fn next_path(path: &str, asked: Option<&str>, cursor: &str) -> String {
    let asked = url::form_urlencoded::parse(asked.unwrap_or_default().as_bytes());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(asked.filter(|(name, _)| name != "cursor"));
    query.append_pair("cursor", cursor);
    format!("{path}?{}", query.finish())
}

/// A switch in a query: also on where it is named without a value.
pub fn switch<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match String::deserialize(from)?.as_str() {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(D::Error::custom("true or false")),
    }
}

/// The body of an operation that takes none: nothing, or an empty object.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

/// A JSON object of the shape `T`, or no body at all.
pub struct PerhapsBody<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Gate> for PerhapsBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gate: &Gate) -> Result<PerhapsBody<T>, Problem> {
        if request.body().is_end_stream() {
            return Ok(PerhapsBody(T::default()));
        }
        Ok(PerhapsBody(Body::from_request(request, gate).await?.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let asked = Some("text=a%26b+c&cursor=old&limit=2");
        assert_eq!(next_path("/x/", asked, "new"), "/x/?text=a%26b+c&limit=2&cursor=new");
        assert_eq!(next_path("/x/", None, "new"), "/x/?cursor=new");
    }

    #[test]
    fn a_page_ends_where_another_begins() {
        let place = |row: &i32| row.to_string();
        let mut rows = vec![1, 2, 3];
        assert_eq!((cut(&mut rows, 2, place), rows), (Some("2".to_owned()), vec![1, 2]));
        let mut rows = vec![1, 2];
        assert_eq!((cut(&mut rows, 2, place), rows), (None, vec![1, 2]));
    }
}
